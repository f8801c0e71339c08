"""Scores that follow from how many rows of each class were found, missed and miscalled."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over the rows of each resample, all (resamples, classes) but `exact` and `rows`, which are (resamples,)."""

    hits: np.ndarray
    support: np.ndarray
    """Rows that are of the class."""
    called: np.ndarray
    """Rows that were called by its name."""
    exact: np.ndarray
    """Rows with everything right."""
    rows: np.ndarray


def count(weights: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: int) -> Counts:
    """From weights (resamples, rows), and class numbers (rows,) or, where a row has any number of labels, bool (rows, classes)."""
    if truth.ndim == 2:
        return Counts(
            hits=weights @ (truth & predicted),
            support=weights @ truth,
            called=weights @ predicted,
            exact=weights @ (truth == predicted).all(1),
            rows=weights.sum(1),
        )
    right = truth == predicted
    return Counts(
        hits=_sums_by_class(weights * right, truth, classes),
        support=_sums_by_class(weights, truth, classes),
        called=_sums_by_class(weights, predicted, classes),
        exact=weights @ right,
        rows=weights.sum(1),
    )


def _sums_by_class(weights: np.ndarray, classes_of_rows: np.ndarray, classes: int) -> np.ndarray:
    cells = classes_of_rows + np.arange(len(weights))[:, None] * classes
    return np.bincount(cells.ravel(), weights.ravel(), len(weights) * classes).reshape(len(weights), classes)


def count_metrics(counts: Counts, *, multilabel: bool) -> dict[str, np.ndarray]:
    """A class that a resample neither holds nor is called takes no part in its macro averages."""
    f1, precision, recall = class_scores(counts)
    present = counts.support + counts.called > 0
    share = ratio(counts.support, counts.support.sum(1, keepdims=True))
    metrics = {"accuracy": counts.exact / counts.rows}
    for name, by_class in (("f1", f1), ("precision", precision), ("recall", recall)):
        metrics[f"{name}_macro"] = ratio((by_class * present).sum(1), present.sum(1))
        metrics[f"{name}_weighted"] = (by_class * share).sum(1)
    return metrics | (_multilabel_metrics(counts) if multilabel else {})


def _multilabel_metrics(counts: Counts) -> dict[str, np.ndarray]:
    hits, support, called = counts.hits.sum(1), counts.support.sum(1), counts.called.sum(1)
    return {
        "f1_micro": ratio(2 * hits, support + called),
        "precision_micro": ratio(hits, called),
        "recall_micro": ratio(hits, support),
        "hamming_loss": (support + called - 2 * hits) / (counts.rows * counts.hits.shape[1]),
    }


def class_scores(counts: Counts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F1, precision and recall, (resamples, classes); 0 where a class is never called or never there."""
    f1 = ratio(2 * counts.hits, counts.support + counts.called)
    return f1, ratio(counts.hits, counts.called), ratio(counts.hits, counts.support)


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int (classes, classes): `[i][j]` counts rows of class i that were called j."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = 0.0) -> np.ndarray:
    result = np.full(np.broadcast(numerator, denominator).shape, empty)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)
