"""The hashes of Xet: blake3 under four keys, and a tree over chunks. Pure.

Source: the Xet specification 1.1.0, "Hashing" (https://huggingface.co/docs/xet/hashing).
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from blake3 import blake3

HASH_BYTES: Final = 32

_CHUNK_KEY: Final = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY: Final = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_TERM_KEY: Final = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE_KEY: Final = bytes(32)

_TEXT: Final = re.compile(r"[0-9a-f]{64}")
_CUT: Final = 4
"""A node of the tree ends behind a child whose hash is a multiple of this, once it has three."""
_ASKED_EVERY: Final = 1024
_MOST_CHILDREN: Final = 2 * _CUT + 1
_AT_ONCE: Final = 4096
"""So many neighbours are merged together, where there are so many."""


def is_hash(text: str) -> bool:
    return _TEXT.fullmatch(text) is not None


def hash_text(raw: bytes) -> str:
    """As on the wire: each group of eight bytes is a little-endian number."""
    return np.frombuffer(raw, "<u8").byteswap().tobytes().hex()


def hash_bytes(text: str) -> bytes:
    return np.frombuffer(bytes.fromhex(text), "<u8").byteswap().tobytes()


def chunk_hash(content: bytes | memoryview) -> bytes:
    return blake3(content, key=_CHUNK_KEY).digest()


def term_hash(chunk_hashes: bytes) -> str:
    return hash_text(blake3(chunk_hashes, key=_TERM_KEY).digest())


def xorb_hash(chunk_hashes: bytes, sizes: Sequence[int]) -> str:
    tree = Tree()
    tree.add(chunk_hashes, sizes)
    return hash_text(tree.root())


def file_hash(chunk_hashes: bytes, sizes: Sequence[int]) -> str:
    tree = Tree()
    tree.add(chunk_hashes, sizes)
    return tree.file_hash()


def asked_about(chunk_hashes: bytes) -> list[str]:
    """Those about which clients ask whether they are here already: one in a thousand."""
    numbers = np.frombuffer(chunk_hashes, "<u8")
    places = np.flatnonzero(numbers[3::4] % _ASKED_EVERY == 0).tolist()
    return [hash_text(chunk_hashes[HASH_BYTES * at : HASH_BYTES * (at + 1)]) for at in places]


def blinded(chunk_hashes: bytes, key: bytes) -> bytes:
    """Each hash under a key: who has a chunk can find it in such a list, and nobody can read the list."""
    return b"".join(
        blake3(chunk_hashes[at : at + HASH_BYTES], key=key).digest() for at in range(0, len(chunk_hashes), HASH_BYTES)
    )


class Tree:
    """Merges neighbours, level by level, until one is left. Holds a few of each level, however many are added."""

    def __init__(self) -> None:
        self._levels: list[tuple[bytearray, list[int]]] = []

    def add(self, hashes: bytes, sizes: Sequence[int]) -> None:
        """The next chunks, or all of them."""
        self._add(0, hashes, sizes)

    def _add(self, level: int, hashes: bytes, sizes: Sequence[int]) -> None:
        if level == len(self._levels):
            self._levels.append((bytearray(), []))
        waiting, totals = self._levels[level]
        waiting += hashes
        totals += sizes
        if len(totals) >= _AT_ONCE:
            self._merge(level, len(totals) - _MOST_CHILDREN + 1)

    def _merge(self, level: int, count: int) -> None:
        """Those nodes that begin with the first `count` children: where they end is certain by now."""
        waiting, totals = self._levels[level]
        parents, sizes, used = _parents(bytes(waiting), totals, count)
        del waiting[: HASH_BYTES * used], totals[:used]
        self._add(level + 1, parents, sizes)

    def root(self) -> bytes:
        """When all have been added."""
        level = 0
        while level < len(self._levels):
            waiting, totals = self._levels[level]
            if level == len(self._levels) - 1 and len(totals) == 1:
                return bytes(waiting)
            if totals:
                self._merge(level, len(totals))
            level += 1
        return bytes(HASH_BYTES)

    def file_hash(self) -> str:
        return hash_text(blake3(self.root(), key=_FILE_KEY).digest())


def _parents(hashes: bytes, sizes: Sequence[int], count: int) -> tuple[bytes, list[int], int]:
    """Hashes and sizes of the nodes that begin with the first `count`, and how many children these have together."""
    numbers = np.frombuffer(hashes, "<u8")
    texts = numbers.byteswap().tobytes().hex()
    may_cut = (numbers[3::4] % _CUT == 0).tolist()
    parents, totals, start = [], [], 0
    while start < count:
        stop = _end_of_node(may_cut, start)
        children = (f"{texts[64 * at : 64 * at + 64]} : {sizes[at]}\n" for at in range(start, stop))
        parents.append(blake3("".join(children).encode(), key=_NODE_KEY).digest())
        totals.append(sum(sizes[start:stop]))
        start = stop
    return b"".join(parents), totals, start


def _end_of_node(may_cut: Sequence[bool], start: int) -> int:
    most = min(len(may_cut), start + _MOST_CHILDREN)
    return next((at + 1 for at in range(start + 2, most) if may_cut[at]), most)
