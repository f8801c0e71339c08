"""What may be done with collections. A private one is missing to whoever may not see it, and so is a private repo in an open one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from viveiro.accounts.service import can, get_account, may_see, record, require_namespace
from viveiro.accounts.types import Viewer
from viveiro.collections import queries
from viveiro.collections.tables import CollectionItemRow, CollectionRow
from viveiro.collections.types import (
    MAX_DESCRIPTION_CHARS,
    MAX_NOTE_CHARS,
    MAX_TITLE_CHARS,
    MOST_ITEMS,
    THEMES,
    Collection,
    CollectionExists,
    CollectionNotFound,
    Item,
    ItemExists,
    ItemKind,
    ItemNotFound,
    Summary,
    id_in,
)
from viveiro.db import utc_now
from viveiro.errors import Forbidden, InvalidInput, NotAuthenticated, RepoNotFound, TooLarge, UserNotFound
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.types import Action, RepoId, RepoRef, new_id

IN_LISTS: Final = 4
"""So many items of each collection a list shows."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `next` is where the following page begins, None at the end."""

    collections: list[Collection]
    next: tuple[datetime, str] | None


def create_collection(
    hub: Hub, viewer: Viewer, title: str, *, namespace: str | None, description: str | None, is_private: bool
) -> Summary:
    """Raises CollectionExists, with the slug of the one that has the title."""
    if viewer.name is None or viewer.is_anonymous:
        raise NotAuthenticated
    title = _checked_title(title)
    with hub.database.read() as session:
        owner = require_namespace(session, viewer, namespace or viewer.name, Action.WRITE)
        existing = queries.find_titled(session, owner.id, title)
    if existing is not None:
        raise CollectionExists(existing.slug)
    row = CollectionRow(
        id=new_id(),
        owner_id=owner.id,
        title=title,
        folded_title=queries.folded(title),
        description=_checked(description, MAX_DESCRIPTION_CHARS),
        is_private=is_private,
        theme=THEMES[0],
        position=0,
        created_at=utc_now(),
        last_updated=utc_now(),
    )
    try:
        with hub.database.write() as session:
            queries.insert(session, row)
            record(session, viewer, "collection.create", row.id, title=title)
            made = queries.find(session, row.id)
    except IntegrityError as error:  # by somebody else, this moment
        raise CollectionExists(f"{owner.name}/{row.folded_title}") from error
    assert made is not None
    return made


def find_collection(hub: Hub, viewer: Viewer, namespace: str, slug: str, action: Action = Action.READ) -> Summary:
    """By any slug that it ever had."""
    collection_id = id_in(slug)
    with hub.database.read() as session:
        found = queries.find(session, collection_id) if collection_id is not None else None
    if found is None or found.owner.lower() != namespace.lower() or not may_see(viewer, found.resource):
        raise CollectionNotFound(f"{namespace}/{slug}")
    if not can(viewer, action, found.resource):
        if viewer.is_anonymous:
            raise NotAuthenticated
        raise Forbidden("You can see the collection {slug}, but not change it: that takes its owner.", slug=found.slug)
    return found


def read_collection(hub: Hub, viewer: Viewer, summary: Summary) -> Collection:
    return _with_items(hub, viewer, [summary])[0]


