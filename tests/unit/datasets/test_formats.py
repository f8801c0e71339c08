"""What a file is, is told by its bytes."""

import json
from pathlib import Path

import pytest

from viveiro.datasets.encodings import guess_encoding
from viveiro.datasets.formats import Csv, JsonLines, Parquet, guess_delimiter, sniff, unique_names
from viveiro.errors import UnreadableFile

PORTUGUESE = "texto;rótulo\nóleo no chão;hidráulica\n"


def sniffed(content: bytes, tmp_path: Path, name: str = "tickets.csv") -> object:
    (tmp_path / "file").write_bytes(content)
    return sniff(tmp_path / "file", name)


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "utf-8-sig", "utf-16"])
    def test_portuguese_survives_every_usual_encoding(self, encoding: str, tmp_path: Path) -> None:
        found = sniffed(PORTUGUESE.encode(encoding), tmp_path)
        assert isinstance(found, Csv)
        assert found.names == ("texto", "rótulo")

    def test_the_windows_code_page_is_told_by_its_quotes(self) -> None:
        assert guess_encoding([b"\x93quoted\x94 text"]).name == "cp1252"

    def test_bytes_that_the_windows_code_page_lacks_mean_latin_1(self) -> None:
        assert guess_encoding([b"\xe9t\xe9 \x81"]).name == "latin-1"

    def test_one_broken_character_does_not_turn_a_utf_8_file_into_gibberish(self) -> None:
        assert guess_encoding(["é".encode() * 100 + b"\xff" + b"plain"]).name == "utf-8"

    def test_a_character_cut_between_two_chunks_is_whole(self) -> None:
        assert guess_encoding([b"caf\xc3", b"\xa9"]).name == "utf-8"

    def test_the_first_accent_may_come_after_a_million_letters(self) -> None:
        assert guess_encoding([b"a" * 2**20, "ção".encode("latin-1")]).name == "cp1252"


class TestDelimiter:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "~", "^"])
    def test_it_is_the_one_that_cuts_all_rows_alike(self, delimiter: str) -> None:
        sample = f"text{delimiter}label\n" + f"a b{delimiter}x\n" * 5
        assert guess_delimiter(sample, whole=True) == delimiter

    def test_commas_in_texts_do_not_outvote_semicolons_between_fields(self) -> None:
        sample = "text;label\n" + "oil, grease, water;leak\n" * 5
        assert guess_delimiter(sample, whole=True) == ";"

    def test_a_table_of_one_column_has_none(self) -> None:
        assert guess_delimiter("text\nfirst\nsecond\n", whole=True) == ","

    def test_where_two_cut_alike_the_comma_of_sentences_is_none(self) -> None:
        assert guess_delimiter('good;"a text, and more"\n' * 5, whole=True) == ";"

    def test_excels_line_above_the_header_tells_it(self, tmp_path: Path) -> None:
        found = sniffed(b"\xef\xbb\xbfsep=|\r\ntext;a|label;b\r\none;two|x\r\n", tmp_path)
        assert isinstance(found, Csv)
        assert (found.delimiter, found.names) == ("|", ("text;a", "label;b"))

    def test_a_field_that_spans_lines_is_one_field(self) -> None:
        assert guess_delimiter('text;label\n"a, b,\nc, d";x\n"e,\nf";y\n', whole=True) == ";"


class TestKind:
    def test_objects_on_lines_are_json_lines(self, tmp_path: Path) -> None:
        assert isinstance(sniffed(b'\n{"text": "a"}\n', tmp_path), JsonLines)

    @pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
    def test_lines_end_where_json_lines_end_them(self, separator: str, tmp_path: Path) -> None:
        rows = [json.dumps({"text": f"first{separator}second"}, ensure_ascii=False) for _ in range(20)]
        assert isinstance(sniffed("\n".join(rows).encode(), tmp_path), JsonLines)
        broken_first = ["{", *rows]
        assert isinstance(sniffed("\n".join(broken_first).encode(), tmp_path), JsonLines)

    def test_parquet_is_known_by_its_magic_whatever_its_name(self, tmp_path: Path) -> None:
        assert isinstance(sniffed(b"PAR1....PAR1", tmp_path, "rows.csv"), Parquet)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "empty"),
            (b"  \n\n ", "empty"),
            (b"PK\x03\x04rest", "spreadsheet"),
            (b"\x1f\x8brest", "gzip"),
            (b"%PDF-1.7", "PDF"),
            (b"text,label\n\0\0\0", "binary"),
            (json.dumps(["a", "b"]).encode(), "one object a line"),
            (b'{\n  "text": "a"\n}', "one object a line"),
        ],
    )
    def test_what_is_no_table_is_refused_with_the_way_out(self, content: bytes, said: str, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match=said):
            sniffed(content, tmp_path)


class TestColumnNames:
    def test_blank_and_repeated_names_become_distinct(self) -> None:
        assert unique_names(["text", "", "text", " label "]) == ("text", "column_2", "text_2", "label")
