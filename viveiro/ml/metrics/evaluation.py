"""One classifier on the test rows: every score with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from viveiro.ml.metrics.bootstrap import Interval, interval, on_all_rows, resampled
from viveiro.ml.metrics.calibration import expected_calibration_error, gaps, reliability
from viveiro.ml.metrics.counts import class_scores, confusion_matrix, count, count_metrics
from viveiro.ml.metrics.ranking import areas, curves, macro_areas, resampled_macro_areas

MOST_DRAWN_CLASSES: Final = 100
"""A confusion matrix of more has a million cells at a thousand classes; the pairs that are confused most say it shorter."""
CONFUSED_PAIRS: Final = 20
SMALLEST_PROBABILITY: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One classifier on the test rows, ready for the record of a run.

    Attributes:
        confusion: `[i][j]` counts rows of class i that were called j; none for many classes, or many labels a row.
        confused: the pairs of classes that are mixed up most: label, predicted, rows.
        per_class: label, precision, recall, f1 with its interval, rows; where there are scores, roc_auc and
            average_precision; where labels are given by threshold, threshold.
        curves: roc, pr and calibration, empty without scores.
    """

    rows: int
    labels: tuple[str, ...]
    metrics: dict[str, Interval]
    confusion: list[list[int]] | None
    per_class: list[dict[str, Any]]
    confused: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "labels": list(self.labels),
            "metrics": {name: score.to_json() for name, score in self.metrics.items()},
            "confusion": self.confusion,
            "confused": self.confused,
            "per_class": self.per_class,
            "curves": self.curves,
        }


def evaluate_classifier(
    truth: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
    *,
    scores: np.ndarray | None = None,
    threshold: float | None = None,
    seed: int = 0,
) -> Evaluation:
    """Rows with one label each.

    Args:
        truth: int (rows,), class numbers.
        predicted: int (rows,).
        labels: names of the classes, by number.
        scores: float (rows, classes), probabilities. Without them there are only the scores that counting gives.
        threshold: of two classes, from which score the second is called, for the mark on the curves.
        seed: of the bootstrap.
    """
    confusion = confusion_matrix(truth, predicted, len(labels))
    one_hot = truth[:, None] == np.arange(len(labels))
    return Evaluation(
        rows=len(truth),
        labels=tuple(labels),
        metrics=_metrics(truth, predicted, len(labels), one_hot, scores, seed),
        confusion=confusion.tolist() if len(labels) <= MOST_DRAWN_CLASSES else None,
        confused=_confused(confusion, labels),
        per_class=_per_class(truth, predicted, labels, one_hot, scores, seed),
        curves={} if scores is None else _single_label_curves(one_hot, predicted, labels, scores, threshold),
    )


def evaluate_multilabel(
    truth: np.ndarray, scores: np.ndarray, labels: Sequence[str], thresholds: Sequence[float], *, seed: int = 0
) -> Evaluation:
    """Rows with any number of labels each.

    Args:
        truth: bool (rows, labels).
        scores: float (rows, labels), probabilities.
        labels: names of the columns.
        thresholds: for each label, the score from which it is given, chosen on other rows than these.
        seed: of the bootstrap.
    """
    predicted = scores >= np.asarray(thresholds)
    per_class = _per_class(truth, predicted, labels, truth, scores, seed)
    for entry, threshold in zip(per_class, thresholds, strict=True):
        entry["threshold"] = float(threshold)
    return Evaluation(
        rows=len(truth),
        labels=tuple(labels),
        metrics=_metrics(truth, predicted, len(labels), truth, scores, seed),
        confusion=None,
        per_class=per_class,
        curves={
            "of": None,
            **curves(truth.ravel(), scores.ravel(), predicted.ravel()),
            "calibration": reliability(scores, truth),
        },
    )


def paired_difference(
    truth: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int, *, metric: str = "f1_macro", seed: int = 0
) -> Interval:
    """How much better `first` is than `second` on the same rows: significant where the interval excludes 0.

    Args:
        truth: class numbers (rows,), or bool (rows, classes); `first` and `second` alike.
    """

    def difference(weights: np.ndarray) -> dict[str, np.ndarray]:
        ours, theirs = (
            count_metrics(count(weights, truth, predicted, classes), multilabel=truth.ndim == 2)[metric]
            for predicted in (first, second)
        )
        return {"gain": ours - theirs}

    value = float(on_all_rows(difference, len(truth))["gain"])
    return interval(value, resampled(difference, len(truth), seed)["gain"])


