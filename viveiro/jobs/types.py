"""What a job is, as values. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from viveiro.types import Json

Slots: TypeAlias = Mapping[str, int]
"""How much of each countable resource: `{"cpu": 1}` for a job, `{"cpu": 2, "gpu": 1, "thread": 4}` for a worker."""

Message: TypeAlias = Mapping[str, Any]
"""What an attempt tells its worker: `type` is progress, metrics, result, error or exit."""


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobEventType(StrEnum):
    QUEUED = "queued"
    STARTED = "started"
    PROGRESS = "progress"
    METRICS = "metrics"
    CANCEL_REQUESTED = "cancel-requested"
    REQUEUED = "requeued"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether no event can follow."""
        return self in (JobEventType.SUCCEEDED, JobEventType.FAILED, JobEventType.CANCELLED)


class Isolation(StrEnum):
    """Where a handler runs."""

    PROCESS = "process"
    """A process of its own: it may crash, leak, be killed, and log to its own file."""
    THREAD = "thread"
    """A thread of the worker: for housekeeping that takes moments. It can be asked to stop, never killed."""


class Ending(StrEnum):
    """How one attempt at a job ended."""

    RETURNED = "returned"
    FAILED = "failed"
    """By its own error. Tried again after a pause, when attempts are left."""
    LOST = "lost"
    """Its worker died. Tried again at once, when attempts are left."""
    RELEASED = "released"
    """Its worker was asked to leave. Tried again at once, and no attempt is used up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`may_retry` is False where the same arguments can only fail again."""

    ending: Ending
    result: Json = None
    error: str | None = None
    may_retry: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """A row, detached.

    `attempt` counts the starts and is the fencing number: whoever holds an older one must not publish.
    `failures` counts the starts that used up one of `max_attempts`.
    """

    id: str
    kind: str
    arguments: dict[str, Any]
    state: JobState
    priority: int
    attempt: int
    failures: int
    max_attempts: int
    cancel_requested: bool
    worker: str | None
    lease_until: datetime | None
    run_at: datetime
    slots: dict[str, int]
    progress: dict[str, Any] | None
    result: Any
    error: str | None
    owner_id: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history. `seq` counts from 1, without gaps."""

    job_id: str
    seq: int
    at: datetime
    type: JobEventType
    data: dict[str, Any]
