"""Every SQL statement of the hub."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from viveiro.accounts.tables import AccountRow
from viveiro.accounts.types import TokenRole, TokenScope, Viewer
from viveiro.db import Base, utc_now
from viveiro.hub.discussions.tables import AttachmentRow
from viveiro.hub.pickle_imports import PickleImport
from viveiro.hub.pickles import Scan, Trouble
from viveiro.hub.tables import (
    AccessRequestRow,
    BlobRow,
    DownloadRow,
    LikeRow,
    PendingPushRow,
    QuotaRow,
    RepoAliasRow,
    RepoBlobRow,
    RepoChangeRow,
    RepoRow,
    RepoTagRow,
    ScanRow,
)
from viveiro.hub.types import (
    AccessRequest,
    AccessStatus,
    Like,
    Liker,
    Position,
    RefUpdate,
    Repo,
    RepoIndex,
    RepoQuery,
    RepoSort,
    RepoTraits,
)
from viveiro.hub.xet.tables import LayoutRow
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility, new_id

_AT_ONCE: Final = 500
"""How many values go into one statement: SQLite allows 32,766 parameters, planners prefer far fewer."""

# Who sees what --------------------------------------------------------------------------------------------------------


def visible_to(viewer: Viewer, repo: type[RepoRow] = RepoRow) -> ColumnElement[bool]:
    """The one place that says whom a list shows a repo: `accounts.may_see`, as SQL."""
    return or_(repo.visibility == Visibility.PUBLIC, _person_and_token_read(viewer, repo))


def is_repo(pk: int) -> ColumnElement[bool]:
    return RepoRow.id == pk


def files_readable_by(viewer: Viewer) -> ColumnElement[bool]:
    """Whose files this viewer may fetch: `accounts.can(…, READ, …)`, as SQL."""
    open_or_theirs = or_(RepoRow.gated.is_(None), _person_and_token_read(viewer), _was_let_in(viewer))
    return and_(visible_to(viewer), open_or_theirs)


def _person_and_token_read(viewer: Viewer, repo: type[RepoRow] = RepoRow) -> ColumnElement[bool]:
    person = true() if viewer.is_admin else repo.owner_id.in_(viewer.owner_ids)
    return and_(person, _token_reads(viewer.scope, repo))


def _was_let_in(viewer: Viewer) -> ColumnElement[bool]:
    """Into a gated repo that everybody sees."""
    if viewer.user_id is None:
        return false()
    let_in = _let_in(viewer.user_id, RepoRow.id.expression)
    return and_(RepoRow.visibility == Visibility.PUBLIC, let_in, _token_reads(viewer.scope, RepoRow))


def _token_reads(scope: TokenScope | None, repo: type[RepoRow]) -> ColumnElement[bool]:
    if scope is None or scope.role in (TokenRole.READ, TokenRole.WRITE):
        return true()
    return or_(false(), *(_covered_by(grant.resource.lower(), repo) for grant in scope.grants if grant.actions))


def _covered_by(granted: str, repo: type[RepoRow]) -> ColumnElement[bool]:
    """A grant on a namespace covers all that the namespace owns."""
    if "/" in granted:
        return repo.folded_name == granted
    return repo.folded_name.startswith(f"{granted}/", autoescape=True)


# Lists: `listing.py` says when which of these is asked ----------------------------------------------------------------

_SORTED_BY: Final[dict[RepoSort, InstrumentedAttribute[Any]]] = {
    RepoSort.LAST_MODIFIED: RepoRow.last_modified,
    RepoSort.TRENDING: RepoRow.trending_score,
    RepoSort.CREATED_AT: RepoRow.created_at,
    RepoSort.DOWNLOADS: RepoRow.downloads,
    RepoSort.LIKES: RepoRow.likes,
}
_FILTERED_BY: Final = (
    *(RepoRow.id, RepoRow.folded_name, RepoRow.visibility, RepoRow.owner_id, RepoRow.gated),
    *(RepoRow.parameters, RepoRow.pipeline_tag, RepoRow.library_name),
)
_COUNTS: Final = frozenset({"downloads", "downloads_all_time", "likes", "trending_score", "used_storage"})
"""Columns that no filter asks for."""
_MANY: Final = 10_000
_COUNTED: Final = 50_000
_LISTED: Final = _AT_ONCE
"""Of more repos that two tags share, the statement is told how to find them, not which they are."""


def first_positions(session: Session, viewer: Viewer, query: RepoQuery, limit: int) -> list[Position]:
    """Walk the order's own index until enough are found. For a query that filters nothing."""
    sort = _SORTED_BY[query.sort]
    found = select(sort, RepoRow.id).where(visible_to(viewer), *_within(query))
    return _positions(session, found.order_by(sort.desc(), RepoRow.id.desc()).limit(limit))


def positions_near(session: Session, viewer: Viewer, query: RepoQuery, limit: int, window: int) -> list[Position]:
    """Those among the next `window` repos of the order."""
    sort = _SORTED_BY[query.sort]
    # Only what is asked below: the wide columns lie on pages of their own.
    walked = select(sort, *_FILTERED_BY).where(*_within(query)).order_by(sort.desc(), RepoRow.id.desc()).limit(window)
    near = aliased(RepoRow, walked.subquery())
    found = select(getattr(near, sort.key), near.id)
    found = found.where(
        visible_to(viewer, near), *_matching(query, near), *(_probe_tag(tag, near) for tag in query.tags)
    )
    return _positions(session, found.order_by(getattr(near, sort.key).desc(), near.id.desc()).limit(limit))