def _metrics(
    truth: np.ndarray, predicted: np.ndarray, classes: int, one_hot: np.ndarray, scores: np.ndarray | None, seed: int
) -> dict[str, Interval]:
    linear = {} if scores is None else _linear_scores(truth, predicted, one_hot, scores)

    def statistics(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        counted = count_metrics(count(weights, truth, predicted, classes), multilabel=truth.ndim == 2)
        means = {name: weights @ each / weights.sum(1) for name, each in linear.items() if name != "gaps"}
        if "gaps" in linear:
            means["ece"] = expected_calibration_error(weights, linear["gaps"], classes if truth.ndim == 2 else 1)
        return {**counted, **means}

    values, spread = on_all_rows(statistics, len(truth)), resampled(statistics, len(truth), seed)
    metrics = {name: interval(float(value), spread[name], centred=name == "ece") for name, value in values.items()}
    return metrics if scores is None else metrics | _ranking(one_hot, scores, seed)


def _linear_scores(
    truth: np.ndarray, predicted: np.ndarray, one_hot: np.ndarray, scores: np.ndarray
) -> dict[str, np.ndarray]:
    """What each row adds to the scores that are means over rows: their value on any resample is a product with these."""
    if truth.ndim == 2:
        likelihood = np.where(truth, scores, 1 - scores)
        return {
            "log_loss": -np.log(likelihood.clip(SMALLEST_PROBABILITY)).mean(1),
            "brier": ((scores - truth) ** 2).mean(1),
            "gaps": gaps(scores, truth),
        }
    every = np.arange(len(truth))
    parts = 2 if scores.shape[1] == 2 else 1  # by custom, two classes count once
    return {
        "log_loss": -np.log(scores[every, truth].clip(SMALLEST_PROBABILITY)),
        "brier": ((scores - one_hot) ** 2).sum(1) / parts,
        "gaps": gaps(scores[every, predicted], truth == predicted),
    }


def _ranking(one_hot: np.ndarray, scores: np.ndarray, seed: int) -> dict[str, Interval]:
    values, spread = macro_areas(areas(one_hot, scores)), resampled_macro_areas(one_hot, scores, seed)
    return {
        name: interval(value, resampled_values)
        for name, value, resampled_values in zip(("roc_auc", "average_precision"), values, spread, strict=True)
    }


def _per_class(
    truth: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
    one_hot: np.ndarray,
    scores: np.ndarray | None,
    seed: int,
) -> list[dict[str, Any]]:
    def statistics(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        counts = count(weights, truth, predicted, len(labels))
        f1, precision, recall = class_scores(counts)
        # A resample that has nothing of a class says nothing about it.
        known_f1 = np.where(counts.support + counts.called > 0, f1, np.nan)
        return {"f1": f1, "precision": precision, "recall": recall, "rows": counts.support, "known_f1": known_f1}

    values, spread = on_all_rows(statistics, len(truth)), resampled(statistics, len(truth), seed)["known_f1"]
    ranks = None if scores is None else areas(one_hot, scores)
    entries = []
    for number, label in enumerate(labels):
        f1 = interval(values["f1"][number], spread[:, number])
        entry = {"label": label, **{name: float(values[name][number]) for name in ("precision", "recall", "f1")}}
        entry |= {"f1_low": f1.low, "f1_high": f1.high, "rows": int(values["rows"][number])}
        if ranks is not None:
            entry |= {"roc_auc": float(ranks[0, number]), "average_precision": float(ranks[1, number])}
        entries.append(entry)
    return entries


def _confused(confusion: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    mistakes = confusion - np.diag(np.diagonal(confusion))
    worst = np.argsort(-mistakes, axis=None, kind="stable")[:CONFUSED_PAIRS]
    cells = [divmod(int(cell), len(labels)) for cell in worst]
    return [
        {"label": labels[i], "predicted": labels[j], "rows": int(mistakes[i, j])} for i, j in cells if mistakes[i, j]
    ]


def _single_label_curves(
    one_hot: np.ndarray, predicted: np.ndarray, labels: Sequence[str], scores: np.ndarray, threshold: float | None
) -> dict[str, Any]:
    """Of two classes the second against the first; of more, all of them pooled."""
    every = np.arange(len(predicted))
    calibration = reliability(scores[every, predicted], one_hot[every, predicted])
    if len(labels) == 2:
        called = predicted == 1 if threshold is None else scores[:, 1] >= threshold
        drawn = curves(one_hot[:, 1], scores[:, 1], called)
        return {"of": labels[1], "threshold": threshold, **drawn, "calibration": calibration}
    called = predicted[:, None] == np.arange(len(labels))
    return {"of": None, **curves(one_hot.ravel(), scores.ravel(), called.ravel()), "calibration": calibration}
