"""Which kind of table a file holds, decided from its bytes: names and extensions lie."""

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from viveiro.errors import UnreadableFile

SAMPLE_BYTES: Final = 256 * 1024
CHUNK_BYTES: Final = 2**20
DELIMITERS: Final = ",;\t|~^:\x1f"
"""In order of preference when two explain a file equally well."""
_BINARY: Final = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (xlsx, ods)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (xls)",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite format 3": "an SQLite database",
}
_UNDEFINED_IN_CP1252: Final = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")


@dataclass(frozen=True, slots=True)
class Csv:
    """`names` are the header's, made unique; the header itself is still in the file."""

    encoding: str
    delimiter: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JsonLines:
    encoding: str


@dataclass(frozen=True, slots=True)
class Parquet:
    pass


FileFormat: TypeAlias = Csv | JsonLines | Parquet


def sniff(path: Path, name: str) -> FileFormat:
    """Look into a file. `name` is the one its owner knows it by.

    Raises:
        UnreadableFile: it is empty, binary, or of a form that holds no rows.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if head.startswith(b"PAR1"):
        return Parquet()
    _refuse_binary(head, name)
    encoding = _encoding_of_file(path, head)
    whole = len(head) < SAMPLE_BYTES
    sample = head.decode(encoding, errors="ignore").removeprefix("\ufeff")
    if not sample.strip():
        raise UnreadableFile("{name} is empty. Send a file with a header and at least one row below it.", name=name)
    if sample.lstrip()[0] in "{[":
        return _json_format(sample, encoding, name, whole=whole)
    delimiter = guess_delimiter(sample, whole=whole)
    return Csv(encoding, delimiter, unique_names(_rows(sample, delimiter)[0]))


def guess_encoding(chunks: Iterable[bytes]) -> str:
    """UTF-8 when it is that, even with a few broken bytes; else the Windows code page, else latin-1.

    The whole text is looked at: a file whose first accent comes after a million rows is common.
    """
    strict = codecs.getincrementaldecoder("utf-8")()
    lenient = codecs.getincrementaldecoder("utf-8")(errors="replace")
    valid, accents, broken, undefined = True, 0, 0, False
    for chunk in chunks:
        text = lenient.decode(chunk)
        broken += text.count("\ufffd")
        accents += len(text) - len(text.encode("ascii", "ignore"))
        undefined = undefined or any(byte in chunk for byte in _UNDEFINED_IN_CP1252)
        valid = valid and _decodes(strict, chunk)
    if valid or accents - broken > broken:
        return "utf-8"
    return "latin-1" if undefined else "cp1252"


def guess_delimiter(sample: str, *, whole: bool) -> str:
    """The character that cuts most rows into as many fields as the header has. A table of one column has none: ','."""
    scores = {delimiter: _consistency(sample, delimiter, whole=whole) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > (0.0, 0) else ","


def unique_names(header: Iterable[str]) -> tuple[str, ...]:
    """Column names that can be told apart: blanks are numbered, repetitions get a suffix."""
    names: list[str] = []
    for position, raw in enumerate(header, start=1):
        name = base = raw.strip() or f"column_{position}"
        repetition = 2
        while name in names:
            name, repetition = f"{base}_{repetition}", repetition + 1
        names.append(name)
    return tuple(names)


def _refuse_binary(head: bytes, name: str) -> None:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise UnreadableFile(
                "{name} is {what}, not a table of text. Save it as CSV, JSON Lines or Parquet, then import that.",
                name=name,
                what=what,
            )
    if b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile("{name} is a binary file, not a table. Import CSV, JSON Lines or Parquet.", name=name)


def _encoding_of_file(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    with path.open("rb") as file:
        return guess_encoding(iter(lambda: file.read(CHUNK_BYTES), b""))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _json_format(sample: str, encoding: str, name: str, *, whole: bool) -> FileFormat:
    first = next(line for line in sample.splitlines() if line.strip())
    is_cut = not whole and "\n" not in sample.lstrip()
    if first.lstrip().startswith("{") and (is_cut or _is_json_object(first)):
        return JsonLines(encoding)
    raise UnreadableFile(
        "{name} looks like JSON, but not like JSON Lines. Write one object a line, each with the same keys.", name=name
    )


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _consistency(sample: str, delimiter: str, *, whole: bool) -> tuple[float, int]:
    """Share of rows as wide as the header, then that width. A header of one field scores nothing."""
    rows = _rows(sample, delimiter)
    if not whole and len(rows) > 1:
        rows.pop()  # the sample's end may have cut it
    width = len(rows[0])
    if width < 2:
        return 0.0, 0
    return sum(len(row) == width for row in rows) / len(rows), width


def _rows(sample: str, delimiter: str, limit: int = 500) -> list[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
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
