"""What a webhook is, as values. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from viveiro.errors import NotFound


class WatchedKind(StrEnum):
    """What may be watched: one repo, or all that a user or an organisation owns."""

    USER = "user"
    ORG = "org"
    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"

    @property
    def is_owner(self) -> bool:
        return self in (WatchedKind.USER, WatchedKind.ORG)


class Domain(StrEnum):
    REPO = "repo"
    DISCUSSION = "discussion"


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up, after the last attempt."""
    DROPPED = "dropped"
    """Nothing was sent: the webhook was switched off, or its owner may not read the repo any more."""

    @property
    def is_final(self) -> bool:
        return self is not DeliveryState.WAITING


@dataclass(frozen=True, slots=True)
class Watched:
    kind: WatchedKind
    name: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a webhook. `base_url` is this server's address as they write it: payloads link there."""

    url: str
    watched: tuple[Watched, ...]
    domains: tuple[Domain, ...]
    secret: str | None
    base_url: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """`disabled_because`: why the installation itself switched it off. None when it is on, or its owner did."""

    id: str
    owner_id: int
    url: str
    watched: tuple[Watched, ...]
    domains: tuple[Domain, ...]
    secret: str | None = field(repr=False)
    disabled: bool
    disabled_because: str | None
    failing_since: datetime | None
    base_url: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook. `status` is the last answer's, `error` why the last attempt failed."""

    id: str
    webhook_id: str
    state: DeliveryState
    payload: dict[str, Any]
    attempts: int
    status: int | None
    error: str | None
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None

    @property
    def event(self) -> str:
        """As in `update repo.content`."""
        told = self.payload["event"]
        return f"{told['action']} {told['scope']}"

    @property
    def repo(self) -> str:
        return str(self.payload["repo"]["name"])


class WebhookNotFound(NotFound):
    def __init__(self, webhook_id: str) -> None:
        super().__init__(
            "You have no webhook {webhook_id}. To see yours: /settings/webhooks",
            webhook_id=webhook_id,
        )


PAUSES: Final[Sequence[timedelta]] = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
)
"""Before each attempt after the first."""
PATIENCE: Final = timedelta(days=3)
"""A webhook at which nothing has arrived for so long, whatever was tried, is switched off."""


def pause_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts; None to give up. Pure."""
    return PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
