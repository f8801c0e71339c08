"""What a commit or a pull request changes, bounded: however much it is, the answer is made in a moment and fits on a page."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import pygit2
from pygit2.enums import DeltaStatus, DiffFind

from viveiro.hub.files import measure
from viveiro.hub.history import describe
from viveiro.hub.trees import SUBMODULE
from viveiro.hub.types import Commit, LfsPointer

MOST_FILES: Final = 1000
"""Of one commit. The others are only counted."""
MOST_SHOWN: Final = 100
"""Files with their lines."""
MOST_LINES: Final = 5000
"""Of all files together."""
MOST_LINES_PER_FILE: Final = 500
MOST_CHARS_PER_LINE: Final = 500
MOST_BYTES_COMPARED: Final = 2**18
"""Of one side of a file. Larger ones are not compared: nobody reads a vocabulary line by line."""
MOST_BYTES_UNIFIED: Final = 2**22
"""Of a whole diff as text."""
MOST_RENAMES: Final = 200
"""Files added or deleted. Among more than these, renames are not looked for."""

DiffStatus = Literal["added", "deleted", "modified", "renamed"]

_STATUS: Final[dict[DeltaStatus, DiffStatus]] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.RENAMED: "renamed",
}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`old_line` and `new_line` count from 1; None on the side where the line is not."""

    origin: Literal[" ", "+", "-"]
    old_line: int | None
    new_line: int | None
    text: str
    """Without its end. What is not UTF-8 is replaced."""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Hunk:
    """Changed lines that lie together, and three lines around them."""

    old_start: int
    new_start: int
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True)
class DiffSide:
    """A file before or after. `size` is the content's, for LFS not the pointer's."""

    path: str
    size: int
    lfs: LfsPointer | None


@dataclass(frozen=True, slots=True)
class FileDiff:
    """`old` is None for an added file, `new` for a deleted one."""

    status: DiffStatus
    old: DiffSide | None
    new: DiffSide | None
    is_binary: bool = False
    additions: int | None = None
    """Lines. None: not counted, for the file is binary, LFS, large or far down."""
    deletions: int | None = None
    hunks: tuple[Hunk, ...] = ()
    truncated: bool = False
    """There are lines, or may be, that `hunks` does not hold."""

    @property
    def path(self) -> str:
        """The new one, where there is one."""
        side = self.new or self.old
        assert side is not None
        return side.path

    @property
    def is_lfs(self) -> bool:
        """On either side: then the sides tell what changed, and there are no hunks."""
        return any(side is not None and side.lfs is not None for side in (self.old, self.new))


