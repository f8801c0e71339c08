"""Which kind of table a file holds, decided from its bytes: names and extensions lie."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from viveiro.datasets.encodings import Encoding, encoding_of, marked_encoding
from viveiro.errors import UnreadableFile
from viveiro.locale import Sentence

SAMPLE_BYTES: Final = 256 * 1024
DELIMITERS: Final = ",;\t|~^:\x1f"
"""In order of preference when two explain a file equally well."""
MOST_COLUMNS: Final = 1000
FEW_LINES: Final = 6
"""So many lines of a text do not look like rows by chance."""
ROWS_AMONG_LINES: Final = 0.9
"""Share of lines that look like rows from which all of them are."""
_SEP_LINE: Final = re.compile(rf"sep=([{re.escape(DELIMITERS)}])\r?\n", re.IGNORECASE)
_BY_COLUMN: Final = re.compile(r'\s*\{\s*("[^"]*"\s*:\s*\{\s*"\d+"|"\d+"\s*:\s*\{\s*"[^"]*")\s*:')
"""How an object begins that holds rows by number in columns, or columns in rows by number."""
_BINARY: Final = {
    b"PK\x03\x04": Sentence("a zip archive"),
    b"PK\x05\x06": Sentence("an empty zip archive"),
    b"\xd0\xcf\x11\xe0": Sentence("an old Excel workbook (xls)"),
    b"%PDF": Sentence("a PDF document"),
    b"\x1f\x8b": Sentence("a gzip archive"),
    b"BZh": Sentence("a bzip2 archive"),
    b"\xfd7zXZ": Sentence("an xz archive"),
    b"7z\xbc\xaf": Sentence("a 7-Zip archive"),
    b"\x28\xb5\x2f\xfd": Sentence("a zstd archive"),
    b"SQLite format 3": Sentence("an SQLite database"),
    b"\x89PNG": Sentence("a picture (PNG)"),
    b"\xff\xd8\xff": Sentence("a picture (JPEG)"),
    b"ARROW1": Sentence("an Arrow file"),
    b"Obj\x01": Sentence("an Avro file"),
    b"ORC": Sentence("an ORC file"),
}
_TAR_MAGIC: Final = (257, b"ustar")
_WORKBOOKS: Final = {
    "xl/": Sentence("an Excel workbook (xlsx)"),
    "content.xml": Sentence("a LibreOffice document (ods, odt)"),
}
_BINARY_SHARE: Final = 0.05
"""Of control characters in a sample: with more of them it is no text."""
_CONTROLS: Final = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b\x1f")


@dataclass(frozen=True, slots=True)
class Csv:
    """`names` are the header's, made unique; the header itself is still in the file."""

    encoding: Encoding
    delimiter: str
    names: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    """Columns whose name was blank or taken: the name they got, and what the header says."""
    has_quoting: bool = True
    """Whether quotes enclose fields. Else they are characters like any other."""
    has_blanks: bool = False
    """Whether a blank stands between a delimiter and the quote behind it."""
    has_sep_line: bool = False
    """Whether a line above the header tells Excel the delimiter."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class JsonArray:
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Parquet:
    pass


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder, as an uncompressed tar."""


TableFormat: TypeAlias = Csv | JsonLines | JsonArray | Parquet
FileFormat: TypeAlias = TableFormat | Archive


