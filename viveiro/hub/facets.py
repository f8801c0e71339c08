"""Counts beside a list: how many repos match, and how many each further filter would leave, for the one who looks.

SQL cannot group a million tags within a page view, so each process keeps the few columns that filters look at in arrays,
about 0.7 kB a repo. Every count first asks SQL which repos have changed since the last one, and reads those anew, so a count
is of the moment it was asked for: a repo that has just become private is not in it. Only the first count of a process
waits until all repos are read (`warm` does it ahead).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from viveiro.accounts.permissions import may_see
from viveiro.accounts.types import TokenRole, Viewer
from viveiro.db import Database
from viveiro.hub import queries
from viveiro.hub.listing import parameter_range
from viveiro.hub.types import RepoQuery, RepoTraits
from viveiro.types import RepoKind, Resource, Visibility

MOST_VALUES: Final = 30
"""Of one group. What the query has chosen is shown besides, however rare."""

GROUPS: Final = {
    RepoKind.MODEL: ("pipeline_tag", "library", "language", "license", "architecture", "num_parameters"),
    RepoKind.DATASET: ("task_categories", "language", "license", "size_categories"),
    RepoKind.SPACE: ("license",),
    RepoKind.KERNEL: ("license",),
}
"""In the order in which a page shows them."""

PARAMETER_RANGES: Final = (
    *("max:10M", "min:10M,max:100M", "min:100M,max:500M", "min:500M,max:1B"),
    *("min:1B,max:4B", "min:4B,max:10B", "min:10B,max:40B", "min:40B"),
)
"""The values of `num_parameters`, as clients send them. Both ends count, as they do in the list that a value leads to."""

_UNPREFIXED: Final = ("language", "architecture")
"""Groups of a model whose tags are the bare values."""
_COLUMNS: Final = ("pipeline_tag", "library", "num_parameters")
"""Groups that are columns of a repo. All others are tags."""
_BATCH: Final = 5000
_NONE: Final = -1
"""Stands where a repo has no such value. Repos, accounts and words are counted from 0 or 1."""
_UNKNOWN: Final = -2
"""Stands for what nothing has."""


class FacetValue(NamedTuple):
    """How many repos of the list carry a value. `narrowed` chooses it."""

    value: str
    repos: int


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """`groups` are those of GROUPS; the most frequent value first, parameter ranges by size.

    Each group is counted without its own filter, so its other values are what one could switch to. What the query has
    chosen is always among them; otherwise a value that would leave nothing is not.
    """

    total: int
    groups: dict[str, list[FacetValue]]


def narrowed(query: RepoQuery, group: str, value: str) -> RepoQuery:
    """The query with a value of a group chosen as well. InvalidInput for a parameter range that is none."""
    match group:
        case "pipeline_tag":
            return replace(query, pipeline_tag=value)
        case "library":
            return replace(query, library=value)
        case "num_parameters":
            least, most = parameter_range(value)
            return replace(query, min_parameters=least, max_parameters=most)
        case _:
            return replace(query, tags=(*query.tags, f"{_prefix(query.kind, group)}{value}"))


def _prefix(kind: RepoKind, group: str) -> str:
    """What stands before the value in a tag."""
    return "" if kind is RepoKind.MODEL and group in _UNPREFIXED else f"{group}:"


class Facets:
    """Counts over the repos of one database. Threads share it; each process has its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._shelves: dict[RepoKind, _Shelf] = {}
        self._seen = _NONE
        """The last change that the shelves know of."""

    def count(self, viewer: Viewer, query: RepoQuery) -> FacetCounts:
        """Of the repos that `query` filters; its order and its page do not matter."""
        return self._select(viewer, query).count()

    def matches(self, viewer: Viewer, query: RepoQuery, most: int) -> list[int] | None:
        """Keys of all repos that match, when there are at most so many: `list_repos` can start from these."""
        return self._select(viewer, query).keys(most)

    def warm(self) -> None:
        """Read what has not been read."""
        with self._lock:
            self._refresh()

    def _select(self, viewer: Viewer, query: RepoQuery) -> "_Selection":
        with self._lock:
            self._refresh()
            shelf = self._shelves[query.kind].snapshot()
        if query.author is None:
            return _Selection(shelf, viewer, query)
        with self._database.read() as session:
            owner = queries.owner_id(session, query.author)
        return _Selection(shelf, viewer, query, _UNKNOWN if owner is None else owner)

    def _refresh(self) -> None:
        if self._seen == _NONE:
            self._read_all()
        while True:
            with self._database.read() as session:
                # The numbers first: what changes between the two statements has a higher one, and is read once more.
                changes = queries.changes_after(session, self._seen, _BATCH)
                rows = queries.traits_of(session, list(changes))
            if not changes:
                return
            for kind, shelf in self._shelves.items():
                shelf.remove(changes)
                shelf.append([row for row in rows if row.kind == kind])
            self._seen = max(changes.values())

    def _read_all(self) -> None:
        shelves = {kind: _Shelf(kind) for kind in RepoKind}
        with self._database.read() as session:
            seen = queries.last_change(session)
        for rows in self._batches():
            for kind, shelf in shelves.items():
                shelf.append([row for row in rows if row.kind == kind])
        self._shelves, self._seen = shelves, seen

    def _batches(self) -> Iterator[list[RepoTraits]]:
        """A transaction each: none stays open for the seconds that all of them take."""
        after = 0
        while True:
            with self._database.read() as session:
                rows = queries.traits_after(session, after, _BATCH)
            if not rows:
                return
            yield rows
            after = rows[-1].pk


