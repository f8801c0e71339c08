"""Files put together from xorbs, kept for the next one who fetches them: a cache on the disk, of the latest used."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Final

import structlog

from viveiro.storage import LocalBlobStore

log = structlog.get_logger()

ROOM_LEFT_BYTES: Final = 2**30
"""A cache does not fill up the disk on which uploads must find room."""


class RebuiltFiles:
    """Threads may share it; so may processes, each with its own."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._files = LocalBlobStore(folder)
        self._being_filled: set[str] = set()
        self._lock = Lock()

    def path(self, sha256: str) -> Path | None:
        path = self._files.path(sha256)
        if path is not None:
            try:
                os.utime(path)  # what was just used is the last to go
            except FileNotFoundError:
                return None
        return path

    def filling(self, sha256: str, size: int, contents: Iterator[bytes]) -> Iterator[bytes]:
        """The same contents. When all of them have been taken, the file is kept."""
        if not self._begins(sha256, size):
            yield from contents
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._folder, suffix=".partial", buffering=0) as file:
                whole = True
                for content in contents:
                    whole = whole and _written(file.fileno(), content)
                    yield content
                if whole:
                    self._files.put(sha256, Path(file.name))
            self.evict()
        finally:
            with self._lock:
                self._being_filled.discard(sha256)

    def delete(self, sha256: str) -> None:
        self._files.delete(sha256)

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

    def _begins(self, sha256: str, size: int) -> bool:
        """One fills it at a time: others that come meanwhile are served without."""
        with self._lock:
            if size > self._limit_bytes or sha256 in self._being_filled or not self._has_room(size):
                return False
            self._being_filled.add(sha256)
            return True

    def _has_room(self, size: int) -> bool:
        existing = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        return shutil.disk_usage(existing).free > size + ROOM_LEFT_BYTES


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
