"""What the head of each column shows: how long, how often, how much. Counted once for a revision, then kept."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from viveiro.datasets.cells import as_text, is_list, is_text
from viveiro.datasets.kept import statistics_path, write_whole
from viveiro.datasets.preview import MOST_COLUMNS, require_split, shown_column, unreadable_named
from viveiro.datasets.profile import trimmed_text
from viveiro.datasets.reading import OpenDataset, open_dataset
from viveiro.datasets.types import (
    MAX_CLASSES,
    Bin,
    ColumnKind,
    ColumnStatistics,
    Distribution,
    SplitStatistics,
    ValueCount,
)
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo

MOST_ROWS: Final = 100_000
MOST_BYTES: Final = 256 * 2**20
"""Of decoded columns: with longer rows, fewer are looked at."""
BINS: Final = 20
MOST_VALUES: Final = 20
SHARE_OF_DISTINCT: Final = 0.5
"""Of the filled rows, above which a column has no common values worth a list."""
Numbers = np.ndarray[Any, np.dtype[np.float64]]
_UNCOUNTED: Final = (ColumnKind.BINARY, ColumnKind.OBJECT)
_NAMES: Final = (ColumnKind.BOOLEAN, ColumnKind.CLASS_LABEL, ColumnKind.CLASS_LABELS)
_NUMERIC: Final = (ColumnKind.INTEGER, ColumnKind.NUMBER)
_stored: Final = TypeAdapter(SplitStatistics)
_counting = threading.Lock()
"""One at a time: it fills a core and some memory for a moment."""


def column_statistics(hub: Hub, repo: Repo, sha: str, split: str | None) -> SplitStatistics:
    """`split` None: the first. Raises SplitNotFound, or UnusableData where the files cannot be read."""
    dataset = open_dataset(hub, repo, sha)
    split = require_split(dataset, split)
    path = statistics_path(hub.settings, repo, sha, split)
    with _counting:
        try:
            return _stored.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):  # not counted yet, or by another version of Viveiro
            pass
        with unreadable_named(dataset):
            statistics = count(dataset, split)
        write_whole(path, _stored.dump_json(statistics))
    return statistics


def count(dataset: OpenDataset, split: str, most_rows: int = MOST_ROWS) -> SplitStatistics:
    columns = [shown_column(dataset, name) for name in dataset.columns[:MOST_COLUMNS]]
    tallies = [_Tally(column.name, column.kind) for column in columns]
    counting = [tally for tally in tallies if tally.kind not in _UNCOUNTED]
    counted = size = 0
    if not counting:
        counted = min(dataset.rows(split), most_rows)
    else:
        for batch in dataset.window(split, [tally.name for tally in counting], 0, most_rows):
            for tally, column in zip(counting, batch.columns, strict=True):
                tally.add(column)
            counted, size = counted + len(batch), size + batch.nbytes
            if size > MOST_BYTES:
                break
    return SplitStatistics(split, dataset.rows(split), counted, tuple(tally.finish() for tally in tallies))


@dataclass
class _Tally:
    """Fed one column's batches, in order."""

    name: str
    kind: ColumnKind
    empty: int = 0
    values: Counter[str] = field(default_factory=Counter)
    is_countable: bool = True
    """Whether there are few enough different values to count each."""
    lengths: list[Numbers] = field(default_factory=list)
    numbers: list[Numbers] = field(default_factory=list)
    bounds: list[pa.Array] = field(default_factory=list)

    def add(self, column: pa.Array) -> None:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if is_list(column.type):
            self._add_lists(column)
        elif self.kind in _NUMERIC:
            self._add_numbers(column)
        elif self.kind is ColumnKind.DATE:
            self._add_dates(column)
        else:
            self._add_names(column)

    def finish(self) -> ColumnStatistics:
        if self.kind in _UNCOUNTED:
            return ColumnStatistics(self.name, self.kind)
        commonest = self.values.most_common(MOST_VALUES) if self._values_repeat() else []
        earliest, latest = _bounds(self.bounds)
        return ColumnStatistics(
            name=self.name,
            kind=self.kind,
            empty=self.empty,
            distinct=len(self.values) if self.is_countable else None,
            values=tuple(ValueCount(value, rows) for value, rows in commonest),
            other=self.values.total() - sum(rows for _, rows in commonest) if commonest else 0,
            lengths=distribution(self.lengths),
            numbers=distribution(self.numbers),
            earliest=earliest,
            latest=latest,
        )

    def _add_lists(self, column: pa.Array) -> None:
        self.empty += column.null_count
        self.lengths.append(_as_numbers(pc.list_value_length(column)))
        items = column.flatten()
        if is_text(items.type):
            self._count(items)
        else:
            self.is_countable = False

    def _add_numbers(self, column: pa.Array) -> None:
        numbers = _as_numbers(column)
        self.empty += len(column) - len(numbers)
        self.numbers.append(numbers)
        self._count(column)

    def _add_dates(self, column: pa.Array) -> None:
        self.empty += column.null_count
        self.bounds.append(_ends(column))
        self.is_countable = False

    def _add_names(self, column: pa.Array) -> None:
        texts = trimmed_text(column)
        self.empty += texts.null_count
        if self.kind is ColumnKind.TEXT:
            self.lengths.append(_as_numbers(pc.utf8_length(texts)))
        self._count(texts)

    def _count(self, column: pa.Array) -> None:
        if not self.is_countable:
            return
        counts = pc.value_counts(column.drop_null())
        values, rows = counts.field("values").cast(pa.string()), counts.field("counts")
        self.is_countable = len(values) <= MAX_CLASSES
        if self.is_countable:
            self.values.update(dict(zip(values.to_pylist(), rows.to_pylist(), strict=True)))
            self.is_countable = len(self.values) <= MAX_CLASSES

    def _values_repeat(self) -> bool:
        """Else a list of the commonest ones would say nothing."""
        repeats = self.kind in _NAMES or len(self.values) <= SHARE_OF_DISTINCT * self.values.total()
        return self.is_countable and repeats


def distribution(parts: Sequence[Numbers]) -> Distribution | None:
    """Mean, median and BINS bins of one width; None without any value."""
    values = np.concatenate(parts) if parts else np.empty(0)
    if not len(values):
        return None
    least, most = float(values.min()), float(values.max())
    rows, edges = np.histogram(values, BINS if least < most else 1, (least, most))
    bins = [
        Bin(float(start), float(end), int(count)) for start, end, count in zip(edges[:-1], edges[1:], rows, strict=True)
    ]
    if least == most:
        bins = [Bin(least, most, len(values))]
    return Distribution(least, most, float(values.mean()), float(np.median(values)), tuple(bins))


def _as_numbers(column: pa.Array) -> Numbers:
    """Those that are finite."""
    numbers: Numbers = pc.cast(column, pa.float64(), safe=False).drop_null().to_numpy(zero_copy_only=False)
    return numbers[np.isfinite(numbers)]


def _bounds(parts: Sequence[pa.Array]) -> tuple[str | None, str | None]:
    if not parts:
        return None, None
    earliest, latest = as_text(_ends(pa.concat_arrays(parts))).to_pylist()
    return earliest, latest


def _ends(column: pa.Array) -> pa.Array:
    """The least value and the largest; nulls where there is none."""
    ends = pc.min_max(column)
    return pa.array([ends["min"], ends["max"]], column.type)
