"""What an adapted model must beat to be worth its weights: the commonest class, and counted words with a linear model."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from viveiro.ml.metrics import Evaluation, evaluate_classifier

TFIDF_STRENGTH: Final = 1.0
ONE_LETTER_WORDS_TOO: Final = r"(?u)\b\w+\b"


def majority(train: np.ndarray, test: np.ndarray, labels: Sequence[str], *, seed: int = 0) -> Evaluation:
    """Calls every row what most training rows are; its probabilities are the training shares."""
    shares = np.bincount(train, minlength=len(labels)) / len(train)
    predicted = np.full(len(test), shares.argmax())
    scores = np.tile(shares, (len(test), 1))
    return evaluate_classifier(test, predicted, labels, scores=scores, seed=seed)


def tfidf_scores(train_texts: Sequence[str], train: np.ndarray, test_texts: Sequence[str], classes: int) -> np.ndarray:
    """Margins (rows, classes) of a linear support vector machine on words, pairs of words, and runs of 2 to 5 characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=ONE_LETTER_WORDS_TOO)
    characters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5))
    model = make_pipeline(make_union(words, characters), LinearSVC(C=TFIDF_STRENGTH, random_state=0))
    model.fit(train_texts, train)
    margins: np.ndarray = model.decision_function(test_texts)
    return np.stack([-margins, margins], axis=1) if classes == 2 else margins


def tfidf(
    train_texts: Sequence[str],
    train: np.ndarray,
    test_texts: Sequence[str],
    test: np.ndarray,
    labels: Sequence[str],
    *,
    seed: int = 0,
) -> tuple[Evaluation, np.ndarray]:
    """The evaluation, and what it called each row. Margins rank, so there is an AUC; they are no probabilities, so no log loss."""
    scores = tfidf_scores(train_texts, train, test_texts, len(labels))
    predicted = scores.argmax(1)
    evaluation = evaluate_classifier(test, predicted, labels, scores=scores, are_probabilities=False, seed=seed)
    return evaluation, predicted
