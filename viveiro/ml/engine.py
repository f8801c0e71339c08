"""What an engine is: the interface that `engines/` fills in.

One thread loads and closes an engine. In between, `items` may be called beside anything, and `run` by as many threads at
once as the engine has `workers`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from viveiro.errors import Unprocessable
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
    """What a loaded model is and has done. `seconds` of all workers together."""

    precision: str
    dimension: int
    max_length: int
    texts: int
    batches: int
    seconds: float


class EngineUnfit(Unprocessable):
    """Not the model's fault: another engine may run it."""

    def __init__(self, engine: str, why: str) -> None:
        super().__init__(
            "The engine {engine} cannot run this model here: {why}. Torch can: set VIVEIRO_ENGINE=torch.",
            engine=engine,
            why=why,
        )


class Engine(Protocol):
    caps: ClassVar[Caps]

    @property
    def workers(self) -> int:
        """How many threads may call `run` at once."""
        ...

    def load(self, folder: Path, *, max_length: int | None = None, cache: Path | None = None, workers: int = 1) -> None:
        """Read the weights and run once, so that the first request finds everything warm.

        Args:
            max_length: tokens after which a text is cut; None for the model's own limit, which it may not pass.
            cache: folder of this revision alone, for what is slow to make of its weights. None: it is made every time.
            workers: cores that it may use.

        Raises:
            EngineUnfit: this engine cannot, though another might.
        """
        ...

    def items(self, texts: Sequence[str]) -> list[Item]: ...

    def cost(self, item: Item) -> int:
        """Tokens. The scheduler and every limit count in the same unit."""
        ...

    def run(self, batch: Sequence[Item], *, alone: bool = False) -> np.ndarray:
        """float32 (len(batch), dimension), in order. `alone`: nothing else waits or runs, so all cores may be used."""
        ...

    def stats(self) -> Stats: ...

    def close(self) -> None: ...


engines: Registry[type[Engine]] = Registry("engine")
