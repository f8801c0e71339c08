"""What a blob store holds and promises. No I/O."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, TypeAlias

Bytes: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Content that the store holds whole, under its own hash."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class PartialUpload:
    """A blob that arrives in parts, in any order and over any number of connections. Parts count from 1."""

    id: str
    size: int
    part_bytes: int
    """Length of every part but the last."""

    @property
    def part_count(self) -> int:
        return -(-self.size // self.part_bytes)

    def offset(self, number: int) -> int:
        return (number - 1) * self.part_bytes

    def part_size(self, number: int) -> int:
        return min(self.part_bytes, self.size - self.offset(number))


class BlobWriter(Protocol):
    def write(self, data: Bytes) -> None: ...

    def finish(self) -> StoredBlob:
        """Keep what was written. Until this returns, nobody else sees a byte of it.

        Raises:
            ChecksumMismatch, SizeMismatch: it is not what was announced; nothing is kept.
        """
        ...


class PartWriter(Protocol):
    def write(self, data: Bytes) -> None: ...

    def finish(self) -> str:
        """Keep the part. The answer names this very version of it, as an ETag does."""
        ...


class BlobStore(Protocol):
    """Content by hash. Every method may be called from any thread; all block.

    One store holds one namespace. In `sha256` the key is the content's own hash, and `writer` or `assemble` verify it. In
    `xorbs` it is the hash of what the content unpacks to, which the caller has verified before `put`.
    """

    def size(self, sha256: str) -> int | None:
        """Length in bytes, or None when the store does not hold it."""
        ...

    def path(self, sha256: str) -> Path | None:
        """The blob as a local file, for `sendfile` and memory maps; None when absent or when the store is remote."""
        ...

    def address(self, sha256: str, lifetime: timedelta, headers: Mapping[str, str]) -> str | None:
        """Where anybody may fetch the blob for a while without us, answered with these headers; None where it has no such place.

        It is not looked whether the blob is there.
        """
        ...

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes [start, stop) in chunks of about 1 MiB. Raises BlobNotFound at once, before the first chunk."""
        ...

    def writer(self, sha256: str | None = None, size: int | None = None) -> AbstractContextManager[BlobWriter]:
        """Take in one blob, hashing as it comes. Left without `finish`, no trace remains.

        Raises:
            StorageFull: there is no room for `size` bytes, or a write found the disk full.
        """
        ...

    def put(self, key: str, file: Path) -> bool:
        """Keep a file's content under a key that the caller has verified: whole and on the disk on return, or not at all.

        Nobody may write to the file any more, for the store may hold the very same one; the caller removes its name.

        A key that is held keeps what it has, also when two come at once, for there are several ways to pack the same thing
        and others may have noted where in the first one its parts lie.

        Returns:
            Whether this content is now the key's.

        Raises:
            StorageFull: there is no room for it.
        """
        ...

    def delete(self, sha256: str) -> None:
        """Forget it. Deleting what is not there is no error."""
        ...

    def keys(self) -> Iterator[str]:
        """Every hash held, in no order."""
        ...

    def part_writer(self, upload: PartialUpload, number: int) -> AbstractContextManager[PartWriter]:
        """Take in one part. A part sent again replaces its earlier version, which is gone as soon as the new one begins."""
        ...

    def parts(self, upload_id: str) -> dict[int, str]:
        """Numbers and ETags of the parts that are here whole, whatever process received them."""
        ...

    def assemble(self, upload: PartialUpload, sha256: str) -> StoredBlob:
        """Make the parts a blob. Called again after it succeeded, it says so again, until `discard`.

        Raises:
            MissingParts: some have not arrived; those that have stay.
            Unavailable: a part is being written this very moment.
            ChecksumMismatch: together they are something else; the upload is discarded.
        """
        ...

    def discard(self, upload_id: str) -> None:
        """Forget an upload's parts. A blob made of them stays."""
        ...

    def sweep(self, older_than: timedelta) -> int:
        """Delete what connections and processes that died left half written, if untouched for so long; how many."""
        ...
