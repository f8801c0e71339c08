"""Runs: what goes on, how a run learns, what came of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from viveiro.accounts.service import can, get_user, visible_owners
from viveiro.accounts.types import Viewer
from viveiro.errors import EntryNotFound, JobNotFound, NotFound, UserNotFound
from viveiro.http.dependencies import DatabaseDep, HubDep, SettingsDep, SignedInDep
from viveiro.http.visible_jobs import cancel_visible_job, may_cancel, visible_job
from viveiro.hub.service import Hub
from viveiro.jobs import logs
from viveiro.jobs.service import get_job, list_jobs
from viveiro.jobs.types import Job, JobState
from viveiro.locale import Sentence
from viveiro.settings import Settings
from viveiro.training import service
from viveiro.training.curves import EVAL_LOSS, TRAIN_LOSS, Curves
from viveiro.training.pictures import FOLDER as PICTURES
from viveiro.training.service import Run, RunNotFound, RunState
from viveiro.types import Action, RepoId, RepoKind, RepoRef, Resource
from viveiro.web import scores, words
from viveiro.web.navigation import go_to
from viveiro.web.rendering import HEADERS, is_fragment, render
from viveiro.web.run_progress import Progress, progress_of_import, progress_of_run
from viveiro.web.scores import Cell, ClassScores, Line, Record, Rival, Score, Verdict

router = APIRouter()

PAGE_SIZE: Final = 25
LOG_LINES: Final = 200
IMPORT_AND_RUN: Final = "import-and-run"
SHOWN_PICTURES: Final = {
    "calibration": Sentence("Calibration: what its scores promise, and what came true"),
    "roc": Sentence("ROC curve"),
    "precision_recall": Sentence("Precision and recall at every threshold"),
    "balance": Sentence("Rows of each class in each split"),
    "learning": Sentence("How it learnt"),
}


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list."""

    run: Run
    word: str
    method: str
    metric: str
    score: Score | None
    took: str
    owner: str
    progress: Progress

    @property
    def model(self) -> str:
        return self.run.description.publish or ""


@dataclass(frozen=True, slots=True)
class ImportLine:
    """A run to be, whose data is still being imported."""

    job: Job
    dataset: str
    word: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class RunsPage:
    template: ClassVar[str] = "runs/list.html"
    address: str
    imports: tuple[ImportLine, ...]
    active: tuple[RunLine, ...]
    ended: tuple[RunLine, ...]
    is_first: bool
    next: str | None
    with_owners: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run, measured on rows that it never saw."""

    model: str
    sha: str
    is_there: bool
    """The model is still in the hub, for this viewer."""
    verdict: Verdict
    lines: tuple[Line, ...]
    rivals: tuple[Rival, ...]
    every_line: tuple[Line, ...]
    every_rival: tuple[Rival, ...]
    test_rows: int
    weakest: tuple[ClassScores, ...]
    classes: tuple[ClassScores, ...]
    has_thresholds: bool
    matrix: tuple[tuple[str, list[Cell]], ...]
    record: Record
    threshold: Sentence | None
    pictures: tuple[tuple[str, Sentence], ...]
    """Path in the model's repo, and what it shows."""


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    value: str
    is_chosen: bool
    """By whoever started the run; else it is what `auto` or the default came to."""


