"""What Xet speaks of, as values. No I/O.

A file is cut into *chunks* of about 64 KiB, where its content says so. Chunks travel and are kept in *xorbs* of up to 64 MiB.
A file's *layout* lists, in order, from which xorb which run of chunks comes: each line is a *term*. A *shard* is how a client
tells layouts.

Hashes are 64 hexadecimal digits here, as on the wire; only packed columns and `hashing` hold their 32 bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from viveiro.hub.xet.hashing import hash_bytes, hash_text

MAX_CHUNK_BYTES: Final = 128 * 2**10
MAX_XORB_BYTES: Final = 64 * 2**20
MAX_XORB_CHUNKS: Final = 8192

Numbers = npt.NDArray[np.int64]

_CHUNK: Final = np.dtype([("hash", "u1", 32), ("end", "<u4"), ("size", "<u4")])
_TERM: Final = np.dtype([("xorb", "u1", 32), ("start", "<u4"), ("stop", "<u4"), ("size", "<u4")])


@dataclass(frozen=True, eq=False)
class XorbIndex:
    """Where the chunks of a stored xorb lie. Chunk `i` takes the packed bytes `ends[i - 1]:ends[i]`, header included."""

    hashes: bytes
    """32 bytes for each chunk."""
    ends: Numbers
    sizes: Numbers
    """Of the chunks unpacked, in bytes."""

    @property
    def chunk_count(self) -> int:
        return len(self.sizes)

    @property
    def packed_size(self) -> int:
        return int(self.ends[-1])

    @property
    def size(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def offsets(self) -> Numbers:
        """Where each chunk begins when all are unpacked one behind the other, and where the last ends."""
        return np.concatenate(([0], np.cumsum(self.sizes)))

    def packed_range(self, start: int, stop: int) -> tuple[int, int]:
        """The stored bytes of the chunks [start, stop)."""
        return int(self.ends[start - 1]) if start else 0, int(self.ends[stop - 1])

    def hashes_of(self, start: int, stop: int) -> bytes:
        return self.hashes[32 * start : 32 * stop]

    def to_bytes(self) -> bytes:
        rows = np.empty(self.chunk_count, _CHUNK)
        rows["hash"] = np.frombuffer(self.hashes, "u1").reshape(-1, 32)
        rows["end"], rows["size"] = self.ends, self.sizes
        return rows.tobytes()

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        rows = np.frombuffer(packed, _CHUNK)
        return cls(rows["hash"].tobytes(), rows["end"].astype(np.int64), rows["size"].astype(np.int64))


@dataclass(frozen=True, slots=True)
class Term:
    """The chunks [start, stop) of a xorb: `size` bytes when unpacked."""

    xorb: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True)
class Layout:
    """How a file is put together."""

    terms: tuple[Term, ...]

    @cached_property
    def size(self) -> int:
        return sum(term.size for term in self.terms)

    @cached_property
    def xorbs(self) -> frozenset[str]:
        return frozenset(term.xorb for term in self.terms)

    def to_bytes(self) -> bytes:
        rows = np.empty(len(self.terms), _TERM)
        for row, term in zip(rows, self.terms, strict=True):
            row["xorb"] = np.frombuffer(hash_bytes(term.xorb), "u1")
            row["start"], row["stop"], row["size"] = term.start, term.stop, term.size
        return rows.tobytes()

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        rows = np.frombuffer(packed, _TERM)
        numbers = zip(rows["start"].tolist(), rows["stop"].tolist(), rows["size"].tolist(), strict=True)
        return cls(
            tuple(
                Term(hash_text(xorb.tobytes()), start, stop, size)
                for xorb, (start, stop, size) in zip(rows["xorb"], numbers, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class ShardFile:
    """What a shard says of one file. Nothing of it has been verified."""

    xet_hash: str
    layout: Layout
    term_hashes: tuple[str, ...] | None
    """One for each term: it proves that the sender knows the chunks."""
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of chunks of one xorb that has to be read together: some of it may be wanted by several terms."""

    start: int
    stop: int
    first_byte: int
    stop_byte: int


@dataclass(frozen=True)
class Reconstruction:
    """What to fetch for a part of a file. Its bytes begin `skip` into the first term."""

    skip: int
    terms: Sequence[Term]
    pieces: dict[str, list[Piece]]
    """By xorb, in order, no two touching."""
