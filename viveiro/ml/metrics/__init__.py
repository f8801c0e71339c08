"""How good a classifier is, and how sure that is.

Everything is computed from weighted counts, so that a bootstrap is arithmetic on arrays: a resample of the test rows is
a row of weights.
"""

from viveiro.ml.metrics.bootstrap import Interval
from viveiro.ml.metrics.evaluation import Evaluation, evaluate_classifier, evaluate_multilabel, paired_difference
from viveiro.ml.metrics.slices import boldest_errors, length_slices
from viveiro.ml.metrics.thresholds import choose_thresholds

__all__ = [
    "Evaluation",
    "Interval",
    "boldest_errors",
    "choose_thresholds",
    "evaluate_classifier",
    "evaluate_multilabel",
    "length_slices",
    "paired_difference",
]
