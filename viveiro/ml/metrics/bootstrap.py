"""Test rows drawn again and again, to learn how far a score would move on other rows of the same kind."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

RESAMPLES: Final = 1000
CHUNK_ELEMENTS: Final = 2_000_000
"""Weights in memory at a time: 16 MB."""
CONFIDENCE: Final = 0.95

Statistics = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""From weights (resamples, rows) to one array for each name, (resamples,) or (resamples, classes)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A score on the test rows, and the 95 % interval in which other test rows of the same kind would put it."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def resamples(rows: int, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Weights float64 (some, rows), `count` resamples in all: how often each row was drawn."""
    generator = np.random.default_rng(seed)
    size = max(1, CHUNK_ELEMENTS // rows)
    for start in range(0, count, size):
        number = min(size, count - start)
        drawn = generator.integers(0, rows, (number, rows))
        drawn += np.arange(number)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=number * rows).reshape(number, rows).astype(np.float64)


def resampled(statistics: Statistics, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Each statistic on every resample, (RESAMPLES, …)."""
    parts = [statistics(weights) for weights in resamples(rows, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def on_all_rows(statistics: Statistics, rows: int) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in statistics(np.ones((1, rows))).items()}


def interval(value: float, spread: np.ndarray, *, centred: bool = False) -> Interval:
    """The middle 95 % of `spread`; NaN, where a resample does not define the score, is left out.

    Args:
        centred: for a score that resampling moves to one side, as it makes any model look less calibrated: the width
            is kept and the move is not.
    """
    known = spread[~np.isnan(spread)]
    if np.isnan(value) or not len(known):
        return Interval(float(value), np.nan, np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, middle, high = np.quantile(known, [tail, 0.5, 1 - tail])
    move = middle - value if centred else 0.0
    # A macro average over classes of one row or two can leave every resample on one side of the value.
    return Interval(
        float(value), float(min(max(low - move, 0) if centred else low, value)), float(max(high - move, value))
    )
