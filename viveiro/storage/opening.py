"""The one place that knows where an installation's content lies."""

import os
from typing import Final

from viveiro.settings import Settings
from viveiro.storage.local import LocalBlobStore
from viveiro.storage.types import BlobStore

CONTENT: Final = "sha256"


def open_store(settings: Settings, namespace: str = CONTENT) -> BlobStore:
    """The configured store of one namespace. Touches nothing, and asks nobody.

    Raises:
        UnusableObjectStore: what is configured cannot be meant, or is not installed.
    """
    if settings.object_store is None:
        return LocalBlobStore(settings.storage_dir, namespace=namespace)
    from viveiro.storage.s3 import Bucket, S3BlobStore

    bucket = Bucket.at(settings.object_store, os.environ)
    return S3BlobStore(bucket, namespace=namespace, public_endpoint=settings.object_store_public_url)


def check_store(settings: Settings) -> None:
    """Raises what keeps the configured store from being used. Asks it."""
    if settings.object_store is not None:
        from viveiro.storage.s3 import Bucket, S3BlobStore

        S3BlobStore(Bucket.at(settings.object_store, os.environ)).check()
