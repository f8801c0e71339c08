"""What is said about repos. Commits of pull requests are git's; here it says which pull requests there are."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, utc_now

OPENING: Final = "opening"
"""Status of a pull request whose ref is not there yet: nobody sees it."""


class DiscussionRow(Base):
    __tablename__ = "discussions"
    __table_args__ = (UniqueConstraint("repo_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    folded_title: Mapped[str] = mapped_column(String(400))
    """The same in lower case, for searching."""
    status: Mapped[str] = mapped_column(String(8))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    comments: Mapped[int] = mapped_column(default=0)
    base_ref: Mapped[str | None] = mapped_column(String(255))
    start_sha: Mapped[str | None] = mapped_column(String(40))
    merge_sha: Mapped[str | None] = mapped_column(String(40))


Index("ix_discussions_repo_id_status", DiscussionRow.repo_id, DiscussionRow.status)


class DiscussionEventRow(Base):
    __tablename__ = "discussion_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    discussion_id: Mapped[int] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`status`; `from` and `to`; `subject` and `oid`."""
    content: Mapped[str | None] = mapped_column(Text)
    """Of a comment, as it is now. None when it was hidden, and of all other events."""
    written_at: Mapped[datetime | None]
    written_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"), index=True)


class CommentVersionRow(Base):
    """What a comment said before an edit."""

    __tablename__ = "comment_versions"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("discussion_events.id", ondelete="CASCADE"), index=True)
    content: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    written_at: Mapped[datetime]


class PendingPullRequestRow(Base):
    """What a pending push means for a pull request once its ref has moved: it is opened, or merged."""

    __tablename__ = "pending_pull_requests"

    push_id: Mapped[int] = mapped_column(ForeignKey("pending_pushes.id", ondelete="CASCADE"), primary_key=True)
    discussion_id: Mapped[int] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(8))
    """What it will have."""
    comment: Mapped[str | None] = mapped_column(Text)
    """What its merger says besides."""


class AttachmentRow(Base):
    """A picture, video or sound for a comment."""

    __tablename__ = "attachments"

    id: Mapped[str] = mapped_column(String(43), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str] = mapped_column(String(32))
    uploader_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
