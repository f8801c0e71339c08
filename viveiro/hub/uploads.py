"""How a file travels to the hub. Pure: no request, database or setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from viveiro.hub.patterns import goes_through_lfs

SAMPLE_BYTES: Final = 512
"""How much of a file the rule looks at, besides its name and size."""

UploadMode: TypeAlias = Literal["lfs", "regular"]


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that a client is about to send. `sample` is its first `SAMPLE_BYTES`."""

    path: str
    size: int
    sample: bytes


def is_large(size: int, threshold: int) -> bool:
    """The one predicate that decides what must go through LFS: preupload, web uploads and pushes all ask it."""
    return size >= threshold


def upload_mode(file: PendingFile, lfs_patterns: Sequence[str], threshold: int) -> UploadMode:
    """Decide how a file travels. The caller has fetched the patterns of the repo's `.gitattributes` and the threshold."""
    if file.size == 0:  # clients send an empty file inside the commit, whatever they are told
        return "regular"
    if goes_through_lfs(file.path, lfs_patterns):
        return "lfs"
    if is_large(file.size, threshold) or b"\0" in file.sample:
        return "lfs"
    return "regular"
