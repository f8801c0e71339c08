"""Content on its way to one object: in one request when it is short, else in several, sent from a thread while it comes."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import Full, Queue
from threading import Thread
from typing import Final

from viveiro.storage.s3.objects import Objects
from viveiro.storage.types import Bytes

SINGLE_BYTES: Final = 8 * 2**20
"""Up to this, one request."""
PART_BYTES: Final = 16 * 2**20
"""Of a multipart upload, at least: stores want 5 MiB, but of the last."""
MOST_PARTS: Final = 9_000
"""Stores take 10,000."""
QUEUED_CHUNKS: Final = 8
"""About as many MiB: whoever writes waits where the store is slower."""


class _Abandoned(Exception):
    pass


class Sending:
    """What is never finished leaves no trace: `abandon` it, always."""

    def __init__(self, objects: Objects, path: str, size: int | None) -> None:
        self._objects = objects
        self._path = path
        self._part_bytes = max(PART_BYTES, -(-(size or 0) // MOST_PARTS))
        self._gathered = bytearray()
        self._queue: Queue[bytes | _Abandoned | None] = Queue(QUEUED_CHUNKS)
        self._sent: Future[None] | None = None
        self._size = 0

    def write(self, data: Bytes) -> None:
        self._size += len(data)
        if self._sent is not None:
            return self._hand_over(bytes(data))
        self._gathered += data
        if len(self._gathered) > SINGLE_BYTES:
            self._sent = self._start()
            self._hand_over(bytes(self._gathered))
            self._gathered.clear()
        return None

    def finish(self, path: str) -> None:
        """Make it the object `path`, which may be another than where it was sent to."""
        if self._sent is None:
            return self._objects.put(path, self._gathered)
        self._hand_over(None)
        self._sent.result()
        if path != self._path:
            self._objects.move(self._path, path, self._size, self._part_bytes)
        return None

    def abandon(self) -> None:
        """Unless it is finished, as if it had never begun."""
        if self._sent is not None and not self._sent.done():
            with suppress(Exception):
                self._hand_over(_Abandoned())
                self._sent.result()

    def _start(self) -> "Future[None]":
        sent: Future[None] = Future()
        Thread(target=self._send, args=(sent,), name="s3-sending", daemon=True).start()
        return sent

    def _send(self, sent: "Future[None]") -> None:
        try:
            self._objects.send(self._path, self._chunks(), self._part_bytes)
        except BaseException as error:
            sent.set_exception(error)
        else:
            sent.set_result(None)

    def _chunks(self) -> Iterator[bytes]:
        while (chunk := self._queue.get()) is not None:
            if isinstance(chunk, _Abandoned):
                raise chunk
            yield chunk

    def _hand_over(self, chunk: bytes | _Abandoned | None) -> None:
        """Raises what became of the sending, when it has ended too early."""
        assert self._sent is not None
        while True:
            if self._sent.done():
                return self._sent.result()
            with suppress(Full):
                return self._queue.put(chunk, timeout=0.5)
