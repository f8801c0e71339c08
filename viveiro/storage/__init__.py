"""Blobs by hash: one interface, one battery of tests, in a folder or in a bucket."""

from viveiro.storage.leftovers import sweep_folder
from viveiro.storage.local import LocalBlobStore
from viveiro.storage.opening import check_store, open_store
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
    "check_store",
    "full_disk_named",
    "open_store",
    "sweep_folder",
]
