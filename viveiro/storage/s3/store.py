"""Blobs in a bucket.

    <prefix>/sha256/ab/cd/abcd…              a blob, whole and verified, under the name that it would have in a folder
    <prefix>/incoming/<token>                a blob that came without its hash, until it has its name
    <prefix>/uploads/<id>/<number>.<token>   a part of an upload, whole; the token tells versions of it apart
    <prefix>/uploads/<id>/assembled          the parts were verified together: holds the hash of the blob they became

A request to the store succeeds as a whole or did nothing, and of a multipart upload nobody sees anything before it is completed:
so a blob is completed when its hash is verified, and not before. A process that is killed meanwhile leaves a multipart upload
open, which `sweep` ends.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Final

from viveiro.errors import (
    BlobNotFound,
    ChecksumMismatch,
    InvalidHash,
    MissingParts,
    Unavailable,
)
from viveiro.storage.s3.bucket import Bucket, UnusableObjectStore
from viveiro.storage.s3.objects import Objects
from viveiro.storage.s3.sending import Sending
from viveiro.storage.types import BlobWriter, Bytes, PartialUpload, PartWriter, StoredBlob
from viveiro.storage.verifying import Hashed, Measured

READ_BYTES: Final = 2**20

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = re.compile(r"([0-9]+)\.([0-9a-f]+)")


class S3BlobStore:
    """See `BlobStore`. Any number of processes and machines may use one bucket at once."""

    def __init__(self, bucket: Bucket, *, namespace: str = "sha256", public_endpoint: str | None = None) -> None:
        """`public_endpoint`: where those who download reach the store, if not where this server does."""
        self._objects = Objects(bucket, public_endpoint)
        self._namespace = namespace

    def check(self) -> None:
        """Raises what keeps this bucket from being used: unreachable, not there, closed to us, or without conditions."""
        probe = f"probe/{token_hex(8)}"
        self._objects.create(probe, b"first")
        overwritten = self._objects.create(probe, b"second")
        self._objects.delete(probe)
        if overwritten:
            raise UnusableObjectStore(
                "The object store {bucket} does not heed `If-None-Match: *`: one upload could overwrite another. Use a store "
                "that does, such as Amazon S3, MinIO, or Ceph from Squid on.",
                bucket=self._objects.bucket,
            )

    def size(self, sha256: str) -> int | None:
        return self._objects.size(self._blob(sha256))

    def path(self, sha256: str) -> Path | None:
        self._blob(sha256)
        return None

    def address(self, sha256: str, lifetime: timedelta, headers: Mapping[str, str]) -> str | None:
        return self._objects.address(self._blob(sha256), lifetime, headers)

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        size = self.size(sha256)
        if size is None:
            raise BlobNotFound(sha256)
        return self._read(sha256, start, size if stop is None else min(stop, size))

    def _read(self, sha256: str, start: int, stop: int) -> Iterator[bytes]:
        try:
            for block in self._objects.blocks(self._blob(sha256), start, stop):
                for offset in range(0, len(block), READ_BYTES):
                    yield block[offset : offset + READ_BYTES]
        except FileNotFoundError as error:  # deleted since its size was asked
            raise BlobNotFound(sha256) from error

    @contextmanager
    def writer(self, sha256: str | None = None, size: int | None = None) -> Iterator[BlobWriter]:
        path = f"incoming/{token_hex(16)}" if sha256 is None else self._blob(sha256)
        with self._sending(path, size) as sending:
            yield _S3BlobWriter(self, sending, Hashed(sha256, size))

    def put(self, key: str, file: Path) -> bool:
        return self._objects.create(self._blob(key), file)

    def delete(self, sha256: str) -> None:
        self._objects.delete(self._blob(sha256))

    def keys(self) -> Iterator[str]:
        names = (path.rpartition("/")[2] for path, _ in self._objects.list(f"{self._namespace}/"))
        return (name for name in names if _SHA256.fullmatch(name))

    @contextmanager
    def part_writer(self, upload: PartialUpload, number: int) -> Iterator[PartWriter]:
        earlier = [path for path, _ in self._objects.list(f"uploads/{upload.id}/") if _version(path)[0] == number]
        self._objects.delete(*earlier)
        path = f"uploads/{upload.id}/{number}.{token_hex(8)}"
        with self._sending(path, upload.part_size(number)) as sending:
            yield _S3PartWriter(sending, path, Measured(upload.part_size(number)))

    def parts(self, upload_id: str) -> dict[int, str]:
        return {number: _etag(path) for number, path in self._parts(upload_id).items()}

    def assemble(self, upload: PartialUpload, sha256: str) -> StoredBlob:
        # Only what we noted ourselves lets us answer without reading the parts: that the store has the blob says nothing
        # about them, and whoever knows its hash could send anything.
        assembled = self._objects.content(self._note(upload.id)) == sha256.encode()
        if assembled and self.size(sha256) == upload.size:
            return StoredBlob(sha256, upload.size)
        parts = self._parts(upload.id)
        missing = set(range(1, upload.part_count + 1)) - parts.keys()
        if missing:
            raise MissingParts(sorted(missing))
        try:
            stored = self._join(upload, sha256, [parts[number] for number in range(1, upload.part_count + 1)])
        except ChecksumMismatch:
            self.discard(upload.id)
            raise
        except FileNotFoundError as error:
            raise Unavailable("Parts of this upload are still arriving. Try again in a moment.") from error
        self._objects.put(self._note(upload.id), sha256.encode())
        return stored

    def _join(self, upload: PartialUpload, sha256: str, parts: list[str]) -> StoredBlob:
        """What is verified is what was written: a part that is replaced meanwhile cannot change it."""
        with self.writer(sha256, upload.size) as writer:
            for number, path in enumerate(parts, 1):
                for block in self._objects.blocks(path, 0, upload.part_size(number)):
                    writer.write(block)
            return writer.finish()

    def discard(self, upload_id: str) -> None:
        self._objects.delete(*(path for path, _ in self._objects.list(f"uploads/{upload_id}/")))

    def sweep(self, older_than: timedelta) -> int:
        oldest = datetime.now(UTC) - older_than
        stale = [path for path, changed in self._objects.list("incoming/") if changed < oldest]
        touched: dict[str, datetime] = {}
        for path, changed in self._objects.list("uploads/"):
            upload_id = path.split("/")[1]
            touched[upload_id] = max(changed, touched.get(upload_id, changed))
        abandoned = [upload_id for upload_id, changed in touched.items() if changed < oldest]
        self._objects.delete(*stale)
        for upload_id in abandoned:
            self.discard(upload_id)
        return len(stale) + len(abandoned) + self._objects.end_open_uploads(oldest)

    def blob_path(self, sha256: str) -> str:
        return self._blob(sha256)

    def _blob(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise InvalidHash(sha256)
        return f"{self._namespace}/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def _note(self, upload_id: str) -> str:
        return f"uploads/{upload_id}/assembled"

    def _parts(self, upload_id: str) -> dict[int, str]:
        """Where each lies: of two versions that came at once, the later."""
        listed = sorted((changed, path) for path, changed in self._objects.list(f"uploads/{upload_id}/"))
        found = {number: path for _, path in listed if (number := _version(path)[0])}
        return dict(sorted(found.items()))

    @contextmanager
    def _sending(self, path: str, size: int | None) -> Iterator[Sending]:
        sending = Sending(self._objects, path, size)
        try:
            yield sending
        finally:
            sending.abandon()


class _S3BlobWriter:
    def __init__(self, store: S3BlobStore, sending: Sending, content: Hashed) -> None:
        self._store = store
        self._sending = sending
        self._content = content

    def write(self, data: Bytes) -> None:
        self._content.add(data)
        self._sending.write(data)

    def finish(self) -> StoredBlob:
        stored = self._content.verified()
        self._sending.finish(self._store.blob_path(stored.sha256))
        return stored


class _S3PartWriter:
    def __init__(self, sending: Sending, path: str, content: Measured) -> None:
        self._sending = sending
        self._path = path
        self._content = content

    def write(self, data: Bytes) -> None:
        self._content.add(data)
        self._sending.write(data)

    def finish(self) -> str:
        self._content.require_all()
        self._sending.finish(self._path)
        return _etag(self._path)


def _version(path: str) -> tuple[int, str]:
    """Number and token of a part's object; number 0 of what is no part."""
    match = _PART.fullmatch(path.rpartition("/")[2])
    return (int(match[1]), match[2]) if match else (0, "")


def _etag(path: str) -> str:
    number, token = _version(path)
    return f"{number}-{token}"
