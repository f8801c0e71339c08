"""Datasets of the hub, however they came there."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.datasets.published import class_labels, published, uploaded
from tests.unit.datasets.tables import csv_text, import_bytes, rows
from tests.unit.hub.house import House
from viveiro.datasets.columns import choose_columns
from viveiro.datasets.layouts import split_of
from viveiro.datasets.reading import OpenDataset, open_dataset
from viveiro.datasets.rows import read_rows
from viveiro.datasets.types import LARGEST_REPORT, REPORT_FILE
from viveiro.errors import OneColumnTwice, UnknownColumn, UnusableData
from viveiro.hub.types import Repo
from viveiro.types import RepoKind


@pytest.fixture
def imported(house: House, tmp_path: Path) -> OpenDataset:
    return published(house, import_bytes(csv_text(rows(60)).encode(), tmp_path)[1])


class TestOpenDataset:
    def test_labels_are_read_by_name(self, imported: OpenDataset) -> None:
        assert set(imported.table("test", ["label"])["label"].to_pylist()) == {"class-0", "class-1"}

    def test_it_is_read_as_its_import_split_it(self, imported: OpenDataset) -> None:
        assert {split: imported.rows(split) for split in imported.files} == imported.import_report["rows"]

    def test_a_report_too_large_to_be_one_is_not_read_to_its_end(self, house: House, tmp_path: Path) -> None:
        folder = import_bytes(csv_text(rows(60)).encode(), tmp_path)[1]
        (folder / REPORT_FILE).write_text(f'{{"notes": "{"x" * LARGEST_REPORT}"}}')
        assert published(house, folder).import_report == {}

    def test_an_unknown_column_is_answered_with_the_nearest(self, imported: OpenDataset) -> None:
        with pytest.raises(UnknownColumn, match="Did you mean 'text'"):
            imported.require("txt")

    def test_a_repo_without_tables_says_how_to_make_one(self, house: House) -> None:
        repo: Repo = house.repo(RepoKind.DATASET, "alice/empty")
        with pytest.raises(UnusableData, match="viveiro datasets import"):
            open_dataset(house.hub, repo, house.hub.resolve(repo, "main"))

    def test_a_file_that_only_calls_itself_parquet_is_named(self, house: House, tmp_path: Path) -> None:
        (tmp_path / "fake").mkdir()
        (tmp_path / "fake" / "train.parquet").write_bytes(b"no table at all")
        with pytest.raises(UnusableData, match=r"train\.parquet of alice/tickets is no Parquet file"):
            published(house, tmp_path / "fake")

    @pytest.mark.parametrize(
        ("path", "split"),
        [
            ("data/train-00000-of-00001.parquet", "train"),
            ("data/test-00000-of-00002.parquet", "test"),
            ("dev.parquet", "validation"),
            ("validation/part_0.parquet", "validation"),
            ("rows.parquet", "train"),
            ("contest.parquet", "train"),  # a word inside a word says nothing
        ],
    )
    def test_names_of_files_and_folders_tell_the_split(self, path: str, split: str) -> None:
        assert split_of(path) == split


class TestClassLabels:
    TEXTS = tuple(text for text, _ in rows(6))

    def test_numbers_are_read_by_the_names_of_their_own_file(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(
            house,
            tmp_path,
            train=class_labels(self.TEXTS, [0, 1, 2] * 2, ["anger", "joy", "sadness"]),
            test=class_labels(self.TEXTS[:2], [0, 1], ["joy", "sadness"]),
        )
        assert dataset.table("test", ["label"])["label"].to_pylist() == ["joy", "sadness"]
        assert [batch["label"].to_pylist() for batch in dataset.window("test", ["label"], 1, 1)] == [["sadness"]]

    def test_a_file_without_names_is_read_by_those_of_another(self, house: House, tmp_path: Path) -> None:
        named = class_labels(self.TEXTS[:2], [0, 1], ["joy", "sadness"])
        bare = named.replace_schema_metadata(None)
        dataset = uploaded(house, tmp_path, train=bare, test=named)
        assert dataset.table("train", ["label"])["label"].to_pylist() == ["joy", "sadness"]

    def test_what_is_a_name_already_stays_one(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(
            house,
            tmp_path,
            train=class_labels(self.TEXTS[:2], [0, 1], ["joy", "sadness"]),
            test={"text": [self.TEXTS[2]], "label": ["joy"]},
        )
        assert dataset.table("test", ["label"])["label"].to_pylist() == ["joy"]


class TestChooseColumns:
    def test_what_the_import_found(self, imported: OpenDataset) -> None:
        assert choose_columns(imported, "text-classification", {}) == {"text": "text", "label": "label"}

    def test_what_is_named_wins(self, imported: OpenDataset) -> None:
        assert choose_columns(imported, "text-classification", {"text": "label"})["text"] == "label"

    def test_a_column_plays_one_role_only(self, imported: OpenDataset) -> None:
        assert choose_columns(imported, "text-classification", {"text": "label"}) == {"text": "label"}
        with pytest.raises(OneColumnTwice, match="cannot be both text and label"):
            choose_columns(imported, "text-classification", {"text": "text", "label": "text"})

    def test_a_dataset_from_elsewhere_is_guessed_at(self, house: House, tmp_path: Path) -> None:
        table = {"sentence": [text for text, _ in rows(20)], "intent": [label for _, label in rows(20)]}
        dataset = uploaded(house, tmp_path, train=table)
        assert choose_columns(dataset, "text-classification", {}) == {"text": "sentence", "label": "intent"}


class TestReadRows:
    COLUMNS = {"text": "text", "label": "label"}  # noqa: RUF012 - a constant of the tests below

    def table(self, count: int) -> dict[str, list[object]]:
        return {"text": [text for text, _ in rows(count)], "label": [label for _, label in rows(count)]}

    def test_missing_splits_are_taken_from_training(self, house: House, tmp_path: Path) -> None:
        found = read_rows(uploaded(house, tmp_path, train=self.table(100)), self.COLUMNS, seed=0)
        assert found.counts == {"train": 70, "validation": 10, "test": 20}

    def test_splits_that_are_there_stay_as_they_are(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train=self.table(80), test=self.table(20))
        found = read_rows(dataset, self.COLUMNS, seed=0)
        assert found.counts["test"] == 20
        assert found.counts["train"] + found.counts["validation"] == 80

    def test_rows_without_text_or_label_are_left_out_and_counted(self, house: House, tmp_path: Path) -> None:
        table = self.table(40)
        table["text"][0], table["label"][1] = None, "nan"
        assert read_rows(uploaded(house, tmp_path, train=table), self.COLUMNS, seed=0).left_out == 2

    def test_a_split_whose_labels_are_unknown_is_taken_from_training(self, house: House, tmp_path: Path) -> None:
        texts = [text for text, _ in rows(130)]
        dataset = uploaded(
            house,
            tmp_path,
            train=class_labels(texts[:100], [0, 1] * 50, ["no", "yes"]),
            validation=class_labels(texts[100:110], [0, 1] * 5, ["no", "yes"]),
            test=class_labels(texts[110:], [-1] * 20, ["no", "yes"]),
        )
        found = read_rows(dataset, self.COLUMNS, seed=0)
        assert found.counts == {"train": 80, "validation": 10, "test": 20}
        assert found.left_out == 20
        assert set(found.test["label"]) == {"no", "yes"}
        assert [finding.code for finding in found.findings] == ["split_taken"]

    def test_so_is_one_without_the_column_of_labels(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train=self.table(100), test={"text": ["what is this?"] * 9})
        assert read_rows(dataset, self.COLUMNS, seed=0).counts == {"train": 70, "validation": 10, "test": 20}

    @pytest.mark.parametrize("train", [{}, {"train": {"text": ["a", "b"], "label": ["", None]}}])
    def test_nothing_to_learn_from_is_said(
        self, train: dict[str, dict[str, list[object]]], house: House, tmp_path: Path
    ) -> None:
        dataset = uploaded(house, tmp_path, **train, validation=self.table(20), test=self.table(20))
        with pytest.raises(UnusableData, match="nothing to learn from"):
            read_rows(dataset, self.COLUMNS, seed=0)

    def test_nothing_to_test_on_is_said(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train=self.table(2))
        with pytest.raises(UnusableData, match="left to test on"):
            read_rows(dataset, self.COLUMNS, seed=0)

    def test_files_may_store_a_column_in_different_types(self, house: House, tmp_path: Path) -> None:
        whole = pa.table(self.table(100))
        wide = whole.set_column(0, "text", whole["text"].cast(pa.large_string()))
        (tmp_path / "data").mkdir()
        for number, part in enumerate((whole[:40], wide[40:], whole[:0])):
            pq.write_table(part, tmp_path / "data" / f"train-{number}.parquet")
        dataset = published(house, tmp_path / "data")
        assert read_rows(dataset, self.COLUMNS, seed=0).counts == {"train": 70, "validation": 10, "test": 20}

    @pytest.mark.parametrize(
        ("labels", "other", "read"),
        [
            (["1", "x"], [1, 2], ["1", "2"]),
            ([1, 2], [None, None], [None, None]),
            ([1, 2], [0.5, 1.0], [0.5, 1.0]),
            ([["a"], []], [["b"], None], [["b"], None]),
        ],
    )
    def test_they_are_brought_to_one(
        self, labels: list[object], other: list[object], read: list[object], house: House, tmp_path: Path
    ) -> None:
        dataset = uploaded(house, tmp_path, train={"label": labels}, test={"label": other})
        assert dataset.table("test", ["label"])["label"].to_pylist() == read

    def test_lists_and_texts_are_not_brought_together(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train={"label": [["a"], []]}, test={"label": ["a", "b"]})
        with pytest.raises(UnusableData, match="Write it alike"):
            dataset.table("test", ["label"])
