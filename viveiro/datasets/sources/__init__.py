"""A file as a stream of record batches, whatever its form: never more of it in memory than one batch."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from viveiro.datasets.features import class_names, decode_class_labels, plain_type
from viveiro.datasets.formats import Csv, FileFormat, JsonLines, Parquet, sniff
from viveiro.datasets.types import Dropped, DropReason
from viveiro.errors import UnreadableFile

BLOCK_BYTES: Final = 16 * 2**20
"""A row longer than this is taken for an unclosed quote or a file without line ends."""
BATCH_ROWS: Final = 8192

Batch = tuple[np.ndarray[Any, np.dtype[np.int64]], pa.RecordBatch]
"""Row numbers in the file, counted from 1, and the rows."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table still in its file.

    `batches` fills `dropped` with the rows that could not be read at all. `textual` says that everything is a string
    only because the format knows nothing else, so types are to be guessed.
    """

    schema: pa.Schema
    textual: bool
    dropped: Dropped
    batches: Callable[[], Iterator[Batch]]


def open_source(path: Path, name: str) -> Source:
    """Sniff a file and prepare to read it. `name` is the one its owner knows it by.

    Raises:
        UnreadableFile: now, or from `batches` when a later part of the file cannot be read.
    """
    form: FileFormat = sniff(path, name)
    dropped = Dropped()
    match form:
        case Csv():
            schema = pa.schema([(column, pa.string()) for column in form.names])
            return Source(schema, True, dropped, lambda: _csv_batches(path, name, form, dropped))
        case JsonLines():
            schema = _json_schema(path, name, form)
            return Source(schema, False, dropped, lambda: _json_batches(path, name, form, schema, dropped))
        case Parquet():
            file = _open_parquet(path, name)
            schema = _parquet_schema(file, name)
            return Source(schema, False, dropped, lambda: _parquet_batches(file, schema))


class Utf8Reader(io.RawIOBase):
    """A text file of any encoding, read as UTF-8. Broken characters become U+FFFD, a byte order mark disappears."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._text = io.TextIOWrapper(file, "utf-8-sig" if encoding == "utf-8" else encoding, "replace", newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """At most a quarter as many characters as the buffer has bytes: none takes more than four."""
        content = self._text.read(max(1, len(buffer) // 4)).encode("utf-8", "replace")
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._text.close()
        super().close()


def _csv_batches(path: Path, name: str, form: Csv, dropped: Dropped) -> Iterator[Batch]:
    rejected: list[int] = []

    def reject(row: pa_csv.InvalidRow) -> str:
        number = row.number - 1  # pyarrow counts the header
        rejected.append(number)
        dropped.add(number, DropReason.MALFORMED, f"{row.actual_columns} fields instead of {row.expected_columns}")
        return "skip"

    with _utf8(path, form.encoding) as file, _csv_errors(name):
        numbers = _row_numbers(rejected)
        # The header is read as a row and cut off: pyarrow's own skipping counts blank lines as rows.
        header_rows = 1
        for batch in _csv_reader(file, form, reject):
            rows = batch.slice(header_rows)
            header_rows = 0
            yield numbers(rows.num_rows), rows


def _utf8(path: Path, encoding: str) -> BinaryIO:
    file = path.open("rb")
    return io.BufferedReader(Utf8Reader(file, encoding), BLOCK_BYTES)


def _csv_reader(file: BinaryIO, form: Csv, reject: Callable[[Any], str]) -> Any:
    names = list(form.names)
    return pa_csv.open_csv(
        file,
        read_options=pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(
            delimiter=form.delimiter, newlines_in_values=True, invalid_row_handler=reject
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )


class _csv_errors:  # noqa: N801 - used as a with statement, like contextlib.suppress
    """Says in the owner's words what pyarrow says in its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, pa.ArrowInvalid):
            return
        if "straddling" in str(error):
            raise UnreadableFile(
                "A row of {name} is longer than {limit} MiB. Look for a quote that is opened and never closed.",
                name=self.name,
                limit=BLOCK_BYTES // 2**20,
            ) from error
        raise UnreadableFile("{name} cannot be read as CSV: {why}.", name=self.name, why=str(error)) from error


