"""How long texts are in a model's tokens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viveiro.ml.embedding import open_tokenizer
from viveiro.ml.networks import longest_input
from viveiro.ml.texts import LONGEST_TEXT, prepared


class TokenCounter:
    """The tokenizer of a model folder. Raises NoTokenizer."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = open_tokenizer(folder)
        self.limit = longest_input(folder)
        """Tokens that the model reads."""

    def count(self, texts: Sequence[str]) -> np.ndarray:
        """int64 (len(texts),), with the tokens that frame a text and without cutting it at the limit.

        Of a text longer than any request may be, only so much is looked at.
        """
        if not texts:
            return np.zeros(0, np.int64)
        shortened = prepared([text[:LONGEST_TEXT] for text in texts])
        encoded = self._tokenizer(
            shortened, padding=False, truncation=False, return_attention_mask=False, verbose=False
        )
        return np.array([len(ids) for ids in encoded["input_ids"]], np.int64)
