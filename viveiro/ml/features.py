"""What a frozen encoder says about texts, computed once and kept on disk.

A set of texts is sorted and cut into shards; a shard's file is named by all that decides its content. So a killed run
continues with the shard it was at, another run on the same texts reads what this one wrote, and a vector never depends
on which of the two happened: a batch is always the same batch.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from viveiro.ml.device import has_bfloat16
from viveiro.ml.embedding import Progress, SentenceEncoder, fingerprint

SHARD_TEXTS: Final = 512
LAYOUT: Final = 1
"""Raise when what a shard holds, or in which order, changes."""


class FeatureCache:
    """Features of texts by the encoder in a folder, which is opened only when a shard is missing."""

    def __init__(self, folder: Path, encoder: Path) -> None:
        key = hashlib.sha256(f"{LAYOUT} {fingerprint(encoder)} {has_bfloat16()}".encode()).hexdigest()[:32]
        self._folder = folder / key
        self._encoder_folder = encoder
        self._encoder: SentenceEncoder | None = None

    def features(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """float32 (len(texts), dimension). A text that occurs twice is computed once."""
        unique = sorted(set(texts), key=lambda text: (len(text), text))
        shards = [unique[start : start + SHARD_TEXTS] for start in range(0, len(unique), SHARD_TEXTS)]
        matrices = []
        for number, shard in enumerate(shards, start=1):
            matrices.append(self._shard(shard))
            if progress is not None:
                progress(min(number * SHARD_TEXTS, len(unique)), len(unique))
        row_of = {text: row for row, text in enumerate(unique)}
        return np.concatenate(matrices)[[row_of[text] for text in texts]]

    def _shard(self, texts: list[str]) -> np.ndarray:
        path = self._folder / f"{_digest(texts)}.npy"
        try:
            kept: np.ndarray = np.load(path, allow_pickle=False)
        except (OSError, ValueError):  # absent, or cut short by a full disk
            computed = self._encode(texts)
            _write_whole(path, computed)
            return computed
        return kept

    def _encode(self, texts: list[str]) -> np.ndarray:
        if self._encoder is None:
            self._encoder = SentenceEncoder(self._encoder_folder)
        return self._encoder.encode(texts)


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:32]


def _write_whole(path: Path, matrix: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as partial:
        np.save(partial, matrix)
        partial.flush()
        os.fsync(partial.fileno())
    Path(partial.name).replace(path)
