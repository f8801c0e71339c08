"""Xorbs: chunks one behind the other, each with a header and packed by itself. Pure.

    header    version 0 (1 byte), packed size (3), how it is packed (1), size (3); numbers are little-endian
    content   as it is, or LZ4 frame, or LZ4 frame over bytes grouped by their place in groups of four

Some senders append a footer, which says again what the chunks say; it is not kept. Source: the Xet specification 1.1.0, "Xorb".
"""

from collections.abc import Sequence
from typing import Final

import lz4.frame
import numpy as np

from viveiro.errors import InvalidInput
from viveiro.hub.xet.hashing import chunk_hash, xorb_hash
from viveiro.hub.xet.types import MAX_CHUNK_BYTES, MAX_XORB_BYTES, MAX_XORB_CHUNKS, XorbIndex
from viveiro.locale import Sentence

HEADER_BYTES: Final = 8
FOOTER_MARK: Final = b"XETBLOB"

_PLAIN, _LZ4, _GROUPED_LZ4 = range(3)
_MAX_PACKED_BYTES: Final = MAX_CHUNK_BYTES + 1024
"""What cannot be packed is sent as it is; a little more is allowed to those who packed it even so."""
_MAX_FOOTER_BYTES: Final = 2**20


class InvalidXorb(InvalidInput):
    def __init__(self, why: str) -> None:
        super().__init__("This is not a xorb that can be kept: {why}. Nothing was stored.", why=why)


class XorbReader:
    """Verifies a xorb as it arrives, with memory for one chunk. For one thread at a time."""

    def __init__(self) -> None:
        self._waiting = b""
        self._hashes: list[bytes] = []
        self._ends: list[int] = []
        self._sizes: list[int] = []
        self._received = 0
        self._in_footer = False

    def take(self, data: bytes | bytearray) -> memoryview:
        """The bytes of those chunks that are whole now, as they came: all that need be kept.

        Raises:
            InvalidXorb: a header lies, a chunk does not unpack to what its header says, or there are too many.
        """
        self._received += len(data)
        if self._received > MAX_XORB_BYTES + _MAX_FOOTER_BYTES:
            raise InvalidXorb(Sentence("it is larger than 64 MiB"))
        if self._in_footer:
            return memoryview(b"")
        waiting = memoryview(self._waiting + data)
        used = 0
        while (length := self._next_length(waiting[used : used + HEADER_BYTES])) is not None:
            if used + length > len(waiting):
                break
            self._take_chunk(waiting[used : used + length])
            used += length
        self._waiting = b"" if self._in_footer else bytes(waiting[used:])
        return waiting[:used]

    def finish(self, announced: str) -> XorbIndex:
        """Raises InvalidXorb when it is cut short, empty, or another xorb than announced."""
        if self._waiting:
            raise InvalidXorb(Sentence("it ends in the middle of a chunk"))
        if not self._sizes:
            raise InvalidXorb(Sentence("it holds no chunk"))
        hashes = b"".join(self._hashes)
        actual = xorb_hash(hashes, self._sizes)
        if actual != announced:
            raise InvalidXorb(Sentence("its hash is {actual}, not {announced}", actual=actual, announced=announced))
        return XorbIndex(hashes, np.array(self._ends, np.int64), np.array(self._sizes, np.int64))

    def _next_length(self, header: memoryview) -> int | None:
        """Of the chunk that begins here; None when too little has come, or no chunk begins here any more."""
        if bytes(header[: len(FOOTER_MARK)]) == FOOTER_MARK and self._sizes:
            self._in_footer = True
            return None
        if len(header) < HEADER_BYTES:
            return None
        if header[0] != 0:
            raise InvalidXorb(Sentence("chunk {number} is of an unknown version", number=len(self._sizes)))
        packed_size = int.from_bytes(header[1:4], "little")
        if packed_size > _MAX_PACKED_BYTES:  # refused here, and not waited for
            raise InvalidXorb(Sentence("chunk {number} is larger than chunks may be", number=len(self._sizes)))
        return HEADER_BYTES + packed_size

    def _take_chunk(self, chunk: memoryview) -> None:
        if len(self._sizes) == MAX_XORB_CHUNKS:
            raise InvalidXorb(Sentence("it has more than {most} chunks", most=MAX_XORB_CHUNKS))
        end = (self._ends[-1] if self._ends else 0) + len(chunk)
        if end > MAX_XORB_BYTES:
            raise InvalidXorb(Sentence("it is larger than 64 MiB"))
        try:
            content = unpack_chunk(chunk)
        except ValueError:
            why = Sentence("chunk {number} does not unpack to what its header says", number=len(self._sizes))
            raise InvalidXorb(why) from None
        self._hashes.append(chunk_hash(content))
        self._ends.append(end)
        self._sizes.append(len(content))


def unpack_chunk(chunk: memoryview) -> bytes | memoryview:
    """The content of one chunk, from its header and packed bytes. Never unpacks to more than a chunk may hold.

    Raises:
        ValueError: it is damaged, or its header lies.
    """
    packed, how, size = chunk[HEADER_BYTES:], chunk[4], int.from_bytes(chunk[5:8], "little")
    if not 0 < size <= MAX_CHUNK_BYTES or len(packed) > _MAX_PACKED_BYTES:
        raise ValueError(size)
    if how == _PLAIN:
        if len(packed) != size:
            raise ValueError(size)
        return packed
    if how not in (_LZ4, _GROUPED_LZ4):
        raise ValueError(how)
    content = _unpack_frame(packed, size)
    return _ungroup(content) if how == _GROUPED_LZ4 else content


def _unpack_frame(packed: memoryview, size: int) -> bytes:
    """At once: piece by piece it takes up to three times as long. No chunk grows more than 255-fold."""
    try:
        # What a frame claims to hold would be reserved, however much it is.
        if lz4.frame.get_frame_info(packed)["content_size"] not in (0, size):
            raise ValueError(size)
        content: bytes
        content, used = lz4.frame.decompress(packed, return_bytes_read=True)
    except (RuntimeError, MemoryError) as error:
        raise ValueError(size) from error
    if len(content) != size or used != len(packed):
        raise ValueError(size)
    return content


def _ungroup(grouped: bytes) -> memoryview:
    """First all first bytes of each four, then all second ones, and so on; where four do not divide it, the first groups are longer."""
    source, content, start = np.frombuffer(grouped, "u1"), np.empty(len(grouped), "u1"), 0
    for place in range(4):
        places = content[place::4]
        places[:] = source[start : start + len(places)]
        start += len(places)
    return content.data


def unpack_chunks(packed: bytes, ends: Sequence[int]) -> bytes:
    """The content of chunks that lie one behind the other and end at these places.

    Raises:
        ValueError: one of them is damaged, or cut off.
    """
    if len(packed) != ends[-1]:
        raise ValueError(len(packed))
    view = memoryview(packed)
    starts = (0, *ends[:-1])
    return b"".join(unpack_chunk(view[start:end]) for start, end in zip(starts, ends, strict=True))
