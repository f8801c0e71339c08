"""Files that people send and that are not what they think: each is named as what it is, or what was left out is said."""

import errno
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from tests.unit.datasets.tables import csv_text, import_bytes, rows
from viveiro.datasets.formats import Csv, JsonArray, JsonLines, sniff
from viveiro.datasets.importing import import_table
from viveiro.datasets.incoming import receive_file
from viveiro.datasets.types import DropReason, ImportOptions
from viveiro.errors import StorageFull, UnreadableFile, UnusableData
from viveiro.settings import Settings


def workbook() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return stream.getvalue()


def json_lines(count: int = 30) -> list[str]:
    return [json.dumps({"text": text, "label": label}) for text, label in rows(count)]


class TestNoTable:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "is empty"),
            (b"\n \n", "is empty"),
            (b"text,label\n", "no rows"),
            (workbook(), r"Excel workbook \(xlsx\).*Save it as CSV"),
            (b"PK\x03\x04 and no zip after all", "zip archive"),
            (b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture"),
            (bytes(range(256)) * 100, "binary file"),
            (b"\x7fELF" + bytes(1000), "binary file"),
            (b"<html><body>Sign in first</body></html>", "usable row|no rows"),
            (",".join(f"c{number}" for number in range(2000)).encode() + b"\n1,2\n", "2000 fields"),
            (b'{"rows": [1, 2', "looks like JSON"),
        ],
    )
    def test_it_is_named_as_what_it_is(self, content: bytes, said: str, tmp_path: Path) -> None:
        with pytest.raises((UnreadableFile, UnusableData), match=said):
            import_bytes(content, tmp_path)


class TestRaggedRows:
    def test_a_few_are_left_out_and_numbered(self, tmp_path: Path) -> None:
        lines = csv_text(rows(30)).splitlines()
        lines[6:6] = ["too,many,fields"]
        lines[20:20] = ["too few"]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path)
        assert [(row.row, row.detail) for row in report.dropped.examples] == [(6, "3 ≠ 2"), (20, "1 ≠ 2")]
        assert sum(report.rows.values()) == 30

    def test_many_mean_that_the_file_is_not_what_it_was_taken_for(self, tmp_path: Path) -> None:
        broken = csv_text([(f"{text}, and so on", label) for text, label in rows(30)])
        with pytest.raises(UnreadableFile, match=r"30 of 30 rows .* row 1 \(3 ≠ 2\)"):
            import_bytes(broken.encode(), tmp_path)


class TestHeaders:
    def test_two_columns_of_one_name_are_told_apart_and_it_is_said(self, tmp_path: Path) -> None:
        table = "text,label,text,\n" + "".join(f"{text},{label},other,x\n" for text, label in rows(30))
        report, folder = import_bytes(table.encode(), tmp_path)
        assert report.renamed == {"text_2": "text", "column_4": ""}
        findings = json.loads((folder / "viveiro_import.json").read_text())["findings"]
        assert [finding["code"] for finding in findings] == ["column_renamed", "column_named"]

    @pytest.mark.parametrize(
        "row",
        ["{label}\t{text}", "{number}\t{text}\t{label}", "{number}.5\t{text}", "{text}" + " and more" * 20 + "\tx"],
    )
    def test_a_first_row_in_their_place_is_said(self, row: str, tmp_path: Path) -> None:
        lines = [row.format(number=number, text=text, label=label) for number, (text, label) in enumerate(rows(30))]
        _, folder = import_bytes("\n".join(lines).encode(), tmp_path, unlabelled="{label}" not in row)
        finding = json.loads((folder / "viveiro_import.json").read_text())["findings"][0]
        assert (finding["code"], finding["severity"]) == ("no_header", "warning")
        assert "add a line above it" in finding["message"]

    @pytest.mark.parametrize(
        "header", ["text\tlabel", "sms\tclass", "0\t1", "\t0", "Does the machine run?\tspam", "2019\tlabel"]
    )
    def test_what_names_columns_is_no_row(self, header: str, tmp_path: Path) -> None:
        table = csv_text(rows(30), delimiter="\t", header=header)
        _, folder = import_bytes(table.encode(), tmp_path, unlabelled=True)
        findings = json.loads((folder / "viveiro_import.json").read_text())["findings"]
        assert "no_header" not in [finding["code"] for finding in findings]

    def test_fifty_columns_are_kept(self, tmp_path: Path) -> None:
        extra = ",".join(f"c{number}" for number in range(48))
        table = f"text,label,{extra}\n" + "".join(f"{text},{label},{','.join('1' * 48)}\n" for text, label in rows(30))
        assert len(import_bytes(table.encode(), tmp_path)[0].profiles) == 50


class TestStrangeBytes:
    def test_a_nul_in_a_text_becomes_a_replacement_character(self, tmp_path: Path) -> None:
        content = csv_text([*rows(60), ("a dam\0aged text", "class-0")]).encode()
        report, folder = import_bytes(content, tmp_path)
        assert report.encoding is not None
        assert report.encoding.replaced == 1
        findings = json.loads((folder / "viveiro_import.json").read_text())["findings"]
        assert "became “\ufffd”" in findings[0]["message"]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "utf-8-sig"])
    def test_json_lines_of_any_marked_or_usual_encoding(self, encoding: str, tmp_path: Path) -> None:
        lines = "\n".join(
            [*json_lines(), json.dumps({"text": "pressão é ação", "label": "class-0"}, ensure_ascii=False)]
        )
        marked = f"\ufeff{lines}" if encoding == "utf-16-le" else lines
        report, _ = import_bytes(marked.encode(encoding), tmp_path, name="t.jsonl")
        assert sum(report.rows.values()) == 31