def positions_tagged(session: Session, viewer: Viewer, query: RepoQuery, limit: int, rare_tag: str) -> list[Position]:
    """Start from the few repos that carry a rare tag."""
    gathered = _gather(query).where(RepoRow.id.in_(_carriers(rare_tag)), *map(_has_tag, query.tags))
    return _ordered(session, viewer, query, gathered.offset(0), limit)


def positions_among(
    session: Session, viewer: Viewer, query: RepoQuery, limit: int, pks: Sequence[int]
) -> list[Position]:
    """Start from repos that somebody else has found."""
    gathered = _gather(query).where(RepoRow.id.in_(pks), *map(_has_tag, query.tags))
    return _ordered(session, viewer, query, gathered.offset(0), limit)


def positions_anywhere(session: Session, viewer: Viewer, query: RepoQuery, limit: int) -> list[Position]:
    """Find all that match, then order them."""
    gather = _gather_by_sqlite if session.get_bind().dialect.name == "sqlite" else _gather_by_postgres
    return _ordered(session, viewer, query, gather(session, query), limit)


def _ordered(session: Session, viewer: Viewer, query: RepoQuery, gathered: Select[Any], limit: int) -> list[Position]:
    found = gathered.where(visible_to(viewer), *_within(query), *_matching(query)).subquery()
    return _positions(session, select(found).order_by(found.c.sort.desc(), found.c.id.desc()).limit(limit))


def _gather(query: RepoQuery) -> Select[Any]:
    return select(_SORTED_BY[query.sort].label("sort"), RepoRow.id)


def _gather_by_postgres(_session: Session, query: RepoQuery) -> Select[Any]:
    """PostgreSQL knows how common each tag is and joins accordingly, once it does not see the limit.

    Seeing it, it walks the order and trusts that matches lie evenly there: hence the fence of OFFSET 0.
    """
    return _gather(query).where(*map(_has_tag, query.tags)).offset(0)


def _gather_by_sqlite(session: Session, query: RepoQuery) -> Select[Any]:
    """SQLite has no such statistics: it is told what to start from. With the fence it passes over the listing index."""
    counts = count_carriers(session, query.tags, _COUNTED)
    others = sorted(counts, key=counts.__getitem__)
    if not others or query.search:
        return _gather(query).where(*map(_has_tag, others)).offset(0)
    rarest = others.pop(0)
    if not others or counts[rarest] <= _MANY:
        return _gather(query).where(RepoRow.id.in_(_carriers(rarest)), *map(_has_tag, others))
    # Probing so many one by one costs more than reading both lists and keeping what they share.
    both = _carriers(rarest).intersect(_carriers(others.pop(0)))
    shared = session.scalars(both.limit(_LISTED)).all()
    if len(shared) < _LISTED:
        return _gather(query).where(RepoRow.id.in_(shared), *map(_has_tag, others)).offset(0)
    return _gather(query).where(RepoRow.id.in_(both), *map(_has_tag, others))


def _positions(session: Session, statement: Select[Any]) -> list[Position]:
    return [Position(value, pk) for value, pk in session.execute(statement)]


def _within(query: RepoQuery) -> list[ColumnElement[bool]]:
    kind = RepoRow.kind == query.kind
    if query.after is None:
        return [kind]
    sort = _SORTED_BY[query.sort]
    return [kind, tuple_(sort, RepoRow.id) < tuple_(literal(query.after.value, sort.type), query.after.pk)]


def _matching(query: RepoQuery, repo: type[RepoRow] = RepoRow) -> list[ColumnElement[bool]]:
    """All that the row itself can tell; tags are asked in different ways."""
    conditions = [repo.folded_name.contains(word, autoescape=True) for word in query.search.lower().split()]
    if query.author is not None:
        owner = select(AccountRow.id).where(AccountRow.folded_name == query.author.lower())
        conditions.append(repo.owner_id == owner.scalar_subquery())
    if query.pipeline_tag is not None:
        conditions.append(repo.pipeline_tag == query.pipeline_tag)
    if query.library is not None:
        conditions.append(repo.library_name == query.library)
    if query.gated is not None:
        conditions.append(repo.gated.is_not(None) if query.gated else repo.gated.is_(None))
    if query.min_parameters is not None:
        conditions.append(repo.parameters >= query.min_parameters)
    if query.max_parameters is not None:
        conditions.append(repo.parameters <= query.max_parameters)
    return conditions


def _has_tag(tag: str) -> ColumnElement[bool]:
    return exists().where(RepoTagRow.repo_id == RepoRow.id, RepoTagRow.tag == tag)


def _probe_tag(tag: str, repo: type[RepoRow]) -> ColumnElement[bool]:
    """The same, asked row by row: PostgreSQL would read a common tag's whole list for a thousand rows."""
    carried = select(RepoTagRow.repo_id).where(RepoTagRow.repo_id == repo.id, RepoTagRow.tag == tag)
    return carried.scalar_subquery().is_not(None)


def _carriers(tag: str) -> Select[Any]:
    return select(RepoTagRow.repo_id).where(RepoTagRow.tag == tag)


