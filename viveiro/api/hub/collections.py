"""Collections: repos that somebody put together, in an order, with notes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from viveiro.api.hub.answers import date_text, decode_cursor, encode_cursor, json_answer, without_none
from viveiro.api.hub.schemas import Schema
from viveiro.collections import service
from viveiro.collections.types import Collection, Item, ItemKind, Summary
from viveiro.errors import InvalidInput, NotOffered
from viveiro.http.dependencies import HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.locale import Sentence
from viveiro.types import Action, Visibility

router = APIRouter(prefix="/api/collections", tags=["hub"])

PER_PAGE: Final = 100
ONE: Final = "/{namespace}/{slug}"


class CollectionWish(Schema):
    title: str
    namespace: str | None = None
    description: str | None = None
    private: bool = False
    resource_group: str | None = Field(None, alias="resourceGroupId")


class CollectionChange(Schema):
    title: str | None = None
    description: str | None = None
    private: bool | None = None
    theme: str | None = None
    position: int | None = Field(None, ge=0)


class ItemName(Schema):
    id: str
    kind: ItemKind = Field(alias="type")


class ItemWish(Schema):
    item: ItemName
    note: str | None = None


class ItemChange(Schema):
    note: str | None = None
    position: int | None = Field(None, ge=0)


@router.get("")
def list_collections(
    request: Request,
    viewer: ViewerDep,
    hub: HubDep,
    owner: Annotated[Sequence[str], Query()] = (),
    item: Annotated[Sequence[str], Query(max_length=100)] = (),
    limit: Annotated[int, Query(ge=1)] = PER_PAGE,
    cursor: str | None = None,
) -> Response:
    """Whatever `sort` says, last changed first: nothing is voted for here."""
    page = service.list_collections(
        hub,
        viewer,
        owners=owner,
        items=[_item_named(text) for text in item],
        after=_place(cursor) if cursor else None,
        limit=min(limit, PER_PAGE),
    )
    headers = {}
    if page.next is not None:
        at, last = page.next
        headers["Link"] = next_page(request, cursor=encode_cursor(f"{at.isoformat()} {last}"))
    # The client counts positions in a list itself, and refuses to be told them.
    told = [{name: value for name, value in _told(it).items() if name != "position"} for it in page.collections]
    return json_answer(told, headers=headers)


@router.post("")
def create(body: CollectionWish, viewer: SignedInDep, hub: HubDep) -> Response:
    if body.resource_group is not None:
        raise _no_resource_groups()
    made = service.create_collection(
        hub,
        viewer,
        body.title,
        namespace=body.namespace,
        description=body.description,
        is_private=body.private,
    )
    return json_answer(_told(Collection(made, (), 0)))


@router.get(ONE)
def get(namespace: str, slug: str, viewer: ViewerDep, hub: HubDep) -> Response:
    return json_answer(
        _told(service.read_collection(hub, viewer, service.find_collection(hub, viewer, namespace, slug)))
    )


@router.patch(ONE)
def update(namespace: str, slug: str, body: CollectionChange, viewer: ViewerDep, hub: HubDep) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    changed = service.update_collection(
        hub,
        viewer,
        found,
        title=body.title,
        description=body.description,
        is_private=body.private,
        theme=body.theme,
        position=body.position,
    )
    return json_answer({"success": True, "data": _told(service.read_collection(hub, viewer, changed))})


@router.delete(ONE)
def delete(namespace: str, slug: str, viewer: ViewerDep, hub: HubDep) -> Response:
    service.delete_collection(hub, viewer, service.find_collection(hub, viewer, namespace, slug, Action.WRITE))
    return json_answer({"success": True})


@router.post(ONE + "/items")
def add_item(namespace: str, slug: str, body: ItemWish, viewer: ViewerDep, hub: HubDep) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    service.add_item(hub, viewer, found, body.item.kind, body.item.id, body.note)
    return json_answer(_told(service.read_collection(hub, viewer, found)))


@router.patch(ONE + "/items/{item_id}")
def update_item(namespace: str, slug: str, item_id: str, body: ItemChange, viewer: ViewerDep, hub: HubDep) -> Response:
    found = service.find_collection(hub, viewer, namespace, slug, Action.WRITE)
    service.update_item(hub, found, item_id, note=body.note, position=body.position)
    return json_answer({"success": True})


@router.delete(ONE + "/items/{item_id}")
def remove_item(namespace: str, slug: str, item_id: str, viewer: ViewerDep, hub: HubDep) -> Response:
    service.remove_item(hub, service.find_collection(hub, viewer, namespace, slug, Action.WRITE), item_id)
    return json_answer({"success": True})


@router.post(ONE + "/resource-group")
def resource_group(namespace: str, slug: str, viewer: ViewerDep, hub: HubDep) -> Response:
    service.find_collection(hub, viewer, namespace, slug)
    raise _no_resource_groups()


def _no_resource_groups() -> NotOffered:
    return NotOffered("This hub does not offer {what}.", what=Sentence("resource groups"))


def _item_named(text: str) -> tuple[ItemKind, str]:
    """As in `models/acai/triage`."""
    kind, _, name = text.partition("/")
    try:
        return ItemKind(kind.removesuffix("s")), name
    except ValueError as error:
        raise InvalidInput(
            "{item!r} names no item: write models/…, datasets/…, spaces/… or collections/….", item=text
        ) from error


def _place(cursor: str) -> tuple[datetime, str]:
    at, _, last = decode_cursor(cursor).partition(" ")
    try:
        return datetime.fromisoformat(at).astimezone(), last
    except (ValueError, OverflowError) as error:
        raise InvalidInput("This cursor was not given by this list. Start again without one.") from error


def _told(collection: Collection) -> dict[str, Any]:
    summary = collection.summary
    return without_none(
        {
            **_told_summary(summary),
            "description": summary.description,
            "items": [_told_item(item) for item in collection.items],
        }
    )


def _told_summary(summary: Summary) -> dict[str, Any]:
    return {
        "_id": summary.id,
        "slug": summary.slug,
        "title": summary.title,
        "owner": {"_id": f"{summary.owner_id:024x}", "name": summary.owner},
        "position": summary.position,
        "private": summary.is_private,
        "theme": summary.theme,
        "upvotes": 0,
        "lastUpdated": date_text(summary.last_updated),
        "gating": False,
    }


def _told_item(item: Item) -> dict[str, Any]:
    told: dict[str, Any] = {"_id": item.id, "type": item.kind.value, "position": item.position}
    if item.note is not None:
        told["note"] = {"text": item.note, "html": ""}
    if item.collection is not None:
        it = item.collection
        return {**told, "id": it.id, "slug": it.slug, "title": it.title, "lastUpdated": date_text(it.last_updated)}
    assert item.repo is not None
    repo = item.repo
    return {
        **told,
        "id": repo.name,
        "repoType": repo.kind.value,
        "author": repo.ref.repo_id.namespace,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "gated": repo.gated or False,
        "private": repo.visibility is Visibility.PRIVATE,
        "lastModified": date_text(repo.last_modified),
        **({"pipeline_tag": repo.pipeline_tag} if repo.pipeline_tag else {}),
    }
