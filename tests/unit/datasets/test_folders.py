"""Folders, as they arrive: a tar."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.datasets.tables import csv_text, import_bytes, rows
from viveiro.cli.folders import folder_as_tar
from viveiro.datasets.layouts import TextPlace, class_folders, table_splits
from viveiro.datasets.sources import folders
from viveiro.datasets.types import DropReason
from viveiro.errors import InvalidInput, InvalidPath, UnreadableFile


def packed(files: Mapping[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def packed_entry(entry: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)
    return stream.getvalue()


def class_files(prefix: str = "", count: int = 30) -> dict[str, str]:
    return {f"{prefix}{label}/{number}.txt": text for number, (text, label) in enumerate(rows(count))}


def split_rows(folder: Path, split: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pq.read_table(folder / "data" / f"{split}-00000-of-00001.parquet").to_pylist()
    return found


class TestLayouts:
    @pytest.mark.parametrize(
        ("paths", "expected"),
        [
            (["spam/1.txt", "ham/2.txt"], [TextPlace(None, "spam"), TextPlace(None, "ham")]),
            (["mail/spam/1.txt", "mail/ham/2.txt"], [TextPlace(None, "spam"), TextPlace(None, "ham")]),
            (["train/pos/1.txt", "test/neg/1.txt"], [TextPlace("train", "pos"), TextPlace("test", "neg")]),
            (["a/train/pos/1.txt", "a/dev/neg/1.txt"], [TextPlace("train", "pos"), TextPlace("validation", "neg")]),
            (["train/pos/1.txt", "train/neg/1.txt"], [TextPlace("train", "pos"), TextPlace("train", "neg")]),
            (["train/pos/1.txt", "readme.txt"], [TextPlace("train", "pos"), None]),
            (["news/sport/old/1.txt", "news/art/2.txt"], [TextPlace(None, "sport"), TextPlace(None, "art")]),
            (["a/pos/1.txt", "a/neg/2.txt", "README.md"], [TextPlace(None, "pos"), TextPlace(None, "neg"), None]),
            (["a/pos/1.txt", "a/neg/2.txt", "a/README.md"], [TextPlace(None, "pos"), TextPlace(None, "neg"), None]),
            (["a/1.txt", "a/2.txt", "a/more/3.txt"], [TextPlace(None, "a")] * 3),
            (["a/train/pos/1.txt", "README.md"], [TextPlace("train", "pos"), None]),
            (["1.txt", "2.txt"], [None, None]),
            (["train/1.txt", "test/2.txt"], [None, None]),  # splits, and no label anywhere
        ],
    )
    def test_folders_name_labels_and_splits(self, paths: list[str], expected: list[TextPlace | None]) -> None:
        assert class_folders([tuple(path.split("/")) for path in paths]) == expected

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["train.csv", "test.csv"], ["train", "test"]),
            (["rows.csv", "test.csv"], ["train", "test"]),
            (["a.csv", "b.csv"], [None, None]),
            (["train-0.csv", "train-1.csv"], [None, None]),  # nothing to judge by: splits are dealt
            (["test.csv", "dev.csv"], [None, None]),  # nothing to learn from
        ],
    )
    def test_names_of_tables_tell_splits(self, names: list[str], expected: list[str | None]) -> None:
        assert table_splits(names) == expected


class TestClassFolders:
    def test_each_file_is_a_row_and_its_folder_the_label(self, tmp_path: Path) -> None:
        report, folder = import_bytes(packed(class_files()), tmp_path, name="mail")
        assert report.classes == ("class-0", "class-1")
        assert sum(report.rows.values()) == 30
        assert {row["text"] for split in report.rows for row in split_rows(folder, split)} == {
            text for text, _ in rows(30)
        }

    def test_splits_of_the_folder_are_kept(self, tmp_path: Path) -> None:
        files = class_files("train/", 30) | {f"test/class-0/{n}.txt": f"a text of its own {n}" for n in range(5)}
        report, folder = import_bytes(packed(files), tmp_path, name="mail")
        assert report.rows == {"train": 30, "test": 5}
        assert report.splits_given
        assert "Splits are those of the imported files" in (folder / "README.md").read_text()

    def test_a_training_text_that_is_also_in_test_is_left_out_and_said(self, tmp_path: Path) -> None:
        files = class_files("train/", 30) | {"test/class-0/0.txt": rows(1)[0][0].upper(), "test/class-1/1.txt": "other"}
        report, _ = import_bytes(packed(files), tmp_path, name="mail")
        assert report.rows == {"train": 29, "test": 2}
        dropped = report.dropped.examples[0]
        assert (dropped.reason, dropped.file) == (DropReason.IN_ANOTHER_SPLIT, "train/class-0/0.txt")

    def test_texts_in_several_encodings_and_what_is_no_text(self, tmp_path: Path) -> None:
        files: dict[str, bytes | str] = {
            **class_files(),
            "class-0/latin.txt": "pressão".encode("cp1252"),
            "class-0/wide.txt": "vazão".encode("utf-16"),
            "class-1/picture.png": b"\x89PNG",
            ".DS_Store": b"\0\0",
        }
        report, folder = import_bytes(packed(files), tmp_path, name="mail")
        texts = {row["text"] for split in report.rows for row in split_rows(folder, split)}
        assert {"pressão", "vazão"} <= texts
        assert set(report.ignored) == {"class-1/picture.png", ".DS_Store"}

    def test_a_file_of_many_megabytes_is_left_out_unread(self, tmp_path: Path) -> None:
        report, _ = import_bytes(packed({**class_files(), "class-0/long.txt": b"x" * 5_000_000}), tmp_path)
        assert [(row.reason, row.file) for row in report.dropped.examples] == [
            (DropReason.TOO_LONG, "class-0/long.txt")
        ]


class TestTables:
    def test_given_splits_are_kept(self, tmp_path: Path) -> None:
        files = {"train.csv": csv_text(rows(30)), "test.csv": csv_text(rows(40)[30:])}
        report, folder = import_bytes(packed(files), tmp_path, name="bank")
        assert report.rows == {"train": 30, "test": 10}
        assert len(split_rows(folder, "test")) == 10

    def test_what_training_rows_share_with_test_beside_their_text_drops_none(self, tmp_path: Path) -> None:
        def table(part: list[tuple[str, str]]) -> str:
            told = [(text, f"{label},{'email' if number % 2 else 'chat'}") for number, (text, label) in enumerate(part)]
            return csv_text(told, header="text{}label,content_type")

        files = {"train.csv": table(rows(30)), "test.csv": table(rows(40)[30:])}
        report, _ = import_bytes(packed(files), tmp_path, name="bank")
        assert report.rows == {"train": 30, "test": 10}
        assert not report.dropped.counts

    def test_forms_may_differ_as_long_as_columns_do_not(self, tmp_path: Path) -> None:
        lines = [json.dumps({"label": label, "text": text}) for text, label in rows(40)[30:]]
        files = {"train.csv": csv_text(rows(30), delimiter=";"), "test.jsonl": "\n".join(lines)}
        report, _ = import_bytes(packed(files), tmp_path, name="bank")
        assert report.rows == {"train": 30, "test": 10}

    def test_parts_without_splits_are_one_table(self, tmp_path: Path) -> None:
        files = {"a.csv": csv_text(rows(30)), "b.csv": csv_text([*rows(60)[30:], rows(1)[0], ("", "class-0")])}
        report, _ = import_bytes(packed(files), tmp_path, name="bank")
        assert report.rows == {"train": 42, "validation": 6, "test": 12}
        assert [(row.reason, row.file, row.row) for row in report.dropped.examples] == [
            (DropReason.EMPTY_TEXT, "b.csv", 32),
            (DropReason.DUPLICATE, "b.csv", 31),
        ]

    def test_other_columns_are_refused_by_name(self, tmp_path: Path) -> None:
        files = {"train.csv": csv_text(rows(30)), "test.csv": "text\na text\n"}
        with pytest.raises(UnreadableFile, match=r"test\.csv has other columns than train\.csv"):
            import_bytes(packed(files), tmp_path)


class TestHostileArchives:
    @pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b.txt", "a\\b.txt", ".git/config"])
    def test_a_path_that_leads_out_is_refused(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidPath):
            import_bytes(packed({**class_files(), path: "text"}), tmp_path)

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices_are_refused(self, kind: bytes, tmp_path: Path) -> None:
        entry = tarfile.TarInfo("class-0/link.txt")
        entry.type, entry.linkname = kind, "/etc/passwd"
        with pytest.raises(UnreadableFile, match=r"class-0/link\.txt .* a link or a device"):
            import_bytes(packed_entry(entry), tmp_path)

    def test_a_header_of_many_megabytes_never_reaches_memory(self, tmp_path: Path) -> None:
        entry = tarfile.TarInfo("class-0/1.txt")
        entry.pax_headers = {"comment": "x" * (2 * folders.LONGEST_HEADER)}
        with pytest.raises(UnreadableFile, match="damaged tar archive"):
            import_bytes(packed_entry(entry), tmp_path)

    def test_too_many_files_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "MOST_FILES", 20)
        with pytest.raises(UnreadableFile, match="more than 20 files"):
            import_bytes(packed(class_files()), tmp_path)

    def test_a_cut_archive_is_named_as_what_it_is(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match=r"damaged|neither"):
            import_bytes(packed(class_files())[:1000], tmp_path)

    def test_a_folder_without_texts_or_tables_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="class folders"):
            import_bytes(packed({"a.png": b"\x89PNG", "b.pdf": b"%PDF"}), tmp_path)


class TestFolderAsTar:
    def test_what_the_command_line_sends_is_what_lies_there(self, tmp_path: Path) -> None:
        folder = tmp_path / "mail"
        for path, text in class_files().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        (folder / "class-0" / f"{'long' * 50}.txt").write_text("a long name")
        (folder / "class-0" / "link.txt").symlink_to("/etc/passwd")
        (tmp_path / "import").mkdir()
        report, _ = import_bytes(b"".join(folder_as_tar(folder)), tmp_path / "import", name="mail")
        assert sum(report.rows.values()) == 31

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="no file"):
            folder_as_tar(tmp_path)