def count_carriers(session: Session, tags: Sequence[str], most: int) -> dict[str, int]:
    """How many repos carry each tag. Stops counting at `most`."""
    if not tags:
        return {}
    counts = [
        select(literal(tag), select(func.count()).select_from(_carriers(tag).limit(most).subquery()).scalar_subquery())
        for tag in tags
    ]
    return dict(map(tuple, session.execute(union_all(*counts))))


def repos_by_pk(session: Session, pks: Sequence[int]) -> list[Repo]:
    """In the order asked. What has been deleted meanwhile is left out."""
    tags: dict[int, list[str]] = {pk: [] for pk in pks}
    rows: dict[int, RepoRow] = {}
    for start in range(0, len(pks), _AT_ONCE):
        batch = pks[start : start + _AT_ONCE]
        for pk, tag in session.execute(select(RepoTagRow.repo_id, RepoTagRow.tag).where(RepoTagRow.repo_id.in_(batch))):
            tags[pk].append(tag)
        rows |= {row.id: row for row in session.scalars(select(RepoRow).where(RepoRow.id.in_(batch)))}
    return [to_repo(rows[pk], tags[pk]) for pk in pks if pk in rows]


def to_repo(row: RepoRow, tags: Iterable[str]) -> Repo:
    return Repo(
        pk=row.id,
        ref=RepoRef(RepoKind(row.kind), RepoId(*row.name.split("/"))),
        owner_id=row.owner_id,
        storage_key=row.storage_key,
        visibility=Visibility(row.visibility),
        gated=row.gated,  # type: ignore[arg-type]  # written only from Repo.gated's values
        created_at=row.created_at,
        last_modified=row.last_modified,
        head_sha=row.head_sha,
        downloads=row.downloads,
        downloads_all_time=row.downloads_all_time,
        likes=row.likes,
        trending_score=row.trending_score,
        card=row.card,
        config=row.config,
        safetensors=row.safetensors,
        library_name=row.library_name,
        pipeline_tag=row.pipeline_tag,
        tags=tuple(sorted(tags)),
        used_storage=row.used_storage,
    )


def count_by_kind(session: Session, viewer: Viewer, owner_id: int) -> dict[RepoKind, int]:
    counted = select(RepoRow.kind, func.count()).where(visible_to(viewer), RepoRow.owner_id == owner_id)
    return {RepoKind(kind): count for kind, count in session.execute(counted.group_by(RepoRow.kind))}


def likes_of(session: Session, viewer: Viewer, user_id: int, *, after: int, limit: int) -> list[Like]:
    """Of what the viewer may see, in order of the repos' keys."""
    found = (
        select(RepoRow.id, RepoRow.kind, RepoRow.name, LikeRow.created_at)
        .join(LikeRow, LikeRow.repo_id == RepoRow.id)
        .where(LikeRow.user_id == user_id, RepoRow.id > after, visible_to(viewer))
    )
    rows = session.execute(found.order_by(RepoRow.id).limit(limit))
    return [Like(pk, RepoRef(RepoKind(kind), RepoId(*name.split("/"))), at) for pk, kind, name, at in rows]


def count_likes_of(session: Session, viewer: Viewer, user_id: int) -> int:
    liked = select(func.count()).select_from(RepoRow).join(LikeRow, LikeRow.repo_id == RepoRow.id)
    return session.scalar(liked.where(LikeRow.user_id == user_id, visible_to(viewer))) or 0


def likers_of(session: Session, pk: int, *, after: int, limit: int) -> list[Liker]:
    """In order of the users' keys."""
    found = select(AccountRow.id, AccountRow.name, AccountRow.fullname).join(LikeRow, LikeRow.user_id == AccountRow.id)
    found = found.where(LikeRow.repo_id == pk, AccountRow.id > after).order_by(AccountRow.id).limit(limit)
    return [Liker(user_id, name, fullname or name) for user_id, name, fullname in session.execute(found)]


def tags_in_use(session: Session, viewer: Viewer, kind: RepoKind) -> Sequence[str]:
    """Each tag that a visible repo carries. First the tags, then one repo for each: far fewer than all pairs."""
    tags = select(RepoTagRow.tag).distinct().subquery()
    carried = exists().where(
        RepoTagRow.tag == tags.c.tag, RepoTagRow.repo_id == RepoRow.id, RepoRow.kind == kind, visible_to(viewer)
    )
    return session.scalars(select(tags.c.tag).where(carried).order_by(tags.c.tag)).all()


# What filters look at, for `facets.py` --------------------------------------------------------------------------------

_CHANGES: Final = 0
"""The row of `repo_changes` that holds the last number given."""


def _note_change(session: Session, pk: int) -> None:
    """Whoever takes a number holds the row that gives them until the transaction ends.

    So numbers become visible in their order, and who has seen one has seen all below it.
    """
    table = RepoChangeRow
    given = _insert_for(session)(table).values(repo_id=_CHANGES, number=1)
    given = given.on_conflict_do_update(index_elements=[table.repo_id], set_={"number": table.number + 1})
    number = session.scalar(given.returning(table.number))
    noted = _insert_for(session)(table).values(repo_id=pk, number=number)
    session.execute(noted.on_conflict_do_update(index_elements=[table.repo_id], set_={"number": number}))


def last_change(session: Session) -> int:
    return session.scalar(select(RepoChangeRow.number).where(RepoChangeRow.repo_id == _CHANGES)) or 0


