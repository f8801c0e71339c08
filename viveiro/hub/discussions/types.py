"""Discussions, pull requests and what happens in them, as values. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from viveiro.hub.git import PULL_REQUESTS


class Status(StrEnum):
    """Of a discussion. A draft is a pull request that is not ready yet; merged is the one end without return."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


OPEN: Final = (Status.DRAFT, Status.OPEN)
ENDED: Final = (Status.CLOSED, Status.MERGED)


class EventKind(StrEnum):
    """What happened in a discussion. The value is what clients read as `type`."""

    COMMENT = "comment"
    STATUS = "status-change"
    TITLE = "title-change"
    COMMIT = "commit"


class DiscussionChange(StrEnum):
    """What listeners are told, beside the new status: `events.DiscussionChanged.change`."""

    OPENED = "opened"
    COMMENTED = "commented"
    EDITED = "edited"
    HIDDEN = "hidden"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something. `name` None: their account was deleted since."""

    id: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Discussion:
    """A discussion, or a pull request: both are counted by one number per repo, from 1 on."""

    pk: int
    repo_pk: int
    number: int
    title: str
    status: Status
    author: Person
    created_at: datetime
    updated_at: datetime
    comments: int
    """Those that are not hidden, the description included."""
    base_ref: str | None
    """The branch that a pull request would change, such as `refs/heads/main`. None for a discussion."""
    start_sha: str | None
    """The commit of that branch that the pull request began at."""
    merge_sha: str | None

    @property
    def is_pull_request(self) -> bool:
        return self.base_ref is not None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def ref(self) -> str:
        """Where a pull request's commits lie."""
        return f"{PULL_REQUESTS}{self.number}"

    @property
    def base(self) -> str:
        """The branch, by the name that people know it by."""
        return (self.base_ref or "").removeprefix("refs/heads/")


@dataclass(frozen=True, slots=True)
class DiscussionEvent:
    pk: int
    author: Person
    created_at: datetime

    @property
    def id(self) -> str:
        """24 hex digits, as clients expect ids."""
        return f"{self.pk:024x}"


@dataclass(frozen=True, slots=True)
class Version:
    """A comment as it was, until it was edited."""

    content: str
    author: Person
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Comment(DiscussionEvent):
    """Markdown. A hidden comment has neither content nor history any more."""

    content: str
    hidden: bool
    written_by: Person
    written_at: datetime
    history: tuple[Version, ...] = ()
    """What it said before each edit, oldest first."""


@dataclass(frozen=True, slots=True)
class StatusChange(DiscussionEvent):
    status: Status


@dataclass(frozen=True, slots=True)
class TitleChange(DiscussionEvent):
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class NewCommit(DiscussionEvent):
    subject: str
    oid: str


@dataclass(frozen=True, slots=True)
class DiscussionQuery:
    """Which discussions of a repo a list shows, newest first. Each word of `search` must be in the title."""

    pull_requests: bool | None = None
    statuses: tuple[Status, ...] = tuple(Status)
    author: str | None = None
    search: str = ""
    skip: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Opening:
    """What a discussion or pull request begins with."""

    title: str
    description: str
    status: Status = Status.OPEN
    base_ref: str | None = None
    start_sha: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, video or sound that was uploaded for a comment. Whoever knows the id may fetch it; nobody can guess one."""

    id: str
    sha256: str
    size: int
    content_type: str
