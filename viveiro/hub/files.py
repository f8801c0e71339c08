"""Files of a revision: what a path is, how large, and its bytes, whether git holds them or the blob store."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from itertools import islice
from typing import Any, Final

import pygit2

from viveiro.hub.history import LastCommits
from viveiro.hub.lfs import may_be_pointer, parse_pointer
from viveiro.hub.trees import TreeItem, find, tree_of, walk
from viveiro.hub.types import CommitSummary, LfsPointer, TreeEntry
from viveiro.storage import BlobStore

WINDOW_BYTES: Final = 2**20
"""Asked for at once by whoever reads here and there."""


def describe(git: pygit2.Repository, path: str, item: TreeItem) -> TreeEntry:
    if item.is_folder:
        return TreeEntry("directory", path, item.oid, 0)
    size, lfs = measure(git, item.oid)
    return TreeEntry("file", path, item.oid, size, lfs)


def measure(git: pygit2.Repository, oid: str) -> tuple[int, LfsPointer | None]:
    """The size of a file's content. Only blobs short enough to be pointers are read."""
    size = git.odb.read_header(oid)[1]
    lfs = parse_pointer(git.odb.read(oid)[1]) if may_be_pointer(size) else None
    return (lfs.size if lfs else size), lfs


def content_of(
    git: pygit2.Repository, blobs: BlobStore, entry: TreeEntry, start: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """The bytes [start, stop). Raises BlobNotFound at once when the store has lost them."""
    if entry.lfs is not None:
        return blobs.read(entry.lfs.oid, start, stop)
    return iter([git.odb.read(entry.oid)[1][start:stop]])


def seekable(size: int, read: Callable[[int, int], Iterator[bytes]]) -> BufferedReader:
    """Content as an open file: of one of 100 GB, only what is looked at is read.

    Args:
        read: the bytes [start, stop), in chunks.
    """
    return BufferedReader(_Windows(size, read), WINDOW_BYTES)


class _Windows(RawIOBase):
    def __init__(self, size: int, read: Callable[[int, int], Iterator[bytes]]) -> None:
        self._size = size
        self._read = read
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        self._at = max(0, offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, into: Any, /) -> int:
        stop = min(self._at + len(into), self._size)
        if stop <= self._at:
            return 0
        read = 0
        for chunk in self._read(self._at, stop):
            into[read : read + len(chunk)] = chunk
            read += len(chunk)
        self._at += read
        return read


class Files:
    """The files of one revision of one repository. For one thread."""

    def __init__(self, git: pygit2.Repository, sha: str, last_commits: LastCommits) -> None:
        self._git = git
        self._sha = sha
        self._tree = tree_of(git, sha)
        self._last_commits = last_commits

    def entry(self, path: str) -> TreeEntry | None:
        item = find(self._git, self._tree, path) if path else None
        return describe(self._git, path, item) if item is not None else None

    def folder(
        self, path: str, *, recursive: bool, expand: bool, after: str | None, limit: int | None
    ) -> list[TreeEntry] | None:
        """What lies in a folder, from behind the entry of path `after` on; None when there is no such folder."""
        item = find(self._git, self._tree, path)
        if item is None or not item.is_folder:
            return None
        prefix = f"{path}/" if path else ""
        behind = after.removeprefix(prefix) if after is not None else None
        found = walk(self._git, item.oid, prefix=prefix, recursive=recursive, after=behind)
        entries = [describe(self._git, path, item) for path, item in islice(found, limit)]
        return self.expanded(entries) if expand else entries

    def expanded(self, entries: Sequence[TreeEntry]) -> list[TreeEntry]:
        """With the last commit that touched each."""
        return [replace(entry, last_commit=self._last_commit(entry.path)) for entry in entries]

    def _last_commit(self, path: str) -> CommitSummary:
        folder, _, name = path.rpartition("/")
        return self._last_commits.of_folder(self._git, self._sha, folder)[name]
