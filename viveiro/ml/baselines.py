"""What an adapted model must beat to be worth its weights: the commonest answer, and counted words with a linear model.

Both take truth as the metrics do: class numbers (rows,), or bool (rows, labels) where a row has any number of labels.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from viveiro.ml.metrics import Evaluation, choose_thresholds, evaluate_classifier, evaluate_multilabel

TFIDF_STRENGTH: Final = 1.0
ONE_LETTER_WORDS_TOO: Final = r"(?u)\b\w+\b"
FOLDS: Final = 3
"""For what margins are worth as probabilities: each row is scored by a model that did not learn from it."""
SHARPNESS_BOUNDS: Final = (1e-2, 1e2)

Answers = tuple[Evaluation, np.ndarray]
"""How a baseline did, and what it called each test row."""


def majority(train: np.ndarray, test: np.ndarray, labels: Sequence[str], *, seed: int = 0) -> Answers:
    """Calls every row what most training rows are; its probabilities are the training shares."""
    if train.ndim == 2:
        return _commonest_set(train, test, labels, seed)
    shares = np.bincount(train, minlength=len(labels)) / len(train)
    predicted = np.full(len(test), shares.argmax())
    scores = np.tile(shares, (len(test), 1))
    return evaluate_classifier(test, predicted, labels, scores=scores, seed=seed), predicted


def _commonest_set(train: np.ndarray, test: np.ndarray, labels: Sequence[str], seed: int) -> Answers:
    sets, occurrences = np.unique(train, axis=0, return_counts=True)
    commonest = sets[occurrences.argmax()].astype(bool)
    scores = np.tile(train.mean(0), (len(test), 1))
    thresholds = np.where(commonest, 0.0, np.inf)
    return evaluate_multilabel(test, scores, labels, thresholds.tolist(), seed=seed), scores >= thresholds


def tfidf(
    train_texts: Sequence[str],
    train: np.ndarray,
    test_texts: Sequence[str],
    test: np.ndarray,
    labels: Sequence[str],
    *,
    seed: int = 0,
) -> Answers:
    """Linear support vector machines on words, pairs of words, and runs of 2 to 5 characters."""
    vectorizer = _vectorizer(train_texts)
    known, unknown = vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)
    margins = _margins(known, train, unknown, len(labels))
    held_out, rows = _held_out_margins(known, train, len(labels), seed)
    if train.ndim == 2:
        scale, shift = _logistic(held_out, train[rows])
        thresholds = choose_thresholds(train[rows], _sigmoid(scale * held_out + shift))
        scores = _sigmoid(scale * margins + shift)
        return evaluate_multilabel(test, scores, labels, thresholds, seed=seed), scores >= np.asarray(thresholds)
    predicted = margins.argmax(1)
    scores = _softmax(_sharpness(held_out, train[rows]) * margins)
    return evaluate_classifier(test, predicted, labels, scores=scores, seed=seed), predicted


def _vectorizer(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=ONE_LETTER_WORDS_TOO)
    characters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5))
    # scikit-learn refuses to count words where there are none, as among reactions made of symbols alone
    return make_union(words, characters) if any(re.search(r"\w", text) for text in texts) else make_union(characters)


def _margins(known: Any, train: np.ndarray, unknown: Any, classes: int) -> np.ndarray:
    """(unknown rows, classes): how far on its side of each class's plane a row lies."""
    from sklearn.svm import LinearSVC

    if train.ndim == 2:
        columns = [_margins(known, train[:, k].astype(int), unknown, 2)[:, 1] for k in range(classes)]
        return np.stack(columns, axis=1)
    seen = np.unique(train)
    if len(seen) == 1:
        return np.where(np.arange(classes) == seen[0], 1.0, -1.0) * np.ones((unknown.shape[0], 1))
    found = LinearSVC(C=TFIDF_STRENGTH, random_state=0).fit(known, train).decision_function(unknown)
    found = np.stack([-found, found], axis=1) if len(seen) == 2 else found
    margins = np.tile(found.min(1, keepdims=True), (1, classes))  # a class never seen is the least likely
    margins[:, seen] = found
    return margins


def _held_out_margins(known: Any, train: np.ndarray, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Margins of the training rows from models that did not see them, and the rows in the same order.

    Rows are dealt out class by class, so that every fold has its share of each.
    """
    mixed = np.random.default_rng(seed).permutation(len(train))
    keys = train[mixed].argmax(1) if train.ndim == 2 else train[mixed]
    fold = np.empty(len(train), np.int64)
    fold[mixed[np.argsort(keys, kind="stable")]] = np.arange(len(train)) % FOLDS
    rows = [np.flatnonzero(fold == number) for number in range(FOLDS)]
    margins = [_margins(known[fold != k], train[fold != k], known[rows[k]], classes) for k in range(FOLDS)]
    return np.concatenate(margins), np.concatenate(rows)


def _sharpness(margins: np.ndarray, truth: np.ndarray) -> float:
    """The factor under which the margins' softmax has the least log loss. It changes no winner."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        raised = margins * np.exp(logarithm)
        raised = raised - raised.max(1, keepdims=True)
        return float((np.log(np.exp(raised).sum(1)) - raised[np.arange(len(truth)), truth]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(SHARPNESS_BOUNDS), method="bounded").x))


def _logistic(margins: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Scale and shift that make probabilities of margins, the same for all labels: rare ones have too few rows for their own."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(margins.reshape(-1, 1), truth.ravel())
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