# What is kept ---------------------------------------------------------------------------------------------------------

Mask: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int32]


class _Column:
    """An array that grows at its end. A view of it, once taken, keeps its length and, `keep` or not, its values."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._buffer: NDArray[Any] = np.empty(0, dtype)
        self._size = 0

    @property
    def values(self) -> NDArray[Any]:
        return self._buffer[: self._size]

    def extend(self, values: Sequence[Any]) -> None:
        size = self._size + len(values)
        if size > len(self._buffer):
            larger = np.empty(size + size // 4, self._buffer.dtype)
            larger[: self._size] = self.values
            self._buffer = larger
        self._buffer[self._size : size] = values
        self._size = size

    def keep(self, values: NDArray[Any]) -> None:
        """Only these."""
        self._buffer, self._size = values.astype(self._buffer.dtype), len(values)


class _Pairs:
    """Which place carries which word. A place is a repo's in the columns, a code is a word's in the list of words."""

    def __init__(self) -> None:
        self.places, self.codes = _Column(np.int32), _Column(np.int32)

    def extend(self, pairs: Sequence[tuple[int, int]]) -> None:
        self.places.extend([place for place, _ in pairs])
        self.codes.extend([code for _, code in pairs])

    def count(self, among: Mask, words: int) -> NDArray[np.int64]:
        """How many of these places carry each word."""
        return np.bincount(self.codes.values[among[self.places.values]], minlength=words)

    def keep(self, kept: Mask, new_places: NDArray[np.int64]) -> None:
        chosen = kept[self.places.values]
        self.places.keep(new_places[self.places.values[chosen]])
        self.codes.keep(self.codes.values[chosen])


@dataclass(frozen=True, slots=True)
class _Group:
    """The tags that one group is about."""

    members: Mask
    """Over all words: which are values of the group."""
    places: Codes
    codes: Codes


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A shelf at one moment, to be read without its lock. Arrays over places are of the same length."""

    kind: RepoKind
    alive: Mask
    pks: NDArray[np.int64]
    owners: NDArray[np.int64]
    public: Mask
    gated: Mask
    parameters: NDArray[np.int64]
    columns: dict[str, Codes]
    """Groups of which a repo has one value."""
    groups: dict[str, _Group]
    """Groups of which a repo may have many."""
    places: Codes
    codes: Codes
    names: Sequence[str]
    words: Sequence[str]
    code_of: dict[str, int]


