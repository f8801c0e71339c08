"""Every SQL statement of discussions. What holds for a pull request's ref is written together with the push that moved it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session, aliased

from viveiro.accounts.tables import AccountRow
from viveiro.hub.discussions.tables import (
    OPENING,
    AttachmentRow,
    CommentVersionRow,
    DiscussionEventRow,
    DiscussionRow,
    PendingPullRequestRow,
)
from viveiro.hub.discussions.types import (
    OPEN,
    Attachment,
    Comment,
    Discussion,
    DiscussionEvent,
    DiscussionQuery,
    EventKind,
    NewCommit,
    Opening,
    Person,
    Status,
    StatusChange,
    TitleChange,
    Version,
)
from viveiro.hub.tables import RepoRow

_Writer: Final = aliased(AccountRow)
"""Of a comment's present words, where its author is another row of the same statement."""

# Discussions ----------------------------------------------------------------------------------------------------------


def _discussions(repo_pk: int) -> Select[DiscussionRow, str]:
    joined = select(DiscussionRow, AccountRow.name).outerjoin(AccountRow, AccountRow.id == DiscussionRow.author_id)
    return joined.where(DiscussionRow.repo_id == repo_pk, DiscussionRow.status != OPENING)


def find(session: Session, repo_pk: int, number: int) -> Discussion | None:
    found = session.execute(_discussions(repo_pk).where(DiscussionRow.number == number)).one_or_none()
    return _discussion(*found) if found is not None else None


def page(session: Session, repo_pk: int, query: DiscussionQuery) -> tuple[list[Discussion], int]:
    """The part that was asked for, and how many there are in all."""
    conditions = list(_matching(query))
    counted = select(func.count()).select_from(DiscussionRow)
    counted = counted.where(DiscussionRow.repo_id == repo_pk, DiscussionRow.status != OPENING, *conditions)
    found = _discussions(repo_pk).where(*conditions).order_by(DiscussionRow.number.desc())
    rows = session.execute(found.offset(query.skip).limit(query.limit))
    return [_discussion(row, name) for row, name in rows], session.scalar(counted) or 0


def _matching(query: DiscussionQuery) -> Iterable[ColumnElement[bool]]:
    if query.pull_requests is not None:
        yield DiscussionRow.base_ref.is_not(None) if query.pull_requests else DiscussionRow.base_ref.is_(None)
    if set(query.statuses) != set(Status):
        yield DiscussionRow.status.in_(query.statuses)
    if query.author is not None:
        author = select(AccountRow.id).where(AccountRow.folded_name == query.author.lower())
        yield DiscussionRow.author_id == author.scalar_subquery()
    for word in query.search.casefold().split():
        yield DiscussionRow.folded_title.contains(word, autoescape=True)


def count_by_status(session: Session, repo_pk: int) -> dict[Status, int]:
    counted = select(DiscussionRow.status, func.count()).where(DiscussionRow.repo_id == repo_pk)
    rows = session.execute(counted.where(DiscussionRow.status != OPENING).group_by(DiscussionRow.status))
    return {Status(status): count for status, count in rows}


def has_pull_request(session: Session, repo_pk: int, user_id: int) -> bool:
    """Whether they opened one there that still takes commits."""
    own = select(DiscussionRow.id).where(
        DiscussionRow.repo_id == repo_pk,
        DiscussionRow.author_id == user_id,
        DiscussionRow.base_ref.is_not(None),
        DiscussionRow.status.in_((*OPEN, Status.CLOSED)),
    )
    return session.scalar(own.limit(1)) is not None


def pull_requests(session: Session, repo_pk: int) -> list[Discussion]:
    """All of them, in order of their numbers."""
    found = _discussions(repo_pk).where(DiscussionRow.base_ref.is_not(None)).order_by(DiscussionRow.number)
    return [_discussion(row, name) for row, name in session.execute(found)]


