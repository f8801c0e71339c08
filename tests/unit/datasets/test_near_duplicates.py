"""Texts that are almost the same."""

import random

import numpy as np
import pytest

from viveiro.datasets.near_duplicates import GRAM, THRESHOLD, signatures, similar_pairs

WORDS = [
    *("pump", "valve", "belt", "spindle", "panel", "filter", "sensor", "hose", "bearing", "motor"),
    *("press", "lathe", "stops", "leaks", "rattles", "heats", "slips"),
]


def sentence(generator: random.Random, words: int = 20) -> str:
    return " ".join(generator.choices(WORDS, k=words))


def similarity(left: str, right: str) -> float:
    """Exactly."""
    grams = [{text[start : start + GRAM] for start in range(len(text) - GRAM + 1)} for text in (left, right)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def pairs(texts: list[str], threshold: float = THRESHOLD) -> set[tuple[int, int]]:
    found, _ = similar_pairs(signatures(texts), threshold)
    return {(int(left), int(right)) for left, right in found}


class TestSignatures:
    def test_they_estimate_the_share_of_common_grams(self) -> None:
        generator = random.Random(0)
        for changed in range(1, 15):
            left = sentence(generator)
            right = " ".join([*left.split()[changed:], *(f"x{number}y" for number in range(changed))])
            estimate = float(np.mean(np.equal(*signatures([left, right]))))
            assert estimate == pytest.approx(similarity(left, right), abs=0.15)

    def test_a_text_has_the_same_one_in_any_company(self) -> None:
        generator = random.Random(1)
        texts = [sentence(generator, generator.randint(1, 200)) for _ in range(300)]
        together = signatures(texts)
        assert all(np.array_equal(together[number], signatures([texts[number]])[0]) for number in range(0, 300, 37))

    def test_case_spacing_and_unicode_form_make_no_difference(self) -> None:
        left, right = signatures(["Prensa  HIDRÁULICA parou", "prensa hidra\u0301ulica parou "])
        assert np.array_equal(left, right)

    @pytest.mark.parametrize("text", ["", "a", "ação", "a" * 100_000, "🌱", "\ud800 lone"])
    def test_any_text_has_one(self, text: str) -> None:
        assert signatures([text]).shape == (1, 128)


class TestPairs:
    def test_near_twins_are_found_and_strangers_are_not(self) -> None:
        generator = random.Random(2)
        texts = [sentence(generator) for _ in range(200)]
        twins = [text[:-3] + "xyz" for text in texts[:50]]
        found = pairs([*texts, *twins])
        assert {(number, 200 + number) for number in range(50)} <= found
        assert all(similarity([*texts, *twins][left], [*texts, *twins][right]) > 0.5 for left, right in found)

    def test_a_thousand_copies_do_not_make_a_million_pairs(self) -> None:
        found = pairs(["the spindle of lathe three stops without a reason"] * 1000)
        assert 999 <= len(found) <= 2 * 1000
        assert {right for _, right in found} == set(range(1, 1000))

    def test_one_text_has_no_twin(self) -> None:
        assert pairs(["alone"]) == set()
