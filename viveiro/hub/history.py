"""Commits of one repository, and which of them touched a path last."""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

import pygit2
from pygit2.enums import SortMode

from viveiro.hub.git import open_bare
from viveiro.hub.trees import find, read_tree
from viveiro.hub.types import Commit, CommitSummary

MOST_WALKED: Final = 10_000
"""How many commits are looked at for those that touched one path."""


def read_commit(git: pygit2.Repository, sha: str) -> Commit:
    commit = git[sha]
    assert isinstance(commit, pygit2.Commit)
    return describe(commit)


def describe(commit: pygit2.Commit) -> Commit:
    title, _, body = commit.message.partition("\n")
    return Commit(
        oid=str(commit.id),
        title=title,
        message=body.strip("\n"),
        authors=(commit.author.name,),
        date=_date(commit),
        parents=tuple(map(str, commit.parent_ids)),
    )


def _date(commit: pygit2.Commit) -> datetime:
    """A commit may claim any second; those that no calendar holds become the nearest that it does."""
    return datetime.fromtimestamp(min(max(commit.commit_time, 0), 253_402_300_799), UTC)


def list_commits(git: pygit2.Repository, sha: str, *, skip: int, limit: int) -> list[Commit]:
    # Git's own order, newest first. libgit2's other orders read the whole history before they give the first commit,
    # and the one by time puts a parent before its child when both were made in the same second.
    return [describe(commit) for commit in islice(git.walk(sha, SortMode.NONE), skip, skip + limit)]


def list_commits_of(git: pygit2.Repository, sha: str, path: str, *, skip: int, limit: int) -> list[Commit]:
    """Those that made the path, a file or a folder, what no parent of theirs had it be. Among the newest MOST_WALKED."""
    return [describe(commit) for commit in islice(_touching(git, sha, path), skip, skip + limit)]


def _touching(git: pygit2.Repository, sha: str, path: str) -> Iterator[pygit2.Commit]:
    known: dict[pygit2.Oid, tuple[int, str] | None] = {}

    def held_by(commit: pygit2.Commit) -> tuple[int, str] | None:
        if commit.id not in known:
            item = find(git, str(commit.tree_id), path)
            known[commit.id] = (item.mode, item.oid) if item is not None else None
        return known[commit.id]

    for commit in islice(git.walk(sha, SortMode.NONE), MOST_WALKED):
        here = held_by(commit)
        if all(held_by(parent) != here for parent in commit.parents) and (here is not None or commit.parent_ids):
            yield commit


@lru_cache(maxsize=1024)
def count_commits(path: str, sha: str) -> int:
    """Of a repository's folder. Remembered, for a commit's history never changes."""
    return sum(1 for _ in open_bare(Path(path)).walk(sha, SortMode.NONE))


class LastCommits:
    """Remembers, per folder of a revision, which commit touched each of its entries last.

    Names are handed from a commit to the first parent that holds the same object under them; a name that no parent holds
    was touched by the commit. The walk stops early where an older revision of the folder is remembered.
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._known: OrderedDict[tuple[str, str, str], dict[str, CommitSummary]] = OrderedDict()
        self._lock = Lock()

    def of_folder(self, git: pygit2.Repository, sha: str, folder: str) -> dict[str, CommitSummary]:
        """By name of the entry. A folder that does not exist has none."""
        known = self._recall(git.path, sha, folder)
        if known is None:
            known = self._walk(git, sha, folder)
            self._remember((git.path, sha, folder), known)
        return known

    def _recall(self, path: str, sha: str, folder: str) -> dict[str, CommitSummary] | None:
        with self._lock:
            known = self._known.get((path, sha, folder))
            if known is not None:
                self._known.move_to_end((path, sha, folder))
            return known

    def _remember(self, key: tuple[str, str, str], known: dict[str, CommitSummary]) -> None:
        with self._lock:
            self._known[key] = known
            if len(self._known) > self._size:
                self._known.popitem(last=False)

    def _walk(self, git: pygit2.Repository, sha: str, folder: str) -> dict[str, CommitSummary]:
        touched: dict[str, CommitSummary] = {}
        searched = {sha: set(_names(git, sha, folder))}
        newest_first = [(-_time(git, sha), sha)]
        while newest_first:
            _, current = heapq.heappop(newest_first)
            names = searched.pop(current, set())
            known = self._recall(git.path, current, folder)
            if known is not None:
                touched.update((name, known[name]) for name in names)
                continue
            for parent, handed in _hand_on(git, current, folder, names):
                if parent not in searched:
                    heapq.heappush(newest_first, (-_time(git, parent), parent))
                searched.setdefault(parent, set()).update(handed)
            touched.update(dict.fromkeys(names, _summary(git, current)) if names else {})
        return touched


def _hand_on(git: pygit2.Repository, sha: str, folder: str, names: set[str]) -> Iterable[tuple[str, set[str]]]:
    """Which of the names each parent holds unchanged. Takes them out of `names`."""
    here = _names(git, sha, folder)
    commit = git[sha]
    assert isinstance(commit, pygit2.Commit)
    for parent in map(str, commit.parent_ids):
        there = _names(git, parent, folder) if names else {}
        same = {name for name in names if there.get(name) == here[name]}
        names -= same
        if same:
            yield parent, same


def _names(git: pygit2.Repository, sha: str, folder: str) -> dict[str, tuple[int, str]]:
    commit = git[sha]
    assert isinstance(commit, pygit2.Commit)
    item = find(git, str(commit.tree_id), folder)
    if item is None or not item.is_folder:
        return {}
    return {child.name: (child.mode, child.oid) for child in read_tree(git, item.oid)}


def _time(git: pygit2.Repository, sha: str) -> int:
    commit = git[sha]
    assert isinstance(commit, pygit2.Commit)
    return int(commit.commit_time)


def _summary(git: pygit2.Repository, sha: str) -> CommitSummary:
    commit = read_commit(git, sha)
    return CommitSummary(oid=commit.oid, title=commit.title, date=commit.date)
