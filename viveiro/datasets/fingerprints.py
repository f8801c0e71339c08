"""Texts as numbers, so that tables larger than memory can be searched for repetitions."""

import numpy as np
import pyarrow as pa

from viveiro.datasets.profile import trimmed_text
from viveiro.datasets.splits import Ints
from viveiro.ml.data import text_key


def fingerprints(column: pa.Array) -> Ints:
    """63 bits of each text's `text_key`, shape (rows,); -1 for an empty text.

    Among 10 million texts, the chance that any two different ones look the same is 1 in 100,000.
    """
    texts = trimmed_text(column).to_pylist()
    return np.fromiter((_fingerprint(text) for text in texts), np.int64, len(texts))


def _fingerprint(text: str | None) -> int:
    return -1 if text is None else int(text_key(text)[:16], 16) >> 1
