"""Shards: how clients tell the layout of files, and how they are told which chunks are here already. Pure.

All records have 48 bytes: a hash and sixteen more. Source: the Xet specification 1.1.0, "Shard".
"""

import struct
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from viveiro.errors import InvalidInput
from viveiro.hub.xet.hashing import blinded, hash_bytes, hash_text
from viveiro.hub.xet.types import MAX_XORB_CHUNKS, Layout, ShardFile, Term, XorbIndex
from viveiro.locale import Sentence

RECORD_BYTES: Final = 48
MAX_SHARD_BYTES: Final = 64 * 2**20
MAX_SHARD_CHUNKS: Final = 2**23
"""Of all its files: about 512 GiB as clients cut them. A few bytes can name a xorb many thousand times, and all of it is read."""

_MAGIC: Final = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
_VERSION: Final = 2
_FOOTER_VERSION: Final = 1
_END: Final = b"\xff" * 32
_HAS_TERM_HASHES: Final = 1 << 31
_HAS_SHA256: Final = 1 << 30
_FOOTER: Final = struct.Struct("<QQQ6Q32sQQ72xQ")
"""The specification calls the six in the middle reserved. They are where three tables for looking things up begin, and how long
those are: hf-xet takes the first for the end of what comes before, and reserves the memory for it.
"""

_TERM: Final = np.dtype([("xorb", "u1", 32), ("flags", "<u4"), ("size", "<u4"), ("start", "<u4"), ("stop", "<u4")])
_CHUNK: Final = np.dtype([("hash", "u1", 32), ("offset", "<u4"), ("size", "<u4"), ("unused", "u1", 8)])


class InvalidShard(InvalidInput):
    def __init__(self, why: str) -> None:
        super().__init__("This shard cannot be registered: {why}. Nothing of it was.", why=why)


def read_shard(data: bytes) -> list[ShardFile]:
    """The files that a shard tells of. What it says of xorbs is not read: the xorbs themselves say it.

    Raises:
        InvalidShard: it is cut short, or of another version.
    """
    return _Reader(data).files()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._chunks = 0

    def files(self) -> list[ShardFile]:
        magic, version, _ = struct.unpack("<32sQQ", self._records(1))
        if magic != _MAGIC or version != _VERSION:
            raise InvalidShard(Sentence("it does not begin as shards of version 2 do"))
        files = []
        while (header := self._records(1))[:32] != _END:
            files.append(self._file(header))
        return files

    def _file(self, header: bytes) -> ShardFile:
        raw, flags, count = struct.unpack("<32sII8x", header)
        terms = np.frombuffer(self._records(count), _TERM)
        self._count_chunks(terms)
        verified = (
            np.frombuffer(self._records(count), "u1").reshape(-1, RECORD_BYTES) if flags & _HAS_TERM_HASHES else None
        )
        sha256 = hash_text(self._records(1)[:32]) if flags & _HAS_SHA256 else None
        return ShardFile(
            hash_text(raw),
            Layout(tuple(_term(row) for row in terms)),
            tuple(hash_text(row[:32].tobytes()) for row in verified) if verified is not None else None,
            sha256,
        )

    def _count_chunks(self, terms: npt.NDArray[np.void]) -> None:
        self._chunks += int((terms["stop"].astype(np.int64) - terms["start"]).clip(0).sum())
        if self._chunks > MAX_SHARD_CHUNKS:
            raise InvalidShard(
                Sentence("its files have more than {most} chunks; send them in several", most=MAX_SHARD_CHUNKS)
            )

    def _records(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count * RECORD_BYTES
        if self._at > len(self._data):
            raise InvalidShard(Sentence("it ends too soon"))
        return self._data[start : self._at]


def _term(row: np.void) -> Term:
    start, stop, size = int(row["start"]), int(row["stop"]), int(row["size"])
    if not start < stop <= MAX_XORB_CHUNKS:
        raise InvalidShard(Sentence("a term has the chunks {start} to {stop}", start=start, stop=stop))
    return Term(hash_text(row["xorb"].tobytes()), start, stop, size)


def write_shard(xorbs: Mapping[str, XorbIndex], *, key: bytes, made_at: int, expires_at: int) -> bytes:
    """A shard that tells which chunks these xorbs hold, to those who have the chunks themselves.

    Args:
        key: 32 bytes under which the chunks' hashes are told; clients are told it too.
        made_at: seconds since 1970.
        expires_at: until when clients may count on it.
    """
    body = [struct.pack("<32sQQ", _MAGIC, _VERSION, _FOOTER.size), _END + bytes(16)]
    for name, index in xorbs.items():
        chunks = np.zeros(index.chunk_count, _CHUNK)
        chunks["hash"] = np.frombuffer(blinded(index.hashes, key), "u1").reshape(-1, 32)
        chunks["offset"], chunks["size"] = index.offsets[:-1], index.sizes
        counts = struct.pack("<IIII", 0, index.chunk_count, index.size, index.packed_size)
        body += [hash_bytes(name), counts, chunks.tobytes()]
    body.append(_END + bytes(16))
    length = sum(map(len, body))
    no_tables = (length, 0) * 3
    sections = (RECORD_BYTES, 2 * RECORD_BYTES)
    footer = _FOOTER.pack(_FOOTER_VERSION, *sections, *no_tables, key, made_at, expires_at, length)
    return b"".join([*body, footer])