@dataclass(frozen=True, slots=True)
class Diff:
    """Between two commits."""

    files: tuple[FileDiff, ...]
    files_changed: int
    """All of them, also those that `files` leaves out."""

    @property
    def truncated(self) -> bool:
        return self.files_changed > len(self.files)

    @property
    def additions(self) -> int:
        """Lines, of those files whose lines were counted."""
        return sum(file.additions or 0 for file in self.files)

    @property
    def deletions(self) -> int:
        return sum(file.deletions or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class CommitDiff(Diff):
    """Against the first parent; for a first commit, against nothing."""

    commit: Commit


def diff_commit(git: pygit2.Repository, sha: str) -> CommitDiff:
    commit = _commit(git, sha)
    first = commit.parents[0].tree if commit.parent_ids else None
    found = _described(git, first.diff_to_tree(commit.tree) if first else commit.tree.diff_to_tree(swap=True))
    return CommitDiff(found.files, found.files_changed, describe(commit))


def diff_commits(git: pygit2.Repository, before: str, after: str) -> Diff:
    """From one commit to the other, whatever lies between."""
    return _described(git, _commit(git, before).tree.diff_to_tree(_commit(git, after).tree))


def unified_diff(git: pygit2.Repository, before: str, after: str) -> str:
    """As `git diff` says it: of the first files, and as long as a page could show it. What is not UTF-8 is replaced."""
    diff = _commit(git, before).tree.diff_to_tree(_commit(git, after).tree)
    _find_renames(git, diff)
    room, told = MOST_BYTES_UNIFIED, []
    for number, delta in enumerate(islice(diff.deltas, MOST_FILES)):
        patch = diff[number] if _is_small(git, delta) else None
        data = patch.data if patch is not None else _heading(delta)
        room -= len(data)
        if room < 0:
            break
        told.append(data)
    return b"".join(told).decode("utf-8", "replace")


def _heading(delta: pygit2.DiffDelta) -> bytes:
    """What git says of a file that it does not compare."""
    old, new = b"a/" + delta.old_file.raw_path, b"b/" + delta.new_file.raw_path
    return b"diff --git %s %s\nBinary files %s and %s differ\n" % (old, new, old, new)


def _commit(git: pygit2.Repository, sha: str) -> pygit2.Commit:
    commit = git[sha]
    assert isinstance(commit, pygit2.Commit)
    return commit


def _described(git: pygit2.Repository, diff: pygit2.Diff) -> Diff:
    _find_renames(git, diff)
    return Diff(tuple(_files(git, diff)), len(diff))


def _find_renames(git: pygit2.Repository, diff: pygit2.Diff) -> None:
    """Alike ones among few small texts; otherwise only what was moved unchanged, which takes no reading."""
    moved = [delta for delta in islice(diff.deltas, MOST_FILES) if delta.status_char() in "AD"]
    if len(diff) > MOST_FILES or len(moved) > MOST_RENAMES:
        return
    # All pointers are alike, whatever they point at.
    exact = any(not _is_small(git, delta) or _is_pointer(git, delta) for delta in moved)
    # Without FIND_RENAMES, libgit2 would ask the configuration.
    diff.find_similar(DiffFind.FIND_RENAMES | (DiffFind.FIND_EXACT_MATCH_ONLY if exact else DiffFind(0)))


def _is_pointer(git: pygit2.Repository, delta: pygit2.DiffDelta) -> bool:
    return any(_side(git, file).lfs is not None for file in (delta.old_file, delta.new_file))


def _size(git: pygit2.Repository, file: pygit2.DiffFile) -> int:
    return git.odb.read_header(file.id)[1] if _has_content(file) else 0


def _has_content(file: pygit2.DiffFile) -> bool:
    return file.mode not in (0, SUBMODULE)


def _files(git: pygit2.Repository, diff: pygit2.Diff) -> Iterator[FileDiff]:
    room = MOST_LINES
    for number, delta in enumerate(islice(diff.deltas, MOST_FILES)):
        status = _STATUS.get(delta.status, "modified")
        old = _side(git, delta.old_file) if status != "added" else None
        new = _side(git, delta.new_file) if status != "deleted" else None
        file = FileDiff(status, old, new)
        if not file.is_lfs:
            shown = number < MOST_SHOWN and room > 0 and _is_small(git, delta)
            file = _with_lines(file, diff[number], room) if shown else FileDiff(status, old, new, truncated=True)
        room -= sum(len(hunk.lines) for hunk in file.hunks)
        yield file


def _side(git: pygit2.Repository, file: pygit2.DiffFile) -> DiffSide:
    path = file.raw_path.decode("utf-8", "replace")
    return DiffSide(path, *(measure(git, str(file.id)) if _has_content(file) else (0, None)))


def _is_small(git: pygit2.Repository, delta: pygit2.DiffDelta) -> bool:
    return max(_size(git, delta.old_file), _size(git, delta.new_file)) <= MOST_BYTES_COMPARED


def _with_lines(file: FileDiff, patch: pygit2.Patch | None, room: int) -> FileDiff:
    if patch is None or patch.delta.is_binary:
        return FileDiff(file.status, file.old, file.new, is_binary=True)
    _, additions, deletions = patch.line_stats
    hunks, complete = _hunks(patch.hunks, min(room, MOST_LINES_PER_FILE))
    return FileDiff(
        file.status,
        file.old,
        file.new,
        additions=additions,
        deletions=deletions,
        hunks=hunks,
        truncated=not complete,
    )


def _hunks(found: Iterable[pygit2.DiffHunk], room: int) -> tuple[tuple[Hunk, ...], bool]:
    """As many lines as there is room for, and whether these are all."""
    hunks: list[Hunk] = []
    for hunk in found:
        # Other origins say that a last line has no end.
        lines = [line for line in hunk.lines if line.origin in (" ", "+", "-")]
        if room > 0:
            hunks.append(Hunk(hunk.old_start, hunk.new_start, tuple(map(_line, lines[:room]))))
        room -= len(lines)
        if room < 0:
            return tuple(hunks), False
    return tuple(hunks), True


def _line(line: pygit2.DiffLine) -> DiffLine:
    # Four bytes a character at most: a line of megabytes is not decoded to show its beginning.
    text = line.raw_content[: 4 * MOST_CHARS_PER_LINE + 4].decode("utf-8", "replace").rstrip("\r\n")
    return DiffLine(
        origin=line.origin,  # type: ignore[arg-type]  # the caller let only these three through
        old_line=line.old_lineno if line.old_lineno > 0 else None,
        new_line=line.new_lineno if line.new_lineno > 0 else None,
        text=text[:MOST_CHARS_PER_LINE],
        truncated=len(text) > MOST_CHARS_PER_LINE,
    )
