"""Blobs by hash: one interface, one battery of tests, one implementation so far."""

from viveiro.storage.local import LocalBlobStore
from viveiro.storage.types import BlobStore, BlobWriter, PartialUpload, PartWriter, StoredBlob

__all__ = ["BlobStore", "BlobWriter", "LocalBlobStore", "PartWriter", "PartialUpload", "StoredBlob"]
