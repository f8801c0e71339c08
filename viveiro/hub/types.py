"""What the hub holds, as values. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

from viveiro.hub.pickle_imports import PickleImport, Verdict
from viveiro.hub.pickles import Scan, Trouble
from viveiro.types import RepoKind, RepoRef, Resource, Visibility

Gate: TypeAlias = Literal["auto", "manual"]
"""How someone who asks for the files of a gated repo is let in: at once, or by its owner."""
FOR_TASK: Final = "task_categories:"
"""Begins the tags of a dataset that name a task."""


@dataclass(frozen=True, slots=True)
class Repo:
    """A row of the SQL index, detached. `head_sha` is main's commit, None when main is gone."""

    pk: int
    ref: RepoRef
    owner_id: int
    storage_key: str
    visibility: Visibility
    gated: Gate | None
    created_at: datetime
    last_modified: datetime
    head_sha: str | None
    downloads: int
    downloads_all_time: int
    likes: int
    trending_score: float
    card: dict[str, Any]
    config: dict[str, Any]
    safetensors: dict[str, Any] | None
    library_name: str | None
    pipeline_tag: str | None
    tags: tuple[str, ...]
    used_storage: int

    @property
    def kind(self) -> RepoKind:
        return self.ref.kind

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return str(self.ref.repo_id)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What a model does, or what a dataset's card says that it is for."""
        if self.pipeline_tag:
            return (self.pipeline_tag,)
        return tuple(tag.removeprefix(FOR_TASK) for tag in self.tags if tag.startswith(FOR_TASK))

    @property
    def resource(self) -> Resource:
        return Resource(self.owner_id, self.name, self.visibility, gated=self.gated is not None)


class AccessStatus(StrEnum):
    """Of a request for access. The value is what clients send."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Somebody's request for the files of a gated repo.

    Attributes:
        email: given by asking; None of somebody who was let in without, or who has none.
        fields: what the owner wanted to know, by the question.
        reason: why it was declined, where the owner said so.
    """

    id: str
    user_id: int
    name: str
    fullname: str
    email: str | None
    status: AccessStatus
    fields: dict[str, str]
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RepoIndex:
    """What SQL repeats of the commit that main points at, so that lists need not open any repository."""

    head_sha: str | None
    card: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    safetensors: dict[str, Any] | None = None
    parameters: int | None = None
    library_name: str | None = None
    pipeline_tag: str | None = None
    tags: tuple[str, ...] = ()


class RepoSort(StrEnum):
    """What a list is ordered by, largest or latest first. The value is what clients send as `sort`."""

    LAST_MODIFIED = "lastModified"
    TRENDING = "trendingScore"
    CREATED_AT = "createdAt"
    DOWNLOADS = "downloads"
    LIKES = "likes"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in an ordered list: the value that it is ordered by, and the repo's key where values are equal."""

    value: datetime | float
    pk: int


@dataclass(frozen=True, slots=True)
class RepoQuery:
    """Which repos a list shows. Each field narrows; `tags` are all wanted, and so is each word of `search` in the name."""

    kind: RepoKind
    tags: tuple[str, ...] = ()
    author: str | None = None
    search: str = ""
    pipeline_tag: str | None = None
    library: str | None = None
    gated: bool | None = None
    min_parameters: int | None = None
    max_parameters: int | None = None
    sort: RepoSort = RepoSort.TRENDING
    limit: int = 100
    after: Position | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether more than the kind and the viewer decides what is shown."""
        return replace(self, sort=RepoSort.TRENDING, limit=0, after=None) != RepoQuery(self.kind, limit=0)


class RepoTraits(NamedTuple):
    """What filters look at, of one repo. There are as many at a time as there are repos, hence no dataclass."""

    pk: int
    kind: str
    owner_id: int
    folded_name: str
    visibility: str
    is_gated: bool
    parameters: int | None
    pipeline_tag: str | None
    library_name: str | None
    declared: dict[str, Any]
    """What the card calls its language and the configuration its architecture: texts, lists of them, or anything."""
    tags: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `next` is where the following page begins, None at the end."""

    repos: list[Repo]
    next: Position | None


@dataclass(frozen=True, slots=True)
class Like:
    """A repo that somebody likes."""

    repo_pk: int
    ref: RepoRef
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Liker:
    """Somebody who likes a repo."""

    user_id: int
    name: str
    fullname: str


@dataclass(frozen=True, slots=True)
class LfsPointer:
    """A big file as git sees it. `oid` is the sha256 of the content, `pointer_size` the size of the text that stands for it."""

    oid: str
    size: int
    pointer_size: int


@dataclass(frozen=True, slots=True)
class LfsFile:
    """A large file somewhere in a repo's history, or uploaded to it and in no commit; `ref` is None then.

    `id` names it in requests to delete it: the pointer's blob, or the content's sha256 where there is no pointer.
    """

    id: str
    path: str
    sha256: str
    size: int
    uploaded_at: datetime
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class CommitSummary:
    """The last commit that touched a path."""

    oid: str
    title: str
    date: datetime


class SafetyStatus(StrEnum):
    """What loading a file may do, in the words of the Hub's wire."""

    SAFE = "safe"
    QUEUED = "queued"
    """A scan is on its way."""
    SUSPICIOUS = "suspicious"
    """It imports what is not known to be harmless, or could not be followed to its end."""
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class FileSafety:
    """`imports` are what unpickling the file would import; none when it is no pickle."""

    status: SafetyStatus
    imports: tuple[PickleImport, ...] = ()
    trouble: Trouble | None = None

    @classmethod
    def of(cls, scan: Scan) -> Self:
        verdicts = {found.verdict for found in scan.imports}
        if Verdict.DANGEROUS in verdicts:
            status = SafetyStatus.UNSAFE
        elif Verdict.SUSPICIOUS in verdicts or scan.trouble is not None:
            status = SafetyStatus.SUSPICIOUS
        else:
            status = SafetyStatus.SAFE
        return cls(status, scan.imports, scan.trouble)


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file or folder at a revision. `oid` is the git object's; `size` is the content's (for LFS, not the pointer's), 0 for a folder."""

    type: Literal["file", "directory"]
    path: str
    oid: str
    size: int
    lfs: LfsPointer | None = None
    last_commit: CommitSummary | None = None
    safety: FileSafety | None = None
    """Of files, where it was asked for."""


@dataclass(frozen=True, slots=True)
class GitRef:
    """`name` is `main`, `ref` is `refs/heads/main`."""

    name: str
    ref: str
    target: str


@dataclass(frozen=True, slots=True)
class Refs:
    branches: tuple[GitRef, ...]
    tags: tuple[GitRef, ...]
    pull_requests: tuple[GitRef, ...] = ()


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A ref moves, or should. None: the ref did not exist before, or does not after."""

    ref: str
    old_sha: str | None
    new_sha: str | None


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    title: str
    message: str
    """The body: what follows the title and its blank line."""
    authors: tuple[str, ...]
    date: datetime
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddFile:
    """A regular file. `content` is read once, in chunks; `size` is known only when the sender said it."""

    path: str
    content: Iterator[bytes] | bytes


@dataclass(frozen=True, slots=True)
class AddLfsFile:
    """A big file whose bytes are already stored. `size` None: looked up (a server-side copy)."""

    path: str
    oid: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Or a folder: clients that were not told which it is say so."""

    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    path: str


Operation: TypeAlias = AddFile | AddLfsFile | DeleteFile | DeleteFolder
