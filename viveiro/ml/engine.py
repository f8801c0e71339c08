"""What an engine is: the interface that `engines/` fills in. One thread owns an engine; `items` alone may run beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from viveiro.registry import Registry


@dataclass(frozen=True, slots=True)
class Caps:
    """What an engine promises.

    Attributes:
        devices: where it can run.
        formats: files it loads.
        batch_invariant: whether a text's answer is the same alone and in company (cosine ≥ 0.999).
        quantised: whether it may differ from torch in float32 by more than that.
    """

    devices: tuple[str, ...]
    formats: tuple[str, ...]
    batch_invariant: bool
    quantised: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One text, ready to run."""

    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a loaded model is and has done."""

    precision: str
    dimension: int
    max_length: int
    texts: int
    batches: int
    seconds: float


class Engine(Protocol):
    caps: ClassVar[Caps]

    def load(self, folder: Path, *, max_length: int | None = None) -> None:
        """Read the weights and run once, so that the first request finds everything warm."""
        ...

    def items(self, texts: Sequence[str]) -> list[Item]: ...

    def cost(self, item: Item) -> int:
        """Tokens. The scheduler and every limit count in the same unit."""
        ...

    def run(self, batch: Sequence[Item]) -> np.ndarray:
        """float32 (len(batch), dimension), in order."""
        ...

    def stats(self) -> Stats: ...

    def close(self) -> None: ...


engines: Registry[type[Engine]] = Registry("engine")
