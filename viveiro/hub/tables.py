"""The SQL index over the git repositories, and what only SQL knows: owners, visibility, counts, stored blobs.

`viveiro hub fsck` can rebuild every column that git also knows.
"""

from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, utc_now


class RepoRow(Base):
    __tablename__ = "repos"
    __table_args__ = (UniqueConstraint("kind", "folded_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column(String(193))
    """`namespace/name`, as its creator wrote it."""
    folded_name: Mapped[str] = mapped_column(String(193))
    """The same in lower case: names that differ only in case are one name."""
    storage_key: Mapped[str] = mapped_column(String(32), unique=True)
    """Names the bare repository's folder, so that a rename moves no file."""
    visibility: Mapped[str] = mapped_column(String(8))
    gated: Mapped[str | None] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_modified: Mapped[datetime] = mapped_column(default=utc_now)
    head_sha: Mapped[str | None] = mapped_column(String(40))
    downloads: Mapped[int] = mapped_column(default=0)
    """In the last 30 days."""
    downloads_all_time: Mapped[int] = mapped_column(BigInteger, default=0)
    likes: Mapped[int] = mapped_column(default=0)
    trending_score: Mapped[float] = mapped_column(default=0.0)
    card: Mapped[dict[str, Any]] = mapped_column(default=dict)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    safetensors: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    library_name: Mapped[str | None] = mapped_column(String(96))
    pipeline_tag: Mapped[str | None] = mapped_column(String(96))
    used_storage: Mapped[int] = mapped_column(BigInteger, default=0)


_SORTS: Final = ("last_modified", "trending_score", "created_at", "downloads", "likes")
for _sort in _SORTS:
    # Who sees a repo stands in the index too, so that a list skips what is hidden without reading the wide rows.
    Index(f"ix_repos_{_sort}", *(getattr(RepoRow, _name) for _name in ("kind", _sort, "id", "visibility", "owner_id")))
Index(
    "ix_repos_listing",
    # All that a list can filter and sort by: one pass over it answers what no order's index can.
    *(RepoRow.kind, RepoRow.id, RepoRow.folded_name, RepoRow.visibility, RepoRow.owner_id, RepoRow.gated),
    *(RepoRow.parameters, RepoRow.pipeline_tag, RepoRow.library_name),
    *(getattr(RepoRow, _name) for _name in _SORTS),
)


class RepoAliasRow(Base):
    """A name that a repo had before it moved. It leads to the repo for as long as no other takes it."""

    __tablename__ = "repo_aliases"

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    folded_name: Mapped[str] = mapped_column(String(193), primary_key=True)
    name: Mapped[str] = mapped_column(String(193))
    """`namespace/name`, as it was written: cards of other repos still hold it."""
    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RepoTagRow(Base):
    """One tag of one repo: list filters are intersections of these."""

    __tablename__ = "repo_tags"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it as declared

    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(200), primary_key=True)


Index("ix_repo_tags_tag_repo_id", RepoTagRow.tag, RepoTagRow.repo_id)


class RepoChangeRow(Base):
    """The number of the last change of each repo that a filter can tell, so that what is kept in memory can follow.

    No foreign key: a deleted repo keeps its row, which is how others learn that it is gone. Row 0 is no repo's; it holds the
    last number given.
    """

    __tablename__ = "repo_changes"

    repo_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, index=True)


class BlobRow(Base):
    """Content that is stored whole and verified: as it is, or in xorbs (`hub/xet/tables.py`)."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RepoBlobRow(Base):
    """Which repo was given which content: knowing a hash gives no access."""

    __tablename__ = "repo_blobs"

    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), primary_key=True)
    layout_id: Mapped[int | None] = mapped_column(ForeignKey("layouts.id"), index=True)
    """From which xorbs this repo's clients fetch it. None: not by Xet."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ScanRow(Base):
    """What unpickling some content would import. By sha256 for big files, by git's id for others; no verdicts (`pickle_imports.py`)."""

    __tablename__ = "scans"

    content: Mapped[str] = mapped_column(String(64), primary_key=True)
    scanner: Mapped[int]
    """Which version of the scanner looked."""
    imports: Mapped[list[Any]] = mapped_column(default=list)
    """Pairs of module and name."""
    trouble: Mapped[str | None] = mapped_column(String(16))
    scanned_at: Mapped[datetime] = mapped_column(default=utc_now)


class QuotaRow(Base):
    """How much an account's repos may hold, where an administrator said so: else it is what the settings say."""

    __tablename__ = "storage_quotas"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    """None: as much as there is room."""


class PendingPushRow(Base):
    """A ref is about to move. Written before git's ref, deleted when the index follows.

    What a killed server left half done is reconciled from here.
    """

    __tablename__ = "pending_pushes"

    id: Mapped[int] = mapped_column(primary_key=True)
    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), index=True)
    ref: Mapped[str] = mapped_column(String(255))
    old_sha: Mapped[str | None] = mapped_column(String(40))
    new_sha: Mapped[str | None] = mapped_column(String(40))
    pusher_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class AccessRequestRow(Base):
    """Somebody's place before or behind the gate of a repo. It stays when the gate opens: it may close again."""

    __tablename__ = "access_requests"
    __table_args__ = (
        UniqueConstraint("repo_id", "user_id"),
        Index("ix_access_requests_listing", "repo_id", "status", "id"),
    )

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(8))
    asked: Mapped[bool]
    """False: let in without having asked, and so without having given their address."""
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str | None] = mapped_column(String(1000))
    """Why it was declined, where the owner said so."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LikeRow(Base):
    __tablename__ = "likes"

    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class DownloadRow(Base):
    """Downloads of a repo on a day, in UTC."""

    __tablename__ = "downloads"

    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
