"""Jobs as pages show them, and what may be done with them. One's own; everyone's, to an administrator."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.accounts.service import names_of, visible_owners
from viveiro.accounts.types import Viewer
from viveiro.db import Database
from viveiro.http.dependencies import DatabaseDep, HubDep, SettingsDep, SignedInDep
from viveiro.http.visible_jobs import cancel_visible_job, may_cancel, visible_job
from viveiro.hub.service import Hub
from viveiro.jobs import logs, service
from viveiro.jobs.types import Job, JobEvent, JobState
from viveiro.locale import Sentence, translate
from viveiro.settings import Settings
from viveiro.training.service import run_subjects
from viveiro.web import words
from viveiro.web.navigation import go_to
from viveiro.web.rendering import is_fragment, own_path, render

router = APIRouter(prefix="/jobs")

PER_PAGE: Final = 50
LOG_LINES: Final = 300
EVENTS: Final = {
    "queued": Sentence("Put into the queue"),
    "started": Sentence("Started work"),
    "cancel-requested": Sentence("Asked to stop"),
    "requeued": Sentence("Put back into the queue"),
    "succeeded": Sentence("Succeeded"),
    "failed": Sentence("Failed"),
    "cancelled": Sentence("Cancelled"),
}
_ABOUT: Final = ("repo_id", "run_id", "model", "name", "source", "data")
"""Arguments that say what a job is about, the first that is there."""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in a list, and at the head of its own page.

    Attributes:
        about: what it works on, as its sender wrote it.
        run: of the run that it adapts a model for.
        done, of: how much of the stage, where the job says so.
        owner: a name, or None: the installation itself.
        may_cancel: it has not ended, and this reader may end it.
    """

    id: str
    kind: str
    state: str
    word: str
    about: str
    run: str | None
    stage: str | None
    done: int | None
    of: int | None
    owner: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    took: str | None
    is_final: bool
    may_cancel: bool


@dataclass(frozen=True, slots=True)
class JobsPage:
    """`address` is this very list, to be asked for again while something in it moves."""

    template: ClassVar[str] = "administration/jobs.html"
    jobs: Sequence[JobLine]
    state: str
    kind: str
    states: Mapping[str, Sentence]
    kinds: Mapping[str, Sentence]
    address: str
    is_moving: bool
    is_filtered: bool
    everyones: bool
    more: str | None


@dataclass(frozen=True, slots=True)
class JobPage:
    template: ClassVar[str] = "administration/job.html"
    job: JobLine
    attempt: int
    worker: str | None
    error: str | None
    events: Sequence[JobEvent]
    event_words: Mapping[str, Sentence]
    arguments: str
    result: str | None
    log: str
    log_is_cut: bool


@router.get("")
def jobs_page(
    request: Request,
    viewer: SignedInDep,
    database: DatabaseDep,
    hub: HubDep,
    state: str = "",
    kind: Annotated[str, Query(max_length=100)] = "",
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """A state that is none shows all, as if nothing had been chosen."""
    owners = visible_owners(viewer)
    chosen = JobState(state) if state in set(JobState) else None
    with database.read() as session:
        found = service.list_jobs(
            session, owner_ids=owners, state=chosen, kind=kind or None, before=cursor, limit=PER_PAGE + 1
        )
        names = names_of(session, {job.owner_id for job in found if job.owner_id is not None})
        subjects = run_subjects(session, filter(None, map(run_of, found)))
    repos = _repo_names(hub, viewer, found)
    lines = [line_of(job, viewer, names, subjects, repos) for job in found[:PER_PAGE]]
    page = JobsPage(
        jobs=lines,
        state=chosen or "",
        kind=kind,
        states={state: words.STATES[state] for state in JobState},
        kinds=words.JOB_KINDS,
        address=own_path(request),
        is_moving=any(not line.is_final for line in lines),
        is_filtered=bool(chosen or kind or cursor),
        everyones=owners is None,
        more=lines[-1].id if len(found) > PER_PAGE else None,
    )
    return render(request, viewer, page, part="administration/_jobs.html" if is_fragment(request) else None)


@router.get("/{job_id}")
def job_page(
    job_id: str, request: Request, viewer: SignedInDep, database: DatabaseDep, settings: SettingsDep, hub: HubDep
) -> Response:
    page = _job(database, settings, hub, viewer, job_id)
    return render(request, viewer, page, part="administration/_job.html" if is_fragment(request) else None)


@router.post("/{job_id}/cancel")
def cancel(job_id: str, request: Request, viewer: SignedInDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        cancel_visible_job(session, viewer, job_id)
    return go_to(request, f"/jobs/{job_id}")


def line_of(
    job: Job,
    viewer: Viewer,
    names: Mapping[int, str],
    subjects: Mapping[str, str] = MappingProxyType({}),
    repos: Mapping[int, str] = MappingProxyType({}),
) -> JobLine:
    """`names` of owners, by id; `subjects`: what runs are about, by run; `repos`: the names of repos, by their key."""
    progress = job.progress or {} if job.state is JobState.RUNNING else {}
    state = "stopping" if job.cancel_requested and not job.state.is_final else job.state.value
    ended = job.finished_at
    return JobLine(
        id=job.id,
        kind=words.job_kind(job.kind),
        state=state,
        word=words.state(state),
        about=subjects.get(run_of(job) or "") or about(job.arguments) or repos.get(job.arguments.get("repo_pk", 0), ""),
        run=run_of(job),
        stage=words.stage(progress["stage"]) if "stage" in progress else None,
        done=progress.get("done"),
        of=progress.get("of") if "done" in progress else None,
        owner=names.get(job.owner_id) if job.owner_id is not None else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=ended,
        took=words.duration((ended - job.started_at).total_seconds()) if ended and job.started_at else None,
        is_final=job.state.is_final,
        may_cancel=not job.state.is_final and not job.cancel_requested and may_cancel(viewer, job),
    )


def about(arguments: Mapping[str, Any]) -> str:
    return next((str(arguments[name])[:200] for name in _ABOUT if arguments.get(name)), "")


def _repo_names(hub: Hub, viewer: Viewer, found: Iterable[Job]) -> dict[int, str]:
    """Of the repos that jobs name by their key only, as those do that follow a push."""
    pks = {pk for job in found if isinstance(pk := job.arguments.get("repo_pk"), int)}
    return {repo.pk: repo.name for repo in hub.visible_repos(viewer, pks)}


def run_of(job: Job) -> str | None:
    """The run that a job belongs to. One that imports data first gives its own id to the run that follows."""
    if job.kind == "import-and-run":
        return job.id
    return job.arguments.get("run_id") if job.kind == "train-run" else None


def _job(database: Database, settings: Settings, hub: Hub, viewer: Viewer, job_id: str) -> JobPage:
    with database.read() as session:
        job = visible_job(session, viewer, job_id)
        events = service.job_milestones(session, job_id)
        names = names_of(session, [] if job.owner_id is None else [job.owner_id])
        subjects = run_subjects(session, filter(None, [run_of(job)]))
    kept, _ = logs.read_all(settings, job_id)
    lines = kept.decode(errors="replace").splitlines()
    return JobPage(
        job=line_of(job, viewer, names, subjects, _repo_names(hub, viewer, [job])),
        attempt=job.attempt,
        worker=job.worker,
        error=None if job.error is None else translate(job.error),
        events=events,
        event_words=EVENTS,
        arguments=_readable(job.arguments),
        result=None if job.result is None else _readable(job.result),
        log="\n".join(lines[-LOG_LINES:]),
        log_is_cut=len(lines) > LOG_LINES,
    )


def _readable(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
