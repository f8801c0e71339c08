"""How cards and pictures name things, and how what strangers named becomes harmless in Markdown. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

METRIC_NAMES: Final = {
    "accuracy": "accuracy",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "f1_micro": "F1 (micro)",
    "precision_macro": "precision (macro)",
    "precision_weighted": "precision (weighted)",
    "precision_micro": "precision (micro)",
    "recall_macro": "recall (macro)",
    "recall_weighted": "recall (weighted)",
    "recall_micro": "recall (micro)",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "hamming_loss": "Hamming loss",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
BASELINE_NAMES: Final = {"majority": "always the commonest answer", "tfidf": "TF-IDF and a linear model"}
COMPARED: Final = ("accuracy", "f1_macro", "f1_weighted")
"""Scores that stand beside the baselines' everywhere."""
LOWER_IS_BETTER: Final = frozenset({"hamming_loss", "log_loss", "brier", "ece"})
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&:.@$^=])")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def plain(text: str) -> str:
    """For a line or a table's cell of Markdown: read as it is written, whatever markup, link or HTML it holds."""
    readable = text.encode("utf-8", "replace").decode()
    return _MARKUP.sub(r"\\\1", " ".join(_CONTROLS.sub(" ", readable).split()))


def written(score: Mapping[str, Any]) -> str:
    """A value and its interval."""
    if score["value"] is None:
        return "–"
    return f"{score['value']:.3f} ({score['low']:.3f}–{score['high']:.3f})"


def is_multilabel(record: Mapping[str, Any]) -> bool:
    return "hamming_loss" in record["metrics"]


def class_noun(record: Mapping[str, Any]) -> str:
    return "label" if is_multilabel(record) else "class"


def class_nouns(record: Mapping[str, Any]) -> str:
    return "labels" if is_multilabel(record) else "classes"
