"""What the head of each column shows."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.datasets.published import published, uploaded
from tests.unit.datasets.tables import csv_text, import_bytes, rows
from tests.unit.hub.house import House
from viveiro.datasets.kept import statistics_dir
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.service import column_statistics, dataset_ref
from viveiro.datasets.statistics import BINS, count
from viveiro.datasets.types import Bin, ColumnKind, ColumnStatistics, ValueCount
from viveiro.errors import GatedRepo, RepoNotFound
from viveiro.types import Visibility

FOREIGN = dataset_ref("alice/foreign")


def of_column(values: Any, house: House, tmp_path: Path) -> ColumnStatistics:
    uploaded(house, tmp_path, train={"column": values})
    (statistics,) = column_statistics(house.hub, house.alice, FOREIGN).columns
    return statistics


class TestKinds:
    def test_texts(self, house: House, tmp_path: Path) -> None:
        found = of_column(["ação", "  ", None, "a longer one"], house, tmp_path)
        assert (found.kind, found.empty, found.distinct) == (ColumnKind.TEXT, 2, 2)
        assert found.lengths is not None
        assert (found.lengths.least, found.lengths.most, found.lengths.median) == (4, 12, 8)
        assert found.values == ()  # each stands once

    def test_texts_that_repeat_are_counted(self, house: House, tmp_path: Path) -> None:
        found = of_column([f"value {number}" for number in range(30)] * 3 + ["often"] * 9, house, tmp_path)
        assert found.values[0] == ValueCount("often", 9)
        assert (len(found.values), found.other, found.distinct) == (20, 11 * 3, 31)

    def test_more_different_ones_than_a_label_has_are_not_counted(self, house: House, tmp_path: Path) -> None:
        found = of_column([f"value {number}" for number in range(1500)] * 2, house, tmp_path)
        assert (found.distinct, found.values, found.other) == (None, (), 0)

    def test_class_labels_by_name(self, house: House, tmp_path: Path) -> None:
        published(house, import_bytes(csv_text(rows(60, classes=3)).encode(), tmp_path)[1])
        statistics = column_statistics(house.hub, house.alice, dataset_ref("alice/tickets"), split="train")
        text, label = statistics.columns
        assert label.kind is ColumnKind.CLASS_LABEL
        assert {value.value for value in label.values} == {"class-0", "class-1", "class-2"}
        assert sum(value.rows for value in label.values) == statistics.rows
        assert text.lengths is not None

    def test_several_labels_a_row(self, house: House, tmp_path: Path) -> None:
        found = of_column([["pump", "oil"], ["oil"], [], None], house, tmp_path)
        assert (found.kind, found.empty) == (ColumnKind.LIST, 1)
        assert found.lengths is not None
        assert (found.lengths.least, found.lengths.most) == (0, 2)
        assert found.distinct == 2

    def test_numbers(self, house: House, tmp_path: Path) -> None:
        found = of_column([float(number) for number in range(100)] + [float("nan"), None], house, tmp_path)
        assert found.numbers is not None
        assert (found.numbers.least, found.numbers.most) == (0, 99)
        assert (found.numbers.mean, found.numbers.median) == (49.5, 49.5)
        assert [len(found.numbers.bins), sum(each.rows for each in found.numbers.bins)] == [BINS, 100]
        assert found.empty == 2

    def test_numbers_that_are_all_equal_have_one_bin(self, house: House, tmp_path: Path) -> None:
        found = of_column([7, 7, 7], house, tmp_path)
        assert found.numbers is not None
        assert found.numbers.bins == (Bin(7, 7, 3),)
        assert found.values == (ValueCount("7", 3),)

    def test_truths(self, house: House, tmp_path: Path) -> None:
        found = of_column([True, False, True, None], house, tmp_path)
        assert (found.kind, found.empty) == (ColumnKind.BOOLEAN, 1)
        assert of_values(found) == {"true": 2, "false": 1}

    def test_dates(self, house: House, tmp_path: Path) -> None:
        found = of_column([datetime.date(2024, 5, 1), None, datetime.date(2023, 1, 2)], house, tmp_path)
        assert (found.earliest, found.latest, found.empty) == ("2023-01-02", "2024-05-01", 1)

    @pytest.mark.parametrize(
        "column",
        [
            pa.nulls(3),
            pa.nulls(3, pa.string()),
            pa.nulls(3, pa.float64()),
            pa.nulls(3, pa.date32()),
            pa.nulls(3, pa.timestamp("ns", "UTC")),
            pa.nulls(3, pa.list_(pa.string())),
            pa.nulls(3, pa.struct([("path", pa.string())])),
            pa.nulls(3, pa.binary()),
            pa.array([datetime.timedelta(1)] * 3),
            pa.array([[1.5]] * 3),
            pa.array(["a"] * 3).dictionary_encode(),
        ],
        ids=lambda column: str(column.type),
    )
    def test_any_type_is_counted_as_far_as_it_can_be(self, column: pa.Array, house: House, tmp_path: Path) -> None:
        found = of_column(column, house, tmp_path)
        assert (found.numbers, found.earliest) == (None, None)

    def test_without_any_row(self, house: House, tmp_path: Path) -> None:
        found = of_column(pa.array([], pa.string()), house, tmp_path)
        assert (found.empty, found.distinct, found.lengths) == (0, 0, None)


def of_values(statistics: ColumnStatistics) -> dict[str, int]:
    return {each.value: each.rows for each in statistics.values}


class TestSample:
    def test_of_a_longer_split_the_first_rows_are_counted(self, house: House, tmp_path: Path) -> None:
        dataset: OpenDataset = uploaded(house, tmp_path, train={"number": list(range(100))})
        statistics = count(dataset, "train", most_rows=30)
        assert (statistics.rows, statistics.counted, statistics.sampled) == (100, 30, True)
        assert statistics.columns[0].numbers is not None
        assert statistics.columns[0].numbers.most == 29


class TestKept:
    def test_they_are_counted_once_for_a_revision(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"number": [1, 2, 3]})
        first = column_statistics(house.hub, house.alice, FOREIGN)
        (kept,) = statistics_dir(house.settings).rglob("*.json")
        kept.write_text(kept.read_text().replace('"most":3.0', '"most":4.0'))
        again = column_statistics(house.hub, house.alice, FOREIGN)
        assert first.columns[0].numbers is not None
        assert again.columns[0].numbers is not None
        assert (first.columns[0].numbers.most, again.columns[0].numbers.most) == (3, 4)

    def test_what_another_version_kept_is_counted_again(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"number": [1, 2, 3]})
        first = column_statistics(house.hub, house.alice, FOREIGN)
        (kept,) = statistics_dir(house.settings).rglob("*.json")
        kept.write_text('{"something": "else"}')
        assert column_statistics(house.hub, house.alice, FOREIGN) == first

    def test_another_revision_has_its_own(self, house: House, tmp_path: Path) -> None:
        dataset = uploaded(house, tmp_path, train={"number": [1, 2, 3]})
        column_statistics(house.hub, house.alice, FOREIGN)
        pq.write_table(pa.table({"number": [5]}), tmp_path / "uploaded" / "train.parquet")
        (tmp_path / "uploaded").rename(tmp_path / "later")
        published(house, tmp_path / "later", "alice/foreign")
        assert column_statistics(house.hub, house.alice, FOREIGN).rows == 1
        assert column_statistics(house.hub, house.alice, FOREIGN, dataset.sha).rows == 3

    def test_they_are_as_private_as_the_rows(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"number": [1, 2, 3]})
        column_statistics(house.hub, house.alice, FOREIGN)
        house.hub.update_repo(house.alice, FOREIGN, gated="auto")
        with pytest.raises(GatedRepo):
            column_statistics(house.hub, house.bob, FOREIGN)
        house.hub.update_repo(house.alice, FOREIGN, visibility=Visibility.PRIVATE)
        with pytest.raises(RepoNotFound):
            column_statistics(house.hub, house.bob, FOREIGN)