def _row_numbers(rejected: list[int]) -> Callable[[int], np.ndarray[Any, np.dtype[np.int64]]]:
    """Hands out the numbers of the next rows. Those in `rejected`, which grows meanwhile, belong to rows that were skipped."""
    last = 0

    def next_numbers(count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        nonlocal last
        skipped = [number for number in rejected if number > last]
        candidates = np.arange(last + 1, last + 1 + count + len(skipped), dtype=np.int64)
        numbers = candidates[~np.isin(candidates, skipped)][:count]
        last = int(numbers[-1]) if count else last
        return numbers

    return next_numbers


def _json_lines(path: Path, name: str, encoding: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each line that is not blank, numbered from 1; None for one that is no JSON object."""
    number = 0
    with path.open("rb") as file:
        while line := file.readline(BLOCK_BYTES + 1):
            if len(line) > BLOCK_BYTES:
                raise UnreadableFile(
                    "Line {row} of {name} is longer than {limit} MiB. Write one object a line.",
                    row=number + 1,
                    name=name,
                    limit=BLOCK_BYTES // 2**20,
                )
            text = line.decode(encoding, "replace").strip().removeprefix("\ufeff")
            if text:
                number += 1
                yield number, _json_object(text)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _json_schema(path: Path, name: str, form: JsonLines) -> pa.Schema:
    """Every key of any line, in order of appearance, with a type that holds all its values: strings when they differ."""
    kinds: dict[str, set[type]] = {}
    for _, row in _json_lines(path, name, form.encoding):
        for key, value in (row or {}).items():
            kinds.setdefault(key, set()).add(type(value))
    if not kinds:
        raise UnreadableFile("{name} holds no JSON object that could be a row.", name=name)
    return pa.schema([(key, _json_type(found - {type(None)})) for key, found in kinds.items()])


def _json_type(kinds: set[type]) -> pa.DataType:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


def _json_batches(path: Path, name: str, form: JsonLines, schema: pa.Schema, dropped: Dropped) -> Iterator[Batch]:
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, row in _json_lines(path, name, form.encoding):
        if row is None:
            dropped.add(number, DropReason.MALFORMED, "not a JSON object")
            continue
        numbers.append(number)
        rows.append(row)
        if len(rows) == BATCH_ROWS:
            yield np.array(numbers, dtype=np.int64), _json_batch(rows, schema)
            numbers, rows = [], []
    if rows:
        yield np.array(numbers, dtype=np.int64), _json_batch(rows, schema)


def _json_batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_string(field.type):
            values = [value if value is None or isinstance(value, str) else _as_text(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.record_batch(columns, schema=schema)


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _open_parquet(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFile("{name} is a damaged Parquet file: {why}.", name=name, why=str(error)) from error


def _parquet_schema(file: pq.ParquetFile, name: str) -> pa.Schema:
    schema = pa.schema([(field.name, plain_type(field, file.schema_arrow)) for field in file.schema_arrow])
    for field in schema:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            raise UnreadableFile(
                "Column {column!r} of {name} holds {type}; what can be imported are texts, numbers, booleans and dates. "
                "A dataset of any form can be uploaded with datasets.Dataset.push_to_hub.",
                column=field.name,
                name=name,
                type=field.type,
            )
    return schema


def _parquet_batches(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[Batch]:
    names = class_names(file.schema_arrow)
    first = 1
    for batch in file.iter_batches(BATCH_ROWS):
        columns = [
            decode_class_labels(batch.column(field.name), names[field.name])
            if field.name in names
            else batch.column(field.name).cast(field.type)
            for field in schema
        ]
        yield np.arange(first, first + batch.num_rows, dtype=np.int64), pa.record_batch(columns, schema=schema)
        first += batch.num_rows
