"""The queue, each job's history, and when the recurring jobs are due."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, SentenceText, utc_now


class JobRow(Base):
    """Where a job stands now. Written only together with the event that explains the change."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    kind: Mapped[str] = mapped_column(String(96))
    arguments: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(9))
    priority: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    """Starts so far: the fencing number. It only grows."""
    failures: Mapped[int] = mapped_column(default=0)
    """Starts that used up one of `max_attempts`. A start that its worker gave back does not."""
    max_attempts: Mapped[int]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None]
    run_at: Mapped[datetime]
    slots: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any] | None]
    result: Mapped[Any] = mapped_column(
        JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"), nullable=True
    )
    error: Mapped[str | None] = mapped_column(SentenceText)
    owner_id: Mapped[int | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True)
    last_seq: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


Index("ix_jobs_due", JobRow.state, JobRow.priority.desc(), JobRow.run_at, JobRow.id)
Index("ix_jobs_owner_id_id", JobRow.owner_id, JobRow.id)


class JobEventRow(Base):
    """Append-only."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(16))
    data: Mapped[dict[str, Any]]


class ScheduleRow(Base):
    """One per schedule for all workers, so that a due time is used once."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(96), primary_key=True)
    next_at: Mapped[datetime]
