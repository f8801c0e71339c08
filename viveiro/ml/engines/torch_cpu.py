"""torch on the processor: always there, and what the others are checked against."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from viveiro.ml.engine import Caps, Item, Stats, engines

if TYPE_CHECKING:
    from viveiro.ml.embedding import SentenceEncoder


@engines.register("torch")
class TorchEngine:
    """Scaled dot-product attention, no gradients, bfloat16 where the processor has it and the answers stay the same."""

    caps: ClassVar[Caps] = Caps(devices=("cpu",), formats=("safetensors",), batch_invariant=True, quantised=False)

    def __init__(self) -> None:
        self._encoder: SentenceEncoder | None = None
        self._texts = self._batches = 0
        self._seconds = 0.0

    @property
    def workers(self) -> int:
        return 1

    def load(self, folder: Path, *, max_length: int | None = None, cache: Path | None = None, workers: int = 1) -> None:
        from viveiro.ml.embedding import PROBES, SentenceEncoder

        self._encoder = SentenceEncoder(folder, max_length=max_length)
        self._encoder.encode(PROBES)

    def items(self, texts: Sequence[str]) -> list[Item]:
        return [Item(tuple(token_ids)) for token_ids in self._loaded.tokenize(texts)]

    def cost(self, item: Item) -> int:
        return max(1, len(item.token_ids))

    def run(self, batch: Sequence[Item], *, alone: bool = False) -> np.ndarray:
        started = perf_counter()
        outputs = self._loaded.forward([item.token_ids for item in batch])
        self._seconds += perf_counter() - started
        self._texts += len(batch)
        self._batches += 1
        return outputs

    def stats(self) -> Stats:
        encoder = self._loaded
        return Stats(
            encoder.precision, encoder.dimension, encoder.max_length, self._texts, self._batches, self._seconds
        )

    def close(self) -> None:
        self._encoder = None

    @property
    def _loaded(self) -> "SentenceEncoder":
        if self._encoder is None:
            raise RuntimeError("load() comes before any other call")
        return self._encoder