class TestLongRows:
    def test_a_row_of_ten_megabytes_is_left_out(self, tmp_path: Path) -> None:
        huge = '"' + "a line, of many\n" * 700_000 + '",class-0\n'
        report, _ = import_bytes((csv_text(rows(30)) + huge + "the last,class-1\n").encode(), tmp_path)
        assert report.dropped.counts == {DropReason.TOO_LONG: 1}
        assert sum(report.rows.values()) == 31

    def test_an_endless_line_is_refused_with_its_place(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="longer than 16 MiB"):
            import_bytes(csv_text(rows(30)).encode() + b"x" * (40 * 2**20), tmp_path)

    def test_an_endless_line_of_json_is_refused_with_its_number(self, tmp_path: Path) -> None:
        lines = "\n".join([*json_lines(5), json.dumps({"text": "x" * (17 * 2**20)})])
        with pytest.raises(UnreadableFile, match=r"Row 6 of table\.csv is longer than 16 MiB"):
            import_bytes(lines.encode(), tmp_path)


class TestJson:
    def test_a_list_of_objects_is_a_table(self, tmp_path: Path) -> None:
        table = [{"text": text, "label": label} for text, label in rows(30)]
        for number, indent in enumerate((None, 2)):
            (tmp_path / str(number)).mkdir()
            report, _ = import_bytes(json.dumps(table, indent=indent).encode(), tmp_path / str(number), name="t.json")
            assert sum(report.rows.values()) == 30

    def test_objects_longer_than_what_is_read_at_once(self, tmp_path: Path) -> None:
        table = [
            {"text": text + " x" * 400_000 * (number == 3), "label": label}
            for number, (text, label) in enumerate(rows(30))
        ]
        report, _ = import_bytes(json.dumps(table).encode(), tmp_path, name="t.json")
        assert sum(report.rows.values()) == 30

    @pytest.mark.parametrize("end", ["", ",", ', {"text": "cut in the'])
    def test_a_list_that_is_not_closed_is_refused_with_its_row(self, end: str, tmp_path: Path) -> None:
        content = json.dumps([{"text": text, "label": label} for text, label in rows(30)])[:-1] + end
        with pytest.raises(UnreadableFile, match=r"row 30|Row 31"):
            import_bytes(content.encode(), tmp_path, name="t.json")

    def test_one_broken_line_is_left_out_and_numbered(self, tmp_path: Path) -> None:
        lines = json_lines()
        lines[4] = lines[4][:-3]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert [(row.row, row.reason) for row in report.dropped.examples] == [(5, DropReason.MALFORMED)]

    def test_a_broken_first_line_does_not_make_it_another_form(self, tmp_path: Path) -> None:
        (tmp_path / "t").write_text("\n".join(["{broken", *json_lines()]))
        assert isinstance(sniff(tmp_path / "t", "t.jsonl"), JsonLines)

    def test_many_broken_lines_are_refused_with_the_first(self, tmp_path: Path) -> None:
        lines = [line if number % 2 else line[:-1] for number, line in enumerate(json_lines())]
        with pytest.raises(UnreadableFile, match=r"15 of 30 rows .* row 1"):
            import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")

    def test_half_characters_and_numbers_that_are_none_do_no_harm(self, tmp_path: Path) -> None:
        lines = [*json_lines(), '{"text": "half \\ud83c of it", "label": "class-0"}', '{"text": "nan", "label": NaN}']
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert sum(report.rows.values()) == 31
        assert report.dropped.counts == {DropReason.EMPTY_LABEL: 1}

    def test_numbers_of_any_size_are_numbers(self, tmp_path: Path) -> None:
        lines = [*json_lines(), json.dumps({"text": "big", "label": "class-0", "serial": 10**30})]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert sum(report.rows.values()) == 31

    @pytest.mark.parametrize(("content", "form"), [(b"[]", JsonArray), (b'{"text": "a"}', JsonLines), (b"a,b\n", Csv)])
    def test_forms_are_told_apart(self, content: bytes, form: type, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(content)
        assert isinstance(sniff(tmp_path / "file", "file"), form)


class TestLabels:
    def test_a_million_different_labels_are_none(self, tmp_path: Path) -> None:
        table = [(text, f"serial-{number}") for number, (text, _) in enumerate(rows(1200))]
        with pytest.raises(UnusableData, match="so it is no label"):
            import_bytes(csv_text(table).encode(), tmp_path, label="label")

    def test_labels_of_blanks_and_nan_are_missing(self, tmp_path: Path) -> None:
        strange = [("one text", " "), ("another text", "NaN"), ("a third text", "null")]
        report, _ = import_bytes(csv_text([*rows(30), *strange]).encode(), tmp_path)
        assert report.dropped.counts == {DropReason.EMPTY_LABEL: 3}


class TestFullDisk:
    def test_an_import_says_so_and_leaves_no_dataset(self, tmp_path: Path) -> None:
        file, work, folder = tmp_path / "t.csv", tmp_path / "work", tmp_path / "dataset"
        file.write_text(csv_text(rows(30)))
        work.mkdir()
        folder.mkdir()
        (work / "staged.parquet").symlink_to("/dev/full")
        with pytest.raises(StorageFull, match="is full"):
            import_table(file, ImportOptions("t.csv"), work, folder, lambda _fields: None)
        assert list(folder.iterdir()) == []

    def test_an_upload_says_so_and_leaves_no_file(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)

        def fill() -> None:
            with receive_file(settings, None):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(StorageFull):
            fill()
        assert list(settings.incoming_dir.iterdir()) == []

    def test_an_announced_size_beyond_the_disk_is_refused_before_it_is_sent(self, tmp_path: Path) -> None:
        with pytest.raises(StorageFull), receive_file(Settings(data_dir=tmp_path), 2**60):
            pytest.fail("it was let in")
