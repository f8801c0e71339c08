"""JSON: one object a line, or one list of objects."""

import codecs
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import orjson
import pyarrow as pa

from viveiro.datasets.encodings import open_as_utf8
from viveiro.datasets.formats import JsonArray, JsonLines
from viveiro.datasets.separators import LONGEST_LABEL, MISSING_LABELS
from viveiro.datasets.sources.stream import BATCH_BYTES, BATCH_ROWS, BLOCK_BYTES, Batch, Source
from viveiro.datasets.types import Dropped, DropReason
from viveiro.errors import UnreadableFile

CHUNK_BYTES: Final = 2**20
_SPACE: Final = " \t\r\n"
Row = tuple[int, dict[str, Any] | None, int]
"""Number from 1, the object (None for what is none), and the bytes it takes in the file."""


def open_json(path: Path, name: str, form: JsonLines | JsonArray, most_bytes: int | None = None) -> Source:
    """The file is read twice: which keys there are, and of which type, is known at its end.

    Args:
        most_bytes: the rows end where about so much has been read.
    """
    reader = _Reader(path, name, form, most_bytes)
    schema = reader.schema()
    return Source(
        schema=schema,
        textual=False,
        batches=lambda: reader.batches(schema),
        dropped=reader.dropped,
        encoding=form.encoding,
        size=path.stat().st_size,
        position=lambda: reader.position,
    )


class _Reader:
    def __init__(self, path: Path, name: str, form: JsonLines | JsonArray, most_bytes: int | None) -> None:
        self._path, self._name, self._form, self._most_bytes = path, name, form, most_bytes
        self.dropped = Dropped()
        self.position = 0

    def schema(self) -> pa.Schema:
        """Every key of any row, in order of appearance, with a type that holds all its values: strings when they differ, lists
        when they are labels of which some rows have one and some several."""
        kinds: dict[str, set[type]] = {}
        for _, row, _ in self._rows():
            for key, value in (row or {}).items():
                kinds.setdefault(key, set()).add(_kind(value))
        if not kinds:
            raise UnreadableFile("{name} holds no JSON object that could be a row.", name=self._name)
        return pa.schema([(key, _arrow_type(found - {type(None)})) for key, found in kinds.items()])

    def batches(self, schema: pa.Schema) -> Iterator[Batch]:
        numbers: list[int] = []
        rows: list[dict[str, Any]] = []
        gathered = 0
        for number, row, size in self._rows():
            if row is None:
                self.dropped.add(number, DropReason.MALFORMED, "JSON")
                continue
            numbers.append(number)
            rows.append(row)
            gathered += size
            if len(rows) == BATCH_ROWS or gathered > BATCH_BYTES:
                yield Batch(np.array(numbers, dtype=np.int64), _record_batch(rows, schema))
                numbers, rows, gathered = [], [], 0
        if rows:
            yield Batch(np.array(numbers, dtype=np.int64), _record_batch(rows, schema))

    def _rows(self) -> Iterator[Row]:
        text, file = open_as_utf8(self._path, self._form.encoding)
        rows = _lines if isinstance(self._form, JsonLines) else _elements
        with text:
            for row in rows(text, self._name):
                self.position = file.tell()
                yield row
                if self._most_bytes is not None and self.position > self._most_bytes:
                    return


def _lines(file: BinaryIO, name: str) -> Iterator[Row]:
    number = 0
    while line := file.readline(BLOCK_BYTES + 1):
        if len(line) > BLOCK_BYTES:
            raise _too_long(number + 1, name)
        content = line.removeprefix(b"\xef\xbb\xbf").strip()
        if content:
            number += 1
            yield number, _json_object(content), len(content)


def _elements(file: BinaryIO, name: str) -> Iterator[Row]:
    """What stands between the brackets. Behind a broken element nothing can be trusted, so there the file is refused."""
    text = _Window(file)
    text.skip("\ufeff" + _SPACE + "[")
    number = 0
    while text.peek() not in ("]", ""):
        number += 1
        value, size = text.value(number, name)
        yield number, value if isinstance(value, dict) else None, size
        text.skip(_SPACE + ",")
    if not text.peek():
        raise UnreadableFile(
            "{name} ends in the middle: its list is not closed after row {row}. Copy or export it again.",
            name=name,
            row=number,
        )


class _Window:
    """The part of a text that is being looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = _decoder()
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        if self._at == len(self._text):
            self._more()
        return self._text[self._at : self._at + 1]

    def skip(self, characters: str) -> None:
        while (character := self.peek()) and character in characters:
            self._at += 1

    def value(self, number: int, name: str) -> tuple[Any, int]:
        wanted = CHUNK_BYTES
        while True:
            try:
                value, end = _JSON.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._at > BLOCK_BYTES:
                    raise _too_long(number, name) from error
                if not self._more(wanted):
                    raise UnreadableFile(
                        "Row {row} of {name} is broken JSON: {why}. Mend it, or write one object a line: then only "
                        "broken lines are left out.",
                        row=number,
                        name=name,
                        why=str(error),
                    ) from error
                wanted *= 2  # a long element is tried a few times, not at every megabyte
            else:
                size, self._at = end - self._at, end
                return _without_surrogates(value), size

    def _more(self, size: int = CHUNK_BYTES) -> bool:
        chunk = self._file.read(size)
        self._text = self._text[self._at :] + self._decoder(chunk)
        self._at = 0
        return bool(chunk)


_JSON: Final = json.JSONDecoder()


def _decoder() -> Callable[[bytes], str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return lambda chunk: decoder.decode(chunk, final=not chunk)


def _too_long(number: int, name: str) -> UnreadableFile:
    return UnreadableFile(
        "Row {row} of {name} is longer than {limit} MiB. Write one object a line.",
        row=number,
        name=name,
        limit=BLOCK_BYTES // 2**20,
    )


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except ValueError:
        value = _lenient(line)
    return value if isinstance(value, dict) else None


def _lenient(line: bytes) -> Any:
    """What Python's parser takes and the fast one does not: NaN, and halves of a character pair."""
    try:
        return _without_surrogates(json.loads(line.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


class _LongText(str):
    """The kind of a text that is no label."""


def _kind(value: Any) -> type:
    """`list` only for one of words or whole numbers, which can be the labels of a row."""
    if isinstance(value, list):
        items = [item for item in value if item is not None]
        return list if _all_are(str, items) or _all_are(int, items) else dict
    return _LongText if isinstance(value, str) and len(value) > LONGEST_LABEL else type(value)


def _all_are(kind: type, values: list[Any]) -> bool:
    return all(type(value) is kind for value in values)


def _arrow_type(kinds: set[type]) -> pa.DataType:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if list in kinds and kinds <= {list, str, int}:
        return pa.list_(pa.string())
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


def _record_batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [_column([row.get(field.name) for row in rows], field) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_string(field.type):
        values = [value if value is None or isinstance(value, str) else _as_text(value) for value in values]
    elif pa.types.is_list(field.type):
        values = [_as_list(value) for value in values]
    elif pa.types.is_floating(field.type):
        values = [value if value is None else float(value) for value in values]
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, OverflowError):  # a whole number of more than 64 bits
        raise UnreadableFile(
            "Column {column!r} holds a number that is too large. Write it as a text.", column=field.name
        ) from None


def _as_list(value: Any) -> list[str | None] | None:
    """A single word stands for a list of one, and what means that a label is missing for none."""
    if isinstance(value, list):
        return [None if item is None else str(item) for item in value]
    return None if value is None or str(value).strip() in MISSING_LABELS else [str(value)]


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
