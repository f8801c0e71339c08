"""What somebody may do with their webhooks. Another's is missing."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from viveiro.accounts.service import record
from viveiro.accounts.types import Viewer
from viveiro.db import utc_now
from viveiro.errors import InvalidInput, NotAuthenticated, TooLarge
from viveiro.hub.outbound import check_literal
from viveiro.jobs.service import enqueue
from viveiro.types import is_name
from viveiro.webhooks import queries
from viveiro.webhooks.types import Delivery, DeliveryState, Domain, Watched, Webhook, WebhookNotFound, Wish

MOST_WEBHOOKS: Final = 50
"""Of one user."""
MOST_WATCHED: Final = 100
MAX_URL_CHARS: Final = 2048
MAX_SECRET_CHARS: Final = 256
SHOWN_DELIVERIES: Final = 50


def list_webhooks(session: Session, viewer: Viewer) -> list[Webhook]:
    return queries.webhooks_of(session, _user_id(viewer))


def get_webhook(session: Session, viewer: Viewer, webhook_id: str) -> Webhook:
    webhook = queries.find(session, webhook_id)
    if webhook is None or webhook.owner_id != _user_id(viewer):
        raise WebhookNotFound(webhook_id)
    return webhook


def create_webhook(session: Session, viewer: Viewer, wish: Wish, allowed: Collection[str]) -> Webhook:
    """`allowed`: hosts with private addresses that the operator listed."""
    owner_id = _user_id(viewer)
    check_wish(wish, allowed)
    if queries.count_of(session, owner_id) >= MOST_WEBHOOKS:
        raise TooLarge("You have {most} webhooks already. Delete one first: /settings/webhooks", most=MOST_WEBHOOKS)
    webhook_id = queries.add(session, owner_id, wish, utc_now())
    record(session, viewer, "webhook.create", webhook_id, url=wish.url)
    return get_webhook(session, viewer, webhook_id)


def update_webhook(session: Session, viewer: Viewer, webhook_id: str, wish: Wish, allowed: Collection[str]) -> Webhook:
    get_webhook(session, viewer, webhook_id)
    check_wish(wish, allowed)
    queries.change(session, webhook_id, wish)
    record(session, viewer, "webhook.update", webhook_id, url=wish.url)
    return get_webhook(session, viewer, webhook_id)


def switch(session: Session, viewer: Viewer, webhook_id: str, *, on: bool) -> Webhook:
    """Events of the time while it is off are not made up for."""
    get_webhook(session, viewer, webhook_id)
    queries.update_webhook(session, webhook_id, disabled=not on, disabled_because=None, failing_since=None)
    record(session, viewer, "webhook.enable" if on else "webhook.disable", webhook_id)
    return get_webhook(session, viewer, webhook_id)


def delete_webhook(session: Session, viewer: Viewer, webhook_id: str) -> None:
    webhook = get_webhook(session, viewer, webhook_id)
    queries.remove(session, webhook_id)
    record(session, viewer, "webhook.delete", webhook_id, url=webhook.url)


def list_deliveries(session: Session, viewer: Viewer, webhook_id: str) -> list[Delivery]:
    get_webhook(session, viewer, webhook_id)
    return queries.deliveries_of(session, webhook_id, SHOWN_DELIVERIES)


def send_again(session: Session, viewer: Viewer, webhook_id: str, delivery_id: str) -> None:
    """The same delivery, under the same id, now, as if it had never been tried. One whose time has come is on its way already."""
    get_webhook(session, viewer, webhook_id)
    row = queries.find_delivery(session, delivery_id)
    if row is None or row.webhook_id != webhook_id:
        raise WebhookNotFound(delivery_id)
    now = utc_now()
    if queries.is_due(row, now):
        return
    queries.update_delivery(
        session, delivery_id, state=DeliveryState.WAITING, attempts=0, error=None, next_attempt_at=now
    )
    begin(session, delivery_id)


def begin(session: Session, delivery_id: str, run_at: datetime | None = None) -> None:
    """Behind everything else that waits: others' servers decide how long it takes."""
    enqueue(session, "webhook-deliver", {"delivery_id": delivery_id}, run_at=run_at, priority=-1)


def check_wish(wish: Wish, allowed: Collection[str]) -> None:
    """Raises InvalidInput, or Forbidden for an address that nothing is sent to."""
    check_url(wish.url, allowed)
    if not wish.watched or len(wish.watched) > MOST_WATCHED:
        raise InvalidInput(
            "Name what to watch: at least one user, organisation or repo, at most {most}.", most=MOST_WATCHED
        )
    for watched in wish.watched:
        check_watched(watched)
    if not wish.domains:
        raise InvalidInput("Choose what to be told of: {domains}.", domains=", ".join(Domain))
    secret = wish.secret or ""
    if len(secret) > MAX_SECRET_CHARS or not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
        raise InvalidInput(
            "A secret travels in a header: at most {most} printable ASCII characters, none of them a space at an end.",
            most=MAX_SECRET_CHARS,
        )


def check_url(url: str, allowed: Collection[str]) -> None:
    try:
        parts = urlsplit(url)
        fits = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:  # a port that is no number, or half an IPv6 address
        fits = False
    if not fits or len(url) > MAX_URL_CHARS or not url.isprintable() or not url.isascii() or " " in url:
        raise InvalidInput(
            "The address of a webhook begins with https:// or http:// and names a host: {url!r} does not.", url=url
        )
    check_literal(urlsplit(url).hostname or "", allowed)


def check_watched(watched: Watched) -> None:
    parts = watched.name.split("/")
    if len(parts) != (1 if watched.kind.is_owner else 2) or not all(map(is_name, parts)):
        raise InvalidInput(
            "{name!r} cannot be watched as {kind}: a user or org is one name, a model, dataset or space is owner/name.",
            name=watched.name,
            kind=watched.kind,
        )


def _user_id(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise NotAuthenticated
    return viewer.user_id
