"""Scores and curves that follow from the order in which a classifier puts the rows, whatever the threshold."""

from typing import Any, Final

import numpy as np

from viveiro.ml.metrics.bootstrap import RESAMPLES, resamples
from viveiro.ml.metrics.counts import ratio

RANKING_ELEMENTS: Final = 200_000_000
"""Rows times classes times resamples. Larger tests are resampled less often: they need it less, and ranking costs more."""
FEWEST_RESAMPLES: Final = 50
CURVE_POINTS: Final = 200


def areas(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """ROC AUC and average precision of each class against the rest, (2, classes); NaN for a class without rows.

    Args:
        truth: bool (rows, classes).
        scores: float (rows, classes), higher for likelier.
    """
    whole = np.ones((len(truth), 1))
    return np.concatenate([_areas(whole, truth[:, k], scores[:, k]) for k in range(scores.shape[1])], axis=1)


def resampled_macro_areas(truth: np.ndarray, scores: np.ndarray, seed: int) -> np.ndarray:
    """(2, resamples): the same averaged over the classes that a resample has rows of."""
    rows, classes = scores.shape
    wanted = int(np.clip(RANKING_ELEMENTS // (rows * classes), FEWEST_RESAMPLES, RESAMPLES))
    # Rows first: taking them in another order and adding them up then runs along contiguous memory.
    chunks = [np.ascontiguousarray(weights.T.astype(np.uint8)) for weights in resamples(rows, seed, wanted)]
    total, defined = np.zeros((2, wanted)), np.zeros((2, wanted))
    for k in range(classes):
        found = np.concatenate([_areas(weights, truth[:, k], scores[:, k]) for weights in chunks], axis=1)
        total += np.nan_to_num(found)
        defined += ~np.isnan(found)
    return ratio(total, defined, empty=np.nan)


def macro_areas(by_class: np.ndarray) -> np.ndarray:
    """(2,) from (2, classes)."""
    defined = ~np.isnan(by_class)
    return ratio(np.nan_to_num(by_class).sum(1), defined.sum(1), empty=np.nan)


def _areas(weights: np.ndarray, positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(2, resamples): how likely a positive outscores a negative, ties counting half; and average precision.

    Both are sums over the positives alone, of what lies above each: few numbers, once the weights are added up in order.
    """
    order = np.argsort(-scores, kind="stable")
    places = np.flatnonzero(positive[order])
    first, behind = _tie_bounds(scores[order])
    first, behind = first[places], behind[places]
    above = _added_up(weights[order])
    own = weights[order[places]].astype(np.float64)
    positives_above = _added_up(own)
    hits_first, hits_behind = (positives_above[np.searchsorted(places, bound)] for bound in (first, behind))
    misses = (above[first] - hits_first + above[behind] - hits_behind) / 2
    positives = own.sum(0)
    negatives = above[-1] - positives
    # 0 / 0 where nothing is positive, or nothing negative: not defined
    auc = 1 - ratio((own * misses).sum(0), positives * negatives, empty=np.nan)
    precision = ratio(hits_behind, above[behind])
    return np.stack([auc, ratio((own * precision).sum(0), positives, empty=np.nan)])


def _tie_bounds(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each place: where its run of equal scores begins, and the place behind its end."""
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    run = np.cumsum(np.r_[True, ordered[1:] != ordered[:-1]]) - 1
    return starts[run], np.r_[starts[1:], len(ordered)][run]


def _added_up(weights: np.ndarray) -> np.ndarray:
    """(rows + 1, resamples): `[n]` is the sum of the first n rows."""
    sums = np.zeros((len(weights) + 1, weights.shape[1]))
    np.cumsum(weights, axis=0, out=sums[1:])
    return sums


def curves(positive: np.ndarray, scores: np.ndarray, called: np.ndarray) -> dict[str, dict[str, Any]]:
    """ROC and precision-recall of one yes-or-no question, and the point at which the classifier works.

    Args:
        positive: bool (decisions,).
        scores: float (decisions,).
        called: bool (decisions,), what the classifier said.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.r_[scores[order][1:] != scores[order][:-1], True])
    hits = np.cumsum(positive[order])[ends]
    misses = ends + 1 - hits
    found, raised = ratio(hits, positive.sum()), ratio(misses, (~positive).sum())
    right = (positive & called).sum()
    recall = _share(right, positive.sum())
    return {
        "roc": {
            "points": _thinned(np.r_[0, raised], np.r_[0, found]),
            "chosen": [_share((called & ~positive).sum(), (~positive).sum()), recall],
        },
        "pr": {
            "points": _thinned(np.r_[0, found], np.r_[ratio(hits, hits + misses)[:1], ratio(hits, hits + misses)]),
            "chosen": [recall, _share(right, called.sum())],
            "prevalence": _share(positive.sum(), len(positive)),
        },
    }


def _share(part: Any, whole: Any) -> float:
    return round(float(part / whole), 6) if whole else 0.0


def _thinned(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """At most CURVE_POINTS, evenly spread along the line, both ends among them."""
    along = np.r_[0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    wanted = np.linspace(0, along[-1], CURVE_POINTS - 1)
    kept = np.unique(np.r_[np.searchsorted(along, wanted).clip(max=len(x) - 1), len(x) - 1])
    return [[round(float(x[n]), 5), round(float(y[n]), 5)] for n in kept]
