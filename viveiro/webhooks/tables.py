"""Webhooks, and what was sent to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, SentenceText, utc_now


class WebhookRow(Base):
    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(String(2048))
    domains: Mapped[list[Any]] = mapped_column(default=list)
    secret: Mapped[str | None] = mapped_column(String(256))
    """As it is: every delivery sends it."""
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_because: Mapped[str | None] = mapped_column(SentenceText)
    failing_since: Mapped[datetime | None]
    base_url: Mapped[str] = mapped_column(String(2048))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class WebhookWatchRow(Base):
    """One thing that a webhook watches. By name, so that it may be watched before it exists."""

    __tablename__ = "webhook_watches"

    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    folded_name: Mapped[str] = mapped_column(String(193), primary_key=True)
    name: Mapped[str] = mapped_column(String(193))


Index("ix_webhook_watches_folded_name", WebhookWatchRow.folded_name, WebhookWatchRow.kind)


class DeliveryRow(Base):
    """`source` is the job that heard the event: hearing it twice makes one delivery."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (UniqueConstraint("webhook_id", "source"),)

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(String(24))
    state: Mapped[str] = mapped_column(String(16))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    repo_pk: Mapped[int]
    about: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Owner, name and visibility of the repo when it happened: all that is known of one that was deleted since."""
    attempts: Mapped[int] = mapped_column(default=0)
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(SentenceText)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    last_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
