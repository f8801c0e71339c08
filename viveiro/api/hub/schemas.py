"""What clients send, as JSON. Names are the wire's."""

import base64
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from viveiro.hub.types import AccessStatus
from viveiro.types import RepoKind

PREUPLOAD_FILES: Final = 1000
PATHS: Final = 5000
LFS_DELETIONS: Final = 1000
FIRST_FILES: Final = 100
"""Of a new repo."""


class Schema(BaseModel):
    """Clients send more than we read; what we do not know is ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class RepoName(Schema):
    """`organization` missing: the caller's own namespace."""

    name: str
    organization: str | None = None
    kind: RepoKind = Field(RepoKind.MODEL, alias="type")


class MoveRepo(Schema):
    """Both names whole: `namespace/name`."""

    source: str = Field(alias="fromRepo")
    target: str = Field(alias="toRepo")
    kind: RepoKind = Field(RepoKind.MODEL, alias="type")


class NewRepo(Schema):
    """What may be said of a repo that is yet to be."""

    visibility: str | None = None
    private: bool | None = None
    sdk: Literal["gradio", "streamlit", "docker", "static"] | None = None
    template: str | None = None
    hardware: str | None = None
    secrets: list[Any] | None = None
    variables: list[Any] | None = None
    volumes: list[Any] | None = None
    resource_group: str | None = Field(None, alias="resourceGroupId")


class RegularFile(Schema):
    path: str
    content: str
    encoding: Literal["base64", "utf-8"] = "base64"

    @property
    def decoded(self) -> bytes:
        """ValueError when it is not base64."""
        return self.content.encode() if self.encoding == "utf-8" else base64.b64decode(self.content, validate=True)


class CreateRepo(RepoName, NewRepo):
    """What else its first commit holds, as hub.js sends it."""

    license: str | None = Field(None, max_length=100)
    files: list[RegularFile] = Field([], max_length=FIRST_FILES)


class DuplicateRepo(NewRepo):
    """`repository`: the name of the copy, whole."""

    repository: str


class RepoSettings(Schema):
    visibility: str | None = None
    private: bool | None = None
    gated: Literal["auto", "manual", False] | None = None


class AccessGrant(Schema):
    user: str = Field(min_length=1)


class AccessDecision(Schema):
    """Of a user's request, or of the one with this id."""

    status: AccessStatus
    user: str | None = None
    request_id: str | None = Field(None, alias="requestId")
    reason: str | None = Field(None, alias="rejectionReason", max_length=1000)


class ValidateYaml(Schema):
    content: str
    kind: RepoKind = Field(RepoKind.MODEL, alias="repoType")


class PreuploadFile(Schema):
    path: str
    size: int = Field(ge=0, lt=2**50)
    sample: str = ""
    """Base64 of the first 512 bytes."""


class Preupload(Schema):
    files: list[PreuploadFile] = Field(max_length=PREUPLOAD_FILES)
    gitignore: str | None = Field(None, alias="gitIgnore")
    gitattributes: str | None = Field(None, alias="gitAttributes")


class CreateBranch(Schema):
    starting_point: str | None = Field(None, alias="startingPoint")
    empty: bool = Field(False, alias="emptyBranch")
    overwrite: bool = False


class CreateTag(Schema):
    tag: str
    message: str | None = None


class Squash(Schema):
    message: str | None = None


class LfsDeletions(Schema):
    sha: list[str] = Field(max_length=LFS_DELETIONS)
    """As `fileOid` in the list of them."""
    rewrite_history: bool = Field(True, alias="rewriteHistory")


class DeleteLfsFiles(Schema):
    deletions: LfsDeletions


class CopiedContent(Schema):
    sha256: str
    filename: str = ""


class CopyLfsFiles(Schema):
    target: RepoName
    files: list[CopiedContent] = Field(max_length=LFS_DELETIONS)


class PathsInfo(Schema):
    paths: list[str] = Field(max_length=PATHS)
    expand: bool = False


class OpenDiscussion(Schema):
    title: str
    description: str = ""
    pull_request: bool = Field(False, alias="pullRequest")


class NewComment(Schema):
    comment: str


class EditComment(Schema):
    content: str


class Rename(Schema):
    title: str


class ChangeStatus(Schema):
    status: Literal["open", "closed"]
    comment: str | None = None


class MergePullRequest(Schema):
    comment: str | None = None


class CommitHeader(Schema):
    summary: str = Field(min_length=1)
    description: str = ""
    parent: str | None = Field(None, alias="parentCommit", pattern=r"^[A-Fa-f0-9]{5,40}$")


class LfsFile(Schema):
    path: str
    oid: str = Field(pattern=r"^[0-9a-f]{64}$")
    algo: Literal["sha256"] = "sha256"
    size: int | None = Field(None, ge=0)


class DeletedPath(Schema):
    path: str


class HeaderLine(Schema):
    key: Literal["header"]
    value: CommitHeader


class FileLine(Schema):
    key: Literal["file"]
    value: RegularFile


class LfsFileLine(Schema):
    key: Literal["lfsFile"]
    value: LfsFile


class DeletedFileLine(Schema):
    key: Literal["deletedFile"]
    value: DeletedPath


class DeletedFolderLine(Schema):
    key: Literal["deletedFolder"]
    value: DeletedPath


CommitLine = HeaderLine | FileLine | LfsFileLine | DeletedFileLine | DeletedFolderLine
commit_lines: Final[TypeAdapter[CommitLine]] = TypeAdapter(Annotated[CommitLine, Field(discriminator="key")])