def changes_after(session: Session, number: int, limit: int) -> dict[int, int]:
    """Repos that were made, changed or deleted since, each with the number of its last change."""
    later = select(RepoChangeRow.repo_id, RepoChangeRow.number).where(
        RepoChangeRow.number > number, RepoChangeRow.repo_id != _CHANGES
    )
    rows = session.execute(later.order_by(RepoChangeRow.number).limit(limit))
    return {pk: last for pk, last in rows}  # noqa: C416 - a row is no pair to the type checker


def traits_of(session: Session, pks: Sequence[int]) -> list[RepoTraits]:
    """Of those that exist."""
    found: list[RepoTraits] = []
    for start in range(0, len(pks), _AT_ONCE):
        batch = pks[start : start + _AT_ONCE]
        found += _traits(session, RepoRow.id.in_(batch), RepoTagRow.repo_id.in_(batch))
    return found


def traits_after(session: Session, pk: int, limit: int) -> list[RepoTraits]:
    """In order of their keys, a batch at a time."""
    keys = select(RepoRow.id).where(RepoRow.id > pk).order_by(RepoRow.id).limit(limit)
    last = session.scalar(select(func.max(keys.subquery().c.id)))
    if last is None:
        return []
    return _traits(session, RepoRow.id.between(pk + 1, last), RepoTagRow.repo_id.between(pk + 1, last))


def _traits(session: Session, repos: ColumnElement[bool], tags: ColumnElement[bool]) -> list[RepoTraits]:
    carried: dict[int, list[str]] = {}
    for pk, tag in session.execute(select(RepoTagRow.repo_id, RepoTagRow.tag).where(tags)):
        carried.setdefault(pk, []).append(tag)
    rows = session.execute(
        select(
            *(RepoRow.id, RepoRow.kind, RepoRow.owner_id, RepoRow.folded_name, RepoRow.visibility, RepoRow.gated),
            *(RepoRow.parameters, RepoRow.pipeline_tag, RepoRow.library_name),
            *(RepoRow.card["language"], RepoRow.config["model_type"]),
        )
        .where(repos)
        .order_by(RepoRow.id)
    )
    return [
        RepoTraits(
            *(pk, kind, owner, name, visibility, gated is not None, parameters, task, library),
            {"language": language, "architecture": architecture},
            carried.get(pk, []),
        )
        for pk, kind, owner, name, visibility, gated, parameters, task, library, language, architecture in rows
    ]


def owner_id(session: Session, author: str) -> int | None:
    """Whatever the case of the letters."""
    return session.scalar(select(AccountRow.id).where(AccountRow.folded_name == author.lower()))


# One repo -------------------------------------------------------------------------------------------------------------


def find_repo(session: Session, ref: RepoRef) -> Repo | None:
    """Whatever the case of the letters."""
    named = and_(RepoRow.kind == ref.kind, RepoRow.folded_name == str(ref.repo_id).lower())
    row = session.scalar(select(RepoRow).where(named))
    return to_repo(row, _tags_of(session, row.id)) if row is not None else None


def find_moved(session: Session, ref: RepoRef) -> Repo | None:
    """The repo that had this name before it moved, whatever the case of the letters."""
    alias = session.get(RepoAliasRow, (ref.kind, str(ref.repo_id).lower()))
    row = session.get(RepoRow, alias.repo_id) if alias is not None else None
    return to_repo(row, _tags_of(session, row.id)) if row is not None else None


def former_names(session: Session, ref: RepoRef) -> Sequence[str]:
    """Those that still lead to it, as they were written."""
    named = and_(RepoRow.kind == ref.kind, RepoRow.folded_name == str(ref.repo_id).lower())
    found = select(RepoAliasRow.name).join(RepoRow, RepoRow.id == RepoAliasRow.repo_id).where(named)
    return session.scalars(found.order_by(RepoAliasRow.created_at)).all()


def name_is_shared(session: Session, repo: Repo) -> bool:
    """Whether a repo of another kind has the same name."""
    others = and_(RepoRow.folded_name == repo.name.lower(), RepoRow.id != repo.pk)
    return session.scalar(select(exists().where(others))) or False


def rename_repo(session: Session, repo: Repo, ref: RepoRef, *, owner_id: int, at: datetime) -> bool:
    """Raises IntegrityError when the name is taken. False: the repo is gone, or was renamed by someone else meanwhile."""
    renamed = (
        update(RepoRow)
        .where(RepoRow.storage_key == repo.storage_key, RepoRow.name == repo.name)
        .values(name=str(ref.repo_id), folded_name=str(ref.repo_id).lower(), owner_id=owner_id)
    )
    if session.scalar(renamed.returning(RepoRow.id)) is None:
        return False
    _free_name(session, ref)
    old = repo.name.lower()
    if old != str(ref.repo_id).lower():
        session.add(RepoAliasRow(kind=repo.kind, folded_name=old, name=repo.name, repo_id=repo.pk, created_at=at))
    session.flush()
    _note_change(session, repo.pk)
    return True


def _free_name(session: Session, ref: RepoRef) -> None:
    """From now on the name leads to the repo that has it, whichever had it before."""
    named = and_(RepoAliasRow.kind == ref.kind, RepoAliasRow.folded_name == str(ref.repo_id).lower())
    session.execute(delete(RepoAliasRow).where(named))


def _tags_of(session: Session, pk: int) -> Sequence[str]:
    return session.scalars(select(RepoTagRow.tag).where(RepoTagRow.repo_id == pk)).all()