def list_collections(
    hub: Hub,
    viewer: Viewer,
    *,
    owners: Sequence[str] = (),
    items: Sequence[tuple[ItemKind, str]] = (),
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> Page:
    """Last changed first; of each the first few items. `items`: only those that hold one of these, as kind and name."""
    with hub.database.read() as session:
        owner_ids = [account_id for name in owners if (account_id := _account_id(session, name)) is not None]
    pks, others = _items_named(hub, viewer, items)
    if (owners and not owner_ids) or (items and not (pks or others)):
        return Page([], None)
    with hub.database.read() as session:
        found = queries.list_ids(
            session,
            viewer,
            owner_ids=owner_ids if owners else None,
            repo_pks=pks,
            others=others,
            after=after,
            limit=limit + 1,
        )
        shown = queries.summaries(session, [collection_id for _, collection_id in found[:limit]])
    seen = [summary for summary in shown if may_see(viewer, summary.resource)]
    return Page(_with_items(hub, viewer, seen, IN_LISTS), found[limit - 1] if len(found) > limit else None)


def update_collection(
    hub: Hub,
    viewer: Viewer,
    summary: Summary,
    *,
    title: str | None = None,
    description: str | None = None,
    is_private: bool | None = None,
    theme: str | None = None,
    position: int | None = None,
) -> Summary:
    """None leaves things as they are."""
    columns: dict[str, object] = {"last_updated": utc_now()}
    if title is not None:
        title = _checked_title(title)
        columns |= {"title": title, "folded_title": queries.folded(title)}
    if description is not None:
        columns["description"] = _checked(description, MAX_DESCRIPTION_CHARS)
    if is_private is not None:
        columns["is_private"] = is_private
    if theme is not None:
        if theme not in THEMES:
            raise InvalidInput("A collection's theme is one of {known}.", known=", ".join(THEMES))
        columns["theme"] = theme
    try:
        with hub.database.write() as session:
            queries.update_collection(session, summary.id, **columns)
            if position is not None:
                ids = [it for it in queries.ids_of_owner(session, summary.owner_id) if it != summary.id]
                ids.insert(min(position, len(ids)), summary.id)
                queries.set_collection_order(session, ids)
            record(session, viewer, "collection.update", summary.id)
            changed = queries.find(session, summary.id)
    except IntegrityError as error:
        raise CollectionExists(f"{summary.owner}/{title}") from error
    if changed is None:
        raise CollectionNotFound(summary.slug)
    return changed


def delete_collection(hub: Hub, viewer: Viewer, summary: Summary) -> None:
    with hub.database.write() as session:
        queries.remove(session, summary.id)
        record(session, viewer, "collection.delete", summary.id, title=summary.title)


# Items ----------------------------------------------------------------------------------------------------------------


def add_item(hub: Hub, viewer: Viewer, summary: Summary, kind: ItemKind, name: str, note: str | None) -> None:
    """At the end. Raises RepoNotFound or CollectionNotFound for what the viewer cannot see."""
    repo, other = _target(hub, viewer, kind, name)
    if other is not None and other.id == summary.id:
        raise InvalidInput("A collection cannot hold itself.")
    note = _checked(note, MAX_NOTE_CHARS)
    repo_pk, other_id = (repo.pk if repo else None), (other.id if other else None)
    try:
        with hub.database.write() as session:
            if queries.holds(session, summary.id, repo_pk=repo_pk, other_id=other_id):
                raise ItemExists(name, summary.slug)
            count = queries.count_items(session, summary.id)
            if count >= MOST_ITEMS:
                raise TooLarge("A collection holds at most {most} items.", most=MOST_ITEMS)
            row = CollectionItemRow(
                id=new_id(),
                collection_id=summary.id,
                kind=kind,
                repo_id=repo_pk,
                other_id=other_id,
                position=count,
                note=note,
            )
            queries.insert_item(session, row)
            queries.update_collection(session, summary.id, last_updated=utc_now())
    except IntegrityError as error:  # it, or the collection, was deleted this moment
        raise CollectionNotFound(summary.slug) from error


def update_item(
    hub: Hub, summary: Summary, item_id: str, *, note: str | None = None, position: int | None = None
) -> None:
    """None leaves things as they are; an empty note is none."""
    note = note if note is None else _checked(note, MAX_NOTE_CHARS) or ""
    with hub.database.write() as session:
        if queries.find_item(session, summary.id, item_id) is None:
            raise ItemNotFound(item_id, summary.slug)
        if note is not None:
            queries.set_note(session, item_id, note or None)
        if position is not None:
            order = [row.id for row in queries.items_of(session, [summary.id]) if row.id != item_id]
            order.insert(min(position, len(order)), item_id)
            queries.set_order(session, order)
        queries.update_collection(session, summary.id, last_updated=utc_now())


def remove_item(hub: Hub, summary: Summary, item_id: str) -> None:
    with hub.database.write() as session:
        if queries.find_item(session, summary.id, item_id) is None:
            raise ItemNotFound(item_id, summary.slug)
        queries.remove_item(session, item_id)
        queries.set_order(session, [row.id for row in queries.items_of(session, [summary.id])])
        queries.update_collection(session, summary.id, last_updated=utc_now())


def _target(hub: Hub, viewer: Viewer, kind: ItemKind, name: str) -> tuple[Repo | None, Summary | None]:
    if kind is ItemKind.COLLECTION:
        namespace, _, slug = name.partition("/")
        return None, find_collection(hub, viewer, namespace, slug)
    # The client's own documentation writes `datasets/climate_fever` here.
    plain = name.removeprefix(f"{kind.value}s/") if name.count("/") == 2 else name
    return hub.get_repo(viewer, RepoRef(kind.repo_kind, RepoId.parse(plain)), follow=True), None


def _items_named(hub: Hub, viewer: Viewer, items: Sequence[tuple[ItemKind, str]]) -> tuple[list[int], list[str]]:
    """Keys of those that the viewer can see."""
    pks, others = [], []
    for kind, name in items:
        try:
            repo, other = _target(hub, viewer, kind, name)
        except (RepoNotFound, CollectionNotFound):
            continue
        if repo is not None:
            pks.append(repo.pk)
        elif other is not None:
            others.append(other.id)
    return pks, others


def _with_items(hub: Hub, viewer: Viewer, found: Sequence[Summary], most: int | None = None) -> list[Collection]:
    """With what the viewer may see of their items."""
    with hub.database.read() as session:
        rows = queries.items_of(session, [summary.id for summary in found])
        others = {it.id: it for it in queries.summaries(session, {row.other_id for row in rows if row.other_id})}
    repos = {repo.pk: repo for repo in hub.visible_repos(viewer, {row.repo_id for row in rows if row.repo_id})}
    items: dict[str, list[Item]] = {summary.id: [] for summary in found}
    for row in rows:
        repo, other = repos.get(row.repo_id or 0), others.get(row.other_id or "")
        if repo is not None or (other is not None and may_see(viewer, other.resource)):
            items[row.collection_id].append(Item(row.id, ItemKind(row.kind), row.position, row.note, repo, other))
    return [Collection(it, tuple(items[it.id][:most]), len(items[it.id])) for it in found]


def _account_id(session: Session, name: str) -> int | None:
    try:
        return get_account(session, name).id
    except UserNotFound:
        return None


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if not title or len(title) > MAX_TITLE_CHARS:
        raise InvalidInput("The title of a collection has 1 to {most} characters.", most=MAX_TITLE_CHARS)
    return title


def _checked(text: str | None, most: int) -> str | None:
    text = (text or "").strip()
    if len(text) > most:
        raise InvalidInput("At most {most} characters: this text has {count}.", most=most, count=len(text))
    return text.replace("\0", "") or None
