"""Rows that have several labels, or none."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.unit.datasets.published import published, uploaded
from tests.unit.datasets.tables import csv_text, import_bytes, rows
from tests.unit.hub.house import House
from viveiro.datasets.columns import choose_columns
from viveiro.datasets.labels import LabelCoder
from viveiro.datasets.rows import read_rows
from viveiro.errors import UnusableData

TAGS = [["pump", "leak"], ["pump"], ["leak"], ["noise", "pump"], ["noise"], []]


def tagged(count: int = 60) -> list[tuple[str, list[str]]]:
    return [(text, TAGS[number % len(TAGS)]) for number, (text, _) in enumerate(rows(count))]


def json_lines(table: list[tuple[str, list[str]]]) -> bytes:
    return "\n".join(json.dumps({"text": text, "tags": tags}) for text, tags in table).encode()


class TestListColumns:
    def test_the_datasets_library_reads_lists_of_class_labels(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        datasets.disable_progress_bars()
        report, folder = import_bytes(json_lines(tagged()), tmp_path, name="t.jsonl", label="tags")
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        assert report.multi_label
        assert loaded["train"].features["tags"] == datasets.List(datasets.ClassLabel(names=["leak", "noise", "pump"]))
        found = {row["text"]: row["tags"] for split in loaded.values() for row in split}
        assert found == {text: [report.classes.index(tag) for tag in sorted(tags)] for text, tags in tagged()}

    def test_the_card_says_the_same_as_the_parquet(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        _, folder = import_bytes(json_lines(tagged()), tmp_path, name="t.jsonl", label="tags")
        card = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
        features = datasets.Features._from_yaml_list(card["dataset_info"]["features"])
        assert features["tags"] == datasets.List(datasets.ClassLabel(names=["leak", "noise", "pump"]))

    def test_lists_in_parquet_by_name_and_by_number(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        features = datasets.Features(
            {"text": datasets.Value("string"), "tags": datasets.List(datasets.ClassLabel(names=["b", "a"]))}
        )
        table = {"text": [text for text, _ in tagged()], "tags": [[0, 1] if n % 2 else [1] for n in range(60)]}
        datasets.Dataset.from_dict(table, features=features).to_parquet(tmp_path / "p.parquet")
        report, folder = import_bytes((tmp_path / "p.parquet").read_bytes(), tmp_path, name="p.parquet", label="tags")
        assert report.classes == ("a", "b")
        train = pq.read_table(folder / "data" / "train-00000-of-00001.parquet")
        assert train["tags"].type == pa.list_(pa.int64())

    def test_a_row_without_the_list_is_unlabelled_and_one_with_an_empty_list_is_not(self, tmp_path: Path) -> None:
        content = json_lines(tagged()) + b'\n{"text": "nobody looked at this one"}\n'
        report, _ = import_bytes(content, tmp_path, name="t.jsonl", label="tags")
        assert sum(report.rows.values()) == 60
        assert report.dropped.counts == {"empty_label": 1}

    @pytest.mark.parametrize("single", ["pump", 7])
    def test_a_single_label_among_lists_is_a_list_of_one(self, single: str | int, tmp_path: Path) -> None:
        tags = [single, [single], [single, "leak" if single == "pump" else 8], None, ""]
        lines = [json.dumps({"text": text, "tags": tags[number % 5]}) for number, (text, _) in enumerate(rows(60))]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl", label="tags")
        assert report.multi_label
        assert report.classes == (("leak", "pump") if single == "pump" else ("7", "8"))
        assert report.dropped.counts == {"empty_label": 24}

    def test_a_null_in_a_list_is_no_label(self, tmp_path: Path) -> None:
        table = [(text, [*tags, None] if number == 7 else tags) for number, (text, tags) in enumerate(tagged())]
        lines = "\n".join(json.dumps({"text": text, "tags": tags}) for text, tags in table)
        report, _ = import_bytes(lines.encode(), tmp_path, name="t.jsonl", label="tags")
        assert report.classes == ("leak", "noise", "pump")

    def test_a_list_among_texts_makes_no_list_of_them(self, tmp_path: Path) -> None:
        lines = [
            json.dumps({"text": f"{text}, and so do several others of them", "label": label})
            for text, label in rows(30)
        ]
        lines.append(json.dumps({"text": ["one", "two"], "label": "class-0"}))
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert report.roles.texts == ("text",)
        assert sum(report.rows.values()) == 31

    def test_lists_that_are_no_labels_are_kept_as_they_are(self, tmp_path: Path) -> None:
        lines = [json.dumps({"text": text, "label": label, "words": text.split()}) for text, label in rows(30)]
        report, folder = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert report.roles.label == "label"
        row = pq.read_table(folder / "data" / "train-00000-of-00001.parquet").to_pylist()[0]
        assert row["words"] == row["text"].split()


class TestDelimitedCells:
    @pytest.mark.parametrize("separator", [";", "|"])
    def test_labels_that_come_back_in_other_cells_are_evident(self, separator: str, tmp_path: Path) -> None:
        table = [(text, separator.join(tags)) for text, tags in tagged() if tags]
        report, _ = import_bytes(csv_text(table, header="text{}tags").encode(), tmp_path)
        assert report.separator == separator
        assert report.classes == ("leak", "noise", "pump")

    @pytest.mark.parametrize(
        "labels",
        [
            ["hydraulics; pump", "hydraulics; valve", "electrics; panel"],  # a hierarchy: its ends never come back
            ["oil, water", "oil, air", "water, air"],  # commas are a part of too many names
            ["pump", "leak", "noise"],
        ],
    )
    def test_what_is_not_evident_stays_whole(self, labels: list[str], tmp_path: Path) -> None:
        table = [(text, f'"{labels[number % 3]}"') for number, (text, _) in enumerate(rows(60))]
        report, _ = import_bytes(csv_text(table).encode(), tmp_path)
        assert not report.multi_label
        assert report.classes == tuple(sorted(labels))

    def test_what_is_said_wins_over_what_is_evident(self, tmp_path: Path) -> None:
        content = csv_text([(text, "; ".join(tags)) for text, tags in tagged() if tags]).encode()
        for number, (separator, expected) in enumerate(
            [
                ("", ("leak", "noise", "noise; pump", "pump", "pump; leak")),
                (",", ("leak", "noise", "noise; pump", "pump", "pump; leak")),
            ]
        ):
            (tmp_path / str(number)).mkdir()
            report, _ = import_bytes(content, tmp_path / str(number), separator=separator)
            assert report.classes == expected
            assert report.multi_label == bool(separator)

    def test_numbers_are_labels_of_one_part_whatever_separates_others(self, tmp_path: Path) -> None:
        lines = [json.dumps({"text": text, "label": number % 2}) for number, (text, _) in enumerate(rows(30))]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl", label="label", separator=";")
        assert (report.classes, report.multi_label) == (("0", "1"), True)

    def test_a_thousand_combinations_of_a_few_labels_are_labels(self, tmp_path: Path) -> None:
        generator = np.random.default_rng(0)
        names = [f"tag{number}" for number in range(30)]
        table = [
            (f"text number {number} of many", "|".join(generator.choice(names, 4, replace=False)))
            for number in range(3000)
        ]
        report, _ = import_bytes(csv_text(table, header="text{}tags").encode(), tmp_path)
        assert len(report.classes) == 30

    def test_too_many_labels_are_none(self, tmp_path: Path) -> None:
        table = [(text, f"a{number}|b{number}") for number, (text, _) in enumerate(rows(600))]
        with pytest.raises(UnusableData, match="1200 different labels"):
            import_bytes(csv_text(table).encode(), tmp_path, label="label", separator="|")


class TestSplits:
    def test_a_rare_label_is_in_every_split(self, tmp_path: Path) -> None:
        table = [
            (text, ["common", "rare"] if number % 20 == 0 else ["common"]) for number, (text, _) in enumerate(rows(200))
        ]
        report, folder = import_bytes(json_lines(table), tmp_path, name="t.jsonl", label="tags")
        rare = report.classes.index("rare")
        counts = {
            split: sum(
                rare in tags
                for tags in pq.read_table(folder / "data" / f"{split}-00000-of-00001.parquet")["tags"].to_pylist()
            )
            for split in report.rows
        }
        assert counts == {"train": 7, "validation": 1, "test": 2}


class TestReadRows:
    def test_labels_are_lists_of_names(self, house: House, tmp_path: Path) -> None:
        dataset = published(house, import_bytes(json_lines(tagged()), tmp_path, name="t.jsonl", label="tags")[1])
        columns = choose_columns(dataset, "text-classification", {})
        found = read_rows(dataset, columns, seed=0)
        wanted = {text: sorted(tags) for text, tags in tagged()}
        for split in (found.train, found.validation, found.test):
            assert all(wanted[text] == tags for text, tags in zip(split["text"], split["label"], strict=True))

    def test_missing_splits_are_dealt_by_the_rarest_label(self, house: House, tmp_path: Path) -> None:
        table = {"text": [text for text, _ in tagged(100)], "labels": [tags for _, tags in tagged(100)]}
        found = read_rows(uploaded(house, tmp_path, train=table), {"text": "text", "label": "labels"}, seed=0)
        assert found.counts == {"train": 70, "validation": 10, "test": 20}
        assert [] in found.test["label"]


class TestLabelCoder:
    @pytest.mark.parametrize("kind", [pa.large_list(pa.large_string()), pa.list_(pa.string(), 2)])
    def test_lists_of_any_layout_are_lists(self, kind: pa.DataType) -> None:
        coder = LabelCoder(pa.field("tags", kind))
        assert coder.add(pa.array([["a", "b"], ["b", "a"], None], kind), 3).tolist() == [0, 0, -1]
        assert coder.finish().classes == ("a", "b")

    @pytest.mark.parametrize("kind", [pa.struct({"a": pa.int64()}), pa.list_(pa.struct({"a": pa.int64()}))])
    def test_objects_are_no_labels(self, kind: pa.DataType) -> None:
        with pytest.raises(UnusableData, match="Column 'tags' holds struct"):
            LabelCoder(pa.field("tags", kind))

    def test_codes_stand_for_sets_of_classes(self) -> None:
        column = pa.array([["b", "a"], None, ["a", "b", "nan"], []], pa.list_(pa.string()))
        coder = LabelCoder(pa.field("tags", column.type))
        codes = coder.add(column, 4)
        labels = coder.finish()
        assert codes.tolist() == [0, -1, 0, 1]
        assert (labels.classes, labels.sets) == (("a", "b"), ((0, 1), ()))
        assert labels.column(codes).to_pylist() == [[0, 1], None, [0, 1], []]
