"""Whether a classifier that says 80 % is right 80 times in a hundred."""

from typing import Any, Final

import numpy as np

BINS: Final = 10


def gaps(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What each row adds to the gap between promised and kept in each bin of confidence, (rows, BINS).

    Args:
        confidence: float (rows,) or (rows, decisions), between 0 and 1.
        right: bool, same shape: what was promised came true.
    """
    rows = len(confidence)
    cells = _bins(confidence).reshape(rows, -1) + np.arange(rows)[:, None] * BINS
    return np.bincount(cells.ravel(), (right - confidence).ravel(), rows * BINS).reshape(rows, BINS)


def expected_calibration_error(weights: np.ndarray, gaps_of_rows: np.ndarray, decisions: int) -> np.ndarray:
    """Mean distance between promised and kept, bins weighing as much as they hold; (resamples,).

    Args:
        weights: float (resamples, rows).
        gaps_of_rows: float (rows, BINS), from `gaps`.
        decisions: in each row.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, with 10 bins of equal width.
    """
    return np.abs(weights @ gaps_of_rows).sum(1) / (weights.sum(1) * decisions)


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """One entry for each bin that holds something: mean promised, share kept with its 95 % interval, decisions."""
    bins, confidence, right = _bins(confidence).ravel(), confidence.ravel(), right.ravel()
    table = []
    for number in np.unique(bins):
        inside = bins == number
        kept, rows = float(right[inside].mean()), int(inside.sum())
        low, high = _wilson(kept, rows)
        promised = float(confidence[inside].mean())
        table.append({"confidence": promised, "accuracy": kept, "low": low, "high": high, "rows": rows})
    return table


def _bins(confidence: np.ndarray) -> np.ndarray:
    return np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)


def _wilson(share: float, rows: int) -> tuple[float, float]:
    """95 % interval of a share, honest for few rows and near 0 and 1. Source: Wilson 1927, JASA 22."""
    z = 1.959964
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return float(max(0.0, centre - reach)), float(min(1.0, centre + reach))
