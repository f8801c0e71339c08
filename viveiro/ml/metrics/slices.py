"""Where a classifier is worse than its average says."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from viveiro.ml.metrics.bootstrap import interval, resampled

QUARTERS: Final = (0.25, 0.5, 0.75)
FEWEST_ROWS_TO_SLICE: Final = 40
SHOWN_ERRORS: Final = 10


def length_slices(lengths: np.ndarray, right: np.ndarray, *, seed: int = 0) -> list[dict[str, Any]]:
    """Accuracy with its interval in each quarter of the rows by length; fewer slices where many lengths are equal.

    Args:
        lengths: int (rows,), characters of each text.
        right: bool (rows,).
    """
    if len(lengths) < FEWEST_ROWS_TO_SLICE:
        return []
    quarter = np.searchsorted(np.unique(np.quantile(lengths, QUARTERS)), lengths, side="left")
    return [_slice(lengths[quarter == number], right[quarter == number], seed) for number in np.unique(quarter)]


def _slice(lengths: np.ndarray, right: np.ndarray, seed: int) -> dict[str, Any]:
    spread = resampled(lambda weights: {"accuracy": weights @ right / weights.sum(1)}, len(right), seed)["accuracy"]
    accuracy = interval(float(right.mean()), spread).to_json()
    return {
        "by": "characters",
        "from": int(lengths.min()),
        "to": int(lengths.max()),
        "rows": len(right),
        "accuracy": accuracy,
    }


def boldest_errors(predictions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The wrong answers of the highest score, by their place among the test rows.

    Never with their texts: the model may be public where its data is not.
    """
    wrong = [
        {"row": number, **prediction}
        for number, prediction in enumerate(predictions)
        if prediction["label"] != prediction["predicted"]
    ]
    return sorted(wrong, key=lambda error: -error["score"])[:SHOWN_ERRORS]
