"""What a run is, as values. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from viveiro.errors import InvalidInput, NotFound
from viveiro.jobs.types import Job, JobState
from viveiro.training.description import RunDescription
from viveiro.types import RepoId


class RunNotFound(NotFound):
    def __init__(self, run_id: str) -> None:
        super().__init__("No run {run_id}, or it is not yours. To see yours: viveiro runs list", run_id=run_id)


class RunState(StrEnum):
    QUEUED = "queued"
    PREFLIGHT = "preflight"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Run:
    """A row with what its job says, detached. `result` is None until the run has succeeded."""

    id: str
    owner_id: int
    job_id: str
    description: RunDescription
    state: RunState
    stage: dict[str, Any] | None
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None


def state_of(job: Job) -> RunState:
    """The run's state, from the job's row, which is itself the fold of the job's events."""
    if job.state is JobState.RUNNING:
        if job.cancel_requested:
            return RunState.STOPPING
        return RunState.RUNNING if job.progress else RunState.PREFLIGHT
    return RunState(job.state.value)


@dataclass(frozen=True, slots=True)
class Revision:
    """`ORG/NAME@revision`, as people and cards name data and bases. Without one, main's head is meant."""

    repo_id: RepoId
    revision: str

    @classmethod
    def parse(cls, text: str) -> Self:
        name, _, revision = text.partition("@")
        return cls(RepoId.parse(name), revision or "main")

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.revision}"
