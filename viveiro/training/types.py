"""What a run is, as values. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from viveiro.errors import InvalidInput, NotFound, Unprocessable
from viveiro.jobs.types import JobState
from viveiro.training.description import RunDescription

RECORD_FILE: Final = "viveiro_run.json"
"""What a published model says of the run that made it."""
LARGEST_RECORD: Final = 8 * 2**20
"""Of a longer file only so much is read, and what is cut is no JSON: anyone may commit 20 GB under that name."""
PREFLIGHT_STAGES: Final = (None, "reading", "preflight")
"""Of a running job, before it trains: it may still be refused."""


class RunNotFound(NotFound):
    def __init__(self, run_id: str) -> None:
        super().__init__("No run {run_id}, or it is not yours. To see yours: viveiro runs list", run_id=run_id)


class NotReproducible(Unprocessable):
    """Something that the run was made of is not here, or its record does not say what that was."""


class UnfitBase(InvalidInput):
    def __init__(self, base: object, task: str, why: object) -> None:
        super().__init__(
            "{base} cannot be adapted to {task}: {why}. Choose an encoder that reads texts. To see models: viveiro models list",
            base=base,
            task=task,
            why=why,
        )


class NotEnoughMemory(Unprocessable):
    def __init__(self, needed: int, free: int) -> None:
        super().__init__(
            "This run needs about {needed} of memory, and {free} are free. Use --method frozen, a smaller --base, a smaller "
            "--set batch_size=… or --set max_length=…, or a machine with more memory.",
            needed=readable_bytes(needed),
            free=readable_bytes(free),
        )


class NotEnoughDisk(Unprocessable):
    def __init__(self, needed: int, free: int, folder: Path) -> None:
        super().__init__(
            "This run needs about {needed} of disk, and {free} are free in {folder}. Free space there, then start it again.",
            needed=readable_bytes(needed),
            free=readable_bytes(free),
            folder=folder,
        )


class NotEnoughTime(Unprocessable):
    def __init__(self, needed_seconds: float, limit_seconds: float) -> None:
        super().__init__(
            "This run needs about {needed:.1f} hours, and a run may take {limit:.1f} here. Give it --budget MINUTES, use "
            "--method frozen or a smaller --base, or raise VIVEIRO_RUN_TIME_LIMIT.",
            needed=needed_seconds / 3600,
            limit=limit_seconds / 3600,
        )


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
class Point:
    """Something a run measured on its way: what it will need, a loss, a validation score. `seq` only grows."""

    seq: int
    at: datetime
    fields: dict[str, Any]


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


def state_of(job_state: JobState, *, cancel_requested: bool, stage: str | None) -> RunState:
    """The run's state, from its job's row, which is itself the fold of the job's events."""
    if job_state is not JobState.RUNNING:
        return RunState(job_state.value)
    if cancel_requested:
        return RunState.STOPPING
    return RunState.PREFLIGHT if stage in PREFLIGHT_STAGES else RunState.RUNNING


def readable_bytes(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
