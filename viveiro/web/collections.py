"""Collections as people look at them, put things into them and change them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Query, Request, Response

from viveiro.accounts.service import can
from viveiro.accounts.types import Viewer
from viveiro.collections import service
from viveiro.collections.types import MAX_DESCRIPTION_CHARS, Collection, ItemKind, Summary
from viveiro.errors import InvalidInput, ViveiroError
from viveiro.http.dependencies import HubDep, SignedInDep, ViewerDep
from viveiro.http.repo_addresses import KIND
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.types import Action, RepoId, RepoKind, RepoRef
from viveiro.web.navigation import go_to
from viveiro.web.new_repo import writable_namespaces
from viveiro.web.rendering import render

router = APIRouter(prefix="/collections")

PER_PAGE: Final = 24
MOST_OWN: Final = 100
"""Of the collections that one may put something into, so many are offered."""
ONE: Final = "/{namespace}/{slug}"
ADD: Final = f"/-/add/{KIND}/{{namespace}}/{{name}}"

Title = Annotated[str, Form(max_length=200)]
Text = Annotated[str, Form(max_length=MAX_DESCRIPTION_CHARS * 2)]
Ticked = Annotated[bool, Form()]


@dataclass(frozen=True, slots=True)
class CollectionForm:
    title: str = ""
    namespace: str = ""
    description: str = ""
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class CollectionsPage:
    """`more` is the address of the next page."""

    template: ClassVar[str] = "collections/list.html"
    collections: Sequence[Collection]
    more: str | None
    namespaces: tuple[str, ...]
    form: CollectionForm
    problem: ViveiroError | None = None


@dataclass(frozen=True, slots=True)
class CollectionPage:
    template: ClassVar[str] = "collections/collection.html"
    collection: Collection
    may_write: bool
    form: CollectionForm
    problem: ViveiroError | None = None


@dataclass(frozen=True, slots=True)
class AddPage:
    """`own` are the collections that it may go into, each with whether it holds the repo already."""

    template: ClassVar[str] = "collections/add.html"
    repo: Repo
    own: Sequence[tuple[Summary, bool]]
    namespaces: tuple[str, ...]
    form: CollectionForm
    problem: ViveiroError | None = None


@router.get("")
def list_page(
    request: Request, viewer: ViewerDep, hub: HubDep, after: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    return render(request, viewer, _list(hub, viewer, after, CollectionForm()))


@router.post("")
def create(
    request: Request,
    viewer: SignedInDep,
    hub: HubDep,
    title: Title = "",
    namespace: Title = "",
    description: Text = "",
    is_private: Ticked = False,
) -> Response:
    form = CollectionForm(title, namespace, description, is_private)
    try:
        made = _create(hub, viewer, form)
    except ViveiroError as error:
        return render(request, viewer, _list(hub, viewer, None, form, error), status=error.status)
    return go_to(request, f"/collections/{made.slug}")


@router.get(ADD)
def add_page(request: Request, namespace: str, name: str, viewer: SignedInDep, hub: HubDep) -> Response:
    repo = _repo(request, hub, viewer, namespace, name)
    return render(request, viewer, _add(hub, viewer, repo, CollectionForm()))


@router.post(ADD)
def add(
    request: Request,
    namespace: str,
    name: str,
    viewer: SignedInDep,
    hub: HubDep,
    collection: Title = "",
    note: Text = "",
    title: Title = "",
    owner: Title = "",
    is_private: Ticked = False,
) -> Response:
    """Into the collection that was chosen; into a new one where a title was typed."""
    repo = _repo(request, hub, viewer, namespace, name)
    page = _add(hub, viewer, repo, CollectionForm(title, owner, "", is_private))
    try:
        if collection:
            there, _, slug = collection.partition("/")
            into = service.find_collection(hub, viewer, there, slug, Action.WRITE)
        else:
            into = _create(hub, viewer, page.form)
        service.add_item(hub, viewer, into, ItemKind(repo.kind.value), repo.name, note)
    except ViveiroError as error:
        refused = AddPage(page.repo, page.own, page.namespaces, page.form, error)
        return render(request, viewer, refused, status=error.status)
    return go_to(request, f"/collections/{into.slug}")


@router.get(ONE)
def collection_page(request: Request, namespace: str, slug: str, viewer: ViewerDep, hub: HubDep) -> Response:
    return render(request, viewer, _page(hub, viewer, service.find_collection(hub, viewer, namespace, slug)))


@router.post(ONE)
def change(
    request: Request,
    namespace: str,
    slug: str,
    viewer: SignedInDep,
    hub: HubDep,
    title: Title = "",
    description: Text = "",
    is_private: Ticked = False,
) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    try:
        changed = service.update_collection(
            hub, viewer, found, title=title, description=description, is_private=is_private
        )
    except ViveiroError as error:
        form = CollectionForm(title, found.owner, description, is_private)
        return render(request, viewer, _page(hub, viewer, found, form, error), status=error.status)
    return go_to(request, f"/collections/{changed.slug}")


@router.post(ONE + "/delete")
def delete(request: Request, namespace: str, slug: str, viewer: SignedInDep, hub: HubDep) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    service.delete_collection(hub, viewer, found)
    return go_to(request, f"/{found.owner}")


@router.post(ONE + "/items/{item_id}")
def change_item(
    request: Request,
    namespace: str,
    slug: str,
    item_id: str,
    viewer: SignedInDep,
    hub: HubDep,
    note: Annotated[str | None, Form(max_length=MAX_DESCRIPTION_CHARS * 2)] = None,
    position: Annotated[int | None, Form(ge=0)] = None,
) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    try:
        service.update_item(hub, found, item_id, note=note, position=position)
    except InvalidInput as error:
        return render(request, viewer, _page(hub, viewer, found, problem=error), status=error.status)
    return go_to(request, f"/collections/{found.slug}")


@router.post(ONE + "/items/{item_id}/remove")
def remove_item(
    request: Request, namespace: str, slug: str, item_id: str, viewer: SignedInDep, hub: HubDep
) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    service.remove_item(hub, found, item_id)
    return go_to(request, f"/collections/{found.slug}")


def _create(hub: Hub, viewer: Viewer, form: CollectionForm) -> Summary:
    return service.create_collection(
        hub,
        viewer,
        form.title,
        namespace=form.namespace or None,
        description=form.description,
        is_private=form.is_private,
    )


def _list(
    hub: Hub, viewer: Viewer, after: str | None, form: CollectionForm, problem: ViveiroError | None = None
) -> CollectionsPage:
    page = service.list_collections(hub, viewer, after=_place(after), limit=PER_PAGE)
    more = None
    if page.next is not None:
        at, last = page.next
        more = f"/collections?after={int(at.timestamp() * 1e6)}-{last}"
    return CollectionsPage(page.collections, more, _namespaces(hub, viewer), form, problem)


def _place(after: str | None) -> tuple[datetime, str] | None:
    """Microseconds and an id. What is no such place is the beginning."""
    micros, _, last = (after or "").partition("-")
    if not (micros.isdecimal() and len(micros) < 18 and last):
        return None
    return datetime.fromtimestamp(int(micros) // 10**6).astimezone().replace(microsecond=int(micros) % 10**6), last


def _page(
    hub: Hub,
    viewer: Viewer,
    summary: Summary,
    form: CollectionForm | None = None,
    problem: ViveiroError | None = None,
) -> CollectionPage:
    told = CollectionForm(summary.title, summary.owner, summary.description or "", summary.is_private)
    return CollectionPage(
        collection=service.read_collection(hub, viewer, summary),
        may_write=can(viewer, Action.WRITE, summary.resource),
        form=form or told,
        problem=problem,
    )


def _repo(request: Request, hub: Hub, viewer: Viewer, namespace: str, name: str) -> Repo:
    kind: RepoKind = request.path_params["kind"]
    if kind.value not in set(ItemKind):
        raise InvalidInput("Collections hold no {kind} repositories.", kind=kind)
    return hub.get_repo(viewer, RepoRef(kind, RepoId.parse(f"{namespace}/{name}")))


def _add(hub: Hub, viewer: Viewer, repo: Repo, form: CollectionForm) -> AddPage:
    namespaces = _namespaces(hub, viewer)
    found = service.list_collections(hub, viewer, owners=namespaces, limit=MOST_OWN).collections
    item = (ItemKind(repo.kind.value), repo.name)
    holding = service.list_collections(hub, viewer, owners=namespaces, items=[item], limit=MOST_OWN).collections
    held = {it.summary.id for it in holding}
    own = [(it.summary, it.summary.id in held) for it in found if can(viewer, Action.WRITE, it.summary.resource)]
    return AddPage(repo, own, namespaces, form)


def _namespaces(hub: Hub, viewer: Viewer) -> tuple[str, ...]:
    """In which this viewer may make collections, their own first."""
    return () if viewer.user_id is None else writable_namespaces(hub.database, viewer)
