"""Who sees a repo, and its end."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.errors import InvalidInput
from viveiro.http.dependencies import HubDep, SignedInDep
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.hub.service import Hub
from viveiro.types import Action, RepoRef, Visibility
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render
from viveiro.web.repo_head import RepoHead, repo_head

router = APIRouter()

GATES: Final[dict[str, Literal["auto", "manual", False]]] = {"open": False, "auto": "auto", "manual": "manual"}
"""By the value that the form sends."""


@dataclass(frozen=True, slots=True)
class RepoSettingsPage:
    template: ClassVar[str] = "repo_settings/repo_settings.html"
    head: RepoHead
    problem: str | None = None


@repo_routes(router, "/settings", "GET")
def settings(request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep) -> Response:
    return render(request, viewer, RepoSettingsPage(_head(request, viewer, hub, ref)))


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


@repo_routes(router, "/settings/delete", "POST")
def delete(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    typed: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """The repo's whole name has to be typed: this cannot be undone."""
    head = _head(request, viewer, hub, ref)
    if typed.strip() != head.repo.name:
        error = InvalidInput("To delete it, type its whole name: {name}", name=head.repo.name)
        return render(request, viewer, RepoSettingsPage(head, error.translated()), status=error.status)
    hub.delete_repo(viewer, ref)
    return go_to(request, f"/{ref.kind.plural}")


def _head(request: Request, viewer: Viewer, hub: Hub, ref: RepoRef) -> RepoHead:
    repo = hub.get_repo(viewer, ref, Action.ADMIN)
    return repo_head(request, viewer, hub, repo, tab="settings")
