"""The first page: what is here, what runs, what to do next."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal, TypeAlias

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.service import list_tokens, visible_owners
from viveiro.accounts.types import Viewer
from viveiro.db import Database
from viveiro.http.dependencies import DatabaseDep, HostsDep, SignedInDep, ViewerDep
from viveiro.hub.listing import list_repos
from viveiro.hub.types import Repo, RepoQuery, RepoSort
from viveiro.jobs.service import list_jobs
from viveiro.jobs.types import Job, JobState
from viveiro.locale import Sentence
from viveiro.preparation import GIVEN_TOKENS
from viveiro.serving import service as serving
from viveiro.serving.deployment import EndpointStatus, status_of
from viveiro.serving.types import Endpoint
from viveiro.training.service import Run, RunState, list_runs
from viveiro.types import RepoKind
from viveiro.web import words
from viveiro.web.jobs import JobLine, line_of
from viveiro.web.rendering import render
from viveiro.web.sign_in import WELCOME

router = APIRouter()

SHOWN: Final = 6
LATELY: Final = 4
MOST_STEPS: Final = 3
STAGES: Final = (
    Sentence("Choose"),
    Sentence("Prepare"),
    Sentence("Adapt"),
    Sentence("Evaluate"),
    Sentence("Publish"),
    Sentence("Serve"),
    Sentence("Watch"),
)
"""The loop that all work here goes through."""

Position: TypeAlias = Literal["done", "now", "ahead"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far somebody has come, by the names of what there is. None: nothing of the kind.

    Attributes:
        base: a model to start from.
        active, failed, succeeded: ids of runs. `failed` is the latest one's, if that failed.
        model: what the latest successful run published.
        served: a model of theirs that answers requests.
    """

    base: str | None = None
    dataset: str | None = None
    active: str | None = None
    failed: str | None = None
    succeeded: str | None = None
    model: str | None = None
    served: str | None = None
    is_set_up: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next."""

    title: Sentence
    text: Sentence
    address: str
    icon: str


@dataclass(frozen=True, slots=True)
class RunLine:
    id: str
    state: str
    word: str
    run: Run


@dataclass(frozen=True, slots=True)
class EndpointLine:
    status: EndpointStatus
    word: str


@dataclass(frozen=True, slots=True)
class StrangersPage:
    template: ClassVar[str] = "home/stranger.html"
    models: Sequence[Repo]
    datasets: Sequence[Repo]


@dataclass(frozen=True, slots=True)
class RunningPart:
    """Asked for again and again while something runs."""

    template: ClassVar[str] = "home/_running.html"
    jobs: Sequence[JobLine]
    runs: Sequence[RunLine]


@dataclass(frozen=True, slots=True)
class HomePage:
    template: ClassVar[str] = "home/home.html"
    models: Sequence[Repo]
    datasets: Sequence[Repo]
    jobs: Sequence[JobLine]
    runs: Sequence[RunLine]
    endpoints: Sequence[EndpointLine]
    steps: Sequence[Step]
    stages: Sequence[tuple[Sentence, Position]]


@router.get("/")
async def home(request: Request, viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep) -> Response:
    if viewer.is_anonymous:
        return await run_in_threadpool(_for_a_stranger, request, viewer, database)
    endpoints = (await run_in_threadpool(serving.list_endpoints, database, viewer))[:SHOWN]
    statuses = await asyncio.gather(*(status_of(hosts, endpoint) for endpoint in endpoints))
    page = await run_in_threadpool(_page, database, viewer, statuses)
    return await run_in_threadpool(render, request, viewer, page)


@router.get("/-/running")
def running(request: Request, viewer: SignedInDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        part = RunningPart(_active(session, viewer), _lately(_own_runs(session, viewer)))
    return render(request, viewer, part)


def next_steps(standing: Standing) -> tuple[Step, ...]:
    """What is worth doing now, the most pressing first, in the order of the loop. Never nothing."""
    return tuple(_steps(standing))[:MOST_STEPS]


def _steps(at: Standing) -> Iterable[Step]:
    yield from _steps_at_hand(at)
    yield from _steps_with_data(at)
    yield from _steps_with_models(at)


def _steps_at_hand(at: Standing) -> Iterable[Step]:
    if not at.is_set_up:
        yield Step(
            Sentence("Settle in"),
            Sentence("Choose your own password, make an access token, and point your tools here. Two minutes."),
            WELCOME,
            "lock",
        )
    if at.active:
        yield Step(
            Sentence("Watch your run"),
            Sentence("It works now. You can close the browser: it goes on without you."),
            f"/runs/{at.active}",
            "run",
        )
    if at.failed:
        yield Step(
            Sentence("See why the last run failed"),
            Sentence("Its page says what was wrong and what helps."),
            f"/runs/{at.failed}",
            "run",
        )


def _steps_with_data(at: Standing) -> Iterable[Step]:
    if not at.dataset:
        yield Step(
            Sentence("Drop your first CSV"),
            Sentence("A table of texts and their labels. Columns are guessed and shown before anything starts."),
            "/runs/new",
            "upload",
        )
    elif not (at.active or at.succeeded):
        yield Step(
            Sentence("Adapt a model to {dataset}", dataset=at.dataset),
            Sentence("A head on frozen features takes seconds, and shows what is possible."),
            f"/runs/new?data={at.dataset}",
            "model",
        )
        yield Step(
            Sentence("Look at {dataset}", dataset=at.dataset),
            Sentence("Its rows and columns, and what a check finds: doubles, gaps, labels that contradict."),
            f"/datasets/{at.dataset}",
            "dataset",
        )


def _steps_with_models(at: Standing) -> Iterable[Step]:
    if at.succeeded and at.model != at.served:
        yield Step(
            Sentence("Read the report of {model}", model=at.model or at.succeeded),
            Sentence("How good it is, how sure that is, and where it errs."),
            f"/runs/{at.succeeded}",
            "check",
        )
    if at.model and at.model != at.served:
        yield Step(
            Sentence("Serve {model}", model=at.model),
            Sentence("One button on its page, and applications can ask it."),
            f"/{at.model}",
            "endpoint",
        )
    if at.served:
        yield Step(
            Sentence("Ask {model} something", model=at.served),
            Sentence("Try it on its page, and take the snippet for your application along."),
            f"/{at.served}",
            "play",
        )
        yield Step(
            Sentence("Watch how it does"),
            Sentence("Requests, response times and memory of every endpoint."),
            "/endpoints",
            "endpoint",
        )
    if not at.base:
        yield Step(
            Sentence("Look for a model to start from"),
            Sentence("A first run fetches the starter model by itself. Others are pushed or pulled."),
            "/models",
            "search",
        )
    if at.dataset and at.succeeded and not at.active:
        yield Step(
            Sentence("Adapt another model"),
            Sentence("More rows, cleaner labels or all layers: compare what changes."),
            "/runs/new",
            "model",
        )


def stages(standing: Standing) -> tuple[tuple[Sentence, Position], ...]:
    """How far round the loop: all before the first thing that is missing is done."""
    has = (
        standing.base,
        standing.dataset,
        standing.succeeded,
        standing.succeeded,
        standing.model,
        standing.served,
        None,
    )
    reached = next(place for place, name in enumerate(has) if not name)
    return tuple((stage, _position(place, reached)) for place, stage in enumerate(STAGES))


def _position(place: int, reached: int) -> Position:
    return "done" if place < reached else "now" if place == reached else "ahead"


def standing_of(
    viewer: Viewer,
    models: Sequence[Repo],
    datasets: Sequence[Repo],
    runs: Sequence[Run],
    endpoints: Sequence[Endpoint],
    *,
    is_set_up: bool,
) -> Standing:
    """`datasets` and `runs` are the viewer's own, latest first; `models` and `endpoints` those that they see."""
    good = next((run for run in runs if run.state is RunState.SUCCEEDED), None)
    trained_on = str(runs[0].description.data_revision.repo_id) if runs else None
    model = str((good.result or {}).get("model") or "") or None if good else None
    mine = [endpoint.repo for endpoint in endpoints if endpoint.owner == viewer.name]
    return Standing(
        base=models[0].name if models else None,
        dataset=datasets[0].name if datasets else trained_on,
        active=next((run.id for run in runs if not run.state.is_final), None),
        failed=runs[0].id if runs and runs[0].state is RunState.FAILED else None,
        succeeded=good.id if good else None,
        model=model,
        served=model if model in mine else next(iter(mine), None),
        is_set_up=is_set_up,
    )