def insert_repo(
    session: Session, ref: RepoRef, *, owner_id: int, key: str, visibility: Visibility, at: datetime
) -> int:
    """Raises IntegrityError when the name is taken."""
    row = RepoRow(
        id=_fresh_pk(session),
        kind=ref.kind,
        owner_id=owner_id,
        name=str(ref.repo_id),
        folded_name=str(ref.repo_id).lower(),
        storage_key=key,
        visibility=visibility,
        created_at=at,
        last_modified=at,
    )
    session.add(row)
    session.flush()
    _free_name(session, ref)
    _note_change(session, row.id)
    return row.id


def _fresh_pk(session: Session) -> int | None:
    """One that no repo ever had; None where the database sees to that itself.

    SQLite gives the key of a deleted repo to the next one, and events of the old would be told of the new.
    """
    if session.get_bind().dialect.name != "sqlite":
        return None
    known = select(func.max(RepoChangeRow.repo_id)).union_all(select(func.max(RepoRow.id)))
    return max(filter(None, session.scalars(known)), default=0) + 1


def update_repo(session: Session, pk: int, **columns: Any) -> None:
    session.execute(update(RepoRow).where(RepoRow.id == pk).values(**columns))
    if not _COUNTS.issuperset(columns):
        _note_change(session, pk)


def delete_repo(session: Session, pk: int) -> None:
    """All that belongs to it goes by foreign key."""
    session.execute(delete(RepoRow).where(RepoRow.id == pk))
    _note_change(session, pk)


def write_index(session: Session, pk: int, index: RepoIndex, *, modified: datetime | None) -> None:
    """What git says about main. `modified` None: nothing moved, the index is only being rebuilt."""
    stored = {field.name: getattr(index, field.name) for field in fields(index) if field.name != "tags"}
    dated = {} if modified is None else {"last_modified": modified}
    update_repo(session, pk, **stored, **dated, used_storage=_used_storage(pk))
    before, after = set(_tags_of(session, pk)), set(index.tags)
    session.execute(delete(RepoTagRow).where(RepoTagRow.repo_id == pk, RepoTagRow.tag.in_(before - after)))
    if after - before:
        session.execute(insert(RepoTagRow), [{"repo_id": pk, "tag": tag} for tag in sorted(after - before)])


def stored_index(session: Session, pk: int) -> RepoIndex | None:
    """What `write_index` wrote, tags in alphabetical order."""
    row = session.get(RepoRow, pk)
    if row is None:
        return None
    columns = {field.name: getattr(row, field.name) for field in fields(RepoIndex) if field.name != "tags"}
    return RepoIndex(**columns, tags=tuple(sorted(_tags_of(session, pk))))


def _used_storage(pk: int) -> ScalarSelect[Any]:
    sizes = select(func.coalesce(func.sum(BlobRow.size), 0)).join(RepoBlobRow, RepoBlobRow.sha256 == BlobRow.sha256)
    return sizes.where(RepoBlobRow.repo_id == pk).scalar_subquery()


def all_repos(session: Session, *, after: int = 0, limit: int = 500) -> list[Repo]:
    """In order of their keys, a batch at a time."""
    pks = session.scalars(select(RepoRow.id).where(RepoRow.id > after).order_by(RepoRow.id).limit(limit)).all()
    return repos_by_pk(session, pks)


def storage_keys(session: Session) -> set[str]:
    return set(session.scalars(select(RepoRow.storage_key)))


# Pushes on their way --------------------------------------------------------------------------------------------------


def add_pending(
    session: Session, pk: int, updates: Iterable[RefUpdate], pusher_id: int | None, at: datetime
) -> list[int]:
    rows = [
        PendingPushRow(
            repo_id=pk,
            ref=each.ref,
            old_sha=each.old_sha,
            new_sha=each.new_sha,
            pusher_id=pusher_id,
            created_at=at,
        )
        for each in updates
    ]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def pending_pushes(session: Session, pk: int) -> Sequence[PendingPushRow]:
    return session.scalars(select(PendingPushRow).where(PendingPushRow.repo_id == pk).order_by(PendingPushRow.id)).all()


def repos_with_pending_pushes(session: Session) -> list[Repo]:
    return repos_by_pk(session, session.scalars(select(PendingPushRow.repo_id).distinct()).all())


def delete_pending(session: Session, row_ids: Collection[int]) -> set[int]:
    """Those that were still there: each is reported by one settler only."""
    gone = delete(PendingPushRow).where(PendingPushRow.id.in_(row_ids)).returning(PendingPushRow.id)
    return set(session.scalars(gone))


# Gates ----------------------------------------------------------------------------------------------------------------


def _requests(pk: int) -> Select[AccessRequestRow, AccountRow]:
    found = select(AccessRequestRow, AccountRow).join(AccountRow, AccountRow.id == AccessRequestRow.user_id)
    return found.where(AccessRequestRow.repo_id == pk)


def _as_request(row: AccessRequestRow, user: AccountRow) -> AccessRequest:
    return AccessRequest(
        id=row.id,
        user_id=user.id,
        name=user.name,
        fullname=user.fullname or user.name,
        email=user.email if row.asked else None,
        status=AccessStatus(row.status),
        fields=row.fields,
        reason=row.reason,
        created_at=row.created_at,
    )


