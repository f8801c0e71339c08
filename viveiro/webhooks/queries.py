"""Every SQL statement of webhooks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from viveiro.types import RepoKind, new_id
from viveiro.webhooks.tables import DeliveryRow, WebhookRow, WebhookWatchRow
from viveiro.webhooks.types import Delivery, DeliveryState, Domain, Watched, WatchedKind, Webhook, Wish


def add(session: Session, owner_id: int, wish: Wish, now: datetime) -> str:
    row = WebhookRow(
        id=new_id(),
        owner_id=owner_id,
        url=wish.url,
        domains=list(wish.domains),
        secret=wish.secret,
        disabled=False,
        base_url=wish.base_url,
        created_at=now,
    )
    session.add(row)
    session.flush()
    _watch(session, row.id, wish.watched)
    return row.id


def change(session: Session, webhook_id: str, wish: Wish) -> None:
    columns = {"url": wish.url, "domains": list(wish.domains), "secret": wish.secret, "base_url": wish.base_url}
    update_webhook(session, webhook_id, **columns)
    session.execute(delete(WebhookWatchRow).where(WebhookWatchRow.webhook_id == webhook_id))
    _watch(session, webhook_id, wish.watched)


def _watch(session: Session, webhook_id: str, watched: Collection[Watched]) -> None:
    rows = {(it.kind, it.name.lower()): it.name for it in watched}
    session.add_all(
        WebhookWatchRow(webhook_id=webhook_id, kind=kind, folded_name=folded, name=name)
        for (kind, folded), name in rows.items()
    )
    session.flush()


def update_webhook(session: Session, webhook_id: str, **columns: Any) -> None:
    session.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(**columns))


def remove(session: Session, webhook_id: str) -> None:
    session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))


def find(session: Session, webhook_id: str) -> Webhook | None:
    return next(iter(_webhooks(session, [webhook_id])), None)


def webhooks_of(session: Session, owner_id: int) -> list[Webhook]:
    """Oldest first."""
    ids = session.scalars(select(WebhookRow.id).where(WebhookRow.owner_id == owner_id).order_by(WebhookRow.id)).all()
    return _webhooks(session, ids)


def count_of(session: Session, owner_id: int) -> int:
    return session.scalar(select(func.count()).select_from(WebhookRow).where(WebhookRow.owner_id == owner_id)) or 0


def watching(session: Session, kind: RepoKind, repo_id: str) -> list[Webhook]:
    """Those that are on and watch this repo or its owner."""
    namespace = repo_id.partition("/")[0].lower()
    matches = or_(
        and_(WebhookWatchRow.folded_name == repo_id.lower(), WebhookWatchRow.kind == kind.value),
        and_(WebhookWatchRow.folded_name == namespace, WebhookWatchRow.kind.in_([WatchedKind.USER, WatchedKind.ORG])),
    )
    ids = select(WebhookWatchRow.webhook_id).where(matches).distinct()
    found = select(WebhookRow.id).where(WebhookRow.id.in_(ids), WebhookRow.disabled.is_(False)).order_by(WebhookRow.id)
    return _webhooks(session, session.scalars(found).all())


def owners_watching(session: Session, kind: RepoKind, repo_id: str) -> Sequence[int]:
    """Of webhooks that watch this repo itself, switched on or off."""
    owners = select(WebhookRow.owner_id).join(WebhookWatchRow, WebhookWatchRow.webhook_id == WebhookRow.id).distinct()
    watched = and_(WebhookWatchRow.kind == kind.value, WebhookWatchRow.folded_name == repo_id.lower())
    return session.scalars(owners.where(watched)).all()


def follow_move(session: Session, kind: RepoKind, old: str, new: str, owners: Collection[int]) -> None:
    """These owners' webhooks, which watched the repo by its old name, watch it by the new one."""
    theirs = select(WebhookRow.id).where(WebhookRow.owner_id.in_(owners))
    watched = and_(
        WebhookWatchRow.kind == kind.value,
        WebhookWatchRow.folded_name == old.lower(),
        WebhookWatchRow.webhook_id.in_(theirs),
    )
    already = select(WebhookWatchRow.webhook_id).where(
        WebhookWatchRow.kind == kind.value, WebhookWatchRow.folded_name == new.lower()
    )
    moved = update(WebhookWatchRow).where(watched, WebhookWatchRow.webhook_id.not_in(already))
    session.execute(moved.values(folded_name=new.lower(), name=new).execution_options(synchronize_session=False))


