"""A repo of one's own, with another's history."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.errors import ViveiroError
from viveiro.http.dependencies import HubDep, InFullDep
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.hub.duplicating import duplicate_repo
from viveiro.hub.service import Hub
from viveiro.types import RepoId, RepoRef, Visibility
from viveiro.web.navigation import go_to
from viveiro.web.new_repo import writable_namespaces
from viveiro.web.rendering import render
from viveiro.web.repo_head import RepoHead, repo_head

router = APIRouter()


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    """`namespaces` are those that the viewer may make repos in; `problem` is what was wrong with what was sent."""

    template: ClassVar[str] = "repos/duplicate.html"
    head: RepoHead
    namespaces: tuple[str, ...]
    namespace: str
    name: str
    private: bool
    problem: str | None = None


@repo_routes(router, "/duplicate", "GET")
def duplicate_page(request: Request, ref: RepoRefDep, viewer: InFullDep, hub: HubDep) -> Response:
    head, namespaces = _offered(request, viewer, hub, ref)
    private = head.repo.visibility is Visibility.PRIVATE
    page = DuplicatePage(head, namespaces, namespaces[0], head.repo.ref.repo_id.name, private)
    return render(request, viewer, page)


@repo_routes(router, "/duplicate", "POST")
def duplicate(
    request: Request,
    ref: RepoRefDep,
    viewer: InFullDep,
    hub: HubDep,
    new_namespace: Annotated[str, Form(max_length=200)] = "",
    new_name: Annotated[str, Form(max_length=200)] = "",
    visibility: Annotated[Visibility | None, Form()] = None,
) -> Response:
    head, namespaces = _offered(request, viewer, hub, ref)
    try:
        target = RepoId.parse(f"{new_namespace.strip()}/{new_name.strip()}")
        repo = duplicate_repo(hub, viewer, ref, target, visibility=visibility)
    except ViveiroError as error:
        private = visibility is Visibility.PRIVATE
        page = DuplicatePage(head, namespaces, new_namespace, new_name, private, error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, f"/{repo.ref.url_path}")


def _offered(request: Request, viewer: Viewer, hub: Hub, ref: RepoRef) -> tuple[RepoHead, tuple[str, ...]]:
    repo = hub.get_repo(viewer, ref)
    hub.require_files(viewer, repo)
    return repo_head(request, viewer, hub, repo, tab="card"), writable_namespaces(hub.database, viewer)
