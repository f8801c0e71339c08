"""What happened, told from lower domains to higher ones.

An event is published inside the transaction that made it true (`jobs/outbox.py`) and delivered at least once, as one job
per listener. So a listener must not mind hearing the same event twice.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from viveiro.registry import Registry


@dataclass(frozen=True, slots=True)
class Event:
    name: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        return cls(**fields)


events: Registry[type[Event]] = Registry("event")


@events.register("revision-pushed")
@dataclass(frozen=True, slots=True)
class RevisionPushed(Event):
    """A ref of a repo moved, through the API or through git. `new_sha` is None when the ref was deleted."""

    name = "revision-pushed"

    repo_pk: int
    ref: str
    old_sha: str | None
    new_sha: str | None
    pusher_id: int | None


@events.register("repo-changed")
@dataclass(frozen=True, slots=True)
class RepoChanged(Event):
    """A repo was made, moved, deleted, or its settings changed. What it holds is told by RevisionPushed.

    It says what listeners could not look up any more: a deleted repo is gone, and a moved one has another name.
    """

    name = "repo-changed"

    repo_pk: int
    change: str
    """create, update, move or delete."""
    kind: str
    repo_id: str
    """`namespace/name`; before a move, the old one."""
    owner_id: int
    visibility: str
    actor_id: int | None
    moved_to: str | None = None


@events.register("discussion-changed")
@dataclass(frozen=True, slots=True)
class DiscussionChanged(Event):
    """Something happened in a discussion or pull request. Commits to one are told by RevisionPushed, with the ref `refs/pr/N`."""

    name = "discussion-changed"

    repo_pk: int
    number: int
    change: str
    """A `DiscussionChange`: opened, commented, edited, hidden, renamed, or the new status: draft, open, closed, merged."""
    event_id: str | None
    """Which of the discussion's events tells it (`viveiro.hub.discussions`): for `opened`, the description, where there is one."""
    actor_id: int | None


@events.register("run-finished")
@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """A training run ended, in whatever state."""

    name = "run-finished"

    run_id: str
    state: str
