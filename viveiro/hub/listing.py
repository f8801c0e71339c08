"""Lists of repos: which plan finds a page, and how a client names the next one."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.errors import InvalidInput
from viveiro.hub import queries
from viveiro.hub.types import Like, Liker, Page, Position, Repo, RepoQuery, RepoSort
from viveiro.types import RepoKind, RepoRef

MOST_PER_PAGE: Final = 1000
_FEW: Final = 2000
"""A tag of fewer repos than this is rare."""
_WINDOW: Final = 1000
"""How far the order is walked before the filters are taken to be rare there."""
_ROOM: Final = 3
"""At least so many times what is wanted."""
_DATES: Final = frozenset({RepoSort.LAST_MODIFIED, RepoSort.CREATED_AT})
_COUNT: Final = re.compile(r"(\d+(?:\.\d+)?)([KMBT]?)")
_FACTORS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def list_repos(session: Session, viewer: Viewer, query: RepoQuery, among: Sequence[int] | None = None) -> Page:
    """One page of what this viewer may see.

    Args:
        among: keys of all that match, a thousand at most, when `Facets.matches` has found them. The list is the same
            without, but where matches are rare it takes a pass over the whole index.
    """
    query = replace(query, limit=max(1, min(query.limit, MOST_PER_PAGE)))
    # One more than asked: whether there is a next page.
    positions = (
        _find(session, viewer, query, query.limit + 1)
        if among is None
        else queries.positions_among(session, viewer, query, query.limit + 1, among)
    )
    more = len(positions) > query.limit
    positions = positions[: query.limit]
    repos = queries.repos_by_pk(session, [position.pk for position in positions])
    return Page(repos, positions[-1] if more else None)


def _find(session: Session, viewer: Viewer, query: RepoQuery, limit: int) -> list[Position]:
    """Common filters fill a page near the top of the order; rare ones are cheaper to gather and then order.

    No single plan serves both: walking the order for a tag of 30 repos probes 100,000, gathering a tag of 60,000 to
    show ten sorts them all. So a rare tag is started from, anything else walks first, on a short leash.
    `benchmarks/hub_lists.py` has the numbers.
    """
    if not query.is_filtered:
        return queries.first_positions(session, viewer, query, limit)
    carriers = queries.count_carriers(session, query.tags, _FEW)
    rarest = min(carriers, key=carriers.__getitem__, default=None)
    if rarest is not None and carriers[rarest] < _FEW:
        return queries.positions_tagged(session, viewer, query, limit, rarest)
    near = queries.positions_near(session, viewer, query, limit, max(_WINDOW, _ROOM * limit))
    return near if len(near) == limit else queries.positions_anywhere(session, viewer, query, limit)


def count_repos(session: Session, viewer: Viewer, owner_id: int) -> dict[RepoKind, int]:
    """How many repos of each kind an account owns, as far as this viewer may see them."""
    return queries.count_by_kind(session, viewer, owner_id)


def liked_repos(session: Session, viewer: Viewer, user_id: int, *, after: int = 0, limit: int) -> list[Like]:
    """What a user likes, and this viewer may see. The next page: after the last one's `repo_pk`."""
    return queries.likes_of(session, viewer, user_id, after=after, limit=limit)


def count_likes(session: Session, viewer: Viewer, user_id: int) -> int:
    """How many repos a user likes, of those that this viewer may see."""
    return queries.count_likes_of(session, viewer, user_id)


def likers(session: Session, repo: Repo, *, after: int = 0, limit: int) -> list[Liker]:
    """Who likes it. The next page: after the last one's `user_id`."""
    return queries.likers_of(session, repo.pk, after=after, limit=limit)


def names_of(session: Session, ref: RepoRef) -> list[str]:
    """What a repo is called, and the names that it had before and that still lead to it: cards and records keep those."""
    return [str(ref.repo_id), *queries.former_names(session, ref)]


def tags_by_type(session: Session, viewer: Viewer, kind: RepoKind) -> dict[str, list[dict[str, str]]]:
    """The tags that repos carry, under what stands before their colon."""
    grouped: dict[str, list[dict[str, str]]] = {}
    for tag in queries.tags_in_use(session, viewer, kind):
        prefix, colon, label = tag.partition(":")
        group = prefix if colon else "other"
        grouped.setdefault(group, []).append({"id": tag, "label": label or tag, "type": group})
    return grouped


def cursor_of(position: Position, sort: RepoSort) -> str:
    """What a client sends back for the page after this position. Opaque to it."""
    value = position.value.isoformat() if isinstance(position.value, datetime) else position.value
    return base64.urlsafe_b64encode(orjson.dumps([sort, value, position.pk])).decode().rstrip("=")


def position_at(cursor: str, sort: RepoSort) -> Position:
    """The position that `cursor_of` wrote down."""
    try:
        written_for, value, pk = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if written_for != sort:
            raise ValueError
        return Position(_value(value, sort), int(pk))
    except (ValueError, TypeError) as error:
        raise InvalidInput("This cursor was not given by a list sorted by {sort}.", sort=sort.value) from error


def _value(value: Any, sort: RepoSort) -> datetime | float:
    if sort not in _DATES:
        return value if isinstance(value, int) else float(value)
    date = datetime.fromisoformat(value)
    if date.tzinfo is None:
        raise ValueError
    return date


def parameter_range(text: str) -> tuple[int | None, int | None]:
    """`min:6B,max:128B` as numbers; either side may be missing."""
    bounds: dict[str, int] = {}
    for part in text.split(","):
        side, _, count = part.strip().partition(":")
        match = _COUNT.fullmatch(count.strip().upper())
        if side not in ("min", "max") or match is None:
            raise InvalidInput(
                "{text!r} is no range of parameter counts. Write it as min:6B,max:128B, with K, M, B or T.", text=text
            )
        bounds[side] = int(float(match[1]) * _FACTORS[match[2]])
    return bounds.get("min"), bounds.get("max")