@dataclass(frozen=True, slots=True)
class CurveTable:
    """The curves as figures: a row for each evaluation."""

    columns: tuple[tuple[str, str], ...]
    """Name of the series, and its words."""
    rows: tuple[tuple[float, tuple[float | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    template: ClassVar[str] = "runs/run.html"
    run: Run
    progress: Progress
    task: str
    method: str
    settings: tuple[Setting, ...]
    roles: tuple[tuple[str, str], ...]
    rows: Mapping[str, int]
    splits: Mapping[str, str]
    started_at: datetime | None
    took: str | None
    owner: str
    may_change: bool
    curves: CurveTable | None
    loss_labels: dict[str, str]
    score_labels: dict[str, str]
    report: Report | None
    log: str


@dataclass(frozen=True, slots=True)
class ImportPage:
    """The data of a run is still being imported: it will be found at this same address."""

    template: ClassVar[str] = "runs/import.html"
    job: Job
    progress: Progress
    dataset: str
    may_change: bool
    log: str


@dataclass(frozen=True, slots=True)
class ProgressPart:
    template: ClassVar[str] = "runs/_progress.html"
    progress: Progress


@dataclass(frozen=True, slots=True)
class LogPart:
    template: ClassVar[str] = "runs/_log.html"
    log: str
    log_address: str | None


@router.get("/runs")
def list_runs(
    request: Request, viewer: SignedInDep, database: DatabaseDep, cursor: Annotated[str | None, Query()] = None
) -> Response:
    with database.read() as session:
        runs = service.list_runs(session, viewer, before=cursor, limit=PAGE_SIZE)
        imports = _imports(session, viewer, {run.id for run in runs}) if cursor is None else ()
        owners = _names(session, {run.owner_id for run in runs})
    found = [_line(run, owners[run.owner_id]) for run in runs]
    page = RunsPage(
        address="/runs" if cursor is None else f"/runs?cursor={cursor}",
        imports=imports,
        active=tuple(line for line in found if not line.run.state.is_final),
        ended=tuple(line for line in found if line.run.state.is_final),
        is_first=cursor is None,
        next=f"/runs?cursor={runs[-1].id}" if len(runs) == PAGE_SIZE else None,
        with_owners=viewer.is_admin,
    )
    return render(request, viewer, page, part="runs/_list.html" if is_fragment(request) else None)


@router.get("/runs/{run_id}")
def show_run(
    run_id: str, request: Request, viewer: SignedInDep, database: DatabaseDep, hub: HubDep, settings: SettingsDep
) -> Response:
    with database.read() as session:
        found = _find(session, viewer, run_id)
        if isinstance(found, Run):
            job, curves = _job(session, found), service.run_curves(session, found)
            owner = _names(session, {found.owner_id})[found.owner_id]
    if isinstance(found, Job):
        return render(request, viewer, _import_page(viewer, found, settings))
    return render(request, viewer, _run_page(hub, viewer, found, job, curves, owner, settings))


@router.get("/runs/{run_id}/progress")
def show_progress(
    run_id: str, request: Request, viewer: SignedInDep, database: DatabaseDep, was: Annotated[str, Query()] = "run"
) -> Response:
    """A part of the page, newer. When more than that has changed, the browser is told to load the page again."""
    with database.read() as session:
        found = _find(session, viewer, run_id)
        if isinstance(found, Job):
            progress = progress_of_import(found)
        else:
            progress = progress_of_run(found, _job(session, found), service.run_curves(session, found))
    has_changed = progress.is_final or (was == "import") != isinstance(found, Job)
    if has_changed:
        return Response(status_code=204, headers={**HEADERS, "HX-Refresh": "true"})
    return render(request, viewer, ProgressPart(progress))


@router.get("/runs/{run_id}/log")
def show_log(
    run_id: str, request: Request, viewer: SignedInDep, database: DatabaseDep, settings: SettingsDep
) -> Response:
    with database.read() as session:
        found = _find(session, viewer, run_id)
    is_final = found.state.is_final
    job_id = found.id if isinstance(found, Job) else found.job_id
    return render(request, viewer, LogPart(_tail(settings, job_id), None if is_final else f"/runs/{run_id}/log"))


@router.post("/runs/{run_id}/cancel")
def cancel(run_id: str, request: Request, viewer: SignedInDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        found = _find(session, viewer, run_id)
        if isinstance(found, Job):
            cancel_visible_job(session, viewer, found.id)
        else:
            service.cancel_run(session, viewer, run_id)
    return go_to(request, f"/runs/{run_id}")


@router.post("/runs/{run_id}/reproduce")
def reproduce(run_id: str, request: Request, viewer: SignedInDep, hub: HubDep) -> Response:
    """The same again, published beside the original, to compare with it."""
    run, _ = service.reproduce_run(hub, viewer, run_id, None)
    return go_to(request, f"/runs/{run.id}")


@router.post("/runs/{run_id}/again")
def start_again(run_id: str, request: Request, viewer: SignedInDep, hub: HubDep, database: DatabaseDep) -> Response:
    """For a run that failed or was cancelled: it published nothing, so the new one may publish where that one would have."""
    with database.read() as session:
        description = service.get_run(session, viewer, run_id).description
    return go_to(request, f"/runs/{service.start_run(hub, viewer, description).id}")


def _find(session: Session, viewer: Viewer, run_id: str) -> Run | Job:
    """A run, or the job that imports its data and will start it."""
    try:
        return service.get_run(session, viewer, run_id)
    except RunNotFound:
        pass
    try:
        job = visible_job(session, viewer, run_id)
    except JobNotFound:
        raise RunNotFound(run_id) from None
    if job.kind != IMPORT_AND_RUN:
        raise RunNotFound(run_id)
    return job


def _imports(session: Session, viewer: Viewer, started: Collection[str]) -> tuple[ImportLine, ...]:
    """Those whose run has not started: it will have the job's own id."""
    owner_ids = visible_owners(viewer)
    under_way = [
        job
        for state in (JobState.RUNNING, JobState.QUEUED)
        for job in list_jobs(session, owner_ids=owner_ids, state=state, kind=IMPORT_AND_RUN, limit=PAGE_SIZE)
        if job.id not in started
    ]
    return tuple(
        ImportLine(job, _dataset_of(job), words.state(job.state.value), progress_of_import(job)) for job in under_way
    )


def _dataset_of(job: Job) -> str:
    return str(job.arguments.get("repo_id", ""))


def _resource(run: Run) -> Resource:
    """Without a name: a run is no repo, so no access token that was made for some repos covers it."""
    return Resource(run.owner_id, "")


def _job(session: Session, run: Run) -> Job | None:
    try:
        return get_job(session, run.job_id)
    except JobNotFound:
        return None


def _names(session: Session, user_ids: set[int]) -> dict[int, str]:
    return {user_id: _name(session, user_id) for user_id in user_ids}


def _name(session: Session, user_id: int) -> str:
    try:
        return get_user(session, user_id).name
    except UserNotFound:
        return "–"


def _line(run: Run, owner: str) -> RunLine:
    result = run.result or {}
    primary = result.get("primary")
    return RunLine(
        run=run,
        word=words.state(run.state.value),
        method=words.method(str(run.description.params.get("method", "frozen"))),
        metric=words.metric(primary) if primary else "",
        score=Score.model_validate(result["metrics"][primary]) if primary else None,
        took=_took(run.created_at, run.finished_at),
        owner=owner,
        progress=progress_of_run(run, None, Curves()),
    )


def _took(since: datetime | None, until: datetime | None) -> str:
    return words.duration((until - since).total_seconds()) if since is not None and until is not None else "–"


def _import_page(viewer: Viewer, job: Job, settings: Settings) -> ImportPage:
    return ImportPage(
        job=job,
        progress=progress_of_import(job),
        dataset=_dataset_of(job),
        may_change=may_cancel(viewer, job),
        log=_tail(settings, job.id),
    )


def _run_page(
    hub: Hub, viewer: Viewer, run: Run, job: Job | None, curves: Curves, owner: str, settings: Settings
) -> RunPage:
    result = run.result if run.state is RunState.SUCCEEDED else None
    report = _report(hub, viewer, run, result)
    description = run.description
    resolved = report.record.description.params if report is not None else {}
    started_at = job.started_at if job is not None else None
    names = list(curves.series)
    return RunPage(
        run=run,
        progress=progress_of_run(run, job, curves),
        task=words.task(description.task),
        method=words.method(str({**resolved, **description.params}.get("method", "frozen"))),
        settings=settings_of(description.params, resolved),
        roles=tuple((words.role(role), column) for role, column in description.columns.items()),
        rows=report.record.rows if report is not None else {},
        splits=words.SPLITS,
        started_at=started_at,
        took=_took(started_at or run.created_at, run.finished_at) if run.finished_at is not None else None,
        owner=owner,
        may_change=can(viewer, Action.WRITE, _resource(run)),
        curves=curve_table(curves),
        loss_labels={name: words.metric(name) for name in (TRAIN_LOSS, EVAL_LOSS)},
        score_labels={name: words.metric(name) for name in _score_series(names)},
        report=report,
        log=_tail(settings, run.job_id),
    )


def settings_of(chosen: Mapping[str, Any], resolved: Mapping[str, Any]) -> tuple[Setting, ...]:
    """What was chosen, and what all the others came to once that is known."""
    merged = {**chosen, **resolved}
    return tuple(Setting(name, str(value), name in chosen) for name, value in merged.items())


def _score_series(names: list[str]) -> list[str]:
    """Of the validation rows. Those of a run that has not told any yet are the usual ones."""
    told = [name for name in names if name.startswith("eval_") and name != EVAL_LOSS]
    return told or ["eval_f1_macro"]


def curve_table(curves: Curves) -> CurveTable | None:
    """None where nothing was told epoch by epoch."""
    names = [name for name in (TRAIN_LOSS, EVAL_LOSS) if name in curves.series]
    names += [name for name in curves.series if name.startswith("eval_") and name != EVAL_LOSS]
    if not names:
        return None
    epochs = sorted(curves.series.get(EVAL_LOSS) or curves.series[names[0]])
    rows = tuple((epoch, tuple(_last_until(curves.series[name], epoch) for name in names)) for epoch in epochs)
    return CurveTable(tuple((name, words.metric(name)) for name in names), rows)


def _last_until(values: Mapping[float, float], epoch: float) -> float | None:
    known = [at for at in values if at <= epoch]
    return values[max(known)] if known else None


def _report(hub: Hub, viewer: Viewer, run: Run, result: Mapping[str, Any] | None) -> Report | None:
    found = scores.read_record(result)
    if result is None or found is None:
        return None
    model, sha = str(result["model"]), str(result["revision"])
    pictures = _pictures(hub, viewer, model, sha)
    every = scores.every_metric(found)
    return Report(
        model=model,
        sha=sha,
        is_there=pictures is not None,
        verdict=scores.verdict(found),
        lines=tuple(scores.lines(found)),
        rivals=tuple(scores.rivals(found)),
        every_line=tuple(scores.lines(found, every)),
        every_rival=tuple(scores.rivals(found, every)),
        test_rows=found.rows.get("test", 0),
        weakest=tuple(scores.weakest(found)),
        classes=tuple(found.per_class),
        has_thresholds=any(entry.threshold is not None for entry in found.per_class),
        matrix=tuple(scores.confusion(found)),
        record=found,
        threshold=scores.threshold(found),
        pictures=pictures or (),
    )


def _pictures(hub: Hub, viewer: Viewer, model: str, sha: str) -> tuple[tuple[str, Sentence], ...] | None:
    """Those that the model's commit holds; None where the model is no longer there, or not for this viewer."""
    try:
        repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, RepoId.parse(model)), follow=True)
        entries = {entry.path for entry in hub.list_tree(repo, sha, PICTURES)}
    except EntryNotFound:
        return ()
    except NotFound:
        return None
    paths = ((f"{PICTURES}/{name}.svg", told) for name, told in SHOWN_PICTURES.items())
    return tuple((path, told) for path, told in paths if path in entries)


def _tail(settings: Settings, job_id: str) -> str:
    text, _ = logs.read_all(settings, job_id)
    return "\n".join(text.decode(errors="replace").splitlines()[-LOG_LINES:])