class _Shelf:
    """What is kept of the repos of one kind. One that changes gets a new place at the end, and its old place is dead."""

    def __init__(self, kind: RepoKind) -> None:
        self._kind = kind
        self._pks, self._owners, self._parameters = _Column(np.int64), _Column(np.int64), _Column(np.int64)
        self._alive, self._public, self._gated = _Column(np.bool_), _Column(np.bool_), _Column(np.bool_)
        self._task, self._library = _Column(np.int32), _Column(np.int32)
        self._tags = _Pairs()
        self._declared = {group: _Pairs() for group in _UNPREFIXED}
        """Tags that the repo itself calls its language or its architecture."""
        self._names: list[str] = []
        self._words: list[str] = []
        self._code_of: dict[str, int] = {}
        self._snapshot: _Snapshot | None = None

    def append(self, rows: Sequence[RepoTraits]) -> None:
        if not rows:
            return
        placed = list(enumerate(rows, len(self._names)))
        self._alive.extend([True] * len(rows))
        self._pks.extend([row.pk for row in rows])
        self._owners.extend([row.owner_id for row in rows])
        self._public.extend([row.visibility == Visibility.PUBLIC for row in rows])
        self._gated.extend([row.is_gated for row in rows])
        self._parameters.extend([_NONE if row.parameters is None else row.parameters for row in rows])
        self._task.extend([self._code(row.pipeline_tag) for row in rows])
        self._library.extend([self._code(row.library_name) for row in rows])
        self._names.extend(row.folded_name for row in rows)
        self._tags.extend([(place, self._code(tag)) for place, row in placed for tag in row.tags])
        for group, pairs in self._declared.items():
            said = ((place, row.tags, row.declared[group]) for place, row in placed if row.declared[group])
            pairs.extend([(place, self._code(word)) for place, tags, value in said for word in _words(value, tags)])
        self._snapshot = None

    def _code(self, word: str | None) -> int:
        if word is None:
            return _NONE
        code = self._code_of.setdefault(word, len(self._words))
        if code == len(self._words):
            self._words.append(word)
        return code

    def remove(self, pks: Iterable[int]) -> None:
        dead = np.isin(self._pks.values, np.fromiter(pks, np.int64)) & self._alive.values
        if dead.any():
            self._alive.values[dead] = False
            self._snapshot = None
            if np.count_nonzero(self._alive.values) < len(self._names) // 2:
                self._forget_the_dead()

    def _forget_the_dead(self) -> None:
        kept = self._alive.values.copy()
        new_places = np.cumsum(kept) - 1
        for pairs in (self._tags, *self._declared.values()):
            pairs.keep(kept, new_places)
        columns = (self._pks, self._owners, self._parameters, self._public, self._gated, self._task, self._library)
        for column in (*columns, self._alive):
            column.keep(column.values[kept])
        # A new list: snapshots hold the old one.
        self._names = [self._names[place] for place in np.flatnonzero(kept)]

    def snapshot(self) -> _Snapshot:
        if self._snapshot is None:
            alive = self._alive.values.copy()
            places, codes = self._tags.places.values, self._tags.codes.values
            self._snapshot = _Snapshot(
                kind=self._kind,
                alive=alive,
                pks=self._pks.values,
                owners=self._owners.values,
                public=self._public.values,
                gated=self._gated.values,
                parameters=self._parameters.values,
                columns={"pipeline_tag": self._task.values, "library": self._library.values},
                groups={group: _gather(members, places, codes) for group, members in self._members(alive).items()},
                places=places,
                codes=codes,
                names=self._names,
                words=self._words,
                code_of=self._code_of,
            )
        return self._snapshot

    def _members(self, alive: Mask) -> dict[str, Mask]:
        """Which words are values of each group of tags.

        A model's tag `pt` is a language and `bert` an architecture where most repos that carry it mean that: `cv` is more
        often computer vision than Chuvash.
        """
        count = len(self._words)
        carriers = self._tags.count(alive, count)
        members: dict[str, Mask] = {}
        for group in (group for group in GROUPS[self._kind] if group not in _COLUMNS):
            if prefix := _prefix(self._kind, group):
                members[group] = np.fromiter((word.startswith(prefix) for word in self._words), np.bool_, count)
            else:
                said = self._declared[group].count(alive, count)
                members[group] = (said > 0) & (said * 2 > carriers)
        return members


def _words(value: Any, tags: Sequence[str]) -> set[str]:
    """Those of a card's text, or list of texts, that became tags."""
    return set(map(str, value if isinstance(value, list) else [value])).intersection(tags)


def _gather(members: Mask, places: Codes, codes: Codes) -> _Group:
    chosen = members[codes]
    return _Group(members, places[chosen], codes[chosen])


# Counting -------------------------------------------------------------------------------------------------------------


