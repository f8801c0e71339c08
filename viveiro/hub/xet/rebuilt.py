"""Files put together from xorbs, kept for the next one who fetches them: a cache on the disk, of the latest used."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import FileIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Condition, Lock
from typing import Final

import structlog

from viveiro.storage import LocalBlobStore

log = structlog.get_logger()

ROOM_LEFT_BYTES: Final = 2**30
"""A cache does not fill up the disk on which uploads must find room."""
READ_BYTES: Final = 2 * 2**20
PATIENCE_SECONDS: Final = 0.1
"""For the next bytes of who came first: their client may be slow, and nobody's download waits for another's."""
STRIDE_BYTES: Final = 8 * 2**20
"""Put together by who has waited so long, before they look again how far the first one is."""

Rebuild = Callable[[int, int], Iterator[bytes]]
"""The bytes [start, stop) of a file, from its xorbs."""


class RebuiltFiles:
    """Threads may share it; so may processes, each with its own."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._files = LocalBlobStore(folder)
        self._fillings: dict[str, _Filling] = {}
        self._lock = Lock()

    def path(self, sha256: str) -> Path | None:
        path = self._files.path(sha256)
        if path is not None:
            try:
                os.utime(path)  # what was just used is the last to go
            except FileNotFoundError:
                return None
        return path

    def read(self, sha256: str, size: int, rebuild: Rebuild) -> Iterator[bytes]:
        """All of a file. Who fetches it first fills the cache, and who comes meanwhile reads along. Raises what `rebuild` does."""
        with self._lock:
            filling = self._fillings.get(sha256)
        if filling is not None:
            return filling.follow(size, rebuild)
        return self._fill(sha256, size, rebuild(0, size), rebuild)

    def _fill(self, sha256: str, size: int, contents: Iterator[bytes], rebuild: Rebuild) -> Iterator[bytes]:
        """The same contents. When all of them have been taken, the file is kept."""
        if size > self._limit_bytes or not self._has_room(size):
            yield from contents
            return
        incoming = self._folder / "incoming"  # where the store's sweep finds what a killed server left
        incoming.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=incoming, suffix=".partial", buffering=0) as file:
            filling = _Filling(file.fileno())
            with self._lock:
                first = self._fillings.setdefault(sha256, filling)
            if first is not filling:  # another was faster, this moment
                yield from first.follow(size, rebuild)
                return
            try:
                for content in contents:
                    filling.add(content)
                    yield content
                if filling.written == size:
                    self._files.put(sha256, Path(file.name))
            finally:
                with self._lock:
                    del self._fillings[sha256]
                filling.end()
        self.evict()

    def delete(self, sha256: str) -> None:
        self._files.delete(sha256)

    def sweep(self, older_than: timedelta) -> int:
        """Delete what was never put together to its end, if untouched for so long; how many."""
        return self._files.sweep(older_than)

    def evict(self) -> int:
        """Delete those not used for longest until the rest fits. How many."""
        found = []
        for sha256 in self._files.keys():  # noqa: SIM118 - the store is no mapping
            path = self._files.path(sha256)
            if path is not None:
                status = path.stat()
                found.append((status.st_mtime, status.st_size, sha256))
        total, evicted = sum(size for _, size, _ in found), 0
        for _, size, sha256 in sorted(found):
            if total <= self._limit_bytes:
                break
            self._files.delete(sha256)
            total, evicted = total - size, evicted + 1
        return evicted

    def _has_room(self, size: int) -> bool:
        existing = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        return shutil.disk_usage(existing).free > size + ROOM_LEFT_BYTES


class _Filling:
    """A file that grows, and those who read along."""

    def __init__(self, descriptor: int) -> None:
        self.written = 0
        self._descriptor = descriptor
        self._is_over = False
        self._changed = Condition()

    def add(self, content: bytes) -> None:
        if self._is_over:
            return
        if not _written(self._descriptor, content):
            self.end()
            return
        with self._changed:
            self.written += len(content)
            self._changed.notify_all()

    def end(self) -> None:
        """It grows no more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def follow(self, size: int, rebuild: Rebuild) -> Iterator[bytes]:
        with self._changed:
            if self._is_over:
                return rebuild(0, size)
            own = FileIO(os.dup(self._descriptor))  # it outlives the one of who fills the file
        return self._along(own, size, rebuild)

    def _along(self, file: FileIO, size: int, rebuild: Rebuild) -> Iterator[bytes]:
        at = 0
        with file:
            while at < size:
                ready = self._beyond(at)
                if ready > at:
                    contents = iter([os.pread(file.fileno(), min(READ_BYTES, ready - at), at)])
                else:
                    contents = rebuild(at, min(size, at + STRIDE_BYTES))
                for content in contents:
                    at += len(content)
                    yield content

    def _beyond(self, at: int) -> int:
        """How far it is written, as soon as that is further than `at`, or after some patience."""
        with self._changed:
            self._changed.wait_for(lambda: self.written > at or self._is_over, PATIENCE_SECONDS)
            return self.written


def _written(descriptor: int, content: bytes) -> bool:
    """A cache that cannot be written is no reason to end a download."""
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        log.warning("rebuilt_file_not_kept", error=str(error))
        return False
    return True
