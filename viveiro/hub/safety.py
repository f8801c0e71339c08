"""Whether loading a file could run something: which files are scanned, how, and what is said of the rest.

What was found is kept by content, so a file is scanned once however often it is copied, renamed or pushed again. Verdicts are
not kept: they follow from the imports, and from a list that grows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pygit2

from viveiro.hub.files import content_of, describe, seekable
from viveiro.hub.pickles import Scan, may_hold_pickles, scan
from viveiro.hub.trees import tree_of, walk
from viveiro.hub.types import FileSafety, SafetyStatus, TreeEntry
from viveiro.storage import BlobStore

SCANNER: Final = 1
"""Raised when `pickles.py` learns to see more: what an older one looked at is looked at again."""
SECONDS_FOR_A_FILE: Final = 120.0

NOTHING_TO_RUN: Final = FileSafety(SafetyStatus.SAFE)
"""Of a file in which nobody looks for pickles."""
WAITING: Final = FileSafety(SafetyStatus.QUEUED)


@dataclass(frozen=True, slots=True)
class RevisionSafety:
    """`issues`: files with a status other than safe, of those that were scanned."""

    all_scanned: bool
    issues: tuple[TreeEntry, ...]


def content_key(entry: TreeEntry) -> str:
    """What names the content of a file: the sha256 of a big one, git's id of another."""
    return entry.lfs.oid if entry.lfs is not None else entry.oid


def is_scanned(entry: TreeEntry) -> bool:
    return entry.type == "file" and may_hold_pickles(entry.path)


def with_safety(entries: Sequence[TreeEntry], scans: dict[str, Scan]) -> list[TreeEntry]:
    return [replace(entry, safety=_safety(entry, scans)) if entry.type == "file" else entry for entry in entries]


def _safety(entry: TreeEntry, scans: dict[str, Scan]) -> FileSafety:
    if not is_scanned(entry):
        return NOTHING_TO_RUN
    found = scans.get(content_key(entry))
    return FileSafety.of(found) if found is not None else WAITING


def files_to_scan(git: pygit2.Repository, sha: str) -> Iterator[TreeEntry]:
    for path, item in walk(git, tree_of(git, sha), recursive=True):
        if not item.is_folder and may_hold_pickles(path):
            yield describe(git, path, item)


def revision_safety(entries: Iterable[TreeEntry]) -> RevisionSafety:
    """Of all files of a revision, with their safety."""
    told = [(entry, entry.safety.status) for entry in entries if entry.safety is not None]
    issues = (entry for entry, status in told if status not in (SafetyStatus.SAFE, SafetyStatus.QUEUED))
    return RevisionSafety(all(status is not SafetyStatus.QUEUED for _, status in told), tuple(issues))


def scan_file(git: pygit2.Repository, blobs: BlobStore, entry: TreeEntry) -> Scan:
    """Raises BlobNotFound when the store has lost it, and whatever else keeps it from being read."""
    file = seekable(entry.size, partial(content_of, git, blobs, entry))
    return scan(file, seconds=SECONDS_FOR_A_FILE)