def access_requests(session: Session, pk: int, status: AccessStatus, *, after: str, limit: int) -> list[AccessRequest]:
    """In order of their ids, which is the order in which they came, to the second."""
    found = _requests(pk).where(AccessRequestRow.status == status, AccessRequestRow.id > after)
    return [_as_request(row, user) for row, user in session.execute(found.order_by(AccessRequestRow.id).limit(limit))]


def count_access_requests(session: Session, pk: int) -> dict[AccessStatus, int]:
    counted = select(AccessRequestRow.status, func.count()).where(AccessRequestRow.repo_id == pk)
    return {AccessStatus(status): count for status, count in session.execute(counted.group_by(AccessRequestRow.status))}


def access_request(
    session: Session, pk: int, *, user_id: int | None = None, request_id: str | None = None
) -> AccessRequest | None:
    """The user's, or the one of this id."""
    one = AccessRequestRow.user_id == user_id if request_id is None else AccessRequestRow.id == request_id
    found = session.execute(_requests(pk).where(one)).one_or_none()
    return _as_request(*found) if found is not None else None


def is_let_in(session: Session, pk: int, user_id: int) -> bool:
    return session.scalar(select(_let_in(user_id, literal(pk)))) or False


def _let_in(user_id: int, pk: ColumnElement[int]) -> ColumnElement[bool]:
    accepted = AccessRequestRow.status == AccessStatus.ACCEPTED
    return exists().where(AccessRequestRow.repo_id == pk, AccessRequestRow.user_id == user_id, accepted)


def add_access_request(
    session: Session, pk: int, user_id: int, status: AccessStatus, *, asked: bool, fields: dict[str, str], at: datetime
) -> None:
    """Whoever has one already keeps it."""
    row = {"id": new_id(), "repo_id": pk, "user_id": user_id, "status": status, "asked": asked}
    insert_or_keep(session, AccessRequestRow, [{**row, "fields": fields, "created_at": at}])


def decide_access_request(session: Session, request_id: str, status: AccessStatus, reason: str | None) -> bool:
    """False: it has that status already."""
    decided = update(AccessRequestRow).where(AccessRequestRow.id == request_id, AccessRequestRow.status != status)
    return session.scalar(decided.values(status=status, reason=reason).returning(AccessRequestRow.id)) is not None


# Stored content -------------------------------------------------------------------------------------------------------


def granted_sizes(session: Session, pk: int, oids: Iterable[str]) -> dict[str, int]:
    """Sizes of those of these contents that the repo was given."""
    return _sizes(session, oids, lambda sha256: exists().where(RepoBlobRow.repo_id == pk, RepoBlobRow.sha256 == sha256))


def readable_sizes(session: Session, viewer: Viewer, oids: Iterable[str]) -> dict[str, int]:
    """Sizes of those that lie in any repo whose files this viewer may read."""
    return _sizes(
        session,
        oids,
        lambda sha256: exists().where(
            RepoBlobRow.sha256 == sha256, RepoBlobRow.repo_id == RepoRow.id, files_readable_by(viewer)
        ),
    )


def _sizes(
    session: Session, oids: Iterable[str], condition: Callable[[ColumnElement[str]], ColumnElement[bool]]
) -> dict[str, int]:
    wanted = sorted(set(oids))
    sizes: dict[str, int] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        batch = BlobRow.sha256.in_(wanted[start : start + _AT_ONCE])
        found = select(BlobRow.sha256, BlobRow.size).where(batch, condition(BlobRow.sha256.expression))
        sizes |= {row.sha256: row.size for row in session.execute(found)}
    return sizes


def insert_blob(session: Session, sha256: str, size: int) -> None:
    insert_or_keep(session, BlobRow, [{"sha256": sha256, "size": size}])


def stored_blobs(session: Session, *, after: str, limit: int = 5000) -> list[tuple[str, int]]:
    """In order of their hashes, a batch at a time."""
    found = select(BlobRow.sha256, BlobRow.size).where(BlobRow.sha256 > after).order_by(BlobRow.sha256).limit(limit)
    return [(sha256, size) for sha256, size in session.execute(found)]


def users_of_blob(session: Session, sha256: str) -> Sequence[str]:
    """Names of the repos that were given it."""
    named = select(RepoRow.name).join(RepoBlobRow, RepoBlobRow.repo_id == RepoRow.id)
    return session.scalars(named.where(RepoBlobRow.sha256 == sha256).order_by(RepoRow.name)).all()


def unused_blobs(session: Session, before: datetime, limit: int = 1000) -> Sequence[str]:
    """Content that no repo was given, and that is no upload of just now."""
    unused = select(BlobRow.sha256).where(BlobRow.created_at < before, ~_is_granted())
    return session.scalars(unused.limit(limit)).all()


def delete_unused_blob(session: Session, sha256: str) -> bool:
    """Whether it was still unused. From here to the end of the transaction nobody can be given it."""
    unused = exists().where(BlobRow.sha256 == LayoutRow.sha256, ~_is_granted())
    session.execute(delete(LayoutRow).where(LayoutRow.sha256 == sha256, unused))
    gone = delete(BlobRow).where(BlobRow.sha256 == sha256, ~_is_granted()).returning(BlobRow.sha256)
    return session.scalar(gone) is not None


def _is_granted() -> ColumnElement[bool]:
    """To a repo, or as a picture in what is said about one."""
    return or_(
        exists().where(RepoBlobRow.sha256 == BlobRow.sha256), exists().where(AttachmentRow.sha256 == BlobRow.sha256)
    )


