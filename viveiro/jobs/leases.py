"""The worker's side of the queue: claim, renew, settle, take over.

A running job is its worker's until `lease_until`. `attempt` numbers the starts; every change below checks it in the
transaction that makes the change, so an attempt that was taken over cannot end the job a second time.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from viveiro.db import utc_now
from viveiro.errors import JobCancelled, LeaseLost
from viveiro.jobs import queries
from viveiro.jobs.lifecycle import Settlement, settle
from viveiro.jobs.messages import storable
from viveiro.jobs.slots import remaining, suffices
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, Job, JobEventType, JobState, Message, Outcome, Slots
from viveiro.locale import Sentence


def claim(
    session: Session, worker: str, *, kinds: Collection[str], free: Slots, total: Slots, lease: timedelta
) -> Job | None:
    """Start the job that is first in turn, or None when none is due that fits.

    Args:
        free: the worker's slots that no job occupies now.
        total: all slots of the worker. Jobs that need more wait for another worker.
    """
    now = utc_now()
    row = queries.next_due(session, now, kinds, within=total)
    if row is not None and not suffices(free, row.slots):
        # It is first in turn: the slots it waits for are kept for it, or smaller jobs would pass it for ever.
        row = queries.next_due(session, now, kinds, within=remaining(free, [row.slots]))
    if row is None:
        return None
    row.attempt += 1
    row.worker = worker
    row.lease_until = now + lease
    row.started_at = row.started_at or now
    queries.record(session, row, JobEventType.STARTED, now, {"attempt": row.attempt, "worker": worker})
    return queries.to_job(row)


def renew(session: Session, worker: str, job_ids: Sequence[str], lease: timedelta) -> None:
    """Only what is still this worker's. A lease that lapsed and that nobody took is renewed too."""
    queries.renew(session, worker, job_ids, utc_now() + lease)


def report(session: Session, job_id: str, attempt: int, messages: Iterable[Message]) -> None:
    """Append what a running attempt said. Raises LeaseLost when it no longer has a say."""
    row = _hold(session, job_id, attempt)
    for message in messages:
        data = storable(message["data"])
        if message["type"] == JobEventType.PROGRESS:
            row.progress = data
        queries.record(session, row, JobEventType(message["type"]), utc_now(), data)


def finish(session: Session, job_id: str, attempt: int, outcome: Outcome, retry_delay: timedelta) -> Job:
    """End an attempt, once. Raises LeaseLost when it no longer has a say."""
    row = _hold(session, job_id, attempt)
    now = utc_now()
    _apply(session, row, settle(queries.to_job(row), outcome, now, retry_delay), now)
    return queries.to_job(row)


def take_over(session: Session) -> Job | None:
    """Bring one job whose lease lapsed back to the queue, or end it when it has no attempts left or was cancelled."""
    now = utc_now()
    row = queries.next_lapsed(session, now)
    if row is None:
        return None
    return _lose(session, row, Sentence("no sign of life since its lease lapsed"), now)


def take_over_from(session: Session, worker: str) -> list[str]:
    """The same for all jobs of a worker that is known to be dead, whatever is left of its leases. Their ids."""
    now = utc_now()
    return [
        _lose(session, row, Sentence("its process is gone"), now).id for row in queries.lock_held_by(session, worker)
    ]


def still_mine(session: Session, job_id: str, attempt: int) -> None:
    """Guard a transaction that publishes. The row stays locked until it ends, so nobody can take the job over meanwhile.

    Raises:
        LeaseLost: this attempt is not the job's current one.
        JobCancelled: someone wants the job not to publish.
    """
    if _hold(session, job_id, attempt).cancel_requested:
        raise JobCancelled(job_id)


def _lose(session: Session, row: JobRow, why: str, now: datetime) -> Job:
    error = Sentence(
        "Worker {worker} was lost in attempt {attempt}: {why}.", worker=row.worker, attempt=row.attempt, why=why
    )
    _apply(session, row, settle(queries.to_job(row), Outcome(Ending.LOST, error=error), now, timedelta(0)), now)
    return queries.to_job(row)


def _hold(session: Session, job_id: str, attempt: int) -> JobRow:
    row = queries.lock(session, job_id)
    if row is None or row.state != JobState.RUNNING or row.attempt != attempt:
        raise LeaseLost(job_id, attempt)
    return row


def _apply(session: Session, row: JobRow, settlement: Settlement, now: datetime) -> None:
    data = storable(settlement.data)
    row.failures = settlement.failures
    row.run_at = settlement.run_at
    row.worker = row.lease_until = None
    row.result = data.get("result")
    row.error = data.get("error")
    queries.record(session, row, settlement.event, now, data)
    if JobState(row.state).is_final:
        row.finished_at = now