def is_taken(session: Session, repo_pk: int, number: int) -> bool:
    """Also by a pull request that is only being opened."""
    taken = select(DiscussionRow.id).where(DiscussionRow.repo_id == repo_pk, DiscussionRow.number == number)
    return session.scalar(taken) is not None


def insert(
    session: Session,
    repo_pk: int,
    opening: Opening,
    author_id: int | None,
    at: datetime,
    *,
    status: str,
    at_least: int = 1,
    number: int | None = None,
) -> tuple[Discussion, str | None]:
    """A new discussion under the next number, and the id of its first comment, where it begins with one.

    Whoever takes a number holds the repo's row until the transaction ends, so that no two take the same.
    """
    session.execute(select(RepoRow.id).where(RepoRow.id == repo_pk).with_for_update())
    last = session.scalar(select(func.max(DiscussionRow.number)).where(DiscussionRow.repo_id == repo_pk)) or 0
    row = DiscussionRow(
        repo_id=repo_pk,
        number=number or max(last + 1, at_least),
        title=opening.title,
        folded_title=_folded(opening.title),
        status=status,
        author_id=author_id,
        created_at=at,
        updated_at=at,
        base_ref=opening.base_ref,
        start_sha=opening.start_sha,
    )
    session.add(row)
    session.flush()
    name = session.scalar(select(AccountRow.name).where(AccountRow.id == author_id)) if author_id else None
    described = add_comment(session, row.id, author_id, opening.description, at) if opening.description else None
    return _discussion(row, name, status=opening.status), described


def delete_unopened(session: Session, pks: Collection[int]) -> None:
    session.execute(delete(DiscussionRow).where(DiscussionRow.id.in_(pks), DiscussionRow.status == OPENING))


def _discussion(row: DiscussionRow, author: str | None, *, status: Status | None = None) -> Discussion:
    return Discussion(
        pk=row.id,
        repo_pk=row.repo_id,
        number=row.number,
        title=row.title,
        status=status or Status(row.status),
        author=Person(row.author_id, author),
        created_at=row.created_at,
        updated_at=row.updated_at,
        comments=row.comments,
        base_ref=row.base_ref,
        start_sha=row.start_sha,
        merge_sha=row.merge_sha,
    )


def _folded(title: str) -> str:
    return title.casefold()[:400]


# What happens in them -------------------------------------------------------------------------------------------------


def _touch(session: Session, pk: int, at: datetime, **columns: Any) -> None:
    session.execute(update(DiscussionRow).where(DiscussionRow.id == pk).values(updated_at=at, **columns))


def _add_event(
    session: Session, pk: int, kind: EventKind, author_id: int | None, at: datetime, **columns: Any
) -> DiscussionEventRow:
    row = DiscussionEventRow(discussion_id=pk, kind=kind, author_id=author_id, created_at=at, **columns)
    session.add(row)
    session.flush()
    return row


def add_comment(session: Session, pk: int, author_id: int | None, content: str, at: datetime) -> str:
    """The new event's id."""
    row = _add_event(
        session, pk, EventKind.COMMENT, author_id, at, content=content, written_at=at, written_by_id=author_id
    )
    _touch(session, pk, at, comments=DiscussionRow.comments + 1)
    return f"{row.id:024x}"


def rename(session: Session, pk: int, author_id: int | None, old: str, new: str, at: datetime) -> str:
    row = _add_event(session, pk, EventKind.TITLE, author_id, at, data={"from": old, "to": new})
    _touch(session, pk, at, title=new, folded_title=_folded(new))
    return f"{row.id:024x}"


def change_status(
    session: Session, pk: int, author_id: int | None, before: Collection[Status], status: Status, at: datetime
) -> str | None:
    """The new event's id; None, and nothing changed, when its status is none of `before` any more."""
    changed = update(DiscussionRow).where(DiscussionRow.id == pk, DiscussionRow.status.in_(before))
    changed = changed.values(status=status, updated_at=at).returning(DiscussionRow.id)
    if session.scalar(changed) is None:
        return None
    return f"{_add_event(session, pk, EventKind.STATUS, author_id, at, data={'status': status}).id:024x}"


