"""Every SQL statement of the queue, the same on SQLite and PostgreSQL.

FOR UPDATE is PostgreSQL's; SQLite leaves it out, and needs none of it: a writing transaction holds the whole database.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from viveiro.jobs.lifecycle import next_state
from viveiro.jobs.tables import JobEventRow, JobRow, ScheduleRow
from viveiro.jobs.types import Job, JobEvent, JobEventType, JobState, Slots

FINAL_STATES = [state.value for state in JobState if state.is_final]


def to_job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        arguments=row.arguments,
        state=JobState(row.state),
        priority=row.priority,
        attempt=row.attempt,
        failures=row.failures,
        max_attempts=row.max_attempts,
        cancel_requested=row.cancel_requested,
        worker=row.worker,
        lease_until=row.lease_until,
        run_at=row.run_at,
        slots=row.slots,
        progress=row.progress,
        result=row.result,
        error=row.error,
        owner_id=row.owner_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def add(session: Session, row: JobRow, now: datetime) -> None:
    data = {"run_at": row.run_at.isoformat(), "priority": row.priority}
    record(session, row, JobEventType.QUEUED, now, data)


def add_once(session: Session, row: JobRow, now: datetime) -> str | None:
    """Add the job, or give the id of the one that has its idempotency key already."""
    session.flush()  # what else the caller has pending must not fail inside the savepoint
    try:
        with session.begin_nested():
            add(session, row, now)
    except IntegrityError:
        return session.scalars(select(JobRow.id).where(JobRow.idempotency_key == row.idempotency_key)).one()
    return None


def record(session: Session, row: JobRow, event: JobEventType, now: datetime, data: dict[str, Any]) -> None:
    """Append to a job's history and move its state accordingly: the only place where either happens.

    The caller holds the row's lock, or has just made the row.
    """
    row.state = next_state(JobState(row.state) if row.state else None, event).value
    row.last_seq += 1
    if row not in session:
        session.add(row)
        session.flush()  # the event refers to it
    session.add(JobEventRow(job_id=row.id, seq=row.last_seq, at=now, type=event.value, data=data))


def find(session: Session, job_id: str) -> JobRow | None:
    return session.get(JobRow, job_id)


def lock(session: Session, job_id: str) -> JobRow | None:
    """The row as it is now, kept from all others until the transaction ends."""
    query = select(JobRow).where(JobRow.id == job_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def list_jobs(
    session: Session,
    *,
    owner_ids: Sequence[int] | None,
    state: JobState | None,
    kind: str | None,
    before: str | None,
    limit: int,
) -> list[JobRow]:
    """Newest first. `owner_ids` None means everyone's."""
    query = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if owner_ids is not None:
        query = query.where(JobRow.owner_id.in_(owner_ids))
    if state is not None:
        query = query.where(JobRow.state == state.value)
    if kind is not None:
        query = query.where(JobRow.kind == kind)
    if before is not None:
        query = query.where(JobRow.id < before)
    return list(session.scalars(query))


def events(session: Session, job_id: str, after: int, limit: int) -> list[JobEvent]:
    query = (
        select(JobEventRow)
        .where(JobEventRow.job_id == job_id, JobEventRow.seq > after)
        .order_by(JobEventRow.seq)
        .limit(limit)
    )
    return [_to_event(row) for row in session.scalars(query)]


def milestones(session: Session, job_id: str, limit: int) -> list[JobEvent]:
    """Its changes of state, without what it measured and how far it was in between."""
    passing = (JobEventType.PROGRESS.value, JobEventType.METRICS.value)
    query = select(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.type.not_in(passing))
    latest = session.scalars(query.order_by(JobEventRow.seq.desc()).limit(limit)).all()
    return [_to_event(row) for row in reversed(latest)]


def _to_event(row: JobEventRow) -> JobEvent:
    return JobEvent(row.job_id, row.seq, row.at, JobEventType(row.type), row.data)


def next_due(session: Session, now: datetime, kinds: Iterable[str], within: Slots) -> JobRow | None:
    """The queued job that is first in turn among those that `within` suffices for, locked.

    Jobs that another worker is claiming at this moment are passed over.
    """
    query = _due(now, kinds, within).order_by(JobRow.priority.desc(), JobRow.run_at, JobRow.id).limit(1)
    return session.scalars(query.with_for_update(skip_locked=True)).one_or_none()


