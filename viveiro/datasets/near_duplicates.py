"""Texts that are almost the same: MinHash over character 5-grams, and buckets so that not every pair is compared.

Source: Broder 1997, On the resemblance and containment of documents; Leskovec, Rajaraman and Ullman 2014, Mining of Massive
Datasets, chapter 3. Two texts of similarity 0.7 meet in a bucket with a probability of 0.9998, two of 0.3 with 0.23.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from viveiro.datasets.splits import Ints

GRAM: Final = 5
THRESHOLD: Final = 0.7
HASHES: Final = 128
ROWS_PER_BAND: Final = 4
LONGEST: Final = 5_000
"""Characters of a text that are looked at."""
GRAMS_AT_ONCE: Final = 2**15
"""So many hashes stay in the processor's cache."""
PAIRS_AT_ONCE: Final = 2**16
_SEED: Final = 20
Signatures = np.ndarray[Any, np.dtype[np.uint32]]


def signatures(texts: Sequence[str]) -> Signatures:
    """uint32 (len(texts), HASHES): the share of equal values in two rows estimates the similarity of their texts."""
    result = np.empty((len(texts), HASHES), dtype=np.uint32)
    factors, offsets = _hash_functions()
    for first, last, grams, starts in _gram_batches(texts):
        for number in range(HASHES):
            hashed = grams * factors[number] + offsets[number]
            hashed ^= hashed >> np.uint32(15)
            result[first:last, number] = np.minimum.reduceat(hashed, starts)
    return result


def similar_pairs(signatures: Signatures, threshold: float = THRESHOLD) -> tuple[Ints, np.ndarray[Any, Any]]:
    """Pairs of rows (pairs, 2), the earlier row first, and their similarities.

    Not every pair of a large group of twins, but enough of them to link all of the group.
    """
    size = max(len(signatures), 1)
    keys = np.unique(np.concatenate([left * size + right for left, right in _bucket_mates(signatures)]))
    candidates = np.stack([keys // size, keys % size], axis=1)
    similarities = np.empty(len(candidates), dtype=np.float32)
    for start in range(0, len(candidates), PAIRS_AT_ONCE):
        left, right = candidates[start : start + PAIRS_AT_ONCE].T
        similarities[start : start + PAIRS_AT_ONCE] = (signatures[left] == signatures[right]).mean(1)
    similar = similarities >= threshold
    return candidates[similar], similarities[similar]


def _bucket_mates(signatures: Signatures) -> Iterator[tuple[Ints, Ints]]:
    """Rows that agree in a whole band, each with the one before it in its bucket and with the bucket's first."""
    for band in range(0, HASHES, ROWS_PER_BAND):
        keys = np.zeros(len(signatures), dtype=np.uint64)
        for column in signatures[:, band : band + ROWS_PER_BAND].T:
            keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(31)
        order = np.argsort(keys, kind="stable")
        opens = np.diff(keys[order], prepend=~keys[order[:1]]) != 0
        bucket = np.maximum.accumulate(np.where(opens, np.arange(len(order)), 0))
        inside = np.flatnonzero(~opens)
        yield order[inside - 1], order[inside]
        yield order[bucket[inside]], order[inside]


def _gram_batches(texts: Sequence[str]) -> Iterator[tuple[int, int, Any, Any]]:
    """Runs of texts [first, last), the hashes of all their grams, and where those of each text start."""
    first, gathered, size = 0, list[str](), 0
    for index, text in enumerate(texts):
        folded = _folded(text)
        if gathered and size + len(folded) > GRAMS_AT_ONCE:
            yield first, index, *_grams(gathered)
            first, gathered, size = index, [], 0
        gathered.append(folded)
        size += len(folded)
    if gathered:
        yield first, len(texts), *_grams(gathered)


def _grams(texts: Sequence[str]) -> tuple[Any, Any]:
    """A text shorter than a gram is one gram, filled up with blanks."""
    padded = [text.ljust(GRAM) for text in texts]
    characters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashes = np.zeros(len(characters) - GRAM + 1, dtype=np.uint32)
    for position in range(GRAM):
        hashes = hashes * np.uint32(0x01000193) ^ _scattered(characters[position : position + len(hashes)])
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    text_starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    within = np.arange(len(hashes)) - np.repeat(text_starts, lengths)[: len(hashes)]
    whole = within <= np.repeat(lengths, lengths)[: len(hashes)] - GRAM  # no gram crosses into the next text
    return _scattered(hashes[whole]), text_starts - np.arange(len(padded)) * (GRAM - 1)


def _scattered(values: Any) -> Any:
    """Every bit of a value decides every bit of the result."""
    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)
    return values


def _hash_functions() -> tuple[Any, Any]:
    generator = np.random.default_rng(_SEED)
    factors = generator.integers(0, 2**32, HASHES, dtype=np.uint32) | np.uint32(1)
    return factors, generator.integers(0, 2**32, HASHES, dtype=np.uint32)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text[:LONGEST]).casefold().split())