def note_merge(session: Session, pk: int, merge_sha: str) -> None:
    session.execute(update(DiscussionRow).where(DiscussionRow.id == pk).values(merge_sha=merge_sha))


def add_commits(
    session: Session, pk: int, author_id: int | None, commits: Iterable[tuple[str, str]], at: datetime
) -> None:
    """`commits`: subject and oid of each, oldest first."""
    rows = [
        DiscussionEventRow(
            discussion_id=pk,
            kind=EventKind.COMMIT,
            author_id=author_id,
            created_at=at,
            data={"subject": subject, "oid": oid},
        )
        for subject, oid in commits
    ]
    session.add_all(rows)
    session.flush()
    if rows:
        _touch(session, pk, at)


def edit_comment(session: Session, comment: Comment, content: str, author_id: int | None, at: datetime) -> bool:
    """Whether it still said what `comment` says, and was not hidden."""
    changed = update(DiscussionEventRow).where(
        DiscussionEventRow.id == comment.pk, DiscussionEventRow.content == comment.content
    )
    changed = changed.values(content=content, written_at=at, written_by_id=author_id).returning(
        DiscussionEventRow.discussion_id
    )
    pk = session.scalar(changed)
    if pk is None:
        return False
    version = CommentVersionRow(
        event_id=comment.pk,
        content=comment.content,
        author_id=comment.written_by.id,
        written_at=comment.written_at,
    )
    session.add(version)
    _touch(session, pk, at)
    return True


def hide_comment(session: Session, event_pk: int, at: datetime) -> bool:
    """Whether it was not hidden before. What it said is gone, all of it."""
    hidden = update(DiscussionEventRow).where(
        DiscussionEventRow.id == event_pk, DiscussionEventRow.content.is_not(None)
    )
    pk = session.scalar(hidden.values(content=None, written_at=at).returning(DiscussionEventRow.discussion_id))
    if pk is None:
        return False
    session.execute(delete(CommentVersionRow).where(CommentVersionRow.event_id == event_pk))
    _touch(session, pk, at, comments=DiscussionRow.comments - 1)
    return True


def events(session: Session, pk: int) -> list[DiscussionEvent]:
    """All that happened, in order."""
    return _read_events(session, DiscussionEventRow.discussion_id == pk)


def event(session: Session, pk: int, event_pk: int) -> DiscussionEvent | None:
    found = _read_events(session, DiscussionEventRow.discussion_id == pk, DiscussionEventRow.id == event_pk)
    return found[0] if found else None


def _read_events(session: Session, *conditions: ColumnElement[bool]) -> list[DiscussionEvent]:
    rows = session.execute(
        select(DiscussionEventRow, AccountRow.name, _Writer.name)
        .outerjoin(AccountRow, AccountRow.id == DiscussionEventRow.author_id)
        .outerjoin(_Writer, _Writer.id == DiscussionEventRow.written_by_id)
        .where(*conditions)
        .order_by(DiscussionEventRow.id)
    ).all()
    versions = _versions(session, [row.id for row, _, _ in rows if row.kind == EventKind.COMMENT])
    return [_event(row, author, writer, versions.get(row.id, ())) for row, author, writer in rows]


def _versions(session: Session, event_pks: Sequence[int]) -> dict[int, tuple[Version, ...]]:
    found: dict[int, tuple[Version, ...]] = {}
    for start in range(0, len(event_pks), 500):
        rows = session.execute(
            select(CommentVersionRow, AccountRow.name)
            .outerjoin(AccountRow, AccountRow.id == CommentVersionRow.author_id)
            .where(CommentVersionRow.event_id.in_(event_pks[start : start + 500]))
            .order_by(CommentVersionRow.id)
        )
        for row, name in rows:
            version = Version(row.content, Person(row.author_id, name), row.written_at)
            found[row.event_id] = (*found.get(row.event_id, ()), version)
    return found


