"""Rows of a dataset for a page."""

import datetime
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.datasets.published import published, uploaded
from tests.unit.datasets.tables import csv_text, import_bytes, rows
from tests.unit.hub.house import House
from viveiro.datasets import preview
from viveiro.datasets.cells import SHOWN_CHARACTERS, cells
from viveiro.datasets.preview import OpenDatasets, SplitNotFound
from viveiro.datasets.service import dataset_ref, preview_rows
from viveiro.datasets.types import Cell, ColumnKind
from viveiro.errors import GatedRepo, RepoNotFound, RevisionNotFound, UnusableData
from viveiro.types import Visibility

TICKETS = dataset_ref("alice/tickets")
FOREIGN = dataset_ref("alice/foreign")


def write_groups(house: House, folder: Path, count: int, group: int) -> None:
    """Rows numbered from 0, in files of two row groups each."""
    folder.mkdir()
    for part, start in enumerate(range(0, count, 2 * group)):
        numbers = list(range(start, min(count, start + 2 * group)))
        table = pa.table({"number": numbers, "text": [f"row {number}" for number in numbers]})
        pq.write_table(table, folder / f"train-{part:05}-of-00009.parquet", row_group_size=group)
    published(house, folder, "alice/foreign")


def numbers(house: House, offset: int, limit: int = 100) -> list[object]:
    return [row[0].value for row in preview_rows(house.hub, house.alice, FOREIGN, offset=offset, limit=limit).rows]


class TestRows:
    def test_labels_have_names_and_splits_their_sizes(self, house: House, tmp_path: Path) -> None:
        dataset = published(house, import_bytes(csv_text(rows(60)).encode(), tmp_path)[1])
        seen = preview_rows(house.hub, house.alice, TICKETS, split="test", limit=5)
        assert [(column.name, column.kind) for column in seen.columns] == [
            ("text", ColumnKind.TEXT),
            ("label", ColumnKind.CLASS_LABEL),
        ]
        assert {row[1].value for row in seen.rows} <= {"class-0", "class-1"}
        assert seen.splits == dataset.import_report["rows"]
        assert (len(seen.rows), seen.total, seen.revision) == (5, seen.splits["test"], dataset.sha)

    def test_without_a_split_the_first_is_shown(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, test={"text": ["b"]}, train={"text": ["a"]})
        assert preview_rows(house.hub, house.alice, FOREIGN).split == "train"

    def test_a_split_that_is_not_there_is_named(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"text": ["a"]})
        with pytest.raises(SplitNotFound, match="no split dev"):
            preview_rows(house.hub, house.alice, FOREIGN, split="dev")

    @pytest.mark.parametrize("offset", [0, 3, 4, 5, 7, 8, 15, 16, 29, 33])
    def test_any_place_over_row_groups_and_files(self, offset: int, house: House, tmp_path: Path) -> None:
        write_groups(house, tmp_path / "parts", count=34, group=4)
        assert numbers(house, offset, limit=10) == list(range(offset, min(34, offset + 10)))

    @pytest.mark.parametrize("offset", [34, 35, 10**9])
    def test_past_the_end_there_is_nothing(self, offset: int, house: House, tmp_path: Path) -> None:
        write_groups(house, tmp_path / "parts", count=34, group=4)
        assert numbers(house, offset) == []
        assert preview_rows(house.hub, house.alice, FOREIGN, offset=offset).total == 34

    def test_never_more_than_a_page(self, house: House, tmp_path: Path) -> None:
        write_groups(house, tmp_path / "parts", count=300, group=40)
        assert len(numbers(house, 0, limit=10**6)) == preview.MOST_ROWS

    def test_a_file_that_lacks_a_column_has_no_values_there(self, house: House, tmp_path: Path) -> None:
        folder = tmp_path / "uneven"
        folder.mkdir()
        pq.write_table(pa.table({"text": ["a"], "score": [1.5]}), folder / "train-00000-of-00002.parquet")
        pq.write_table(pa.table({"text": ["b"]}), folder / "train-00001-of-00002.parquet")
        published(house, folder, "alice/foreign")
        seen = preview_rows(house.hub, house.alice, FOREIGN)
        assert [[cell.value for cell in row] for row in seen.rows] == [["a", 1.5], ["b", None]]

    def test_a_hundred_columns_are_enough_for_a_page(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={f"column {number}": [number] for number in range(130)})
        seen = preview_rows(house.hub, house.alice, FOREIGN)
        assert (len(seen.columns), len(seen.rows[0]), seen.hidden_columns) == (100, 100, 30)

    def test_a_file_damaged_further_in_is_said(self, house: House, tmp_path: Path) -> None:
        folder = tmp_path / "damaged"
        folder.mkdir()
        file = folder / "train.parquet"
        pq.write_table(pa.table({"text": [f"some text {number}" for number in range(2000)]}), file)
        content = bytearray(file.read_bytes())
        content[8:2000] = b"\xff" * 1992
        file.write_bytes(content)
        published(house, folder, "alice/foreign")
        with pytest.raises(UnusableData, match="The rows of alice/foreign cannot be read"):
            preview_rows(house.hub, house.alice, FOREIGN)


