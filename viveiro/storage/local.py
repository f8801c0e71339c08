"""Blobs in a folder.

    <root>/sha256/ab/cd/abcd…      a blob, whole and verified; other namespaces of content, as `xorbs`, lie beside `sha256`
    <root>/incoming/….partial      a blob that is being received
    <root>/uploads/<id>/content    an upload in parts: every part at its own offset of one sparse file
    <root>/uploads/<id>/<number>   an empty file: this part is whole

One file system holds all of it, so a blob appears by rename: whole, or not at all. An upload in parts is never copied:
when its last part is in, `content` is hashed and renamed.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from viveiro.errors import (
    BlobNotFound,
    ChecksumMismatch,
    InvalidHash,
    MissingParts,
    StorageFull,
    Unavailable,
)
from viveiro.storage.leftovers import sweep_folder
from viveiro.storage.room import full_disk_named
from viveiro.storage.types import BlobWriter, Bytes, PartialUpload, PartWriter, StoredBlob
from viveiro.storage.verifying import Hashed, Measured

READ_BYTES: Final = 2**20
LOCK_PATIENCE_SECONDS: Final = 10.0
"""How long to wait for a part whose connection has just been cut and not yet been noticed."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class LocalBlobStore:
    """See `BlobStore`. Several processes may use one folder at once."""

    def __init__(self, root: Path, *, namespace: str = "sha256") -> None:
        self._blobs = root / namespace
        self._incoming = root / "incoming"
        self._uploads = root / "uploads"

    def size(self, sha256: str) -> int | None:
        try:
            return self._blob(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def path(self, sha256: str) -> Path | None:
        path = self._blob(sha256)
        return path if path.exists() else None

    def address(self, sha256: str, lifetime: timedelta, headers: Mapping[str, str]) -> str | None:
        return None

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        path = self.path(sha256)
        if path is None:
            raise BlobNotFound(sha256)
        return _read(path, start, path.stat().st_size if stop is None else stop)

    @contextmanager
    def writer(self, sha256: str | None = None, size: int | None = None) -> Iterator[BlobWriter]:
        with full_disk_named():
            self._incoming.mkdir(parents=True, exist_ok=True)
            _require_room(self._incoming, size or 0)
            # In the store's own file system, not in /tmp: a rename is atomic only within one.
            with NamedTemporaryFile(dir=self._incoming, suffix=".partial", delete=False) as partial:
                try:
                    yield _LocalBlobWriter(self, Path(partial.name), partial.fileno(), Hashed(sha256, size))
                finally:
                    Path(partial.name).unlink(missing_ok=True)  # already gone when it was kept

    def put(self, key: str, file: Path) -> bool:
        target = self._blob(key)
        with full_disk_named():
            try:
                return _put(file, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            self._incoming.mkdir(parents=True, exist_ok=True)
            _require_room(self._incoming, file.stat().st_size)
            with NamedTemporaryFile(dir=self._incoming, suffix=".partial") as partial:
                shutil.copyfile(file, partial.name)
                return _put(Path(partial.name), target)

    def delete(self, sha256: str) -> None:
        self._blob(sha256).unlink(missing_ok=True)

    def keys(self) -> Iterator[str]:
        return (path.name for path in self._blobs.glob("??/??/*"))

    @contextmanager
    def part_writer(self, upload: PartialUpload, number: int) -> Iterator[PartWriter]:
        with full_disk_named(), self._content(upload.id, fcntl.LOCK_SH) as descriptor:
            _require_room(self._uploads, upload.part_size(number))
            marker = self._marker(upload.id, number)
            marker.unlink(missing_ok=True)
            yield _LocalPartWriter(descriptor, upload, number, marker)

    def parts(self, upload_id: str) -> dict[int, str]:
        folder = self._uploads / upload_id
        found = {}
        for marker in folder.glob("[0-9]*") if folder.is_dir() else ():
            with suppress(FileNotFoundError):  # that part is being sent again
                found[int(marker.name)] = _etag(marker, marker.stat())
        return dict(sorted(found.items()))

    def assemble(self, upload: PartialUpload, sha256: str) -> StoredBlob:
        missing = set(range(1, upload.part_count + 1)) - self.parts(upload.id).keys()
        if missing:
            raise MissingParts(sorted(missing))
        if self._was_assembled(upload, sha256):
            return StoredBlob(sha256, upload.size)
        # Whoever still writes a part holds the lock shared. Without it, bytes could change after they were verified,
        # and be served under a hash that other repos trust.
        with self._content(upload.id, fcntl.LOCK_EX) as descriptor:
            actual = _hash(descriptor)
            if actual != sha256:
                self.discard(upload.id)
                raise ChecksumMismatch(sha256, actual)
            self.keep(self._uploads / upload.id / "content", descriptor, sha256)
        return StoredBlob(sha256, upload.size)

    def discard(self, upload_id: str) -> None:
        shutil.rmtree(self._uploads / upload_id, ignore_errors=True)

    def sweep(self, older_than: timedelta) -> int:
        return sweep_folder(self._incoming, older_than) + sweep_folder(self._uploads, older_than)

    def keep(self, written: Path, descriptor: int, sha256: str) -> None:
        """Make a verified file the blob. It is on the disk before it has the name, and so is the name on return."""
        os.fsync(descriptor)
        target = self._blob(sha256)
        # Same hash, same bytes: replacing an existing blob is harmless, so no lock and no check.
        _named(target, lambda: written.replace(target))

    def _blob(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):  # it becomes a path, so it is not taken on trust
            raise InvalidHash(sha256)
        return self._blobs / sha256[:2] / sha256[2:4] / sha256

    def _marker(self, upload_id: str, number: int) -> Path:
        return self._uploads / upload_id / str(number)

    def _was_assembled(self, upload: PartialUpload, sha256: str) -> bool:
        """Only a verified `content` is ever renamed away: all markers and no content mean that it became the blob."""
        content = self._uploads / upload.id / "content"
        return upload.part_count > 0 and not content.exists() and self.size(sha256) == upload.size

    @contextmanager
    def _content(self, upload_id: str, lock: int) -> Iterator[int]:
        """The file that gathers an upload's parts, opened and locked, whichever process created it."""
        path = self._uploads / upload_id / "content"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(descriptor, lock)
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(descriptor)):
                raise Unavailable("This upload was completed or given up meanwhile. Start it again.")
            yield descriptor
        finally:
            os.close(descriptor)


class _LocalBlobWriter:
    def __init__(self, store: LocalBlobStore, partial: Path, descriptor: int, content: Hashed) -> None:
        self._store = store
        self._partial = partial
        self._descriptor = descriptor
        self._content = content

    def write(self, data: Bytes) -> None:
        offset = self._content.size
        self._content.add(data)
        with full_disk_named():
            _write_at(self._descriptor, data, offset)

    def finish(self) -> StoredBlob:
        stored = self._content.verified()
        with full_disk_named():
            self._store.keep(self._partial, self._descriptor, stored.sha256)
        return stored


class _LocalPartWriter:
    def __init__(self, descriptor: int, upload: PartialUpload, number: int, marker: Path) -> None:
        self._descriptor = descriptor
        self._start = upload.offset(number)
        self._content = Measured(upload.part_size(number))
        self._marker = marker

    def write(self, data: Bytes) -> None:
        offset = self._start + self._content.size
        self._content.add(data)
        with full_disk_named():
            _write_at(self._descriptor, data, offset)

    def finish(self) -> str:
        """Not synced to disk: a part is a convenience, and the whole is verified before anything is promised."""
        self._content.require_all()
        with full_disk_named(), self._marker.open("wb") as marker:
            os.utime(marker.fileno())
            # From the open file: the same part sent again may remove the name at any moment.
            return _etag(self._marker, os.fstat(marker.fileno()))


def _require_room(folder: Path, size: int) -> None:
    """Refuse at once what cannot fit, instead of after an hour of receiving it."""
    if shutil.disk_usage(folder).free < size:
        raise StorageFull


def _put(file: Path, target: Path) -> bool:
    """A second name for the file, unless the name is taken. One file has one file system; else EXDEV."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    return _named(target, lambda: os.link(file, target))


def _named(target: Path, give_name: Callable[[], object]) -> bool:
    """Give a written file its name, for good. Whether it has it: a name that is taken may stay with its holder."""
    new_folders = [folder for folder in (target.parent, *target.parent.parents[:3]) if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        give_name()
    except FileExistsError:
        return False
    for folder in (target.parent, *(folder.parent for folder in new_folders)):
        _sync_folder(folder)
    return True


def _read(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < stop and (chunk := file.read(min(READ_BYTES, stop - start))):
            start += len(chunk)
            yield chunk


def _write_at(descriptor: int, data: Bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)  # may stop short where a disk fills up
        view, offset = view[written:], offset + written


def _hash(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(descriptor: int, kind: int) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Unavailable("Parts of this upload are still arriving. Try again in a moment.") from error
            time.sleep(0.05)


def _etag(marker: Path, status: os.stat_result) -> str:
    return f"{int(marker.name)}-{status.st_mtime_ns:x}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
