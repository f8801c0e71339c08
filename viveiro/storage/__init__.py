"""Blobs by hash: one interface, one battery of tests, one implementation so far."""

from viveiro.storage.local import LocalBlobStore
from viveiro.storage.room import NO_ROOM, full_disk_named
from viveiro.storage.types import BlobStore, BlobWriter, PartialUpload, PartWriter, StoredBlob

__all__ = [
    "NO_ROOM",
    "BlobStore",
    "BlobWriter",
    "LocalBlobStore",
    "PartWriter",
    "PartialUpload",
    "StoredBlob",
    "full_disk_named",
]
