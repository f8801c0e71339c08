"""Endpoints: what is served, how it does, and trying it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Form, Request, Response
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.service import can
from viveiro.accounts.types import Viewer
from viveiro.http.dependencies import AdmissionsDep, DatabaseDep, HostsDep, HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import public_url
from viveiro.hub.service import Hub
from viveiro.serving import deployment
from viveiro.serving.deployment import EndpointStatus
from viveiro.serving.types import EngineChoice
from viveiro.types import Action, RepoId, RepoKind, RepoRef
from viveiro.web import words
from viveiro.web.model_panels import ShownSnippet, Widget, snippets_of, widget_of
from viveiro.web.navigation import go_to
from viveiro.web.rendering import is_fragment, render

router = APIRouter()


@dataclass(frozen=True, slots=True)
class EndpointLine:
    status: EndpointStatus
    word: str
    task: str


@dataclass(frozen=True, slots=True)
class EndpointsPage:
    template: ClassVar[str] = "endpoints/list.html"
    lines: tuple[EndpointLine, ...]
    is_loading: bool


@dataclass(frozen=True, slots=True)
class EndpointPanels:
    """What of a model's panels this page has too."""

    name: str
    widget: Widget
    snippets: tuple[ShownSnippet, ...]


@dataclass(frozen=True, slots=True)
class EndpointPage:
    template: ClassVar[str] = "endpoints/endpoint.html"
    line: EndpointLine
    may_change: bool
    panels: EndpointPanels


def _repo_id(namespace: str, name: str) -> RepoId:
    return RepoId.parse(f"{namespace}/{name}")


RepoIdDep = Annotated[RepoId, Depends(_repo_id)]


@router.get("/endpoints")
async def list_endpoints(request: Request, viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep) -> Response:
    lines = tuple(_line(status) for status in await deployment.list_statuses(database, hosts, viewer))
    page = EndpointsPage(lines, is_loading=any(line.status.state == "loading" for line in lines))
    return render(request, viewer, page, part="endpoints/_list.html" if is_fragment(request) else None)


@router.get("/endpoints/{namespace}/{name}")
async def show_endpoint(
    repo_id: RepoIdDep, request: Request, viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep, hub: HubDep
) -> Response:
    status = await deployment.info(database, hosts, viewer, repo_id)
    page = EndpointPage(
        line=_line(status),
        may_change=can(viewer, Action.WRITE, status.endpoint.resource),
        panels=await _panels(request, viewer, hub, status),
    )
    return render(request, viewer, page, part="endpoints/_state.html" if is_fragment(request) else None)


@router.post("/endpoints")
async def deploy(
    request: Request,
    viewer: SignedInDep,
    hub: HubDep,
    hosts: HostsDep,
    admissions: AdmissionsDep,
    model: Annotated[str, Form()],
    revision: Annotated[str, Form()] = "main",
    engine: Annotated[EngineChoice, Form()] = "auto",
) -> Response:
    """Answers when the model is loaded, which takes seconds."""
    repo_id = RepoId.parse(model)
    status = await deployment.deploy(hub, hosts, admissions, viewer, repo_id, revision or "main", engine)
    return go_to(request, f"/endpoints/{status.endpoint.repo}")


@router.post("/endpoints/{namespace}/{name}/undeploy")
async def undeploy(
    repo_id: RepoIdDep,
    request: Request,
    viewer: SignedInDep,
    database: DatabaseDep,
    hosts: HostsDep,
    admissions: AdmissionsDep,
) -> Response:
    await deployment.undeploy(database, hosts, admissions, viewer, repo_id)
    return go_to(request, "/endpoints")


async def _panels(request: Request, viewer: Viewer, hub: Hub, status: EndpointStatus) -> EndpointPanels:
    ref = RepoRef(RepoKind.MODEL, RepoId.parse(status.endpoint.repo))
    repo = await run_in_threadpool(hub.get_repo, viewer, ref)
    widget = await widget_of(request, viewer, hub, repo, status)
    return EndpointPanels(repo.name, widget, snippets_of(public_url(request), repo, widget))


def _line(status: EndpointStatus) -> EndpointLine:
    return EndpointLine(status, words.endpoint_state(status.state), words.task(status.endpoint.task))