def sniff(path: Path, name: str, most_bytes: int | None = None) -> FileFormat:
    """Look into a file. `name` is the one its owner knows it by.

    Args:
        most_bytes: after which to stop looking for characters that tell the encoding.

    Raises:
        UnreadableFile: it is empty, binary, or of a form that holds no rows.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if head.startswith(b"PAR1"):
        return Parquet()
    if head[_TAR_MAGIC[0] :].startswith(_TAR_MAGIC[1]):
        return Archive()
    _refuse_binary(path, head, name)
    encoding = encoding_of(path, most_bytes)
    whole = len(head) < SAMPLE_BYTES
    sample = head.decode(encoding.name, errors="ignore").removeprefix("\ufeff")
    if not sample.strip():
        raise UnreadableFile("{name} is empty. Send a file with a header and at least one row below it.", name=name)
    if sample.lstrip()[0] in "{[":
        return _json_format(sample, encoding, name, whole=whole)
    return _csv_format(sample, encoding, name, whole=whole)


def guess_delimiter(sample: str, *, whole: bool) -> str:
    """The character that cuts most rows into as many fields as the header has; of equals the one with fewer blanks behind it. A
    table of one column has none: ','."""
    scores = {delimiter: _consistency(sample, delimiter, whole=whole) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: (scores[delimiter], -sample.count(f"{delimiter} ")))
    return best if scores[best] > (0.0, 0) else ","


def unique_names(header: Iterable[str]) -> tuple[str, ...]:
    """Column names that can be told apart: blanks are numbered, repetitions get a suffix."""
    names: dict[str, None] = {}
    for position, raw in enumerate(header, start=1):
        name = base = raw.strip() or f"column_{position}"
        repetition = 2
        while name in names:
            name, repetition = f"{base}_{repetition}", repetition + 1
        names[name] = None
    return tuple(names)


def _csv_format(sample: str, encoding: Encoding, name: str, *, whole: bool) -> Csv:
    sep_line = _SEP_LINE.match(sample)
    if sep_line:
        sample = sample[sep_line.end() :]
    delimiter = sep_line[1] if sep_line else guess_delimiter(sample, whole=whole)
    has_blanks = _has_blanks(sample, delimiter)
    header = _rows(sample, delimiter, skip_blanks=has_blanks)[0]
    if len(header) > MOST_COLUMNS:
        raise UnreadableFile(
            "The first line of {name} has {columns} fields, and a table may have {most} columns. "
            "Is its first line a header? Leave out the columns that are not needed.",
            name=name,
            columns=len(header),
            most=MOST_COLUMNS,
        )
    names = unique_names(header)
    return Csv(
        encoding,
        delimiter,
        names,
        renamed={new: old.strip() for new, old in zip(names, header, strict=True) if new != old.strip()},
        has_quoting=has_blanks or not _ties_rows(sample, delimiter, whole=whole),
        has_blanks=has_blanks,
        has_sep_line=sep_line is not None,
    )


def _refuse_binary(path: Path, head: bytes, name: str) -> None:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise UnreadableFile(
                "{name} is {what}, not a table of text. Save it as CSV, JSON Lines or Parquet (or unpack it), then import that.",
                name=name,
                what=_kind_of_zip(path) if magic == b"PK\x03\x04" else what,
            )
    if marked_encoding(head) is None and len(head.translate(None, _CONTROLS)) < len(head) * (1 - _BINARY_SHARE):
        raise UnreadableFile("{name} is a binary file, not a table. Import CSV, JSON Lines or Parquet.", name=name)


def _kind_of_zip(path: Path) -> Sentence:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        names = []
    for beginning, what in _WORKBOOKS.items():
        if any(name.startswith(beginning) for name in names):
            return what
    return Sentence("a zip archive or a spreadsheet")


def _json_format(sample: str, encoding: Encoding, name: str, *, whole: bool) -> FileFormat:
    if _BY_COLUMN.match(sample) and not _mostly_objects(sample):
        raise UnreadableFile(
            "{name} holds its whole table in one object, as pandas writes JSON by default. Write one object a row: "
            'to_json(…, orient="records", lines=True).',
            name=name,
        )
    first = next(line for line in _lines(sample) if line.strip())
    is_cut = not whole and "\n" not in sample.lstrip()
    if first.lstrip().startswith("{") and (is_cut or _is_json_object(first) or _mostly_objects(sample)):
        return JsonLines(encoding)
    if sample.lstrip().startswith("[") and sample.lstrip()[1:].lstrip()[:1] in ("{", "]", ""):
        return JsonArray(encoding)
    raise UnreadableFile(
        "{name} looks like JSON, but holds no rows. Write one object a line, or a list of objects, each with the same keys.",
        name=name,
    )


def _lines(sample: str) -> list[str]:
    """As JSON Lines has them: `splitlines` also cuts at U+2028 and the like, which may stand in a text."""
    return sample.split("\n")


def _mostly_objects(sample: str) -> bool:
    """Whether only the first line is broken."""
    lines = [line for line in _lines(sample) if line.strip()][1:50]
    return bool(lines) and 2 * sum(map(_is_json_object, lines)) > len(lines)


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _consistency(sample: str, delimiter: str, *, whole: bool) -> tuple[float, int]:
    """Share of rows as wide as the header, then that width. A header of one field scores nothing."""
    return max(_consistency_of(_rows(sample, delimiter, skip_blanks=skip), whole=whole) for skip in (False, True))


def _consistency_of(rows: list[list[str]], *, whole: bool) -> tuple[float, int]:
    if not whole and len(rows) > 1:
        rows.pop()  # the sample's end may have cut it
    width = len(rows[0])
    if width < 2:
        return 0.0, 0
    return sum(len(row) == width for row in rows) / len(rows), width


def _ties_rows(sample: str, delimiter: str, *, whole: bool) -> bool:
    """Whether quotes, taken for the marks around a field, tie together lines that are rows by themselves."""
    lines = list(io.StringIO(sample, newline=""))
    if not whole:
        lines.pop()
    header = next((line for line in lines if line.strip()), "")
    if '"' in header or delimiter not in header:
        return False
    width = header.count(delimiter) + 1
    tied = [_are_rows(several, delimiter, width) for several in _tied_lines(lines, delimiter)]
    return 2 * sum(tied) > len(tied)


def _tied_lines(lines: Sequence[str], delimiter: str) -> Iterator[Sequence[str]]:
    """Those of each row that spans several."""
    reader, start = csv.reader(lines, delimiter=delimiter), 0
    try:
        for _ in reader:
            if reader.line_num - start > 1:
                yield lines[start : reader.line_num]
            start = reader.line_num
    except csv.Error:  # a field over 128 KiB
        yield lines[start:]


def _are_rows(lines: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether lines that a quote ties together are rows. A few may look so by chance: those are rows only if that quote is closed
    where no field ends."""
    filled = [line for line in lines if line.strip()]
    alike = sum(looks_like_a_row(line, delimiter, width) for line in filled)
    if len(filled) < FEW_LINES:
        return alike == len(filled) and not _is_well_quoted(lines, delimiter)
    return alike >= ROWS_AMONG_LINES * len(filled)


def looks_like_a_row(line: str, delimiter: str, width: int) -> bool:
    """Whether the line has `width` fields, and none by a comma that belongs to a sentence."""
    return line.count(delimiter) == width - 1 and not (delimiter in ",;:" and f"{delimiter} " in line)


def _is_well_quoted(lines: Sequence[str], delimiter: str) -> bool:
    try:
        return bool(list(csv.reader(lines, delimiter=delimiter, strict=True)))
    except csv.Error:
        return False


def _has_blanks(sample: str, delimiter: str) -> bool:
    """Whether most rows have a quote that a blank keeps from being one."""
    rows = _rows(sample, delimiter)[1:]
    return 2 * sum(any(cell.lstrip(" ").startswith('"') and cell[0] == " " for cell in row) for row in rows) > len(rows)


def _rows(sample: str, delimiter: str, *, skip_blanks: bool = False, limit: int = 500) -> list[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=skip_blanks)
    return [row for row, _ in zip(_readable(reader), range(limit), strict=False)] or [[sample.strip()]]


def _readable(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows that are not blank, up to the first that Python's parser refuses (a field over 128 KiB): enough for a guess."""
    while True:
        try:
            row = next(reader)
        except (StopIteration, csv.Error):
            return
        if row:
            yield row
