"""What a run is, as values. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from viveiro.errors import NotFound
from viveiro.jobs.types import JobState
from viveiro.training.description import RunDescription


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


def state_of(job_state: JobState, *, cancel_requested: bool, has_progress: bool) -> RunState:
    """The run's state, from its job's row, which is itself the fold of the job's events."""
    if job_state is not JobState.RUNNING:
        return RunState(job_state.value)
    if cancel_requested:
        return RunState.STOPPING
    return RunState.RUNNING if has_progress else RunState.PREFLIGHT
