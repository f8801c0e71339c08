"""Who sees a repo, what it is called, and its end."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.errors import InvalidInput, ViveiroError
from viveiro.http.dependencies import HubDep, SignedInDep
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.hub.moving import move_repo
from viveiro.hub.service import Hub
from viveiro.types import Action, RepoId, RepoRef, Visibility
from viveiro.web.navigation import go_to
from viveiro.web.new_repo import writable_namespaces
from viveiro.web.rendering import render
from viveiro.web.repo_head import RepoHead, repo_head

router = APIRouter()

GATES: Final[dict[str, Literal["auto", "manual", False]]] = {"open": False, "auto": "auto", "manual": "manual"}
"""By the value that the form sends."""


@dataclass(frozen=True, slots=True)
class RepoSettingsPage:
    template: ClassVar[str] = "repo_settings/repo_settings.html"
    head: RepoHead
    namespaces: tuple[str, ...]
    namespace: str
    name: str
    problem: str | None = None
    move_problem: str | None = None


@repo_routes(router, "/settings", "GET")
def settings(request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep) -> Response:
    return render(request, viewer, _page(request, viewer, hub, ref))


@repo_routes(router, "/settings", "POST")
def change(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    visibility: Annotated[Visibility, Form()],
    gate: Annotated[Literal["open", "auto", "manual"], Form()] = "open",
) -> Response:
    repo = hub.update_repo(viewer, ref, visibility=visibility, gated=GATES[gate])
    return go_to(request, f"/{repo.ref.url_path}/settings")


@repo_routes(router, "/settings/move", "POST")
def move(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    new_namespace: Annotated[str, Form(max_length=200)] = "",
    new_name: Annotated[str, Form(max_length=200)] = "",
    old_name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """The name that it has has to be typed: everyone will see it under another."""
    page = _page(request, viewer, hub, ref)
    try:
        if old_name.strip() != page.head.repo.name:
            raise InvalidInput("To move it, type the name that it has now: {name}", name=page.head.repo.name)
        repo = move_repo(hub, viewer, ref, RepoId.parse(f"{new_namespace.strip()}/{new_name.strip()}"))
    except ViveiroError as error:
        again = replace(page, namespace=new_namespace, name=new_name, move_problem=error.translated())
        return render(request, viewer, again, status=error.status)
    return go_to(request, f"/{repo.ref.url_path}/settings")


@repo_routes(router, "/settings/delete", "POST")
def delete(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    typed: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """The repo's whole name has to be typed: this cannot be undone."""
    page = _page(request, viewer, hub, ref)
    if typed.strip() != page.head.repo.name:
        error = InvalidInput("To delete it, type its whole name: {name}", name=page.head.repo.name)
        return render(request, viewer, replace(page, problem=error.translated()), status=error.status)
    hub.delete_repo(viewer, ref)
    return go_to(request, f"/{ref.kind.plural}")


def _page(request: Request, viewer: Viewer, hub: Hub, ref: RepoRef) -> RepoSettingsPage:
    repo = hub.get_repo(viewer, ref, Action.ADMIN)
    namespace, name = repo.ref.repo_id.namespace, repo.ref.repo_id.name
    # Administrators of the installation see here what is not theirs.
    namespaces = dict.fromkeys([namespace, *writable_namespaces(hub.database, viewer)])
    return RepoSettingsPage(
        repo_head(request, viewer, hub, repo, tab="settings"), tuple(namespaces), namespace=namespace, name=name
    )
