"""What came by Xet, and who was given it. Knowing a hash gives no access."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, utc_now


class XorbRow(Base):
    """A xorb that the store holds whole and verified."""

    __tablename__ = "xorbs"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    packed_size: Mapped[int]
    chunks: Mapped[bytes] = mapped_column(LargeBinary)
    """`XorbIndex`, packed."""
    registered_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    """When it was last sent, or named by a shard: clients remember it for weeks from then on."""


class RepoXorbRow(Base):
    """Which repo a xorb was sent to: its readers may build files from it."""

    __tablename__ = "repo_xorbs"

    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    xorb: Mapped[str] = mapped_column(ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True)


class XorbSenderRow(Base):
    """Who sent it: whoever had all of it may build files from it, also after the repo is gone that it was sent to."""

    __tablename__ = "xorb_senders"

    sender: Mapped[str] = mapped_column(String(32), primary_key=True)
    xorb: Mapped[str] = mapped_column(ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True)


class DedupChunkRow(Base):
    """Chunks that clients ask about before they send what they hold: about one of each xorb, and the first of each file."""

    __tablename__ = "dedup_chunks"

    chunk: Mapped[str] = mapped_column(String(64), primary_key=True)
    xorb: Mapped[str] = mapped_column(ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True)


class LayoutRow(Base):
    """One way to put a stored content together. Several repos may have the same, or each its own."""

    __tablename__ = "layouts"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """sha256 of `terms`."""
    terms: Mapped[bytes] = mapped_column(LargeBinary)
    """`Layout`, packed."""
    xet_hash: Mapped[str] = mapped_column(String(64), index=True)
    """Of the file. The same content cut into other chunks has another."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LayoutXorbRow(Base):
    """Which xorbs a layout needs."""

    __tablename__ = "layout_xorbs"

    layout_id: Mapped[int] = mapped_column(ForeignKey("layouts.id", ondelete="CASCADE"), primary_key=True)
    xorb: Mapped[str] = mapped_column(ForeignKey("xorbs.hash"), primary_key=True, index=True)
