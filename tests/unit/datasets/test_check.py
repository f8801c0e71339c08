"""Is a dataset fit to learn from?"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.unit.datasets.published import published, uploaded
from tests.unit.datasets.tables import csv_text, import_bytes, rows
from tests.unit.hub.house import House
from viveiro.datasets.check import Tokens, check_dataset
from viveiro.datasets.columns import choose_columns
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.rows import read_rows
from viveiro.datasets.types import CheckReport, Finding, LabelledRows
from viveiro.errors import UnusableData
from viveiro.locale import Sentence
from viveiro.ml.data import LabelSpace, OneClassOnly, TooFewRows
from viveiro.ml.tasks.text_classification import FEWEST_ROWS


class Words:
    """Counts words for tokens: a tokenizer that needs no model."""

    limit = 8

    def count(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text.split()) for text in texts], np.int64)


def checked(dataset: OpenDataset, tokens: Tokens | None = None) -> CheckReport:
    columns = choose_columns(dataset, "text-classification", {})
    return check_dataset(dataset, columns.get("text"), columns.get("label"), tokens, lambda _fields: None)


def codes(dataset: OpenDataset) -> set[str]:
    return {finding.code for finding in checked(dataset).findings}


def finding(report: CheckReport, code: str) -> Finding:
    return next(finding for finding in report.findings if finding.code == code)


def learnt(dataset: OpenDataset) -> LabelledRows:
    """As far as a run gets before it trains."""
    rows = read_rows(dataset, choose_columns(dataset, "text-classification", {}), seed=0)
    LabelSpace.fit(rows.train["label"])
    if rows.counts["train"] < FEWEST_ROWS:
        raise TooFewRows(rows.counts["train"], FEWEST_ROWS)
    return rows


def different_texts(count: int) -> list[str]:
    """No two of them alike, not even nearly."""
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    return ["".join(generator.choice(letters, 60)) for _ in range(count)]


def table(texts: list[str], classes: int = 2) -> dict[str, list[object]]:
    return {"text": list(texts), "label": [f"class-{number % classes}" for number in range(len(texts))]}


class TestCounts:
    def test_a_clean_dataset_has_no_findings(self, house: House, tmp_path: Path) -> None:
        labelled = list(zip(different_texts(60), ["one", "two"] * 30, strict=True))
        report = checked(published(house, import_bytes(csv_text(labelled).encode(), tmp_path)[1]))
        assert report.findings == []
        assert sum(report.classes["one"].values()) == 30

    def test_a_text_in_training_and_in_test_is_a_leak(self, house: House, tmp_path: Path) -> None:
        texts = different_texts(30)
        dataset = uploaded(house, tmp_path, train=table(texts), test=table([text.upper() for text in texts[:5]]))
        report = checked(dataset)
        assert report.shared_across_splits == 5
        assert report.examples["leak"][0] == {"split": "test", "row": 1}
        assert finding(report, "leak").severity == "warning"

    def test_a_text_labelled_in_two_ways_is_a_contradiction(self, house: House, tmp_path: Path) -> None:
        texts = different_texts(20)
        rows_of = table([*texts, texts[1]])
        dataset = uploaded(house, tmp_path, train=rows_of)
        report = checked(dataset)
        assert (report.contradictions, report.duplicates) == (1, 0)
        assert report.examples["contradictions"] == [{"split": "train", "row": 21}]

    def test_rows_of_several_labels_count_once_for_each(self, house: House, tmp_path: Path) -> None:
        labels = [["a", "b"], ["a"], [], ["b"]] * 5
        report = checked(uploaded(house, tmp_path, train={"text": different_texts(20), "label": labels}))
        assert report.multi_label
        assert report.classes == {"a": {"train": 10}, "b": {"train": 10}}


class TestLabels:
    @pytest.mark.parametrize(
        ("labels", "code"),
        [
            (["one"] * 20, "one_class"),
            (["one"] * 19 + ["two"], "too_few_rows"),
            (["one"] * 10 + ["two"] * 7 + ["three"] * 3, "rare_classes"),
            (["one"] * 10 + ["One "] * 10, "similar_classes"),
            (["one"] * 10 + ["two"] * 9 + [None], "empty"),
            ([f"{number}" for number in range(20)], "no_label"),
        ],
    )
    def test_labels_that_cannot_be_learnt_from(
        self, labels: list[object], code: str, house: House, tmp_path: Path
    ) -> None:
        name = "label" if code != "no_label" else "serial"
        dataset = uploaded(house, tmp_path, train={"text": different_texts(20), name: labels})
        assert code in codes(dataset)

    def test_rows_of_a_class_without_training_rows_are_told(self, house: House, tmp_path: Path) -> None:
        test = {"text": different_texts(40)[30:], "label": ["class-0"] * 9 + ["class-9"]}
        report = checked(uploaded(house, tmp_path, train=table(different_texts(30)), test=test))
        assert finding(report, "untrained_classes").severity == "warning"
        assert "1 rows of validation and test have a class that no training row has (class-9)" in str(
            finding(report, "untrained_classes").sentence
        )

    def test_unlabelled_rows_contradict_nothing(self, house: House, tmp_path: Path) -> None:
        texts = different_texts(20)
        unlabelled = {"text": texts[:5], "label": [None] * 5}
        report = checked(uploaded(house, tmp_path, train=table(texts), test=unlabelled))
        assert (report.contradictions, report.duplicates, report.shared_across_splits) == (0, 0, 5)

    def test_they_hide_no_contradiction_either(self, house: House, tmp_path: Path) -> None:
        texts = different_texts(20)
        train = {"text": [texts[0], *texts, texts[0], texts[0]], "label": [None, *["a", "b"] * 10, "b", "a"]}
        report = checked(uploaded(house, tmp_path, train=train))
        assert report.examples["contradictions"] == [{"split": "train", "row": 22}]
        assert report.examples["duplicates"] == [{"split": "train", "row": 23}]

    def test_columns_that_nothing_learns_from_are_named(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train={**table(different_texts(20)), "machine": ["press"] * 20})
        assert "machine" in str(finding(checked(dataset), "unused_columns").sentence)

    def test_lists_are_no_texts(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train={**table(different_texts(30)), "words": [["a", "b"]] * 30})
        with pytest.raises(UnusableData, match="Column 'words' holds list"):
            check_dataset(dataset, "words", "label", None, lambda _fields: None)
        with pytest.raises(UnusableData, match="Column 'words' holds list"):
            read_rows(dataset, {"text": "words", "label": "label"}, seed=0)

    def test_objects_are_no_labels(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train={"text": different_texts(30), "label": [{"name": "a"}] * 30})
        with pytest.raises(UnusableData, match="Column 'label' holds struct"):
            read_rows(dataset, {"text": "text", "label": "label"}, seed=0)


class TestWhatARunWouldRefuse:
    """The check calls an error what a run on the same rows raises, and nothing else."""

    TEXTS = tuple(different_texts(60))

    def splits(self, **labels: list[object] | None) -> dict[str, dict[str, list[object]]]:
        """None: without the column."""
        given = iter(self.TEXTS)
        return {
            split: {"text": [next(given) for _ in range(9)]}
            if column is None
            else {"text": [next(given) for _ in column], "label": column}
            for split, column in labels.items()
        }

    @pytest.mark.parametrize(
        ("labels", "code"),
        [
            ({"validation": ["a", "b"] * 5, "test": ["a", "b"] * 5}, "no_train"),
            ({"train": [None] * 20, "test": ["a", "b"] * 10}, "no_train"),
            ({"train": ["a"] * 20, "test": ["a", "b"] * 5}, "one_trained_class"),
            ({"train": ["a", "b"] * 4}, "too_few_training_rows"),
            ({"train": ["a", "b"] * 10, "test": ["c", "d"]}, "no_test"),
        ],
    )
    def test_it_refuses_what_is_an_error(
        self, labels: dict[str, list[object] | None], code: str, house: House, tmp_path: Path
    ) -> None:
        dataset = uploaded(house, tmp_path, **self.splits(**labels))
        assert finding(checked(dataset), code).severity == "error"
        with pytest.raises((UnusableData, OneClassOnly, TooFewRows)):
            learnt(dataset)

    def test_it_refuses_rows_of_one_text_a_class(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train={"text": ["aaa", "bbb"] * 10, "label": ["a", "b"] * 10})
        assert finding(checked(dataset), "no_test").severity == "error"
        with pytest.raises(UnusableData):
            learnt(dataset)

    @pytest.mark.parametrize("split", ["validation", "test"])
    @pytest.mark.parametrize("labels", [None, [None] * 9])
    def test_it_takes_a_split_without_labels_from_training(
        self, labels: list[object] | None, split: str, house: House, tmp_path: Path
    ) -> None:
        dataset = uploaded(house, tmp_path, **self.splits(train=["a", "b"] * 20, **{split: labels}))
        report = checked(dataset)
        assert {found.severity for found in report.findings} == {"warning"}
        assert finding(report, "split_taken").sentence.fields["split"] == split
        assert report.run is not None
        assert report.run.counts == learnt(dataset).counts == {"train": 28, "validation": 4, "test": 8}

    @pytest.mark.parametrize(
        "labels",
        [
            {"train": ["a", "b"] * 20, "validation": ["a", "c"] * 2, "test": ["a", "b", "c"] * 3},
            {"train": [["a", "b"], []] * 20, "validation": [[], ["c"]], "test": [["a", "c"], ["b"], []] * 3},
        ],
    )
    def test_it_leaves_out_rows_of_classes_that_no_training_row_has(
        self, labels: dict[str, list[object] | None], house: House, tmp_path: Path
    ) -> None:
        dataset = uploaded(house, tmp_path, **self.splits(**labels))
        report, rows = checked(dataset), learnt(dataset)
        assert rows.findings == (finding(report, "untrained_classes"),)
        assert report.run is not None
        assert report.run.counts == rows.counts
        assert rows.counts["test"] == 6


class TestNearDuplicates:
    def test_texts_that_differ_in_a_number_are_found_across_splits(self, house: House, tmp_path: Path) -> None:
        texts = different_texts(30)
        dataset = uploaded(house, tmp_path, train=table(texts), test=table([f"{text} 7" for text in texts[:4]]))
        report = checked(dataset)
        assert report.near_duplicates is not None
        assert (report.near_duplicates.rows, report.near_duplicates.across_splits) == (4, 4)
        twin = report.near_duplicates.examples[0]
        assert (twin["earlier"]["split"], twin["later"]["split"]) == ("train", "test")
        assert {"near_leak", "near_duplicates"} <= {finding.code for finding in report.findings}

    def test_a_sample_is_said_to_be_one(self, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("viveiro.datasets.check.MOST_COMPARED", 10)
        report = checked(uploaded(house, tmp_path, train=table(different_texts(30))))
        assert report.near_duplicates is not None
        assert (report.near_duplicates.compared, report.near_duplicates.distinct) == (10, 30)
        assert "10 of 30 texts" in str(finding(report, "near_duplicates_sampled").sentence)


class TestTokenLengths:
    def test_texts_longer_than_the_model_reads_are_counted(self, house: House, tmp_path: Path) -> None:
        texts = [
            f"{'word ' * (number % 20 + 1)}{text.replace(' ', '')}" for number, text in enumerate(different_texts(40))
        ]
        report = checked(uploaded(house, tmp_path, train=table(texts)), Tokens("acai/base", Words()))
        assert report.token_lengths is not None
        assert (report.token_lengths.limit, report.token_lengths.over) == (8, 26)
        assert sum(step["texts"] for step in report.token_lengths.histogram) == 40
        assert finding(report, "long_texts").severity == "warning"

    def test_without_a_model_nothing_is_said_of_tokens(self, house: House, tmp_path: Path) -> None:
        assert checked(uploaded(house, tmp_path, train=table(different_texts(20)))).token_lengths is None


class TestWhatTheImportFound:
    def test_dropped_rows_are_told_with_their_numbers(self, house: House, tmp_path: Path) -> None:
        dataset = published(house, import_bytes(csv_text([*rows(30), rows(1)[0]]).encode(), tmp_path)[1])
        assert "rows 31" in str(finding(checked(dataset), "dropped_duplicate").sentence)

    def test_characters_that_could_not_be_read_are_told(self, house: House, tmp_path: Path) -> None:
        broken = csv_text(rows(30)).encode() + "não é ótimo é,class-1\n".encode() + b"caf\xff,class-0\n"
        report = checked(published(house, import_bytes(broken, tmp_path)[1]))
        assert report.encoding == {"name": "utf-8", "replaced": 1}
        assert finding(report, "encoding_replaced").severity == "warning"


class TestReport:
    def test_it_is_json_and_findings_can_be_said_in_another_language(self, house: House, tmp_path: Path) -> None:
        texts = different_texts(30)
        report = checked(uploaded(house, tmp_path, train=table(texts), test=table(texts[:5])))
        told = json.loads(json.dumps(report.to_json()))["findings"]
        assert all(one["message"] == one["template"].format(**one["fields"]) for one in told)
        assert [Finding.from_json(one) for one in told] == report.findings

    def test_errors_come_first(self, house: House, tmp_path: Path) -> None:
        report = checked(uploaded(house, tmp_path, train={"text": [*different_texts(9), None], "label": ["one"] * 10}))
        assert [one.severity for one in report.findings] == ["error", "warning"]

    def test_a_sentence_in_a_finding_is_translated_with_it(self) -> None:
        found = Finding("info", "code", "Left out: {why}.", why=Sentence("it is empty"))
        assert found.sentence.translated(
            {"Left out: {why}.": "Fora: {why}.", "it is empty": "está vazio"}.__getitem__
        ) == ("Fora: está vazio.")


class TestWeight:
    def test_web_and_worker_start_without_what_only_jobs_need(self) -> None:
        program = (
            "import sys, viveiro.app, viveiro.api\n"
            "viveiro.app.register_everything()\n"
            "print([name for name in ('pyarrow', 'torch', 'sklearn', 'pandas', 'transformers') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "[]"
