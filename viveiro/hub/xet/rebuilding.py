"""The bytes of a file from its xorbs: a stream, which begins anywhere and holds little of it in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from viveiro.errors import ViveiroError
from viveiro.hub.xet.reconstruction import reconstruct, wanted
from viveiro.hub.xet.types import Layout, Term, XorbIndex
from viveiro.hub.xet.xorbs import unpack_chunks
from viveiro.storage import BlobStore

STEP_BYTES: Final = 2 * 2**20
"""What is unpacked at a time. A trip to a thread for each chunk of 64 KiB would cost as much as unpacking it."""
STEPS_AHEAD: Final = 4
"""Unpacking leaves Python's lock: the next steps are worked on while one is being sent."""

IndexOf = Callable[[str], XorbIndex]
"""Raises BlobNotFound for a xorb that is gone."""


class DamagedXorb(ViveiroError):
    def __init__(self, xorb: str) -> None:
        super().__init__(
            "Some of this file is damaged where it is stored, in xorb {xorb}. What else is damaged, and what can be mended, "
            "says: viveiro hub fsck --deep",
            xorb=xorb,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """A run of chunks that are read and unpacked together."""

    xorb: str
    first_byte: int
    ends: tuple[int, ...]
    """Where its chunks end, from `first_byte` on."""


class Rebuilder:
    """Threads may share it."""

    def __init__(self, xorbs: BlobStore, index_of: IndexOf) -> None:
        self._xorbs = xorbs
        self._index_of = index_of
        self._threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="rebuild")

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def read(self, layout: Layout, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes [start, stop) of the file. Raises BlobNotFound or DamagedXorb: at once when they cannot begin."""
        stop = layout.size if stop is None else min(stop, layout.size)
        if start >= stop:
            return iter(())
        indexes = {xorb: self._index_of(xorb) for xorb in wanted(layout, start, stop)}
        part = reconstruct(layout, start, stop, indexes)
        steps = (step for term in part.terms for step in _steps(term, indexes[term.xorb]))
        first = self._unpack(next(steps))
        return _cut(self._ahead(first, steps), part.skip, stop - start)

    def _ahead(self, first: bytes, steps: Iterator[_Step]) -> Iterator[bytes]:
        running: deque[Future[bytes]] = deque()
        yield first
        for step in steps:
            running.append(self._threads.submit(self._unpack, step))
            if len(running) == STEPS_AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def _unpack(self, step: _Step) -> bytes:
        packed = b"".join(self._xorbs.read(step.xorb, step.first_byte, step.first_byte + step.ends[-1]))
        try:
            return unpack_chunks(packed, step.ends)
        except ValueError as error:
            raise DamagedXorb(step.xorb) from error


def _steps(term: Term, index: XorbIndex) -> Iterator[_Step]:
    start = term.start
    while start < term.stop:
        enough = int(index.offsets.searchsorted(int(index.offsets[start]) + STEP_BYTES, "left"))
        stop = min(term.stop, enough)
        first_byte, _ = index.packed_range(start, stop)
        yield _Step(term.xorb, first_byte, tuple((index.ends[start:stop] - first_byte).tolist()))
        start = stop


def _cut(contents: Iterator[bytes], skip: int, length: int) -> Iterator[bytes]:
    for content in contents:
        part = content[skip : skip + length] if skip or length < len(content) else content
        skip = max(0, skip - len(content))
        length -= len(part)
        if part:
            yield part
        if not length:
            return
