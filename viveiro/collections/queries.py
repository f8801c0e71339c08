"""Every SQL statement of collections."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, true, tuple_, update
from sqlalchemy.orm import Session

from viveiro.accounts.service import names_of
from viveiro.accounts.types import Viewer
from viveiro.collections.tables import CollectionItemRow, CollectionRow
from viveiro.collections.types import Summary, slugified


def insert(session: Session, row: CollectionRow) -> None:
    """Raises IntegrityError when its owner has one of this title."""
    session.add(row)
    session.flush()


def find(session: Session, collection_id: str) -> Summary | None:
    return next(iter(summaries(session, [collection_id])), None)


def find_titled(session: Session, owner_id: int, title: str) -> Summary | None:
    found = select(CollectionRow.id).where(
        CollectionRow.owner_id == owner_id, CollectionRow.folded_title == folded(title)
    )
    collection_id = session.scalar(found)
    return find(session, collection_id) if collection_id is not None else None


def folded(title: str) -> str:
    """Titles that make the same address are one title."""
    return slugified(title)


def summaries(session: Session, ids: Collection[str]) -> list[Summary]:
    """Those that exist, in the order asked."""
    rows = {row.id: row for row in session.scalars(select(CollectionRow).where(CollectionRow.id.in_(ids)))}
    names = names_of(session, {row.owner_id for row in rows.values()})
    return [_summary(rows[it], names[rows[it].owner_id]) for it in ids if it in rows and rows[it].owner_id in names]


def _summary(row: CollectionRow, owner: str) -> Summary:
    return Summary(
        id=row.id,
        owner_id=row.owner_id,
        owner=owner,
        title=row.title,
        description=row.description,
        is_private=row.is_private,
        theme=row.theme,
        position=row.position,
        created_at=row.created_at,
        last_updated=row.last_updated,
    )


def _may_be_seen(viewer: Viewer) -> ColumnElement[bool]:
    """By the person. An access token may narrow it further: that is asked of each found."""
    if viewer.is_admin:
        return true()
    return or_(CollectionRow.is_private.is_(False), CollectionRow.owner_id.in_(viewer.owner_ids))


def list_ids(
    session: Session,
    viewer: Viewer,
    *,
    owner_ids: Collection[int] | None,
    repo_pks: Collection[int],
    others: Collection[str],
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[tuple[datetime, str]]:
    """Last changed first. `repo_pks` and `others`: only those that hold one of them."""
    found = select(CollectionRow.last_updated, CollectionRow.id).where(_may_be_seen(viewer))
    if owner_ids is not None:
        found = found.where(CollectionRow.owner_id.in_(owner_ids))
    if repo_pks or others:
        holds = or_(CollectionItemRow.repo_id.in_(repo_pks), CollectionItemRow.other_id.in_(others))
        found = found.where(CollectionRow.id.in_(select(CollectionItemRow.collection_id).where(holds)))
    if after is not None:
        found = found.where(tuple_(CollectionRow.last_updated, CollectionRow.id) < tuple_(*after))
    ordered = found.order_by(CollectionRow.last_updated.desc(), CollectionRow.id.desc()).limit(limit)
    return [(at, collection_id) for at, collection_id in session.execute(ordered)]


def ids_of_owner(session: Session, owner_id: int) -> Sequence[str]:
    """In their owner's order."""
    owned = select(CollectionRow.id).where(CollectionRow.owner_id == owner_id)
    return session.scalars(owned.order_by(CollectionRow.position, CollectionRow.id)).all()


def update_collection(session: Session, collection_id: str, **columns: Any) -> None:
    """Raises IntegrityError when its owner has another of this title."""
    session.execute(update(CollectionRow).where(CollectionRow.id == collection_id).values(**columns))


def remove(session: Session, collection_id: str) -> None:
    session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))


# Items ----------------------------------------------------------------------------------------------------------------


def items_of(session: Session, ids: Collection[str]) -> list[CollectionItemRow]:
    """Of all these collections, each in its order."""
    rows = select(CollectionItemRow).where(CollectionItemRow.collection_id.in_(ids))
    return list(session.scalars(rows.order_by(CollectionItemRow.position, CollectionItemRow.id)))


def count_items(session: Session, collection_id: str) -> int:
    rows = select(func.count()).select_from(CollectionItemRow)
    return session.scalar(rows.where(CollectionItemRow.collection_id == collection_id)) or 0


def find_item(session: Session, collection_id: str, item_id: str) -> CollectionItemRow | None:
    row = session.get(CollectionItemRow, item_id)
    return row if row is not None and row.collection_id == collection_id else None


def holds(session: Session, collection_id: str, *, repo_pk: int | None, other_id: str | None) -> bool:
    rows = select(CollectionItemRow.id).where(CollectionItemRow.collection_id == collection_id)
    same = CollectionItemRow.repo_id == repo_pk if repo_pk is not None else CollectionItemRow.other_id == other_id
    return session.scalar(rows.where(same)) is not None


def insert_item(session: Session, row: CollectionItemRow) -> None:
    session.add(row)
    session.flush()


def remove_item(session: Session, item_id: str) -> None:
    session.execute(delete(CollectionItemRow).where(CollectionItemRow.id == item_id))


def set_note(session: Session, item_id: str, note: str | None) -> None:
    session.execute(update(CollectionItemRow).where(CollectionItemRow.id == item_id).values(note=note))


def set_order(session: Session, item_ids: Sequence[str]) -> None:
    if item_ids:
        session.execute(
            update(CollectionItemRow), [{"id": item_id, "position": at} for at, item_id in enumerate(item_ids)]
        )


def set_collection_order(session: Session, ids: Sequence[str]) -> None:
    if ids:
        session.execute(update(CollectionRow), [{"id": it, "position": at} for at, it in enumerate(ids)])
