"""How good a classifier is, and how sure that is.

All of it is computed from weighted counts, so that a bootstrap is one matrix product: a resample of the test rows is a
row of weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

RESAMPLES: Final = 1000
RANKING_RESAMPLES: Final = 200
"""For AUC, which must go through the rows in order and costs more."""
CHUNK_ELEMENTS: Final = 4_000_000
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A score on the test rows, and the 95 % interval in which other test rows of the same kind would put it."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One classifier on the test rows. `confusion[i][j]` counts rows of class i that were called j."""

    rows: int
    labels: tuple[str, ...]
    metrics: dict[str, Interval]
    confusion: list[list[int]]
    per_class: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "labels": list(self.labels),
            "metrics": {name: interval.to_json() for name, interval in self.metrics.items()},
            "confusion": self.confusion,
            "per_class": self.per_class,
        }


def evaluate_classifier(
    truth: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
    *,
    scores: np.ndarray | None = None,
    are_probabilities: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Every metric with its interval.

    Args:
        truth: int (rows,), class numbers.
        predicted: int (rows,).
        labels: names of the classes, by number.
        scores: float (rows, classes), higher for likelier. Without them there is neither AUC nor log loss.
        are_probabilities: whether `scores` sum to one, so that a log loss can be taken.
        seed: of the bootstrap.
    """
    whole = np.ones((1, len(truth)), np.float32)
    values = {
        name: float(column[0])
        for name, column in _all_metrics(whole, truth, predicted, labels, scores, are_probabilities).items()
    }
    spread: dict[str, list[np.ndarray]] = {}
    for number, weights in enumerate(_resamples(len(truth), np.random.default_rng(seed))):
        ranked = scores if number * len(weights) < RANKING_RESAMPLES else None
        for name, column in _all_metrics(weights, truth, predicted, labels, ranked, are_probabilities).items():
            spread.setdefault(name, []).append(column)
    confusion = _confusions(whole, truth, predicted, len(labels))[0]
    return Evaluation(
        rows=len(truth),
        labels=tuple(labels),
        metrics={name: _interval(value, np.concatenate(spread[name])) for name, value in values.items()},
        confusion=confusion.astype(int).tolist(),
        per_class=_per_class(confusion, labels),
    )


def paired_difference(
    truth: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int, *, metric: str = "f1_macro", seed: int = 0
) -> Interval:
    """How much better `first` is than `second` on the same rows: significant where the interval excludes 0."""
    names = [str(number) for number in range(classes)]

    def difference(weights: np.ndarray) -> np.ndarray:
        return (
            _count_metrics(_confusions(weights, truth, first, len(names)))[metric]
            - (_count_metrics(_confusions(weights, truth, second, len(names)))[metric])
        )

    value = float(difference(np.ones((1, len(truth)), np.float32))[0])
    resamples = _resamples(len(truth), np.random.default_rng(seed))
    return _interval(value, np.concatenate([difference(weights) for weights in resamples]))


def _resamples(rows: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Weights, float32 (at most RANKING_RESAMPLES, rows), RESAMPLES in all: how often each row was drawn."""
    size = max(1, min(RANKING_RESAMPLES, CHUNK_ELEMENTS // rows))
    for start in range(0, RESAMPLES, size):
        count = min(size, RESAMPLES - start)
        drawn = generator.integers(0, rows, (count, rows))
        offsets = np.arange(count)[:, None] * rows
        yield np.bincount((drawn + offsets).ravel(), minlength=count * rows).reshape(count, rows).astype(np.float32)


def _all_metrics(
    weights: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
    scores: np.ndarray | None,
    are_probabilities: bool,
) -> dict[str, np.ndarray]:
    metrics = _count_metrics(_confusions(weights, truth, predicted, len(labels)))
    if scores is not None:
        metrics["roc_auc"] = _roc_auc(weights, truth, scores)
        if are_probabilities:
            likelihood = np.maximum(scores[np.arange(len(truth)), truth], 1e-15)
            metrics["log_loss"] = weights @ -np.log(likelihood) / weights.sum(1)
    return metrics


def _confusions(weights: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(resamples, classes, classes) from weights (resamples, rows)."""
    cells, cell_of_row = np.unique(truth * classes + predicted, return_inverse=True)
    membership = np.zeros((len(truth), len(cells)), np.float32)
    membership[np.arange(len(truth)), cell_of_row] = 1
    confusions = np.zeros((len(weights), classes * classes), np.float64)
    confusions[:, cells] = weights @ membership
    return confusions.reshape(len(weights), classes, classes)


def _count_metrics(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """A class that a resample holds no row of takes no part in its macro averages."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    support, called = confusions.sum(2), confusions.sum(1)
    precision, recall = _ratio(hits, called), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + called)
    share = support / support.sum(1, keepdims=True)
    present = (support + called) > 0
    metrics = {"accuracy": hits.sum(1) / support.sum(1)}
    for name, per_class in (("f1", f1), ("precision", precision), ("recall", recall)):
        metrics[f"{name}_macro"] = (per_class * present).sum(1) / present.sum(1)
        metrics[f"{name}_weighted"] = (per_class * share).sum(1)
    return metrics


def _roc_auc(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Each class against the rest, averaged over the classes that a resample has rows of. NaN where none has."""
    columns = [_binary_auc(weights, truth == number, scores[:, number]) for number in range(scores.shape[1])]
    areas = np.stack(columns, axis=1)
    defined = ~np.isnan(areas)
    return _ratio(np.where(defined, areas, 0).sum(1), defined.sum(1), empty=np.nan)


def _binary_auc(weights: np.ndarray, positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How likely a positive outscores a negative, ties counting half. NaN for a resample without one of the two."""
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    ordered, positive = weights[:, order], positive[order]
    positives = np.add.reduceat(ordered * positive, ties, axis=1, dtype=np.float64)
    negatives = np.add.reduceat(ordered * ~positive, ties, axis=1, dtype=np.float64)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _ratio((positives * below).sum(1), positives.sum(1) * negatives.sum(1), empty=np.nan)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = 0.0) -> np.ndarray:
    result = np.full(np.broadcast(numerator, denominator).shape, empty)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)


def _interval(value: float, resampled: np.ndarray) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    known = resampled[~np.isnan(resampled)]
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def _per_class(confusion: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    hits, support, called = np.diagonal(confusion), confusion.sum(1), confusion.sum(0)
    precision, recall, f1 = _ratio(hits, called), _ratio(hits, support), _ratio(2 * hits, support + called)
    return [
        {
            "label": label,
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "rows": int(support[number]),
        }
        for number, label in enumerate(labels)
    ]
