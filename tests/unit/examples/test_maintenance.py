"""The maintenance example is worth learning from: real in tone, neither trivial nor hopeless to classify."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from tests.unit.ml.tiny import starter_folder
from viveiro.ml.features import FeatureCache
from viveiro.ml.heads import fit_head
from viveiro.ml.metrics import paired_difference

TICKETS = Path(__file__).parents[3] / "examples" / "maintenance" / "tickets.csv"
COLUMNS = ["ticket_id", "date", "machine", "text_pt", "text_en", "category"]
LANGUAGES = ["text_pt", "text_en"]
HEAD_STRENGTH = 0.03
"""C of the head, on features of unit variance: one of the values that a run tries."""

# What gives a category away in either language: its own name and the stems anyone would search for first.
NAME_STEMS = {
    "electrical": r"electr|el[eé]tr",
    "hydraulic": r"hydraul|hidr[aá]ul",
    "lubrication": r"lubri",
    "mechanical_wear": r"mechanic|mec[aâ]nic|\bwear|\bworn|desgast|\bgast[oa]",
    "overheating": r"heat|aquec",
    "pneumatic": r"pneum",
    "sensor": r"sensor",
    "software_control": r"software|control",
    "tooling": r"\btool|ferrament",
}


def read_tickets() -> list[dict[str, str]]:
    with TICKETS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def by_words() -> Pipeline:
    """TF-IDF of words and pairs of words, then logistic regression.

    Balanced, as rare kinds of fault count as much as common ones in a macro average.
    """
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), balanced_regression())


def by_words_and_characters() -> Pipeline:
    """The same with the runs of 2 to 5 characters inside words: it copes with typos, and is harder to beat."""
    words, characters = TfidfVectorizer(ngram_range=(1, 2)), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))
    return make_pipeline(make_union(words, characters), balanced_regression())


def balanced_regression() -> LogisticRegression:
    return LogisticRegression(class_weight="balanced", max_iter=1000)


def macro_f1_by_words(texts: np.ndarray, categories: np.ndarray) -> list[float]:
    """Of five stratified 80/20 splits."""
    splits = StratifiedShuffleSplit(n_splits=5, test_size=0.2, random_state=0).split(texts, categories)
    fitted = [(by_words().fit(texts[train], categories[train]), test) for train, test in splits]
    return [f1_score(categories[test], model.predict(texts[test]), average="macro") for model, test in fitted]


def shingles(text: str) -> set[str]:
    """The character 5-grams of a text, ignoring case and runs of spaces."""
    text = " ".join(text.lower().split())
    return {text[start : start + 5] for start in range(len(text) - 4)}


def share_with_a_near_duplicate(texts: Iterable[str], threshold: float) -> float:
    """Share of the texts that have another one at or over this Jaccard similarity: exact, where MinHash would estimate it."""
    holds = CountVectorizer(analyzer=shingles).fit_transform(texts)
    shared = (holds @ holds.T).toarray()
    sizes = shared.diagonal()
    similar = shared >= threshold * (sizes[:, None] + sizes - shared)
    np.fill_diagonal(similar, False)
    return float(similar.any(1).mean())


@pytest.fixture(scope="module")
def tickets() -> list[dict[str, str]]:
    return read_tickets()


@pytest.fixture(scope="module")
def english(tickets) -> tuple[np.ndarray, np.ndarray]:
    """Texts, and their classes as numbers."""
    names = sorted(NAME_STEMS)
    return np.array([t["text_en"] for t in tickets]), np.array([names.index(t["category"]) for t in tickets])


@pytest.fixture(scope="module")
def folds(english) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(StratifiedKFold(n_splits=5, shuffle=True, random_state=0).split(*english))


@pytest.fixture(scope="module")
def adapted(english, folds, tmp_path_factory) -> np.ndarray:
    """What the adapted model called each ticket."""
    texts, truth = english
    features = FeatureCache(tmp_path_factory.mktemp("features"), starter_folder()).features(list(texts))
    called = np.empty_like(truth)
    for train, test in folds:
        head = fit_head(features[train], truth[train], len(NAME_STEMS), HEAD_STRENGTH, "balanced")
        called[test] = head.logits(features[test]).argmax(1)
    return called


class TestFile:
    """It opens as a plain CSV, one ticket a row."""

    def test_columns_are_the_documented_ones(self, tickets):
        assert list(tickets[0]) == COLUMNS

    def test_there_are_enough_rows_to_train_on(self, tickets):
        assert len(tickets) >= 800

    def test_every_row_has_every_field(self, tickets):
        assert all(value and value == value.strip() for ticket in tickets for value in ticket.values())

    def test_every_ticket_id_is_used_once(self, tickets):
        assert len({ticket["ticket_id"] for ticket in tickets}) == len(tickets)

    def test_tickets_are_in_order_of_date(self, tickets):
        dates = [date.fromisoformat(ticket["date"]) for ticket in tickets]
        assert dates == sorted(dates)

    def test_each_ticket_is_told_in_two_languages(self, tickets):
        assert all(ticket["text_pt"] != ticket["text_en"] for ticket in tickets)


class TestCategories:
    """Categories are as uneven as in a plant, and a ticket seldom names its own."""

    def test_there_are_at_least_eight(self, tickets):
        assert len({ticket["category"] for ticket in tickets}) >= 8

    def test_the_largest_is_at_least_three_times_the_smallest(self, tickets):
        counts = Counter(ticket["category"] for ticket in tickets).values()
        assert max(counts) >= 3 * min(counts)

    def test_the_largest_does_not_drown_the_others(self, tickets):
        counts = Counter(ticket["category"] for ticket in tickets)
        assert max(counts.values()) <= 0.25 * len(tickets)

    def test_the_smallest_still_has_tickets_on_both_sides_of_a_split(self, tickets):
        assert min(Counter(ticket["category"] for ticket in tickets).values()) >= 25

    def test_each_one_has_its_stems_listed_here(self, tickets):
        assert {ticket["category"] for ticket in tickets} == set(NAME_STEMS)

    @pytest.mark.parametrize("category", list(NAME_STEMS))
    def test_at_most_one_ticket_in_ten_names_its_own_category(self, tickets, category):
        texts = [f"{t['text_pt']} {t['text_en']}" for t in tickets if t["category"] == category]
        naming = [text for text in texts if re.search(NAME_STEMS[category], text, re.IGNORECASE)]
        assert len(naming) <= 0.10 * len(texts)


@pytest.mark.parametrize("language", LANGUAGES)
class TestDifficulty:
    """A simple model learns it and leaves room for a better one, in both languages."""

    def test_a_simple_baseline_is_neither_lost_nor_perfect_on_any_split(self, tickets, language):
        texts = np.array([ticket[language] for ticket in tickets])
        scores = macro_f1_by_words(texts, np.array([ticket["category"] for ticket in tickets]))
        assert min(scores) >= 0.55
        assert max(scores) <= 0.85

    def test_hardly_any_ticket_repeats_another(self, tickets, language):
        assert share_with_a_near_duplicate([t[language] for t in tickets], threshold=0.7) < 0.02


class TestAdaptedModel:
    """The starter knows English: on its frozen features a linear head beats counted words.

    Every ticket is called once by each model, which learned from the other four fifths.
    """

    def test_it_is_above_counted_words_by_more_than_chance(self, english, folds, adapted):
        rival = cross_val_predict(by_words(), *english, cv=folds)
        assert paired_difference(english[1], adapted, rival, len(NAME_STEMS)).low > 0

    def test_it_is_above_counted_words_and_characters(self, english, folds, adapted):
        rival = cross_val_predict(by_words_and_characters(), *english, cv=folds)
        assert paired_difference(english[1], adapted, rival, len(NAME_STEMS)).value > 0


class TestNearDuplicates:
    """The measure used above, on texts small enough to check by eye."""

    @pytest.mark.parametrize(
        ("texts", "expected"),
        [
            # Case and spaces do not count.
            (["press stops with alarm", "Press  stops with ALARM", "belt is torn"], 2 / 3),
            (["press stops with alarm", "conveyor hums, no start"], 0.0),
        ],
    )
    def test_share(self, texts, expected):
        assert share_with_a_near_duplicate(texts, threshold=0.7) == pytest.approx(expected)