class TestPermission:
    def test_a_private_dataset_is_missing_to_a_stranger_even_while_it_is_open(
        self, house: House, tmp_path: Path
    ) -> None:
        uploaded(house, tmp_path, train={"text": ["secret"]})
        house.hub.update_repo(house.alice, FOREIGN, visibility=Visibility.PRIVATE)
        assert preview_rows(house.hub, house.alice, FOREIGN).rows
        with pytest.raises(RepoNotFound):
            preview_rows(house.hub, house.bob, FOREIGN)

    def test_the_rows_of_a_gated_one_are_closed(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"text": ["for some"]})
        house.hub.update_repo(house.alice, FOREIGN, gated="manual")
        with pytest.raises(GatedRepo):
            preview_rows(house.hub, house.bob, FOREIGN)

    def test_a_deleted_dataset_is_gone_though_it_was_open(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"text": ["old"]})
        preview_rows(house.hub, house.alice, FOREIGN)
        house.hub.delete_repo(house.alice, FOREIGN)
        with pytest.raises(RepoNotFound):
            preview_rows(house.hub, house.alice, FOREIGN)

    def test_a_revision_that_does_not_exist(self, house: House, tmp_path: Path) -> None:
        uploaded(house, tmp_path, train={"text": ["a"]})
        with pytest.raises(RevisionNotFound):
            preview_rows(house.hub, house.alice, FOREIGN, "nowhere")


class TestManyReaders:
    def test_at_once_each_gets_its_own_rows(self, house: House, tmp_path: Path) -> None:
        write_groups(house, tmp_path / "parts", count=4000, group=300)
        offsets = [number * 37 % 3900 for number in range(200)]
        with ThreadPoolExecutor(8) as pool:
            pages = list(pool.map(lambda offset: numbers(house, offset, limit=20), offsets))
        assert pages == [list(range(offset, offset + 20)) for offset in offsets]

    def test_only_so_many_datasets_stay_open(self, house: House, tmp_path: Path) -> None:
        cache = OpenDatasets()
        folder = tmp_path / "one"
        folder.mkdir()
        pq.write_table(pa.table({"text": ["a"]}), folder / "train.parquet")
        for number in range(preview.MOST_DATASETS + 3):
            dataset = published(house, folder, f"alice/number-{number}")
            cache.get(house.hub, house.hub.get_repo(house.alice, dataset_ref(dataset.name)), dataset.sha)
        assert len(cache) == preview.MOST_DATASETS


class TestCells:
    @pytest.mark.parametrize(
        ("column", "values"),
        [
            (pa.array([1, None, 2**60]), [1, None, 2**60]),
            (pa.array([0.1, float("nan"), float("inf"), None], pa.float32()), [0.1, "nan", "inf", None]),
            (pa.array([True, None]), [True, None]),
            (pa.array(["não é", "", None]), ["não é", "", None]),
            (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
            (pa.array([["a", "b"], [], None]), [["a", "b"], [], None]),
            (pa.array([[1, 2], None]), ["[1,2]", None]),
            (pa.array([b"abc", None]), ["3 B", None]),
            (pa.array([{"bytes": b"xyz", "path": "a.png"}, None]), ['{"bytes":"3 B","path":"a.png"}', None]),
            (pa.array([datetime.date(2024, 1, 2)]), ["2024-01-02"]),
            (pa.array([10**18 + 1], pa.timestamp("ns")), ["2001-09-09 01:46:40.000000001"]),
            (pa.array([10**9], pa.timestamp("s", "America/Sao_Paulo")), ["2001-09-09 01:46:40Z"]),
            (pa.array([datetime.timedelta(seconds=3)]), ["3000000"]),
            (pa.array([None, None]), [None, None]),
            (pa.array(["x"], pa.large_string()), ["x"]),
            (pa.array(["x"], pa.string_view()), ["x"]),
            (pa.array([1.5], pa.float16()), [1.5]),
        ],
        ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
    )
    def test_every_type_is_json(self, column: pa.Array, values: list[object]) -> None:
        assert cells(column) == [Cell(value) for value in values]

    def test_huge_texts_are_cut_between_characters(self) -> None:
        text = "é" * 1_000_000
        assert cells(pa.array([text, "é" * SHOWN_CHARACTERS])) == [
            Cell("é" * SHOWN_CHARACTERS, is_cut=True),
            Cell("é" * SHOWN_CHARACTERS),
        ]

    def test_long_lists_and_objects_too(self) -> None:
        assert cells(pa.array([["a"] * 1000]))[0] == Cell(["a"] * 20, is_cut=True)
        assert cells(pa.array([[["a"] * 1000]]))[0].is_cut