# What accounts hold ---------------------------------------------------------------------------------------------------


def quota_of(session: Session, account_id: int, default: int | None) -> int | None:
    """In bytes; None where there is no limit."""
    own = session.execute(select(QuotaRow.bytes).where(QuotaRow.account_id == account_id)).one_or_none()
    return own.bytes if own is not None else default


def set_quota(session: Session, account_id: int, limit: int | None) -> None:
    given = _insert_for(session)(QuotaRow).values(account_id=account_id, bytes=limit)
    session.execute(given.on_conflict_do_update(index_elements=[QuotaRow.account_id], set_={"bytes": limit}))


def clear_quota(session: Session, account_id: int) -> None:
    session.execute(delete(QuotaRow).where(QuotaRow.account_id == account_id))


def hold_account(session: Session, account_id: int) -> None:
    """Until the transaction ends, others who ask for this wait. SQLite has but one writer anyway."""
    session.execute(select(AccountRow.id).where(AccountRow.id == account_id).with_for_update())


def held_bytes(session: Session, account_id: int) -> int:
    """Of the large files in all repos of an account and of what it attached to comments, each content once."""
    return session.scalar(select(func.coalesce(func.sum(BlobRow.size), 0)).where(_is_held_by(account_id))) or 0


def held_by(session: Session, account_id: int, viewer: Viewer, oids: Iterable[str]) -> dict[str, int]:
    """Sizes of those of these contents that the account has in repos whose files the viewer may read."""
    held = RepoBlobRow.repo_id.in_(_readable_repos(account_id, viewer))
    return _sizes(session, oids, lambda sha256: exists().where(held, RepoBlobRow.sha256 == sha256))


def held_sizes(session: Session, account_id: int, viewer: Viewer, sizes: Iterable[int]) -> set[int]:
    """Those of these sizes that a content has which the account has in repos whose files the viewer may read."""
    repos = _readable_repos(account_id, viewer)
    held = select(BlobRow.size).join(RepoBlobRow, RepoBlobRow.sha256 == BlobRow.sha256)
    wanted = sorted(set(sizes))
    found: set[int] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        batch = BlobRow.size.in_(wanted[start : start + _AT_ONCE])
        found.update(session.scalars(held.where(RepoBlobRow.repo_id.in_(repos), batch)))
    return found


def _readable_repos(account_id: int, viewer: Viewer) -> Select[int]:
    return select(RepoRow.id).where(RepoRow.owner_id == account_id, files_readable_by(viewer))


def _is_held_by(account_id: int) -> ColumnElement[bool]:
    repos = select(RepoRow.id).where(RepoRow.owner_id == account_id)
    return or_(
        BlobRow.sha256.in_(select(RepoBlobRow.sha256).where(RepoBlobRow.repo_id.in_(repos))),
        BlobRow.sha256.in_(select(AttachmentRow.sha256).where(AttachmentRow.uploader_id == account_id)),
    )


def bytes_by_repo(session: Session, account_id: int) -> dict[int, int]:
    """Of the large files of each repo that has any, by its key."""
    sums = (
        select(RepoBlobRow.repo_id, func.sum(BlobRow.size))
        .join(BlobRow, RepoBlobRow.sha256 == BlobRow.sha256)
        .join(RepoRow, RepoBlobRow.repo_id == RepoRow.id)
        .where(RepoRow.owner_id == account_id)
        .group_by(RepoBlobRow.repo_id)
    )
    return {pk: int(size) for pk, size in session.execute(sums)}


def repos_of(session: Session, account_id: int, *, after: int = 0, limit: int | None = None) -> list[Repo]:
    """In order of their keys."""
    found = select(RepoRow.id).where(RepoRow.owner_id == account_id, RepoRow.id > after).order_by(RepoRow.id)
    return repos_by_pk(session, session.scalars(found.limit(limit)).all())


def owners(session: Session) -> Sequence[int]:
    """Accounts that have repos."""
    return session.scalars(select(RepoRow.owner_id).distinct()).all()


def content_totals(session: Session, before: datetime) -> dict[str, tuple[int, int]]:
    """How many contents there are, and their bytes: in use, unused and old enough to go, unused and younger."""
    totals = {}
    for state, condition in (
        ("used", _is_granted()),
        ("unused", and_(~_is_granted(), BlobRow.created_at < before)),
        ("recent", and_(~_is_granted(), BlobRow.created_at >= before)),
    ):
        counted = select(func.count(), func.coalesce(func.sum(BlobRow.size), 0)).select_from(BlobRow).where(condition)
        number, size = session.execute(counted).one()
        totals[state] = (int(number), int(size))
    return totals


def grant(session: Session, pk: int, oids: Iterable[str], *, copied_from: ColumnElement[bool] | None = None) -> None:
    """The repo may use these contents from now on; where they come from other repos, it offers them by Xet as these do."""
    wanted = sorted(set(oids))
    insert_or_keep(session, RepoBlobRow, [{"repo_id": pk, "sha256": sha256} for sha256 in wanted])
    if copied_from is None:
        return
    source = aliased(RepoBlobRow)
    offered = (
        select(source.layout_id)
        .join(RepoRow, RepoRow.id == source.repo_id)
        .where(source.sha256 == RepoBlobRow.sha256, source.layout_id.is_not(None), copied_from)
        .limit(1)
        .correlate(RepoBlobRow)
    )
    for start in range(0, len(wanted), _AT_ONCE):
        here = (RepoBlobRow.repo_id == pk, RepoBlobRow.sha256.in_(wanted[start : start + _AT_ONCE]))
        lacking = update(RepoBlobRow).where(*here, RepoBlobRow.layout_id.is_(None))
        session.execute(lacking.values(layout_id=offered.scalar_subquery()))


