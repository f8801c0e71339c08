"""The score from which a label is given."""

from typing import Final

import numpy as np

TRUSTED_POSITIVES: Final = 10
"""Positives at which a label's own threshold weighs as much as the one that all labels share."""
UNDECIDED: Final = 0.5


def choose_thresholds(truth: np.ndarray, scores: np.ndarray) -> tuple[float, ...]:
    """For each label the threshold with the best F1 on these rows: a label is given where its score reaches it.

    The best threshold for five positives is mostly chance, so each label's is drawn towards the best one for all labels
    together, the more the fewer positives it has.

    Args:
        truth: bool (rows, labels), of validation rows: on test rows, the test would be no test.
        scores: float (rows, labels), probabilities.
    """
    shared = _best_threshold(truth.ravel(), scores.ravel())
    chosen = []
    for column in range(scores.shape[1]):
        own = _best_threshold(truth[:, column], scores[:, column])
        trust = truth[:, column].sum() / (truth[:, column].sum() + TRUSTED_POSITIVES)
        chosen.append(float(trust * own + (1 - trust) * shared))
    return tuple(chosen)


def _best_threshold(truth: np.ndarray, scores: np.ndarray) -> float:
    """Half-way between the last score that should be called and the first that should not."""
    if not truth.any():
        return UNDECIDED
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    f1 = 2 * np.cumsum(truth[order])[ends] / (truth.sum() + ends + 1)
    best = int(f1.argmax())
    following = ordered[ends[best + 1]] if best + 1 < len(ends) else 0.0
    return float((ordered[ends[best]] + following) / 2)
