"""Files that wait to be imported: whose they are, what they hold, when they go."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.datasets.tables import csv_text, rows
from tests.unit.datasets.test_folders import class_files, packed
from tests.unit.datasets.working import claimed
from tests.unit.hub.house import House
from viveiro.accounts.types import Viewer
from viveiro.datasets import inspecting
from viveiro.datasets.incoming import UploadNotFound, discard_upload, incoming_path
from viveiro.datasets.jobs import import_dataset, sweep_incoming_paths
from viveiro.datasets.service import (
    dataset_ref,
    inspect_upload,
    note_upload,
    open_upload,
    preview_rows,
    receive_file,
    start_import,
)
from viveiro.datasets.types import Cell, ColumnRole, ColumnType, Finding, ImportOptions, Inspection, ValueCount
from viveiro.errors import UnknownColumn, UnreadableFile
from viveiro.jobs.service import enqueue
from viveiro.types import Visibility


def upload(house: House, content: bytes, name: str = "table.csv") -> str:
    with receive_file(house.settings, len(content)) as incoming:
        incoming.file.write(content)
    assert house.alice.user_id is not None
    note_upload(house.settings, incoming.upload_id, house.alice.user_id, name)
    return incoming.upload_id


def inspected(house: House, content: bytes, name: str = "table.csv", **options: Any) -> Inspection:
    return inspect_upload(house.settings, house.alice, upload(house, content, name), ImportOptions(name, **options))


def codes(inspection: Inspection) -> set[str]:
    return {finding.code for finding in inspection.findings}


def finding(inspection: Inspection, code: str) -> Finding:
    return next(finding for finding in inspection.findings if finding.code == code)


class TestOwner:
    def test_finds_it(self, house: House) -> None:
        upload_id = upload(house, b"text,label\n")
        found = open_upload(house.settings, house.alice, upload_id)
        assert (found.file_name, found.size, found.upload_id) == ("table.csv", 11, upload_id)

    def test_nobody_else_does(self, house: House) -> None:
        upload_id = upload(house, b"text,label\n")
        for viewer in (house.bob, house.root):
            with pytest.raises(UploadNotFound, match=upload_id):
                inspect_upload(house.settings, viewer, upload_id)

    @pytest.mark.parametrize("upload_id", ["", "0" * 24, "../viveiro.sqlite3", "a/b", "a\0b", ".", "x" * 300])
    def test_what_is_no_upload_is_not_found(self, upload_id: str, house: House) -> None:
        with pytest.raises(UploadNotFound):
            open_upload(house.settings, house.alice, upload_id)

    def test_a_note_is_no_upload(self, house: House) -> None:
        upload_id = upload(house, b"text,label\n")
        with pytest.raises(UploadNotFound):
            open_upload(house.settings, house.alice, f"{upload_id}.json")

    def test_a_file_that_nobody_noted_opens_for_nobody(self, house: House) -> None:
        with receive_file(house.settings, None) as incoming:
            incoming.file.write(b"text,label\n")
        with pytest.raises(UploadNotFound):
            open_upload(house.settings, house.alice, incoming.upload_id)


class TestImport:
    def work(self, house: House, viewer: Viewer, upload_id: str) -> dict[str, Any]:
        """What the worker makes of an import that this viewer asked for."""
        with house.database.write() as session:
            ref = dataset_ref(f"{viewer.name}/tickets")
            start_import(session, viewer, ref, upload_id, ImportOptions("t.csv"), Visibility.PUBLIC)
        job, context = claimed(house, "dataset-import")
        return import_dataset(context, **job.arguments)

    def test_what_was_inspected_is_imported_and_then_gone(self, house: House) -> None:
        upload_id = upload(house, csv_text(rows(60)).encode())
        seen = inspect_upload(house.settings, house.alice, upload_id)
        report = self.work(house, house.alice, upload_id)
        assert sum(report["rows"].values()) == seen.rows
        assert [report["text_columns"][0], report["label_column"]] == [seen.text_column, seen.label_column]
        assert list(house.settings.incoming_dir.iterdir()) == []
        assert preview_rows(house.hub, house.alice, dataset_ref("alice/tickets")).rows

    def test_somebody_elses_is_not(self, house: House) -> None:
        upload_id = upload(house, csv_text(rows(60)).encode())
        with pytest.raises(UploadNotFound):
            self.work(house, house.bob, upload_id)
        assert open_upload(house.settings, house.alice, upload_id)

    def test_one_that_is_gone_says_to_send_it_again(self, house: House) -> None:
        upload_id = upload(house, csv_text(rows(60)).encode())
        discard_upload(house.settings, upload_id)
        with pytest.raises(UploadNotFound, match="Send the file again"):
            self.work(house, house.alice, upload_id)


class TestSweep:
    def sweep(self, house: House) -> dict[str, int]:
        with house.database.write() as session:
            enqueue(session, "incoming-sweep", {})
        return sweep_incoming_paths(claimed(house, "incoming-sweep")[1])

    def test_an_old_upload_goes_with_its_note_and_a_new_one_stays_with_its_own(self, house: House) -> None:
        old, new = upload(house, b"old"), upload(house, b"new")
        os.utime(incoming_path(house.settings, old), (0, 0))
        assert self.sweep(house) == {"swept": 1}
        assert {path.name for path in house.settings.incoming_dir.iterdir()} == {new, f"{new}.json"}

    def test_a_note_alone_goes_when_it_is_old(self, house: House) -> None:
        upload_id = upload(house, b"gone")
        incoming_path(house.settings, upload_id).unlink()
        assert self.sweep(house) == {"swept": 0}
        (note,) = house.settings.incoming_dir.iterdir()
        os.utime(note, (0, 0))
        self.sweep(house)
        assert not note.exists()

    def test_a_file_outlives_an_old_note(self, house: House) -> None:
        upload_id = upload(house, b"still arriving")
        os.utime(house.settings.incoming_dir / f"{upload_id}.json", (0, 0))
        self.sweep(house)
        assert open_upload(house.settings, house.alice, upload_id)


class TestInspection:
    def test_of_an_ordinary_csv(self, house: House) -> None:
        labelled = [(f"{text}, não é ótimo", label) for text, label in rows(120, classes=3)]
        seen = inspected(house, csv_text(labelled, delimiter=";").encode("cp1252"))
        assert (seen.format, seen.delimiter, seen.encoding) == ("csv", ";", "cp1252")
        assert (seen.text_column, seen.label_column, seen.separator, seen.multi_label) == ("text", "label", None, False)
        assert (seen.rows, seen.is_estimate, seen.counted) == (120, False, 120)
        assert [(column.type, column.role) for column in seen.columns] == [
            (ColumnType.STRING, ColumnRole.TEXT),
            (ColumnType.STRING, ColumnRole.LABEL),
        ]
        assert seen.columns[1].examples == ("class-0", "class-1", "class-2")
        assert seen.classes == tuple(ValueCount(f"class-{number}", 40) for number in range(3))
        assert len(seen.preview) == 20
        assert seen.preview[0] == (Cell("the pump number 0 makes a noise, não é ótimo"), Cell("class-0"))
        assert seen.findings == ()
        assert seen.is_usable

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_in_any_encoding(self, encoding: str, house: House) -> None:
        seen = inspected(house, csv_text([(f"ação {text}", label) for text, label in rows(120)]).encode(encoding))
        assert str(seen.preview[0][0].value).startswith("ação the pump")

    def test_of_json_lines(self, house: House) -> None:
        lines = [json.dumps({"text": text, "tags": [label, "all"]}) for text, label in rows(120)]
        seen = inspected(house, "\n".join(lines).encode(), "t.jsonl")
        assert (seen.format, seen.delimiter, seen.rows) == ("json_lines", None, 120)
        assert seen.multi_label
        assert seen.classes == (ValueCount("all", 120), ValueCount("class-0", 60), ValueCount("class-1", 60))
        assert seen.preview[0][1] == Cell(["class-0", "all"])

    def test_of_a_json_list(self, house: House) -> None:
        content = json.dumps([{"text": text, "label": label} for text, label in rows(120)])
        assert inspected(house, content.encode(), "t.json").format == "json"

    def test_of_parquet(self, house: House, tmp_path: Path) -> None:
        table = pa.table({"text": [text for text, _ in rows(120)], "label": [number % 2 for number in range(120)]})
        pq.write_table(table, tmp_path / "t.parquet")
        seen = inspected(house, (tmp_path / "t.parquet").read_bytes(), "t.parquet")
        assert (seen.format, seen.rows, seen.label_column) == ("parquet", 120, "label")
        assert [value.value for value in seen.classes] == ["0", "1"]

    def test_of_a_folder(self, house: House) -> None:
        seen = inspected(house, packed(class_files()), "texts")
        assert (seen.format, seen.text_column, seen.label_column) == ("folder", "text", "label")
        assert list(house.settings.cache_dir.iterdir()) == []

    def test_a_huge_cell_is_cut(self, house: House) -> None:
        seen = inspected(house, csv_text([("x" * 3_000_000, "class-0"), *rows(120)]).encode())
        assert seen.preview[0][0] == Cell("x" * 400, is_cut=True)
        assert len(seen.columns[0].examples[0]) <= 81

    def test_what_the_owner_says_wins(self, house: House) -> None:
        content = "title,text,label,kind\n" + "".join(
            f"a title {number},a longer text {number},one,{'ab'[number % 2]}\n" for number in range(120)
        )
        seen = inspected(house, content.encode(), text_column="title", label_column="kind")
        assert (seen.text_column, seen.label_column) == ("title", "kind")
        assert [value.value for value in seen.classes] == ["a", "b"]
        with pytest.raises(UnknownColumn, match="Did you mean 'kind'"):
            inspected(house, content.encode(), label_column="kinds")


class TestLargeFiles:
    """Limits are lowered, so that a small file is already a large one."""

    @pytest.fixture(autouse=True)
    def low_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inspecting, "WHOLE_BYTES", 6 * 2**20)
        monkeypatch.setattr(inspecting, "HEAD_BYTES", 4 * 2**20)

    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
    def test_the_rows_of_a_csv_are_estimated(self, encoding: str, house: House) -> None:
        seen = inspected(house, csv_text([(f"{text} não", label) for text, label in rows(200_000)]).encode(encoding))
        assert seen.is_estimate
        assert seen.counted < 100_000
        assert seen.rows == pytest.approx(200_000, rel=0.1)
        assert {value.value for value in seen.classes} == {"class-0", "class-1"}

    @pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
    def test_and_those_of_json(self, name: str, house: House) -> None:
        objects = [{"text": text, "label": label} for text, label in rows(200_000)]
        content = {"t.jsonl": "\n".join(map(json.dumps, objects)), "t.json": json.dumps(objects)}[name]
        seen = inspected(house, content.encode(), name)
        assert seen.is_estimate
        assert seen.counted < 100_000
        assert seen.rows == pytest.approx(200_000, rel=0.3)

    def test_parquet_knows_how_many_it_has(self, house: House, tmp_path: Path) -> None:
        texts = [os.urandom(20).hex() for _ in range(200_000)]
        pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet")
        seen = inspected(house, (tmp_path / "t.parquet").read_bytes(), "t.parquet")
        assert (seen.rows, seen.is_estimate) == (200_000, False)
        assert seen.counted < 100_000

    def test_rare_classes_are_not_found_rare_by_a_sample(self, house: House) -> None:
        content = csv_text([("a text of the rare class", "rare"), *rows(200_000)]).encode()
        assert "rare_classes" not in codes(inspected(house, content))


class TestFindings:
    def table(self, labels: list[str]) -> bytes:
        return csv_text([(f"this is text number {number}", label) for number, label in enumerate(labels)]).encode()

    def test_one_class_only(self, house: House) -> None:
        seen = inspected(house, self.table(["one"] * 120), label_column="label")
        assert finding(seen, "one_class").severity == "error"
        assert not seen.is_usable

    def test_too_few_rows_of_each(self, house: House) -> None:
        seen = inspected(house, self.table([f"class {number // 2}" for number in range(120)]), label_column="label")
        assert not seen.is_usable

    def test_rare_classes(self, house: House) -> None:
        assert finding(inspected(house, self.table(["a", "b"] * 60 + ["c"])), "rare_classes").severity == "warning"

    def test_imbalance(self, house: House) -> None:
        assert "imbalance" in codes(inspected(house, self.table(["a"] * 200 + ["b"] * 6)))

    def test_class_names_that_differ_in_case(self, house: House) -> None:
        assert "similar_classes" in codes(inspected(house, self.table(["Pump", "pump", "oil"] * 40)))

    def test_a_label_that_is_an_identifier(self, house: House) -> None:
        seen = inspected(house, self.table([f"id {number}" for number in range(120)]), label_column="label")
        assert finding(seen, "label_is_identifier").severity == "warning"
        seen = inspected(house, self.table([f"id {number}" for number in range(2000)]), label_column="label")
        assert finding(seen, "label_is_identifier").severity == "error"

    def test_several_labels_a_cell(self, house: House) -> None:
        labels = ["pump|oil", "oil", "pump", "oil|belt", "belt"] * 30
        seen = inspected(house, self.table(labels))
        assert (seen.separator, seen.multi_label, seen.class_count) == ("|", True, 3)
        assert "|" in finding(seen, "several_labels").sentence
        assert inspected(house, self.table(labels), label_separator="").class_count == 5

    def test_neither_text_nor_label(self, house: House) -> None:
        content = "a,b\n" + "".join(f"{number},{number / 4}\n" for number in range(120))
        assert {"no_text", "no_label"} <= codes(inspected(house, content.encode()))

    def test_many_empty_texts(self, house: House) -> None:
        content = csv_text([*rows(120), *[("", "class-0")] * 30]).encode()
        found = finding(inspected(house, content), "empty")
        assert found.severity == "warning"
        assert "20.0% of the rows have no text" in found.sentence

    def test_rows_that_cannot_be_read(self, house: House) -> None:
        content = csv_text(rows(120)) + "a,b,c,d\n"
        assert "1 rows of table.csv cannot be read" in finding(inspected(house, content.encode()), "malformed").sentence

    def test_columns_without_a_name_of_their_own(self, house: House) -> None:
        content = csv_text(rows(120), header="text{}text").encode()
        assert "column_renamed" in codes(inspected(house, content))

    def test_few_rows(self, house: House) -> None:
        assert "few_rows" in codes(inspected(house, csv_text(rows(20)).encode()))

    def test_they_are_kept_as_sentences(self, house: House) -> None:
        for found in inspected(house, self.table(["a|b", "b|a", "a", "b"] * 5)).findings:
            assert Finding.from_json(found.to_json()) == found


class TestMalformed:
    @pytest.mark.parametrize(
        ("content", "name", "why"),
        [
            (b"", "t.csv", "empty"),
            (b"text,label\n", "t.csv", "no rows"),
            (b"%PDF-1.7 something", "t.csv", "PDF"),
            (b"PK\x03\x04" + b"\0" * 100, "t.xlsx", "spreadsheet"),
            (bytes(range(256)) * 20, "t.csv", "binary"),
            (b"PAR1 and then nothing", "t.parquet", "damaged Parquet"),
            (b'[{"text": "a"}, {"text"', "t.json", "broken JSON"),
            (b"a,b\n" + b"1,2\n" * 5 + b"1\n" * 5, "t.csv", "cannot be read"),
        ],
    )
    def test_is_refused_as_its_import_would(self, content: bytes, name: str, why: str, house: House) -> None:
        with pytest.raises(UnreadableFile, match=why):
            inspected(house, content, name)

    def test_and_can_be_looked_at_again(self, house: House) -> None:
        upload_id = upload(house, b"")
        for _ in range(2):
            with pytest.raises(UnreadableFile):
                inspect_upload(house.settings, house.alice, upload_id)
