"""Every SQL statement about xorbs and layouts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.hub.queries import files_readable_by, insert_or_keep
from viveiro.hub.tables import BlobRow, RepoBlobRow, RepoRow
from viveiro.hub.xet.tables import DedupChunkRow, LayoutRow, LayoutXorbRow, RepoXorbRow, XorbRow, XorbSenderRow
from viveiro.hub.xet.types import Layout, XorbIndex

_AT_ONCE: Final = 500
_CONDEMNED: Final = datetime.fromtimestamp(0, UTC)
"""As time of registration: it is about to be deleted, or half is already, and nobody may count on it but who sends it again."""

# Xorbs ----------------------------------------------------------------------------------------------------------------


def note_xorb(session: Session, name: str, index: XorbIndex, at: datetime) -> None:
    """A xorb is in the store, packed as this index says: for the first time, or again."""
    values = {"packed_size": index.packed_size, "chunks": index.to_bytes(), "registered_at": at}
    insert_or_keep(session, XorbRow, [{"hash": name, **values}])
    session.execute(update(XorbRow).where(XorbRow.hash == name).values(**values))


def note_chunks(session: Session, name: str, chunks: Iterable[str]) -> None:
    """This xorb holds these, about which clients may ask."""
    insert_or_keep(session, DedupChunkRow, [{"chunk": chunk, "xorb": name} for chunk in sorted(set(chunks))])


def xorbs_with_chunk(session: Session, chunk: str) -> Sequence[str]:
    """The latest sent first."""
    found = select(XorbRow.hash).join(DedupChunkRow, DedupChunkRow.xorb == XorbRow.hash)
    return session.scalars(found.where(DedupChunkRow.chunk == chunk).order_by(XorbRow.registered_at.desc())).all()


def neighbours(session: Session, viewer: Viewer, name: str, limit: int) -> Sequence[str]:
    """Xorbs of a file that needs this one too, from a repo that the viewer may read: who has one has the others, perhaps."""
    file = (
        select(LayoutXorbRow.layout_id)
        .join(RepoBlobRow, RepoBlobRow.layout_id == LayoutXorbRow.layout_id)
        .join(RepoRow, RepoRow.id == RepoBlobRow.repo_id)
        .where(LayoutXorbRow.xorb == name, files_readable_by(viewer))
        .order_by(LayoutXorbRow.layout_id.desc())
        .limit(1)
    )
    found = select(LayoutXorbRow.xorb).where(LayoutXorbRow.layout_id == file.scalar_subquery())
    return session.scalars(found.limit(limit)).all()


def touch_xorbs(session: Session, names: Iterable[str], at: datetime) -> set[str]:
    """Those that are still known, which will be kept for a while from now on."""
    known: set[str] = set()
    for batch in _batches(names):
        usable = (XorbRow.hash.in_(batch), ~_is_condemned())
        touched = update(XorbRow).where(*usable).values(registered_at=at).returning(XorbRow.hash)
        known.update(session.scalars(touched))
    return known


def give_xorb(session: Session, name: str, repo_pk: int, sender: str) -> bool:
    """It was sent to this repo, whole. Whether that is new for the repo."""
    known = session.get(RepoXorbRow, (repo_pk, name)) is not None
    insert_or_keep(session, RepoXorbRow, [{"repo_id": repo_pk, "xorb": name}])
    insert_or_keep(session, XorbSenderRow, [{"sender": sender, "xorb": name}])
    return not known


def waiting_bytes(session: Session, sender: str, since: datetime) -> int:
    """Of xorbs that they sent or named lately, and that no file is made of."""
    sent = select(func.coalesce(func.sum(XorbRow.packed_size), 0)).join(
        XorbSenderRow, XorbSenderRow.xorb == XorbRow.hash
    )
    return session.scalar(sent.where(XorbSenderRow.sender == sender, XorbRow.registered_at > since, ~_is_needed())) or 0


def usable_xorbs(session: Session, viewer: Viewer, sender: str, names: Iterable[str]) -> set[str]:
    """Those from which this sender may build files: sent by them, or to a repo whose files they may read."""
    sent = exists().where(XorbSenderRow.xorb == XorbRow.hash, XorbSenderRow.sender == sender)
    readable = exists().where(
        RepoXorbRow.xorb == XorbRow.hash, RepoXorbRow.repo_id == RepoRow.id, files_readable_by(viewer)
    )
    found: set[str] = set()
    for batch in _batches(names):
        known = select(XorbRow.hash).where(XorbRow.hash.in_(batch), ~_is_condemned())
        found.update(session.scalars(known.where(or_(sent, readable))))
    return found


def delete_xorb(session: Session, name: str) -> None:
    """One that no layout needs."""
    session.execute(delete(XorbRow).where(XorbRow.hash == name, ~_is_needed()))


def condemn_unneeded_xorbs(session: Session, before: datetime, limit: int = 1000) -> Sequence[str]:
    """Those that no layout needs, and that no client can still remember. From now on nobody is told of them.

    So that a server killed between file and row leaves nothing on which somebody else would build.
    """
    unneeded = (XorbRow.registered_at < before, ~_is_needed())
    found = session.scalars(select(XorbRow.hash).where(*unneeded).limit(limit)).all()
    condemned: list[str] = []
    for batch in _batches(found):
        rows = update(XorbRow).where(XorbRow.hash.in_(batch), *unneeded).values(registered_at=_CONDEMNED)
        condemned.extend(session.scalars(rows.returning(XorbRow.hash)))
    return condemned


def delete_unneeded_xorb(session: Session, name: str, before: datetime) -> bool:
    """Whether it was still unneeded. From here to the end of the transaction nobody can begin to need it."""
    gone = delete(XorbRow).where(XorbRow.hash == name, XorbRow.registered_at < before, ~_is_needed())
    return session.scalar(gone.returning(XorbRow.hash)) is not None


def _is_condemned() -> ColumnElement[bool]:
    return XorbRow.registered_at == _CONDEMNED


def _is_needed() -> ColumnElement[bool]:
    return exists().where(LayoutXorbRow.xorb == XorbRow.hash)


def stored_xorbs(session: Session, *, after: str, limit: int = 5000) -> list[tuple[str, int]]:
    """Hashes and sizes in the store, in order of the hashes, a batch at a time."""
    found = select(XorbRow.hash, XorbRow.packed_size).where(XorbRow.hash > after).order_by(XorbRow.hash).limit(limit)
    return [(name, size) for name, size in session.execute(found)]


def users_of_xorb(session: Session, name: str) -> list[tuple[str, str]]:
    """Names of the repos that need it, and the sha256 of the content for which they do."""
    needed = (
        select(RepoRow.name, RepoBlobRow.sha256)
        .join(RepoBlobRow, RepoBlobRow.repo_id == RepoRow.id)
        .join(LayoutXorbRow, LayoutXorbRow.layout_id == RepoBlobRow.layout_id)
        .where(LayoutXorbRow.xorb == name)
        .order_by(RepoRow.name, RepoBlobRow.sha256)
    )
    return [(repo, content) for repo, content in session.execute(needed)]


def xorb_index(session: Session, name: str) -> XorbIndex | None:
    packed = session.scalar(select(XorbRow.chunks).where(XorbRow.hash == name))
    return XorbIndex.from_bytes(packed) if packed is not None else None


# Layouts --------------------------------------------------------------------------------------------------------------


def add_layout(session: Session, content: str, xet_hash: str, layout: Layout, at: datetime) -> int:
    """A way to put a stored content together; the id of the row that says so."""
    terms = layout.to_bytes()
    digest = sha256(terms).hexdigest()
    row = {"sha256": content, "digest": digest, "terms": terms, "xet_hash": xet_hash, "created_at": at}
    insert_or_keep(session, LayoutRow, [row])
    pk = session.scalars(select(LayoutRow.id).where(LayoutRow.digest == digest)).one()
    insert_or_keep(session, LayoutXorbRow, [{"layout_id": pk, "xorb": xorb} for xorb in sorted(layout.xorbs)])
    return pk


def give_layout(session: Session, repo_pk: int, content: str, layout_id: int, *, replace: bool) -> None:
    """The repo, which has this content, offers it by Xet so from now on; `replace`: also where it did otherwise."""
    given = update(RepoBlobRow).where(RepoBlobRow.repo_id == repo_pk, RepoBlobRow.sha256 == content)
    given = given if replace else given.where(RepoBlobRow.layout_id.is_(None))
    session.execute(given.values(layout_id=layout_id))


def delete_unneeded_layouts(session: Session) -> int:
    """Those that no repo offers any more, unless a repo has the content and says not by which. How many."""
    offered = exists().where(RepoBlobRow.layout_id == LayoutRow.id)
    undecided = exists().where(RepoBlobRow.sha256 == LayoutRow.sha256, RepoBlobRow.layout_id.is_(None))
    return len(session.scalars(delete(LayoutRow).where(~offered, ~undecided).returning(LayoutRow.id)).all())


def give_layout_to_all(session: Session, content: str, layout_id: int) -> None:
    """Every repo that has this content, and does not offer it by Xet, offers it so from now on."""
    lacking = update(RepoBlobRow).where(RepoBlobRow.sha256 == content, RepoBlobRow.layout_id.is_(None))
    session.execute(lacking.values(layout_id=layout_id))


def contents_without_layout(session: Session, before: datetime, *, after: str, limit: int = 100) -> Sequence[str]:
    """Those that some repo has had for a while, and does not offer by Xet; in order, from behind one of them on."""
    lacking = exists().where(
        RepoBlobRow.sha256 == BlobRow.sha256, RepoBlobRow.layout_id.is_(None), RepoBlobRow.created_at < before
    )
    found = select(BlobRow.sha256).where(BlobRow.sha256 > after, BlobRow.size > 0, lacking)
    return session.scalars(found.order_by(BlobRow.sha256).limit(limit)).all()


def all_in_xorbs(session: Session, contents: Iterable[str], before: datetime) -> set[str]:
    """Those of these that were held in xorbs before then, and that every repo offers by Xet which has them."""
    lacking = exists().where(RepoBlobRow.sha256 == LayoutRow.sha256, RepoBlobRow.layout_id.is_(None))
    found: set[str] = set()
    for batch in _batches(contents):
        held = (LayoutRow.sha256.in_(batch), LayoutRow.created_at < before, ~lacking)
        found.update(session.scalars(select(LayoutRow.sha256).where(*held)))
    return found


def layout(session: Session, layout_id: int) -> Layout | None:
    terms = session.scalar(select(LayoutRow.terms).where(LayoutRow.id == layout_id))
    return Layout.from_bytes(terms) if terms is not None else None


def layout_of_file(session: Session, repo_pk: int, xet_hash: str) -> tuple[int, Layout] | None:
    """How this repo offers a file, by the file's own hash."""
    found = session.execute(
        select(LayoutRow.id, LayoutRow.terms)
        .join(RepoBlobRow, RepoBlobRow.layout_id == LayoutRow.id)
        .where(RepoBlobRow.repo_id == repo_pk, LayoutRow.xet_hash == xet_hash)
    ).first()
    return (found.id, Layout.from_bytes(found.terms)) if found is not None else None


