"""CSV and its kin, parsed by Arrow."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from viveiro.datasets.encodings import open_as_utf8
from viveiro.datasets.formats import FEW_LINES, ROWS_AMONG_LINES, Csv, looks_like_a_row
from viveiro.datasets.sources.stream import BLOCK_BYTES, Batch, Numbers, Source
from viveiro.datasets.types import Dropped, DropReason, Finding
from viveiro.errors import UnreadableFile

SMALL_BLOCK_BYTES: Final = 2**19
LINES_LOOKED_AT: Final = 1000
SHOWN: Final = 5


def open_csv(path: Path, name: str, form: Csv) -> Source:
    reader = _Reader(path, name, form)
    return Source(
        schema=pa.schema([(column, pa.string()) for column in form.names]),
        textual=True,
        batches=reader.batches,
        dropped=reader.dropped,
        encoding=form.encoding,
        renamed=form.renamed,
        size=path.stat().st_size,
        position=lambda: reader.position,
        findings=reader.findings,
    )


class _Reader:
    def __init__(self, path: Path, name: str, form: Csv) -> None:
        self._path, self._name, self._form = path, name, form
        self._rejected: list[int] = []
        self._swallowing: list[int] = []
        self.dropped = Dropped()
        self.position = 0

    def batches(self) -> Iterator[Batch]:
        text, file = open_as_utf8(self._path, self._form.encoding)
        numbers = _row_numbers(self._rejected)
        # The header is read as a row and cut off: pyarrow's own skipping counts blank lines as rows.
        header_rows, read = 1, 0
        with text:
            if self._form.has_sep_line:
                text.readline()
            rows_of = _WithoutBlanks(text, self._form.delimiter) if self._form.has_blanks else text
            try:
                for read_rows in _csv_reader(rows_of, self._form, self._reject):
                    self.position = file.tell()
                    rows = read_rows.slice(header_rows)
                    header_rows, read = 0, read + rows.num_rows
                    batch = Batch(numbers(rows.num_rows), rows)
                    self._look_for_rows(batch)
                    yield batch
            except pa.ArrowInvalid as error:
                raise self._refusal(str(error), read) from error

    def findings(self) -> list[Finding]:
        if not self._form.has_quoting:
            return [
                Finding(
                    "info",
                    "plain_quotes",
                    "Quotes in {name} are read as characters like any other: as marks around texts they would run rows "
                    "together. If its texts span lines, export it with all of them in quotes.",
                    name=self._name,
                )
            ]
        if not self._swallowing:
            return []
        rows = sorted(self._swallowing)
        return [
            Finding(
                "warning",
                "rows_in_texts",
                "{count} texts of {name} hold what look like whole rows (rows {rows}): a quote at their beginning may be a "
                "character. Look at them; put such a text in quotes and write the quote in it twice.",
                count=len(rows),
                name=self._name,
                rows=", ".join(map(str, rows[:SHOWN])) + (" …" if len(rows) > SHOWN else ""),
            )
        ]

    def _look_for_rows(self, batch: Batch) -> None:
        for column in batch.rows.columns if self._form.has_quoting else ():
            line_ends, delimiters = _count(column, "\n"), _count(column, self._form.delimiter)
            # Few texts have that many delimiters, so few are cut into lines.
            enough = ROWS_AMONG_LINES * (line_ends - 1) * (len(self._form.names) - 1)
            for position in np.flatnonzero((line_ends >= FEW_LINES) & (delimiters >= enough)).tolist():
                if self._holds_rows(column[position].as_py()):
                    self._swallowing.append(int(batch.numbers[position]))

    def _holds_rows(self, text: str) -> bool:
        """Whether the lines between the first and the last are rows."""
        width = len(self._form.names)
        lines = text.split("\n")[1:-1]
        alike = sum(looks_like_a_row(line, self._form.delimiter, width) for line in lines)
        return width > 1 and alike >= ROWS_AMONG_LINES * len(lines)

    def _reject(self, row: pa_csv.InvalidRow) -> str:
        number = row.number - 1  # pyarrow counts the header
        self._rejected.append(number)
        self.dropped.add(number, DropReason.MALFORMED, f"{row.actual_columns} ≠ {row.expected_columns}")
        if row.text.count("\n") >= FEW_LINES and self._holds_rows(row.text):
            self._swallowing.append(number)
        return "skip"

    def _refusal(self, why: str, read: int) -> UnreadableFile:
        if "straddling" not in why:
            return UnreadableFile("{name} cannot be read as CSV: {why}.", name=self._name, why=why)
        return UnreadableFile(
            "A row of {name}, somewhere after row {row}, is longer than {limit} MiB. Look for a quote that is opened and "
            "never closed.",
            name=self._name,
            row=read,
            limit=BLOCK_BYTES // 2**20,
        )


def _count(column: pa.Array, text: str) -> Numbers:
    counts: Numbers = pc.count_substring(column, text).to_numpy(zero_copy_only=False)
    return counts


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _WithoutBlanks:
    """A table without the blanks between a delimiter and a quote: behind them, Arrow takes the quote for a character."""

    def __init__(self, text: BinaryIO, delimiter: str) -> None:
        self._text = text
        self._quoted = re.compile(rb'(\A|[%b\r\n]) *("(?:[^"]+|"")*("?))' % re.escape(delimiter.encode()))
        self._is_open = False
        self._ready = bytearray()

    def read(self, size: int, /) -> bytes:
        while len(self._ready) < size and (line := self._text.readline(BLOCK_BYTES)):
            self._ready += self._without_blanks(line)
        part = bytes(self._ready[:size])
        del self._ready[:size]
        return part

    def _without_blanks(self, line: bytes) -> bytes:
        if self._is_open:  # what goes on within quotes is looked at as if they began here
            return self._quoted.sub(self._closed_up, b'"' + line)[1:]
        return self._quoted.sub(self._closed_up, line) if b'"' in line else line

    def _closed_up(self, found: re.Match[bytes]) -> bytes:
        self._is_open = not found[3]
        return found[1] + found[2]


class _Blocks:
    """What Arrow reads from. It reads 32 blocks ahead and wants the end of a row in each, so these are small until a row is
    large."""

    def __init__(self, file: _Readable, *, has_quoting: bool) -> None:
        self._file = file
        self._has_quoting = has_quoting
        self._is_quoted = False
        self.closed = False

    def read(self, size: int) -> bytes:
        """At most `size` bytes: one small block, or more until a row ends."""
        block = self._file.read(min(size, SMALL_BLOCK_BYTES))
        while len(block) < size and not self._ends_a_row(block):
            more = self._file.read(min(size - len(block), len(block)))
            if not more:
                break
            block += more
        self._is_quoted ^= self._divides(block)
        return block

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def _ends_a_row(self, block: bytes) -> bool:
        """Whether one of the last line ends stands outside quotes: behind an even number of them."""
        is_quoted = self._is_quoted ^ self._divides(block)
        end = len(block)
        for _ in range(LINES_LOOKED_AT):
            start = max(block.rfind(b"\n", 0, end), block.rfind(b"\r", 0, end))
            if start < 0:
                return False
            is_quoted ^= self._divides(block, start, end)
            if not is_quoted:
                return True
            end = start
        return False

    def _divides(self, block: bytes, start: int = 0, end: int | None = None) -> bool:
        """Whether an odd number of quotes stands there."""
        return self._has_quoting and block.count(b'"', start, end) % 2 == 1


def _csv_reader(text: _Readable, form: Csv, reject: Callable[[Any], str]) -> Any:
    names = list(form.names)
    return pa_csv.open_csv(
        _Blocks(text, has_quoting=form.has_quoting),
        read_options=pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(
            delimiter=form.delimiter,
            quote_char='"' if form.has_quoting else False,
            newlines_in_values=form.has_quoting,
            invalid_row_handler=reject,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )


def _row_numbers(rejected: list[int]) -> Callable[[int], Numbers]:
    """Hands out the numbers of the next rows. Those in `rejected`, which grows meanwhile, belong to rows that were skipped."""
    last, seen = 0, 0

    def next_numbers(count: int) -> Numbers:
        nonlocal last, seen
        skipped = rejected[seen:]
        candidates = np.arange(last + 1, last + 1 + count + len(skipped), dtype=np.int64)
        numbers = candidates[~np.isin(candidates, skipped)][:count]
        last = int(numbers[-1]) if count else last
        while seen < len(rejected) and rejected[seen] <= last:
            seen += 1
        return numbers

    return next_numbers
