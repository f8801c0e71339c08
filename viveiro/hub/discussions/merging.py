"""What merging a pull request makes of its branch, and what stands in the way. Decides; moves no ref.

A merge is *squashed*, as on the Hub: the branch gets one commit that holds all that the pull request changes. So its
history stays one line with one entry for each decision, and a clone of it does not carry what the pull request tried on
its way; every commit stays where it was made, at `refs/pr/N`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import MergeFlag, ObjectType, SortMode

from viveiro.hub.commits import ATTRIBUTES
from viveiro.hub.discussions.types import Discussion
from viveiro.hub.git import open_bare, write_object
from viveiro.hub.history import describe
from viveiro.hub.lfs import parse_pointer
from viveiro.hub.trees import find, read_tree, tree_of, twins
from viveiro.hub.types import Commit

MOST_COMMITS_TOLD: Final = 100
"""In the message of a merge."""


@dataclass(frozen=True, slots=True)
class Merge:
    """`tree` is what the branch would hold: None when `conflicts` names files that somebody has to decide about first."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


def merge_base(git: pygit2.Repository, base: str, head: str, start: str | None) -> str | None:
    """Where the two parted. `start` when history does not tell any more: a branch may have been squashed since."""
    found = git.merge_base(base, head)
    if found is not None:
        return str(found)
    return start if start is not None and start in git else None


def merge(git: pygit2.Repository, base: str, head: str, start: str | None) -> Merge:
    """Both commits' changes since they parted, file by file and line by line.

    Renames are not looked for: pointers of LFS files are all alike, and would be taken for one another.
    """
    parted = merge_base(git, base, head, start)
    ours = tree_of(git, base)
    ancestor = tree_of(git, parted) if parted is not None else write_object(git, ObjectType.TREE, b"")
    index = git.merge_trees(ancestor, ours, tree_of(git, head), flags=MergeFlag(0))
    _unite_attributes(git, index)
    conflicts = tuple(sorted(_conflicting(index)))
    if conflicts:
        return Merge(None, conflicts)
    tree = str(index.write_tree(git))
    indistinct = tuple(_indistinct(git, ours, tree))
    return Merge(None, indistinct) if indistinct else Merge(tree)


@lru_cache(maxsize=1024)
def conflicts(path: str, base: str, head: str, start: str | None) -> tuple[str, ...]:
    """Of a repository's folder. Remembered, for commits never change."""
    return merge(open_bare(Path(path)), base, head, start).conflicts


def _conflicting(index: pygit2.Index) -> Iterator[str]:
    for sides in index.conflicts or ():
        path = next(side.path for side in sides if side is not None)
        yield path


def _unite_attributes(git: pygit2.Repository, index: pygit2.Index) -> None:
    """Commits here add lines of their own to `.gitattributes`: where both sides did, nobody should have to decide."""
    sides = next((sides for sides in index.conflicts or () if sides[1] and sides[1].path == ATTRIBUTES), None)
    if sides is None or sides[1] is None or sides[2] is None:
        return
    ours, theirs = (git.odb.read(side.id)[1] for side in (sides[1], sides[2]))
    if any(parse_pointer(content) is not None for content in (ours, theirs)):
        return
    known = set(ours.splitlines())
    added = [line for line in theirs.splitlines() if line not in known]
    united = b"".join(line + b"\n" for line in (*ours.splitlines(), *added))
    entry = pygit2.IndexEntry(ATTRIBUTES, pygit2.Oid(hex=write_object(git, ObjectType.BLOB, united)), sides[1].mode)
    del index.conflicts[ATTRIBUTES]
    index.add(entry)


def _indistinct(git: pygit2.Repository, before: str, after: str) -> Iterator[str]:
    """Names that came from different sides, and that some systems take for one another."""
    old, new = git[before], git[after]
    assert isinstance(old, pygit2.Tree)
    assert isinstance(new, pygit2.Tree)
    added = {delta.new_file.path for delta in old.diff_to_tree(new).deltas if delta.status_char() == "A"}
    folders = {"/".join(path.split("/")[:depth]) for path in added for depth in range(path.count("/") + 1)}
    for folder in sorted(folders):
        item = find(git, after, folder)
        if item is None or not item.is_folder:
            continue
        for pair in twins(child.name for child in read_tree(git, item.oid)):
            yield from (f"{folder}/{name}" if folder else name for name in sorted(pair))


def commits_of(git: pygit2.Repository, base: str, head: str, start: str | None, *, limit: int) -> list[Commit]:
    """What a pull request adds, oldest first."""
    walk = git.walk(head, SortMode.TOPOLOGICAL | SortMode.REVERSE)
    for known in (base, merge_base(git, base, head, start)):
        if known is not None:
            walk.hide(known)
    return [describe(commit) for commit in islice(walk, limit)]


def message(pull_request: Discussion, commits: Sequence[Commit], merger: str | None) -> str:
    """Of the commit that merges it. The number leads back to what was said, the list to each step."""
    told = [f"- {commit.title} ({commit.oid})" for commit in commits[:MOST_COMMITS_TOLD]]
    if len(commits) > MOST_COMMITS_TOLD:
        told.append("- …")
    credited = {pull_request.author.name, merger}
    names = dict.fromkeys(name for commit in commits for name in commit.authors if name not in credited)
    trailers = [f"Co-authored-by: {name} <{name}@users.noreply.invalid>" for name in map(_plain, names)]
    paragraphs = [f"{pull_request.title} (#{pull_request.number})", "\n".join(told), "\n".join(trailers)]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _plain(name: str) -> str:
    return "".join(character for character in name if character.isprintable() and character not in "<>")
