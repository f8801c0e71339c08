"""A linear head on features that do not change: multinomial logistic regression, or one regression for each label."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

ClassWeights = Literal["none", "balanced"]

STRENGTHS: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Values of C that `auto` tries, on features scaled to unit variance."""
MOST_STEPS: Final = 500


@dataclass(frozen=True, slots=True)
class LinearHead:
    """logits = features @ weight.T + bias."""

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float32 (rows, classes)."""
        return (features @ self.weight.T + self.bias).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Scaling:
    """One shift and one scale for all dimensions: C means the same for every encoder, and angles stay what they were."""

    mean: np.ndarray
    deviation: float

    @classmethod
    def fit(cls, features: np.ndarray) -> "Scaling":
        mean = features.mean(0)
        return cls(mean, float(np.sqrt(np.square(features - mean).mean())) or 1.0)

    def apply(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) / self.deviation).astype(np.float32)

    def fold_into(self, head: LinearHead) -> LinearHead:
        """The same head for features as they come."""
        weight = head.weight / self.deviation
        return LinearHead(weight.astype(np.float32), (head.bias - weight @ self.mean).astype(np.float32))


def fit_head(
    features: np.ndarray, labels: np.ndarray, classes: int, strength: float, class_weights: ClassWeights = "none"
) -> LinearHead:
    """The same arguments give the same head, to the last bit.

    Args:
        features: float32 (rows, dimension), any scale.
        labels: int (rows,), each of 0..classes - 1 at least once; or bool (rows, classes).
        strength: C, the inverse of the L2 penalty.
    """
    scaling = Scaling.fit(features)
    with _one_thread():
        (head,) = _path(scaling.apply(features), labels, classes, (strength,), class_weights)
    return scaling.fold_into(head)


def choose_strength(
    features: np.ndarray,
    labels: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    class_weights: ClassWeights = "none",
) -> float:
    """The C whose head is least surprised (log loss) by the validation rows. Ties go to the stronger penalty."""
    scaling = Scaling.fit(features)
    rows = scaling.apply(validation[0])
    best, least = STRENGTHS[0], np.inf
    with _one_thread():
        path = _path(scaling.apply(features), labels, classes, STRENGTHS, class_weights)
        for strength, head in zip(STRENGTHS, path, strict=True):
            loss = _log_loss(head.logits(rows), validation[1])
            if loss >= least:
                break  # it falls, then rises; and the weaker the penalty, the longer a fit takes
            best, least = strength, loss
    return best


def _one_thread() -> AbstractContextManager[object]:
    """Many small products in a row: threads gain little alone, lose fivefold beside a neighbour, and change the last bits."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _path(
    features: np.ndarray, labels: np.ndarray, classes: int, strengths: Sequence[float], class_weights: ClassWeights
) -> Iterator[LinearHead]:
    """Heads for rising C, each fitted when it is asked for. Each starts where the one before it ended, which is near."""
    if labels.ndim == 1:
        for coefficients, intercepts in _regressions(features, labels, strengths, class_weights):
            yield _as_softmax(coefficients, intercepts, classes)
    else:
        columns = [_regressions(features, labels[:, number], strengths, class_weights) for number in range(classes)]
        for fitted in zip(*columns, strict=True):
            coefficients, intercepts = (np.concatenate(parts) for parts in zip(*fitted, strict=True))
            yield LinearHead(coefficients.astype(np.float32), intercepts.astype(np.float32))


def _regressions(
    features: np.ndarray, labels: np.ndarray, strengths: Sequence[float], class_weights: ClassWeights
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and intercepts for rising C."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:  # every row has this label, or none has: nothing in a text speaks for or against
        constant = np.zeros((1, features.shape[1])), np.array([np.log(len(labels) + 1) * (1 if labels[0] else -1)])
        yield from [constant] * len(strengths)
        return
    model = LogisticRegression(
        max_iter=MOST_STEPS, warm_start=True, class_weight="balanced" if class_weights == "balanced" else None
    )
    for strength in strengths:
        with warnings.catch_warnings():
            # With a weak penalty on separable data the last digits never settle, and do not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=strength).fit(features, labels)
        yield model.coef_, model.intercept_


def _as_softmax(coefficients: np.ndarray, intercepts: np.ndarray, classes: int) -> LinearHead:
    """Two classes are fitted with one row of weights; a softmax wants one row for each."""
    if classes == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return LinearHead(coefficients.astype(np.float32), intercepts.astype(np.float32))


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    if labels.ndim == 2:
        return float(np.logaddexp(0, np.where(labels, -1, 1) * logits.astype(np.float64)).mean())
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]).mean())
