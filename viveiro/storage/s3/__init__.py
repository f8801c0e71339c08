"""Blobs in a bucket of an S3-compatible store, through `obstore`."""

from viveiro.storage.s3.bucket import Bucket
from viveiro.storage.s3.store import S3BlobStore

__all__ = ["Bucket", "S3BlobStore"]
