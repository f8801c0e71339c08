"""Xorbs and shards as the reference client makes them, without a server."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import hf_xet
import lz4.frame
import numpy as np

from viveiro.hub.xet.hashing import chunk_hash, file_hash, hash_bytes, term_hash, xorb_hash
from viveiro.hub.xet.shards import write_shard
from viveiro.hub.xet.xorbs import XorbReader

MiB = 2**20


@dataclass(frozen=True)
class Packed:
    """A content as hf-xet sends it."""

    content: bytes
    xet_hash: str
    xorbs: dict[str, bytes]
    """As they are sent, without footers."""
    shard: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()

    def shard_with(self, *, xet_hash: str | None = None, sha256: str | None = None, xorb: str | None = None) -> bytes:
        """The same shard with one thing said otherwise."""
        changed = bytearray(self.shard)
        header = 48
        (terms,) = struct.unpack_from("<I", changed, header + 36)
        if xet_hash is not None:
            changed[header : header + 32] = hash_bytes(xet_hash)
        if xorb is not None:
            changed[header + 48 : header + 80] = hash_bytes(xorb)
        if sha256 is not None:
            at = header + 48 * (1 + 2 * terms)
            changed[at : at + 32] = hash_bytes(sha256)
        return bytes(changed)


def pack(content: bytes) -> Packed:
    with TemporaryDirectory() as folder:
        with hf_xet.XetSession().new_upload_commit(endpoint=f"local://{folder}") as commit:
            upload = commit.start_upload_bytes(content)
        made = Path(folder) / "xet" / "xorbs"
        xorbs = {file.name.removeprefix("default."): file.read_bytes() for file in _files(made / "xorbs")}
        (shard,) = (file.read_bytes() for file in _files(made / "shards"))
    return Packed(content, upload.result().xet_info.hash, {name: _bare(xorb) for name, xorb in xorbs.items()}, shard)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.suffix != ".tagset")


def _bare(xorb: bytes) -> bytes:
    return bytes(XorbReader().take(xorb))


def floats(count: int, seed: int = 0) -> bytes:
    """Numbers as weights have them: hf-xet packs these in groups."""
    return np.random.default_rng(seed).standard_normal(count).astype("f4").tobytes()


def chunk(content: bytes, how: int = 0, *, size: int | None = None, packed: bytes | None = None) -> bytes:
    """One chunk of a xorb; `size` and `packed` are for liars."""
    if packed is None:
        packed = content if how == 0 else lz4.frame.compress(content)
    length = len(content) if size is None else size
    return bytes([0]) + len(packed).to_bytes(3, "little") + bytes([how]) + length.to_bytes(3, "little") + packed


def xorb_of(*contents: bytes) -> tuple[str, bytes]:
    """Its hash, and what is sent: chunks not packed."""
    hashes = b"".join(map(chunk_hash, contents))
    return xorb_hash(hashes, [len(content) for content in contents]), b"".join(map(chunk, contents))


def shard_of_file(xorb: str, chunks: Sequence[bytes], *, first: int = 0, repeated: int = 1) -> tuple[bytes, str]:
    """A shard for the file that these chunks of a xorb are, from the first on and so many times over; and the file's hash."""
    hashes, sizes = b"".join(map(chunk_hash, chunks)), [len(content) for content in chunks]
    xet_hash = file_hash(hashes * repeated, sizes * repeated)
    end = b"\xff" * 32 + bytes(16)
    records = [
        write_shard({}, key=bytes(32), made_at=0, expires_at=0)[:48],
        hash_bytes(xet_hash) + struct.pack("<II8x", 1 << 31 | 1 << 30, repeated),
        (hash_bytes(xorb) + struct.pack("<IIII", 0, sum(sizes), first, first + len(chunks))) * repeated,
        (hash_bytes(term_hash(hashes)) + bytes(16)) * repeated,
        hash_bytes(sha256(b"".join(chunks) * repeated).hexdigest()) + bytes(16),
        end,
        end,
    ]
    return b"".join(records), xet_hash
