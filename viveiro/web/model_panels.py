"""What a model's page shows beside its card: scores, a widget to try it, snippets, and where it comes from.

The page includes `models/_metrics.html`, `_widget.html`, `_snippets.html` and `_lineage.html`, which read `panels`.
"""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.service import can, may_infer
from viveiro.accounts.types import Viewer
from viveiro.errors import NotFound
from viveiro.http.highlighting import highlight
from viveiro.http.urls import public_url
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.serving import deployment
from viveiro.serving.deployment import EndpointStatus
from viveiro.serving.snippets import Snippet, model_snippets
from viveiro.training.lineage import ModelLineage, model_lineage, published_record
from viveiro.types import Action, Visibility
from viveiro.web import scores, words
from viveiro.web.scores import Line, Record, Rival, Told, Verdict

MOST_EXAMPLES: Final = 4
WITH_WIDGET: Final = frozenset({"text-classification"})
"""Tasks whose answers `widget.js` can draw."""


@dataclass(frozen=True, slots=True)
class MetricsPanel:
    """Of a model that was made here, measured beside its baselines; else `told`, what its card says."""

    verdict: Verdict | None = None
    lines: tuple[Line, ...] = ()
    rivals: tuple[Rival, ...] = ()
    test_rows: int = 0
    primary: str = ""
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Widget:
    """What it takes to try a model.

    Attributes:
        holds_model: main has a config.json that names a kind of model; without one nothing could be deployed.
        status: of its endpoint, None where there is none.
        word: for its state.
        may_infer: the viewer may have it compute.
        may_deploy: the viewer may write to the repo.
        moved: main is no longer the commit that is served.
        examples: texts to try.
        has_form: `widget.js` can draw what it answers.
    """

    model: str
    task: str | None
    holds_model: bool
    status: EndpointStatus | None
    word: str
    may_infer: bool
    may_deploy: bool
    moved: bool
    examples: tuple[str, ...]
    has_form: bool


@dataclass(frozen=True, slots=True)
class ShownSnippet:
    snippet: Snippet
    html: Markup


@dataclass(frozen=True, slots=True)
class ModelPanels:
    name: str
    metrics: MetricsPanel | None
    widget: Widget
    snippets: tuple[ShownSnippet, ...]
    lineage: ModelLineage


async def model_panels(request: Request, viewer: Viewer, hub: Hub, repo: Repo, sha: str) -> ModelPanels:
    """Of a model repo that the viewer may see, at a commit."""
    widget = await widget_of(request, viewer, hub, repo)
    record, lineage = await run_in_threadpool(_history, hub, viewer, repo, sha)
    return ModelPanels(
        name=repo.name,
        metrics=metrics_panel(record, repo.card),
        widget=widget,
        snippets=snippets_of(public_url(request), repo, widget),
        lineage=lineage,
    )


def _history(hub: Hub, viewer: Viewer, repo: Repo, sha: str) -> tuple[Record | None, ModelLineage]:
    found = published_record(hub, viewer, repo, sha)
    return scores.read_record(found), model_lineage(hub, viewer, repo, found)


def snippets_of(server: str, repo: Repo, widget: Widget) -> tuple[ShownSnippet, ...]:
    snippets = model_snippets(
        server,
        repo.ref.repo_id,
        task=widget.task,
        library=repo.library_name,
        private=repo.visibility is Visibility.PRIVATE or repo.gated is not None,
        deployed=widget.status is not None,
        text=next(iter(widget.examples), None),
    )
    return tuple(ShownSnippet(snippet, highlight(snippet.code, snippet.language)) for snippet in snippets)


def metrics_panel(record: Record | None, card: dict[str, Any]) -> MetricsPanel | None:
    if record is not None:
        return MetricsPanel(
            verdict=scores.verdict(record),
            lines=tuple(scores.lines(record)),
            rivals=tuple(scores.rivals(record)),
            test_rows=record.rows.get("test", 0),
            primary=record.primary,
        )
    told = tuple(scores.scores_of_card(card))
    return MetricsPanel(told=told) if told else None


async def widget_of(
    request: Request, viewer: Viewer, hub: Hub, repo: Repo, status: EndpointStatus | None = None
) -> Widget:
    """`status`: of the repo's endpoint, where it is known already."""
    if status is None:
        status = await _status(request, viewer, hub, repo)
    task = status.endpoint.task if status is not None else repo.pipeline_tag
    return Widget(
        model=repo.name,
        task=task,
        holds_model=bool(repo.config),
        status=status,
        word=words.endpoint_state(status.state) if status is not None else "",
        may_infer=may_infer(viewer, repo.resource),
        may_deploy=can(viewer, Action.WRITE, repo.resource),
        moved=status is not None and repo.head_sha is not None and status.endpoint.sha != repo.head_sha,
        examples=scores.examples_of_card(repo.card, MOST_EXAMPLES),
        has_form=task in WITH_WIDGET,
    )


async def _status(request: Request, viewer: Viewer, hub: Hub, repo: Repo) -> EndpointStatus | None:
    try:
        return await deployment.info(hub.database, request.app.state.hosts, viewer, repo.ref.repo_id)
    except NotFound:
        return None
