"""Requests to the store, one method each, with what it says went wrong as errors of ours. Paths are relative to the prefix."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import structlog

from viveiro.errors import StorageFull, Unavailable
from viveiro.storage.s3.bucket import Bucket, UnusableObjectStore
from viveiro.storage.s3.open_uploads import end_open_uploads
from viveiro.storage.s3.signing import presign

try:
    import obstore
    from obstore import exceptions
    from obstore.store import S3Store
except ModuleNotFoundError as error:
    raise UnusableObjectStore(
        "VIVEIRO_OBJECT_STORE is set, and what speaks to such a store is not installed. Install it: pip install 'viveiro[s3]'"
    ) from error

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

COPY_BYTES: Final = 5 * 2**30
"""The longest object that a store copies by itself in one request."""
SENT_AT_ONCE: Final = 4
"""Requests of one multipart upload."""
BLOCK_BYTES: Final = 16 * 2**20
"""Fetched by one request, so that no connection to the store has to outlive a slow reader."""

_RETRY: "Final[RetryConfig]" = {"max_retries": 4, "retry_timeout": timedelta(minutes=1)}
_FULL: Final = re.compile(r"QuotaExceeded|StorageFull|InsufficientStorage|status code: 507")

log = structlog.get_logger()


class ObjectStoreUnavailable(Unavailable):
    def __init__(self, bucket: Bucket) -> None:
        super().__init__(
            "The object store {bucket} does not answer as it should. Nothing was changed; try again in a moment. If that does "
            "not help, its operator finds the reason in the server's log.",
            bucket=bucket,
            retry_after_seconds=5,
        )


class ObjectStoreRefuses(Unavailable):
    def __init__(self, bucket: Bucket) -> None:
        super().__init__(
            "The object store {bucket} refuses this server. Its operator looks at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and "
            "what they may do in that bucket.",
            bucket=bucket,
        )


class ObjectStoreFull(StorageFull):
    def __init__(self, bucket: Bucket) -> None:
        super().__init__(
            "The object store {bucket} has no room left. Nothing was changed. Raise its quota there, or delete what nobody needs.",
            bucket=bucket,
        )


class Objects:
    """The objects below the bucket's prefix. For any thread."""

    def __init__(self, bucket: Bucket, public_endpoint: str | None = None) -> None:
        self.bucket = bucket
        self._store = _connect(bucket, bucket.endpoint)
        self._public_endpoint = public_endpoint

    def size(self, path: str) -> int | None:
        with self._answering(), suppress(FileNotFoundError):
            return obstore.head(self._store, path)["size"]
        return None

    def block(self, path: str, start: int, stop: int) -> memoryview:
        """The bytes [start, stop), not empty and inside the object. Raises FileNotFoundError."""
        with self._answering():
            return memoryview(obstore.get_range(self._store, path, start=start, end=stop))

    def content(self, path: str) -> bytes | None:
        """Of a small object."""
        with self._answering(), suppress(FileNotFoundError):
            return bytes(obstore.get(self._store, path).bytes())
        return None

    def put(self, path: str, content: bytes | bytearray) -> None:
        with self._answering(), self._writing():
            obstore.put(self._store, path, content, use_multipart=False)

    def create(self, path: str, content: bytes | Path) -> bool:
        """Whether it is now the object: one that is there stays."""
        with self._answering(), self._writing(), suppress(exceptions.AlreadyExistsError):
            obstore.put(self._store, path, content, mode="create", use_multipart=False)
            return True
        return False

    def send(self, path: str, chunks: Iterator[bytes], part_bytes: int) -> None:
        """In parts, as the chunks come. If `chunks` raises, the store forgets what it has of them, and it is raised here."""
        with self._answering(), self._writing():
            obstore.put(
                self._store, path, chunks, use_multipart=True, chunk_size=part_bytes, max_concurrency=SENT_AT_ONCE
            )

    def move(self, path: str, target: str, size: int, part_bytes: int) -> None:
        """Whole under its new name, or not at all."""
        if size <= COPY_BYTES:
            with self._answering(), self._writing():
                obstore.copy(self._store, path, target)
        else:
            self.send(target, self.blocks(path, 0, size), part_bytes)
        self.delete(path)

    def blocks(self, path: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop), a request's worth at a time. Raises FileNotFoundError."""
        while start < stop:
            block = self.block(path, start, min(stop, start + BLOCK_BYTES))
            start += len(block)
            yield bytes(block)

    def delete(self, *paths: str) -> None:
        with self._answering():
            for path in paths:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, path)

    def list(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Path and time of change of each."""
        with self._answering():
            for batch in obstore.list(self._store, prefix):
                for item in batch:
                    yield item["path"], item["last_modified"]

    def address(self, path: str, lifetime: timedelta, headers: Mapping[str, str]) -> str:
        credentials = self.bucket.credentials
        if credentials is None:  # a role's: those only `obstore` has, and it signs no headers
            with self._answering():
                store = _connect(self.bucket, self._public_endpoint or self.bucket.endpoint)
                return obstore.sign(store, "GET", path, lifetime)
        query = {f"response-{name.lower()}": value for name, value in headers.items()}
        key, now = self.bucket.key(path), datetime.now(UTC)
        return presign("GET", self.bucket, credentials, key, query, lifetime, now=now, endpoint=self._public_endpoint)

    def end_open_uploads(self, begun_before: datetime) -> int:
        """Multipart uploads of senders that died. How many there were; none is found by the credentials of a role."""
        if self.bucket.credentials is None:
            return 0
        with self._answering():
            return end_open_uploads(self.bucket, self.bucket.credentials, begun_before)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """An object that is not there stays FileNotFoundError."""
        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            log.warning("object_store_refused", bucket=str(self.bucket), why=str(error)[:500])
            raise ObjectStoreRefuses(self.bucket) from error
        except (exceptions.BaseError, httpx.HTTPError) as error:
            log.warning("object_store_failed", bucket=str(self.bucket), why=str(error)[:500])
            raise (ObjectStoreFull if _FULL.search(str(error)) else ObjectStoreUnavailable)(self.bucket) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise UnusableObjectStore(
                "There is no bucket {name} in the store at {endpoint}. Make it there, or correct VIVEIRO_OBJECT_STORE.",
                name=self.bucket.name,
                endpoint=self.bucket.endpoint,
            ) from error


def _connect(bucket: Bucket, endpoint: str) -> S3Store:
    """With the AWS_* variables that `obstore` reads by itself, such as those for encryption."""
    client: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(minutes=1),
        "timeout": timedelta(minutes=10),  # of one request: at most BLOCK_BYTES, or one xorb
    }
    config: S3Config = {"aws_endpoint_url_s3": endpoint, "region": bucket.region}
    if bucket.credentials is not None:
        config["access_key_id"] = bucket.credentials.access_key_id
        config["secret_access_key"] = bucket.credentials.secret_access_key
        if bucket.credentials.session_token:
            config["session_token"] = bucket.credentials.session_token
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=config,
        client_options=client,
        retry_config=_RETRY,
    )