class _Selection:
    """The repos of a snapshot that a viewer may see and a query wants."""

    def __init__(self, shelf: _Snapshot, viewer: Viewer, query: RepoQuery, owner: int | None = None) -> None:
        self._shelf = shelf
        self._filters: list[tuple[str, Mask]] = []
        """Each with the group that it belongs to."""
        self._chosen: dict[str, list[int]] = {}
        rest = shelf.alive & _visible(shelf, viewer)
        if owner is not None:
            rest &= shelf.owners == owner
        if query.gated is not None:
            rest &= shelf.gated == query.gated
        for tag in query.tags:
            rest &= self._choose_tag(tag)
        self._choose_column("pipeline_tag", query.pipeline_tag)
        self._choose_column("library", query.library)
        if query.min_parameters is not None or query.max_parameters is not None:
            self._filters.append(("num_parameters", _sized(shelf, query.min_parameters, query.max_parameters)))
        self._rest = _named(shelf, rest, query.search.lower().split())

    def _choose_tag(self, tag: str) -> Mask:
        """Who carries it; everybody, when it belongs to a group and so is none of what all groups share."""
        code = self._shelf.code_of.get(tag, _UNKNOWN)
        carriers = np.zeros_like(self._shelf.alive)
        carriers[self._shelf.places[self._shelf.codes == code]] = True
        for name, group in self._shelf.groups.items():
            if 0 <= code < len(group.members) and group.members[code]:
                self._filters.append((name, carriers))
                self._chosen.setdefault(name, []).append(code)
                return np.ones_like(carriers)
        return carriers

    def _choose_column(self, group: str, value: str | None) -> None:
        if value is not None:
            code = self._shelf.code_of.get(value, _UNKNOWN)
            self._filters.append((group, self._shelf.columns[group] == code))
            self._chosen[group] = [code] if code != _UNKNOWN else []

    def keys(self, most: int) -> list[int] | None:
        places = np.flatnonzero(self._without(None))
        return self._shelf.pks[places].tolist() if len(places) <= most else None

    def count(self) -> FacetCounts:
        total = int(np.count_nonzero(self._without(None)))
        return FacetCounts(total, {group: self._values(group) for group in GROUPS[self._shelf.kind]})

    def _without(self, group: str | None) -> Mask:
        wanted = self._rest.copy()
        for of_group, carriers in self._filters:
            if of_group != group:
                wanted &= carriers
        return wanted

    def _values(self, group: str) -> list[FacetValue]:
        wanted = self._without(group)
        if group == "num_parameters":
            sized = ((text, wanted & _sized(self._shelf, *parameter_range(text))) for text in PARAMETER_RANGES)
            return [FacetValue(text, count) for text, mask in sized if (count := int(np.count_nonzero(mask)))]
        if group in _COLUMNS:
            codes = self._shelf.columns[group][wanted]
            codes = codes[codes != _NONE]
        else:
            tagged = self._shelf.groups[group]
            codes = tagged.codes[wanted[tagged.places]]
        return self._most_frequent(group, codes)

    def _most_frequent(self, group: str, codes: Codes) -> list[FacetValue]:
        chosen = self._chosen.get(group, [])
        counts = np.bincount(codes, minlength=max(chosen, default=0) + 1)
        found = np.flatnonzero(counts)
        top = found[np.argsort(-counts[found], kind="stable")][:MOST_VALUES].tolist()
        prefix = "" if group in _COLUMNS else _prefix(self._shelf.kind, group)
        values = [
            FacetValue(self._shelf.words[code].removeprefix(prefix), int(counts[code]))
            for code in dict.fromkeys([*top, *chosen])
        ]
        return sorted(values, key=lambda each: (-each.repos, each.value))


def _visible(shelf: _Snapshot, viewer: Viewer) -> Mask:
    """`accounts.may_see`, asked only where the answer is not plain. A repo that is dead counts for nothing."""
    hidden = shelf.alive & ~shelf.public
    theirs = hidden if viewer.is_admin else hidden & np.isin(shelf.owners, viewer.owner_ids)
    if viewer.scope is None or viewer.scope.role in (TokenRole.READ, TokenRole.WRITE):
        return shelf.public | theirs
    visible = shelf.public.copy()
    for place in np.flatnonzero(theirs).tolist():
        owner, name = int(shelf.owners[place]), shelf.names[place]
        visible[place] = may_see(viewer, Resource(owner, name, Visibility.PRIVATE, gated=bool(shelf.gated[place])))
    return visible


def _sized(shelf: _Snapshot, least: int | None, most: int | None) -> Mask:
    sized = shelf.parameters >= (least or 0)  # _NONE is less
    return sized if most is None else sized & (shelf.parameters <= most)


def _named(shelf: _Snapshot, among: Mask, words: Sequence[str]) -> Mask:
    """Those whose name holds every word."""
    if not words:
        return among
    places = np.flatnonzero(among)
    for word in words:
        found = [word in shelf.names[place] for place in places.tolist()]
        places = places[np.array(found, np.bool_)]
    named = np.zeros_like(among)
    named[places] = True
    return named