def uploads_of(session: Session, pk: int) -> dict[str, tuple[int, datetime]]:
    """Content that a repo was given: size, and since when."""
    found = select(BlobRow.sha256, BlobRow.size, RepoBlobRow.created_at).join(
        RepoBlobRow, RepoBlobRow.sha256 == BlobRow.sha256
    )
    rows = session.execute(found.where(RepoBlobRow.repo_id == pk).order_by(RepoBlobRow.created_at, BlobRow.sha256))
    return {sha256: (size, at) for sha256, size, at in rows}


def take_back(session: Session, pk: int, oids: Iterable[str]) -> None:
    """The repo may not use this content any more. The sweep deletes what no other repo was given either."""
    wanted = sorted(set(oids))
    for start in range(0, len(wanted), _AT_ONCE):
        batch = wanted[start : start + _AT_ONCE]
        session.execute(delete(RepoBlobRow).where(RepoBlobRow.repo_id == pk, RepoBlobRow.sha256.in_(batch)))


def insert_or_keep(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        session.execute(_insert_for(session)(table).on_conflict_do_nothing(), rows)


def _insert_for(session: Session) -> Callable[[type[Base]], Any]:
    """The dialect's own INSERT, which knows ON CONFLICT. Both dialects spell it alike."""
    return sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert


# Scans for pickles ----------------------------------------------------------------------------------------------------


def scans_of(session: Session, contents: Iterable[str], scanner: int) -> dict[str, Scan]:
    """Of those of these contents that this scanner has looked at."""
    wanted = sorted(set(contents))
    scans: dict[str, Scan] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = select(ScanRow).where(ScanRow.content.in_(wanted[start : start + _AT_ONCE]), ScanRow.scanner == scanner)
        for row in session.scalars(rows):
            imports = tuple(PickleImport(module, name) for module, name in row.imports)
            scans[row.content] = Scan(imports, Trouble(row.trouble) if row.trouble else None)
    return scans


def keep_scan(session: Session, content: str, scanner: int, scan: Scan) -> None:
    session.merge(
        ScanRow(
            content=content,
            scanner=scanner,
            imports=[list(found) for found in scan.imports],
            trouble=scan.trouble,
            scanned_at=utc_now(),
        )
    )


# Counts ---------------------------------------------------------------------------------------------------------------


def add_downloads(session: Session, counts: Mapping[tuple[int, date], int]) -> None:
    """Counts of a repo on a day. Repos deleted meanwhile are left out."""
    pks = sorted({pk for pk, _ in counts})
    alive = set(session.scalars(select(RepoRow.id).where(RepoRow.id.in_(pks)).order_by(RepoRow.id).with_for_update()))
    kept = {(pk, day): count for (pk, day), count in sorted(counts.items()) if pk in alive}
    for (pk, day), count in kept.items():
        added = _insert_for(session)(DownloadRow).values(repo_id=pk, day=day, count=count)
        session.execute(
            added.on_conflict_do_update(
                index_elements=[DownloadRow.repo_id, DownloadRow.day],
                set_={"count": DownloadRow.count + added.excluded.count},
            )
        )
        update_repo(
            session,
            pk,
            downloads=RepoRow.downloads + count,
            downloads_all_time=RepoRow.downloads_all_time + count,
        )


def add_like(session: Session, pk: int, user_id: int) -> None:
    """Liking twice is liking once."""
    insert_or_keep(session, LikeRow, [{"repo_id": pk, "user_id": user_id}])
    _recount_likes(session, pk)


def remove_like(session: Session, pk: int, user_id: int) -> None:
    session.execute(delete(LikeRow).where(LikeRow.repo_id == pk, LikeRow.user_id == user_id))
    _recount_likes(session, pk)


def _recount_likes(session: Session, pk: int) -> None:
    likes = select(func.count()).select_from(LikeRow).where(LikeRow.repo_id == pk)
    update_repo(session, pk, likes=likes.scalar_subquery())


def downloads_since(session: Session, first: date) -> list[tuple[int, date, int]]:
    found = select(DownloadRow.repo_id, DownloadRow.day, DownloadRow.count).where(DownloadRow.day >= first)
    return [(pk, day, count) for pk, day, count in session.execute(found)]


def likes_since(session: Session, first: datetime) -> list[tuple[int, datetime]]:
    found = select(LikeRow.repo_id, LikeRow.created_at).where(LikeRow.created_at >= first)
    return [(pk, at) for pk, at in session.execute(found)]


def repos_with_recent_counts(session: Session) -> set[int]:
    """Repos whose counts may have to fall."""
    return set(session.scalars(select(RepoRow.id).where(or_(RepoRow.downloads > 0, RepoRow.trending_score > 0))))


def write_counts(session: Session, counts: Sequence[Mapping[str, Any]]) -> None:
    """Each with `id`, `downloads` and `trending_score`."""
    session.execute(update(RepoRow), counts)