def _page(database: Database, viewer: Viewer, statuses: Sequence[EndpointStatus]) -> HomePage:
    assert viewer.user_id is not None
    with database.read() as session:
        models = _recent(session, viewer, RepoKind.MODEL)
        datasets = _recent(session, viewer, RepoKind.DATASET)
        own_datasets = _recent(session, viewer, RepoKind.DATASET, author=viewer.name, limit=1)
        runs = _own_runs(session, viewer)
        jobs = _active(session, viewer)
        tokens = {token.name for token in list_tokens(session, viewer.user_id)}
    standing = standing_of(
        viewer,
        models,
        own_datasets,
        runs,
        [status.endpoint for status in statuses],
        is_set_up=not tokens <= set(GIVEN_TOKENS),
    )
    return HomePage(
        models=models,
        datasets=datasets,
        jobs=jobs,
        runs=_lately(runs),
        endpoints=[EndpointLine(status, words.endpoint_state(status.state)) for status in statuses],
        steps=next_steps(standing),
        stages=stages(standing),
    )


def _for_a_stranger(request: Request, viewer: Viewer, database: Database) -> Response:
    with database.read() as session:
        models = _recent(session, viewer, RepoKind.MODEL)
        datasets = _recent(session, viewer, RepoKind.DATASET)
    return render(request, viewer, StrangersPage(models, datasets))


def _recent(session: Session, viewer: Viewer, kind: RepoKind, **query: Any) -> list[Repo]:
    wanted = RepoQuery(kind, sort=RepoSort.LAST_MODIFIED, **{"limit": SHOWN, **query})
    return list_repos(session, viewer, wanted).repos


def _own_runs(session: Session, viewer: Viewer) -> list[Run]:
    """Only their own, also where an administrator could see everyone's."""
    return list_runs(session, replace(viewer, is_admin=False), limit=20)


def _lately(runs: Iterable[Run]) -> list[RunLine]:
    ended = [run for run in runs if run.state.is_final]
    return [RunLine(run.id, run.state.value, words.state(run.state.value), run) for run in ended[:LATELY]]


def _active(session: Session, viewer: Viewer) -> list[JobLine]:
    """What works for this person now, or waits to."""
    assert viewer.user_id is not None
    if (owners := visible_owners(viewer)) is not None and viewer.user_id not in owners:
        return []
    jobs: list[Job] = []
    for state in (JobState.RUNNING, JobState.QUEUED):
        jobs += list_jobs(session, owner_ids=[viewer.user_id], state=state, limit=SHOWN)
    return [line_of(job, viewer, {}) for job in jobs]
