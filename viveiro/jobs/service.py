"""What the rest of the platform may do with jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from viveiro.db import utc_now
from viveiro.errors import JobNotFound
from viveiro.jobs import queries
from viveiro.jobs.kinds import check_slots, kinds
from viveiro.jobs.messages import storable
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Job, JobEvent, JobEventType, JobState
from viveiro.types import new_id


def enqueue(
    session: Session,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    owner_id: int | None = None,
    priority: int = 0,
    run_at: datetime | None = None,
    slots: Mapping[str, int] | None = None,
    idempotency_key: str | None = None,
) -> str:
    """Add a job in the caller's transaction: if that is undone, there is no job. The job's id.

    Args:
        owner_id: the account that may see and cancel it besides administrators. None: only they may.
        priority: higher starts sooner, whatever is waiting.
        run_at: not before then.
        slots: in place of the kind's own, as for a run that was given a GPU.
        idempotency_key: as long as a job with this key is kept, enqueueing again gives that job's id.
    """
    job_kind = kinds[kind]
    check_slots(slots or {})
    now = utc_now()
    row = JobRow(
        id=new_id(),
        kind=kind,
        arguments=storable(arguments),
        priority=priority,
        attempt=0,
        failures=0,
        max_attempts=job_kind.max_attempts,
        cancel_requested=False,
        run_at=run_at or now,
        slots=dict(job_kind.slots if slots is None else slots),
        owner_id=owner_id,
        idempotency_key=idempotency_key,
        last_seq=0,
        created_at=now,
    )
    if idempotency_key is None:
        queries.add(session, row, now)
    elif existing := queries.add_once(session, row, now):
        return existing
    return row.id


def get_job(session: Session, job_id: str) -> Job:
    row = queries.find(session, job_id)
    if row is None:
        raise JobNotFound(job_id)
    return queries.to_job(row)


def list_jobs(
    session: Session,
    *,
    owner_ids: Sequence[int] | None = None,
    state: JobState | None = None,
    kind: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Newest first. `owner_ids` None means everyone's; `before` is the id of the last job of the page before."""
    rows = queries.list_jobs(session, owner_ids=owner_ids, state=state, kind=kind, before=before, limit=limit)
    return [queries.to_job(row) for row in rows]


def job_events(session: Session, job_id: str, after: int = 0, limit: int = 1000) -> list[JobEvent]:
    """The job's history from event `after` on, exclusive."""
    return queries.events(session, job_id, after, limit)


def job_milestones(session: Session, job_id: str, limit: int = 100) -> list[JobEvent]:
    """The latest of its changes of state, in order."""
    return queries.milestones(session, job_id, limit)


def cancel_job(session: Session, job_id: str) -> Job:
    """A queued job ends at once. A running one is told to stop, by whichever worker has it then. An ended one stays as it is."""
    row = queries.lock(session, job_id)
    if row is None:
        raise JobNotFound(job_id)
    now = utc_now()
    if row.state == JobState.QUEUED:
        queries.record(session, row, JobEventType.CANCELLED, now, {})
        row.cancel_requested = True
        row.finished_at = now
    elif row.state == JobState.RUNNING and not row.cancel_requested:
        queries.record(session, row, JobEventType.CANCEL_REQUESTED, now, {})
        row.cancel_requested = True
    return queries.to_job(row)