def any_layout(session: Session, content: str) -> Layout | None:
    """For the server's own reading: all give the same bytes."""
    terms = session.scalar(select(LayoutRow.terms).where(LayoutRow.sha256 == content).order_by(LayoutRow.id).limit(1))
    return Layout.from_bytes(terms) if terms is not None else None


def size_in_xorbs(session: Session, content: str) -> int | None:
    """Of a content that has a layout."""
    found = select(BlobRow.size).where(BlobRow.sha256 == content, exists().where(LayoutRow.sha256 == BlobRow.sha256))
    return session.scalar(found)


def has_layout(session: Session, repo_pk: int, content: str, layout: Layout) -> bool:
    """Whether the repo offers this content in just this way."""
    digest = sha256(layout.to_bytes()).hexdigest()
    offered = select(LayoutRow.id).join(RepoBlobRow, RepoBlobRow.layout_id == LayoutRow.id)
    same = (RepoBlobRow.repo_id == repo_pk, RepoBlobRow.sha256 == content, LayoutRow.digest == digest)
    return session.scalar(offered.where(*same)) is not None


def xet_hashes(session: Session, repo_pk: int, contents: Collection[str]) -> dict[str, str]:
    """Hashes of those of these contents that the repo offers by Xet."""
    found: dict[str, str] = {}
    for batch in _batches(contents):
        offered = (
            select(RepoBlobRow.sha256, LayoutRow.xet_hash)
            .join(LayoutRow, LayoutRow.id == RepoBlobRow.layout_id)
            .where(RepoBlobRow.repo_id == repo_pk, RepoBlobRow.sha256.in_(batch))
        )
        found.update((content, xet_hash) for content, xet_hash in session.execute(offered))
    return found


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(set(values))
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))
