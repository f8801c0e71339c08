"""Large files by sha256, in whatever form they are kept: as they are, or in xorbs.

What came by LFS or through a page lies in the blob store as it is; what came by Xet lies in xorbs, and its bytes are put together
when they are asked for. Whoever reads need not know, also while a job takes the one form for the other.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from viveiro.errors import BlobNotFound
from viveiro.hub.xet.rebuilt import RebuiltFiles
from viveiro.hub.xet.service import Xet
from viveiro.storage import BlobStore, BlobWriter, PartialUpload, PartWriter, StoredBlob


class Contents:
    """A `BlobStore` of namespace sha256."""

    def __init__(self, plain: BlobStore, xet: Xet, rebuilt: RebuiltFiles) -> None:
        self.plain = plain
        """Those that are kept as they are."""
        self.rebuilt = rebuilt
        self._xet = xet

    def size(self, sha256: str) -> int | None:
        size = self.plain.size(sha256)
        return self._xet.size(sha256) if size is None else size

    def path(self, sha256: str) -> Path | None:
        return self.plain.path(sha256) or self.rebuilt.path(sha256)

    def address(self, sha256: str, lifetime: timedelta, headers: Mapping[str, str]) -> str | None:
        """Only of one that is kept as it is: what lies in xorbs has to be put together here, and its plain form may go soon."""
        address = self.plain.address(sha256, lifetime, headers)
        if address is None or self.plain.size(sha256) is None or self._xet.size(sha256) is not None:
            return None
        return address

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        size = self.plain.size(sha256)
        if size is None:
            return self._read_from_xorbs(sha256, start, stop)
        return self._read_plain(sha256, start, size if stop is None else min(stop, size))

    def _read_plain(self, sha256: str, start: int, stop: int) -> Iterator[bytes]:
        """To the end also where it is put into xorbs meanwhile: a slow client may take hours for it."""
        try:
            for content in self.plain.read(sha256, start, stop):
                start += len(content)
                yield content
        except (BlobNotFound, FileNotFoundError):
            yield from self._read_from_xorbs(sha256, start, stop)

    def _read_from_xorbs(self, sha256: str, start: int, stop: int | None) -> Iterator[bytes]:
        layout = self._xet.layout(sha256)
        if start > 0 or (stop is not None and stop < layout.size):
            return self._xet.rebuild(layout, start, stop)
        return self.rebuilt.read(sha256, layout.size, partial(self._xet.rebuild, layout))

    def read_as_stored(self, sha256: str) -> Iterator[bytes]:
        """All of it, from what it is kept in and not from what was put together before: to find damage."""
        if self.plain.size(sha256) is not None:
            return self.plain.read(sha256)
        return self._xet.rebuild(self._xet.layout(sha256))

    def put_into_xorbs(self, sha256: str) -> None:
        """From now on it is kept in xorbs only. Raises CannotBePacked, and leaves it as it is."""
        self._xet.take_in(sha256, self.read_as_stored(sha256))
        if self.plain.address(sha256, timedelta(minutes=1), {}) is None:
            self.plain.delete(sha256)  # last: a crash before leaves it twice, and `sweep_doubles` finds that

    def sweep_doubles(self, before: datetime) -> int:
        """Delete what is kept as it is, and was in xorbs too before then. How many.

        As after a crash; and in a bucket, where somebody may be fetching it by an address that was given before it was in xorbs,
        once no such address can be used any more.
        """
        swept = 0
        waiting = self.plain.keys()
        while batch := list(islice(waiting, 500)):
            for sha256 in self._xet.all_in_xorbs(batch, before):
                self.plain.delete(sha256)
                swept += 1
        return swept

    def writer(self, sha256: str | None = None, size: int | None = None) -> AbstractContextManager[BlobWriter]:
        return self.plain.writer(sha256, size)

    def put(self, key: str, file: Path) -> bool:
        return self.plain.put(key, file)

    def delete(self, sha256: str) -> None:
        self.plain.delete(sha256)
        self.rebuilt.delete(sha256)

    def keys(self) -> Iterator[str]:
        """Those that are kept as they are: the others have no file that a row could miss."""
        return self.plain.keys()

    def part_writer(self, upload: PartialUpload, number: int) -> AbstractContextManager[PartWriter]:
        return self.plain.part_writer(upload, number)

    def parts(self, upload_id: str) -> dict[int, str]:
        return self.plain.parts(upload_id)

    def assemble(self, upload: PartialUpload, sha256: str) -> StoredBlob:
        return self.plain.assemble(upload, sha256)

    def discard(self, upload_id: str) -> None:
        self.plain.discard(upload_id)

    def sweep(self, older_than: timedelta) -> int:
        return self.plain.sweep(older_than) + self.rebuilt.sweep(older_than) + self._xet.sweep_arrivals(older_than)
