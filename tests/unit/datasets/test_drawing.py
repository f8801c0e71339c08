"""What the command line draws of a dataset."""

import pytest

from viveiro.cli.dataset_reports import bar, print_check, print_findings, said
from viveiro.datasets.types import Finding
from viveiro.locale import Sentence, speaking

REPORT = {
    "dataset": "acai/tickets",
    "revision": "0123456789abcdef",
    "rows": {"train": 70, "test": 30},
    "text_column": "text",
    "label_column": None,
    "classes": {f"class-{number}": {"train": 40 - number, "test": 1} for number in range(35)},
    "token_lengths": {
        "base": "acai/base",
        "limit": 64,
        "median": 20.0,
        "p95": 60.0,
        "longest": 90,
        "histogram": [{"up_to": 32, "texts": 80}, {"up_to": 64, "texts": 15}, {"up_to": 90, "texts": 5}],
    },
    "near_duplicates": {
        "examples": [
            {
                "similarity": 0.83,
                "earlier": {"split": "train", "row": 3, "text": "the pump leaks"},
                "later": {"split": "test", "row": 1, "text": "the pump leaks 2"},
            }
        ]
    },
    "findings": [],
}


class TestBars:
    @pytest.mark.parametrize(
        ("value", "drawn"), [(0, ""), (1, "▏"), (500, "█████"), (1000, "██████████"), (550, "█████▌")]
    )
    def test_length_says_share_and_something_is_more_than_nothing(self, value: int, drawn: str) -> None:
        assert bar(value, 1000, width=10) == drawn


class TestCheck:
    def test_classes_lengths_and_twins_are_drawn(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_check(REPORT)
        drawn = capsys.readouterr().out
        assert "class-0" in drawn
        assert "5 classes more" in drawn
        assert "acai/base reads 64 tokens" in drawn
        assert "test:1 “the pump leaks 2”" in drawn
        assert "No duplicates" in drawn


class TestFindings:
    FOUND = Finding("warning", "code", "{rows} rows were left out: {why}.", rows=3, why=Sentence("it is empty"))

    def test_each_starts_with_its_gravity(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_findings([self.FOUND.to_json()])
        assert capsys.readouterr().out == "warning: 3 rows were left out: it is empty.\n"

    def test_a_terminal_names_the_option_that_pages_have_a_form_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_findings([Finding("error", "no_text", "Choose the column to learn from.").to_json()])
        assert capsys.readouterr().out == "error: Choose the column to learn from. (--text-column …)\n"

    def test_they_are_said_in_the_readers_language_with_the_sentences_in_them(self) -> None:
        with speaking("pt-BR"):
            assert said(self.FOUND.to_json()) != ""
        with speaking("en"):
            assert said(self.FOUND.to_json()) == "3 rows were left out: it is empty."
