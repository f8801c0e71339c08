"""Collections, and what is in them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, utc_now


class CollectionRow(Base):
    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("owner_id", "folded_title"),)

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(60))
    folded_title: Mapped[str] = mapped_column(String(180))
    description: Mapped[str | None] = mapped_column(Text)
    is_private: Mapped[bool] = mapped_column(default=False)
    theme: Mapped[str] = mapped_column(String(16), default="orange")
    position: Mapped[int] = mapped_column(default=0)
    """Among its owner's, as the owner likes it."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_updated: Mapped[datetime] = mapped_column(default=utc_now)


Index("ix_collections_last_updated", CollectionRow.last_updated, CollectionRow.id)


class CollectionItemRow(Base):
    """By key, so that a repo keeps its place when it moves, and loses it when it is deleted."""

    __tablename__ = "collection_items"
    __table_args__ = (
        UniqueConstraint("collection_id", "repo_id"),
        UniqueConstraint("collection_id", "other_id"),
    )

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    repo_id: Mapped[int | None] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), index=True)
    other_id: Mapped[str | None] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    note: Mapped[str | None] = mapped_column(Text)
