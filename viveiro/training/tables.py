"""Runs. What becomes of one is its job's to say, for as long as the job is kept; then `state` and `error` remember."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, SentenceText, utc_now


class RunRow(Base):
    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    job_id: Mapped[str] = mapped_column(String(24), index=True)
    """No foreign key: ended jobs are deleted after a while, runs are not."""
    task: Mapped[str] = mapped_column(String(96))
    description: Mapped[dict[str, Any]]
    """A RunDescription, resolved."""
    result: Mapped[dict[str, Any] | None]
    """What the published commit says of itself: metrics, baselines, rows, seconds."""
    state: Mapped[str | None] = mapped_column(String(9))
    """How it ended. None until that has been noted."""
    error: Mapped[str | None] = mapped_column(SentenceText)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]


Index("ix_runs_owner_id_id", RunRow.owner_id, RunRow.id)
