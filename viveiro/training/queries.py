"""Every SQL statement about runs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Select, Text, cast, func, or_, select, tuple_
from sqlalchemy.orm import Session

from viveiro.hub.tables import RepoAliasRow, RepoRow
from viveiro.jobs.tables import JobEventRow, JobRow
from viveiro.jobs.types import JobEventType, JobState
from viveiro.training.description import RunDescription
from viveiro.training.tables import RunRow
from viveiro.training.types import Point, Run, RunState, state_of
from viveiro.types import RepoId, RepoKind, RepoRef, Resource, Visibility


def find(session: Session, run_id: str) -> Run | None:
    found = session.execute(_with_job().where(RunRow.id == run_id)).one_or_none()
    return None if found is None else _as_run(found[0], found[1])


def list_runs(
    session: Session, *, owner_ids: Sequence[int] | None, before: str | None, limit: int, data: Sequence[str] = ()
) -> list[Run]:
    """Newest first. `owner_ids` None means everyone's; `data` narrows to runs on any revision of a dataset, by its names."""
    statement = _with_job().order_by(RunRow.id.desc()).limit(limit)
    if owner_ids is not None:
        statement = statement.where(RunRow.owner_id.in_(owner_ids))
    if before is not None:
        statement = statement.where(RunRow.id < before)
    if data:
        named = func.lower(RunRow.description["data"].as_string())
        statement = statement.where(or_(*(named.startswith(f"{name}@".lower(), autoescape=True) for name in data)))
    return [_as_run(row, job) for row, job in session.execute(statement)]


def subjects(session: Session, run_ids: Iterable[str]) -> dict[str, tuple[str | None, str]]:
    """By run: the model that it publishes, and its data with their revision."""
    publish, data = (RunRow.description[name].as_string() for name in ("publish", "data"))
    statement = select(RunRow.id, publish, data).where(RunRow.id.in_(list(run_ids)))
    return {run_id: (model, dataset) for run_id, model, dataset in session.execute(statement)}


def find_repos(session: Session, folded: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[RepoRef, Resource]]:
    """Those that exist of (kind, name in lower case), now or before they moved, whoever may see them."""
    wanted = list(folded)
    columns = (RepoRow.name, RepoRow.owner_id, RepoRow.visibility, RepoRow.gated)
    moved = (
        select(RepoAliasRow.kind, RepoAliasRow.folded_name, *columns)
        .join(RepoRow, RepoRow.id == RepoAliasRow.repo_id)
        .where(tuple_(RepoAliasRow.kind, RepoAliasRow.folded_name).in_(wanted))
    )
    named = select(RepoRow.kind, RepoRow.folded_name, *columns).where(
        tuple_(RepoRow.kind, RepoRow.folded_name).in_(wanted)
    )
    return {
        (kind, asked): (
            RepoRef(RepoKind(kind), RepoId(*name.split("/"))),
            Resource(owner_id, name, Visibility(visibility), gated=gated is not None),
        )
        for statement in (moved, named)
        for kind, asked, name, owner_id, visibility, gated in session.execute(statement)
    }


def points(session: Session, job_id: str, after: int, limit: int) -> list[Point]:
    statement = (
        select(JobEventRow)
        .where(JobEventRow.job_id == job_id, JobEventRow.seq > after, JobEventRow.type == JobEventType.METRICS.value)
        .order_by(JobEventRow.seq)
        .limit(limit)
    )
    return [Point(row.seq, row.at, row.data) for row in session.scalars(statement)]


def all_points(session: Session, job_id: str, *, after: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """(seq, fields) of every point behind `after`. A long run has thousands: read one by one, they are never all in memory."""
    statement = select(JobEventRow.seq, cast(JobEventRow.data, Text)).where(
        JobEventRow.job_id == job_id, JobEventRow.seq > after, JobEventRow.type == JobEventType.METRICS.value
    )
    for seq, text in session.execute(statement.order_by(JobEventRow.seq).execution_options(yield_per=1000)):
        yield seq, orjson.loads(text)


def ended_but_not_noted(session: Session, limit: int) -> list[tuple[RunRow, Run]]:
    ended = [state.value for state in RunState if state.is_final]
    statement = _with_job().where(RunRow.state.is_(None), JobRow.state.in_(ended)).limit(limit)
    return [(row, _as_run(row, job)) for row, job in session.execute(statement)]


def _with_job() -> Select[Any, Any]:
    """Each run with its job, or None once that is deleted."""
    return select(RunRow, JobRow).outerjoin(JobRow, JobRow.id == RunRow.job_id)


def _as_run(row: RunRow, job: JobRow | None) -> Run:
    state = _state(row, job)
    return Run(
        id=row.id,
        owner_id=row.owner_id,
        job_id=row.job_id,
        description=RunDescription.model_validate(row.description),
        state=state,
        stage=None if job is None or state.is_final else job.progress,
        error=row.error if job is None or not state.is_final else job.error,
        result=row.result,
        created_at=row.created_at,
        finished_at=row.finished_at if job is None else job.finished_at,
    )


def _state(row: RunRow, job: JobRow | None) -> RunState:
    if row.state is not None:
        return RunState(row.state)
    has_ended = job is None or JobState(job.state).is_final
    if row.result is not None and has_ended:
        return RunState.SUCCEEDED  # whatever its job says: the model is there, and a cancel came too late
    if job is None:
        return RunState.FAILED
    stage = (job.progress or {}).get("stage")
    return state_of(JobState(job.state), cancel_requested=job.cancel_requested, stage=stage)
