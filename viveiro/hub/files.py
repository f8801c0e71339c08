"""Files of a revision: what a path is, how large, and its bytes, whether git holds them or the blob store."""

from collections.abc import Iterator

import pygit2

from viveiro.hub.lfs import may_be_pointer, parse_pointer
from viveiro.hub.trees import TreeItem
from viveiro.hub.types import LfsPointer, TreeEntry
from viveiro.storage import BlobStore


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