def _webhooks(session: Session, ids: Sequence[str]) -> list[Webhook]:
    """In the order asked."""
    watched: dict[str, list[Watched]] = {webhook_id: [] for webhook_id in ids}
    rows = select(WebhookWatchRow).where(WebhookWatchRow.webhook_id.in_(ids))
    for watch in session.scalars(rows.order_by(WebhookWatchRow.kind, WebhookWatchRow.folded_name)):
        watched[watch.webhook_id].append(Watched(WatchedKind(watch.kind), watch.name))
    found = {row.id: row for row in session.scalars(select(WebhookRow).where(WebhookRow.id.in_(ids)))}
    return [_webhook(found[webhook_id], watched[webhook_id]) for webhook_id in ids if webhook_id in found]


def _webhook(row: WebhookRow, watched: Sequence[Watched]) -> Webhook:
    return Webhook(
        id=row.id,
        owner_id=row.owner_id,
        url=row.url,
        watched=tuple(watched),
        domains=tuple(Domain(domain) for domain in row.domains),
        secret=row.secret,
        disabled=row.disabled,
        disabled_because=row.disabled_because,
        failing_since=row.failing_since,
        base_url=row.base_url,
        created_at=row.created_at,
    )


# Deliveries -----------------------------------------------------------------------------------------------------------


def add_delivery(
    session: Session,
    webhook_id: str,
    source: str,
    *,
    payload: dict[str, Any],
    repo_pk: int,
    about: dict[str, Any],
    now: datetime,
) -> str | None:
    """None when this event has made one already."""
    known = select(DeliveryRow.id).where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.source == source)
    if session.scalar(known) is not None:
        return None
    row = DeliveryRow(
        id=new_id(),
        webhook_id=webhook_id,
        source=source,
        state=DeliveryState.WAITING,
        payload=payload,
        repo_pk=repo_pk,
        about=about,
        attempts=0,
        created_at=now,
        next_attempt_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def is_due(row: DeliveryRow, now: datetime) -> bool:
    """Whether it is to go out at once."""
    return row.state == DeliveryState.WAITING and (row.next_attempt_at is None or row.next_attempt_at <= now)


def find_delivery(session: Session, delivery_id: str) -> DeliveryRow | None:
    return session.get(DeliveryRow, delivery_id)


def update_delivery(session: Session, delivery_id: str, **columns: Any) -> None:
    session.execute(update(DeliveryRow).where(DeliveryRow.id == delivery_id).values(**columns))


def deliveries_of(session: Session, webhook_id: str, limit: int) -> list[Delivery]:
    """Latest first."""
    rows = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
    newest = rows.order_by(DeliveryRow.created_at.desc(), DeliveryRow.id.desc()).limit(limit)
    return [to_delivery(row) for row in session.scalars(newest)]


def to_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        state=DeliveryState(row.state),
        payload=row.payload,
        attempts=row.attempts,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        last_attempt_at=row.last_attempt_at,
        next_attempt_at=row.next_attempt_at,
    )


def forget_deliveries(session: Session, before: datetime) -> int:
    """Those that have ended and are older. How many."""
    ended = DeliveryRow.state != DeliveryState.WAITING
    gone = delete(DeliveryRow).where(DeliveryRow.created_at < before, ended).returning(DeliveryRow.id)
    return len(session.scalars(gone).all())
