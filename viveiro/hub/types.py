"""What the hub holds, as values. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from viveiro.types import RepoKind, RepoRef, Resource, Visibility


@dataclass(frozen=True, slots=True)
class Repo:
    """A row of the SQL index, detached. `head_sha` is main's commit, None when main is gone."""

    pk: int
    ref: RepoRef
    owner_id: int
    storage_key: str
    visibility: Visibility
    gated: Literal["auto", "manual"] | None
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
    def resource(self) -> Resource:
        return Resource(self.owner_id, self.name, self.visibility, gated=self.gated is not None)


@dataclass(frozen=True, slots=True)
class LfsPointer:
    """A big file as git sees it. `oid` is the sha256 of the content, `pointer_size` the size of the text that stands for it."""

    oid: str
    size: int
    pointer_size: int


@dataclass(frozen=True, slots=True)
class CommitSummary:
    """The last commit that touched a path."""

    oid: str
    title: str
    date: datetime


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file or folder at a revision. `oid` is the git object's; `size` is the content's (for LFS, not the pointer's), 0 for a folder."""

    type: Literal["file", "directory"]
    path: str
    oid: str
    size: int
    lfs: LfsPointer | None = None
    last_commit: CommitSummary | None = None


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
    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    path: str


Operation: TypeAlias = AddFile | AddLfsFile | DeleteFile | DeleteFolder