def has_due(session: Session, now: datetime, kinds: Iterable[str], within: Slots) -> bool:
    """A look before claiming: most looks find nothing, and need not take the write lock."""
    query = _due(now, kinds, within).with_only_columns(JobRow.id)
    return session.scalar(query.limit(1)) is not None


def _due(now: datetime, kinds: Iterable[str], within: Slots) -> Select[JobRow]:
    return select(JobRow).where(
        JobRow.state == JobState.QUEUED.value,
        JobRow.run_at <= now,
        JobRow.kind.in_(list(kinds)),
        *(_wanted(name) <= count for name, count in within.items()),
    )


def _wanted(slot: str) -> ColumnElement[int]:
    return func.coalesce(JobRow.slots[slot].as_integer(), 0)


def held_by(session: Session, worker: str) -> list[tuple[str, int, bool]]:
    """(id, attempt, cancel_requested) of each job that this worker runs, as the database sees it."""
    query = select(JobRow.id, JobRow.attempt, JobRow.cancel_requested).where(
        JobRow.state == JobState.RUNNING.value, JobRow.worker == worker
    )
    return [(row.id, row.attempt, row.cancel_requested) for row in session.execute(query)]


def lock_held_by(session: Session, worker: str) -> list[JobRow]:
    query = select(JobRow).where(JobRow.state == JobState.RUNNING.value, JobRow.worker == worker).order_by(JobRow.id)
    return list(session.scalars(query.with_for_update()))


def renew(session: Session, worker: str, job_ids: Sequence[str], until: datetime) -> None:
    session.execute(
        update(JobRow)
        .where(JobRow.id.in_(job_ids), JobRow.state == JobState.RUNNING.value, JobRow.worker == worker)
        .values(lease_until=until)
        .execution_options(synchronize_session=False)
    )


def has_lapsed(session: Session, now: datetime) -> bool:
    return session.scalar(select(JobRow.id).where(*_lapsed(now)).limit(1)) is not None


def next_lapsed(session: Session, now: datetime) -> JobRow | None:
    query = select(JobRow).where(*_lapsed(now)).order_by(JobRow.id).limit(1)
    return session.scalars(query.with_for_update(skip_locked=True)).one_or_none()


def _lapsed(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return JobRow.state == JobState.RUNNING.value, JobRow.lease_until < now


def ended_before(session: Session, moment: datetime, limit: int) -> list[str]:
    query = select(JobRow.id).where(JobRow.state.in_(FINAL_STATES), JobRow.finished_at < moment)
    return list(session.scalars(query.order_by(JobRow.id).limit(limit)))


def delete_jobs(session: Session, job_ids: Sequence[str]) -> None:
    session.execute(delete(JobEventRow).where(JobEventRow.job_id.in_(job_ids)))
    session.execute(delete(JobRow).where(JobRow.id.in_(job_ids)))


def schedule_names(session: Session) -> set[str]:
    return set(session.scalars(select(ScheduleRow.name)))


def add_schedule(session: Session, name: str, next_at: datetime) -> None:
    """Two workers may start at once: the one that comes second finds the row there."""
    try:
        with session.begin_nested():
            session.add(ScheduleRow(name=name, next_at=next_at))
            session.flush()
    except IntegrityError:
        return


def delete_schedules(session: Session, names: Iterable[str]) -> None:
    session.execute(delete(ScheduleRow).where(ScheduleRow.name.in_(list(names))))


def has_due_schedule(session: Session, now: datetime) -> bool:
    return session.scalar(select(ScheduleRow.name).where(ScheduleRow.next_at <= now).limit(1)) is not None


def due_schedules(session: Session, now: datetime) -> list[ScheduleRow]:
    """Locked. Those that another worker is firing are passed over."""
    query = select(ScheduleRow).where(ScheduleRow.next_at <= now).order_by(ScheduleRow.name)
    return list(session.scalars(query.with_for_update(skip_locked=True)))
