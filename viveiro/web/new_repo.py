"""A new repo, empty but for its first commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts.service import get_account, memberships_of
from viveiro.accounts.types import Role, Viewer
from viveiro.db import Database
from viveiro.errors import ViveiroError
from viveiro.http.dependencies import DatabaseDep, HubDep, InFullDep
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render

router = APIRouter()

CREATABLE: Final = (RepoKind.MODEL, RepoKind.DATASET)


@dataclass(frozen=True, slots=True)
class NewRepoPage:
    """`namespaces` are those that the viewer may make repos in; `problem` is what was wrong with what was sent."""

    template: ClassVar[str] = "new_repo/new_repo.html"
    kind: RepoKind
    namespaces: tuple[str, ...]
    namespace: str
    name: str
    private: bool
    problem: str | None = None


@router.get("/new")
def new_repo(request: Request, viewer: InFullDep, database: DatabaseDep, kind: str = "model") -> Response:
    namespaces = writable_namespaces(database, viewer)
    chosen = RepoKind(kind) if kind in CREATABLE else RepoKind.MODEL
    return render(request, viewer, NewRepoPage(chosen, namespaces, namespaces[0], "", private=False))


@router.post("/new")
def create_repo(
    request: Request,
    viewer: InFullDep,
    hub: HubDep,
    database: DatabaseDep,
    kind: Annotated[RepoKind, Form()],
    namespace: Annotated[str, Form(max_length=200)],
    name: Annotated[str, Form(max_length=200)] = "",
    visibility: Annotated[Visibility, Form()] = Visibility.PUBLIC,
) -> Response:
    try:
        ref = RepoRef(kind, RepoId.parse(f"{namespace}/{name.strip()}"))
        repo = hub.create_repo(viewer, ref, visibility=visibility)
    except ViveiroError as error:
        page = NewRepoPage(
            kind,
            writable_namespaces(database, viewer),
            namespace,
            name,
            private=visibility is Visibility.PRIVATE,
            problem=error.translated(),
        )
        return render(request, viewer, page, status=error.status)
    return go_to(request, f"/{repo.ref.url_path}")


def writable_namespaces(database: Database, viewer: Viewer) -> tuple[str, ...]:
    """The viewer's own name first, then those of organisations in which they may write."""
    assert viewer.user_id is not None
    assert viewer.name is not None
    with database.read() as session:
        own = get_account(session, viewer.name).name
        memberships = memberships_of(session, viewer.user_id)
    return (own, *_writable(sorted((member.account.name, member.role) for member in memberships)))


def _writable(organizations: Sequence[tuple[str, Role]]) -> list[str]:
    return [name for name, role in organizations if role is not Role.READ]
