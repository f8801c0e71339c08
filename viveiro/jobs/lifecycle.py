"""How a job moves from state to state. Pure: the callers hold the row and the clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, Final

from viveiro.jobs.types import Ending, Job, JobEventType, JobState, Outcome

LONGEST_RETRY_DELAY: Final = timedelta(minutes=10)

_MOVES: Final[dict[tuple[JobState | None, JobEventType], JobState]] = {
    (None, JobEventType.QUEUED): JobState.QUEUED,
    (JobState.QUEUED, JobEventType.STARTED): JobState.RUNNING,
    (JobState.QUEUED, JobEventType.CANCELLED): JobState.CANCELLED,
    (JobState.RUNNING, JobEventType.PROGRESS): JobState.RUNNING,
    (JobState.RUNNING, JobEventType.METRICS): JobState.RUNNING,
    (JobState.RUNNING, JobEventType.CANCEL_REQUESTED): JobState.RUNNING,
    (JobState.RUNNING, JobEventType.REQUEUED): JobState.QUEUED,
    (JobState.RUNNING, JobEventType.SUCCEEDED): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEventType.FAILED): JobState.FAILED,
    (JobState.RUNNING, JobEventType.CANCELLED): JobState.CANCELLED,
}


def next_state(state: JobState | None, event: JobEventType) -> JobState:
    """Raises ValueError for a move that no job can make: an ended job stays as it is."""
    try:
        return _MOVES[state, event]
    except KeyError:
        raise ValueError(f"A job that is {state} cannot become {event}.") from None


def fold(events: Iterable[JobEventType]) -> JobState | None:
    """The state that a history leads to: what the job's row must say."""
    initial: JobState | None = None
    return reduce(next_state, events, initial)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a job when an attempt has ended: the event to record, and the row's new values."""

    event: JobEventType
    data: dict[str, Any]
    failures: int
    run_at: datetime


def settle(job: Job, outcome: Outcome, now: datetime, retry_delay: timedelta) -> Settlement:
    """Decide. A job that someone asked to cancel never ends in any other way, whatever its last attempt says."""
    if job.cancel_requested:
        return Settlement(JobEventType.CANCELLED, {"result": outcome.result}, job.failures, job.run_at)
    if outcome.ending is Ending.RETURNED:
        return Settlement(JobEventType.SUCCEEDED, {"result": outcome.result}, job.failures, job.run_at)
    failures = job.failures + (outcome.ending is not Ending.RELEASED)
    data = {"reason": outcome.ending.value, "error": outcome.error}
    if failures >= job.max_attempts or not outcome.may_retry:
        return Settlement(JobEventType.FAILED, data, failures, job.run_at)
    # What failed waits; what was lost or given back keeps its place in the queue.
    failed = outcome.ending is Ending.FAILED
    run_at = now + delay_before_retry(failures, retry_delay) if failed else job.run_at
    return Settlement(JobEventType.REQUEUED, data | {"run_at": run_at.isoformat()}, failures, run_at)


def delay_before_retry(failures: int, first: timedelta) -> timedelta:
    """Four times longer after each failure, and never longer than ten minutes (or than `first`, if that is more)."""
    factor: int = 4 ** min(failures - 1, 16)
    return min(first * factor, max(first, LONGEST_RETRY_DELAY))