def _event(
    row: DiscussionEventRow, author: str | None, writer: str | None, history: tuple[Version, ...]
) -> DiscussionEvent:
    person = Person(row.author_id, author)
    match EventKind(row.kind):
        case EventKind.COMMENT:
            return Comment(
                row.id,
                person,
                row.created_at,
                content=row.content or "",
                hidden=row.content is None,
                written_by=Person(row.written_by_id, writer),
                written_at=row.written_at or row.created_at,
                history=history,
            )
        case EventKind.STATUS:
            return StatusChange(row.id, person, row.created_at, Status(row.data["status"]))
        case EventKind.TITLE:
            return TitleChange(row.id, person, row.created_at, row.data["from"], row.data["to"])
        case EventKind.COMMIT:
            return NewCommit(row.id, person, row.created_at, row.data["subject"], row.data["oid"])


# What a push means for them: `settling.py` --------------------------------------------------------------------------------


def add_intent(session: Session, push_id: int, pk: int, status: Status, comment: str | None = None) -> None:
    session.add(PendingPullRequestRow(push_id=push_id, discussion_id=pk, status=status, comment=comment))
    session.flush()


def intents(session: Session, push_ids: Collection[int]) -> dict[int, PendingPullRequestRow]:
    """By the push."""
    found = select(PendingPullRequestRow).where(PendingPullRequestRow.push_id.in_(push_ids))
    return {row.push_id: row for row in session.scalars(found)}


def pull_requests_numbered(session: Session, repo_pk: int, numbers: Collection[int]) -> Mapping[int, DiscussionRow]:
    """Those being opened included."""
    found = select(DiscussionRow).where(
        DiscussionRow.repo_id == repo_pk, DiscussionRow.number.in_(numbers), DiscussionRow.base_ref.is_not(None)
    )
    return {row.number: row for row in session.scalars(found)}


def open_pull_request(session: Session, pk: int, status: Status) -> bool:
    """Its ref is there: from now on everybody sees it. Whether that is news."""
    opened = update(DiscussionRow).where(DiscussionRow.id == pk, DiscussionRow.status == OPENING)
    return session.scalar(opened.values(status=status).returning(DiscussionRow.id)) is not None


def first_comment(session: Session, pk: int) -> str | None:
    """The id of the event that describes a discussion."""
    first = select(func.min(DiscussionEventRow.id)).where(
        DiscussionEventRow.discussion_id == pk, DiscussionEventRow.kind == EventKind.COMMENT
    )
    event_pk = session.scalar(first)
    return f"{event_pk:024x}" if event_pk is not None else None


def numbers_of(session: Session, pks: Collection[int]) -> dict[int, int]:
    found = select(DiscussionRow.id, DiscussionRow.number).where(DiscussionRow.id.in_(pks))
    return {pk: number for pk, number in session.execute(found)}  # noqa: C416 - a row is no pair to the type checker


# Attachments ----------------------------------------------------------------------------------------------------------


def insert_attachment(session: Session, attachment: Attachment, uploader_id: int | None, at: datetime) -> None:
    session.add(
        AttachmentRow(
            id=attachment.id,
            sha256=attachment.sha256,
            size=attachment.size,
            content_type=attachment.content_type,
            uploader_id=uploader_id,
            created_at=at,
        )
    )
    session.flush()


def find_attachment(session: Session, attachment_id: str) -> Attachment | None:
    row = session.get(AttachmentRow, attachment_id)
    return Attachment(row.id, row.sha256, row.size, row.content_type) if row is not None else None


def is_attached(session: Session, sha256: str) -> bool:
    """Whether some comment may show this content."""
    return session.scalar(select(AttachmentRow.id).where(AttachmentRow.sha256 == sha256).limit(1)) is not None
