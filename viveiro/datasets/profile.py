"""What can be told about a column from one pass over its values."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from viveiro.datasets.separators import MISSING_LABELS, evident_separator
from viveiro.datasets.types import MAX_CLASSES, ColumnProfile, ColumnType
from viveiro.errors import UnusableData

# No leading zeros, no more digits than a number holds: 00123 and a 20-digit code would come back changed.
_INTEGER: Final = r"^-?(0|[1-9]\d{0,17})$"
_NUMBER: Final = r"^-?((0|[1-9]\d{0,14})(\.\d{1,15})?|\.\d{1,15})([eE][-+]?\d{1,2})?$"
_BOOLEAN: Final = r"^(?i:true|false)$"
_DATE: Final = r"^(\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4})([T ]\d{1,2}:\d{2}.*)?$"


def trimmed_text(values: pa.Array) -> pa.Array:
    """Any column as text without surrounding blanks; null where nothing is left. 1.0 reads 1 where all are whole."""
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        is_whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53))
        if pc.all(is_whole, min_count=0).as_py():
            values = pc.cast(values, pa.int64())
    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def require_values(column: pa.Field) -> None:
    """Refuse a column with more than one value a row: it cannot be read as texts."""
    if pa.types.is_nested(column.type):
        raise UnusableData(
            "Column {column!r} holds {type}, not one value a row. Choose another column, or write its values as texts.",
            column=column.name,
            type=column.type,
        )


def label_text(values: pa.Array) -> pa.Array:
    """A label column as the names of its classes; null where there is none."""
    text = trimmed_text(values)
    return pc.if_else(pc.is_in(text, pa.array(MISSING_LABELS)), pa.scalar(None, pa.string()), text)


@dataclass
class Profiler:
    """Fed one column's batches, in order."""

    name: str
    arrow_type: pa.DataType
    textual: bool
    """Whether the type has to be guessed from the text."""
    rows: int = 0
    filled: int = 0
    filled_lists: int = 0
    characters: int = 0
    longest: int = 0
    filled_when_counted: int = 0
    values: Counter[str] = field(default_factory=Counter)
    _fits: dict[str, bool] = field(default_factory=lambda: dict.fromkeys((_INTEGER, _NUMBER, _BOOLEAN, _DATE), True))

    def add(self, column: pa.Array) -> None:
        self.rows += len(column)
        if pa.types.is_list(self.arrow_type):
            self.filled_lists += len(column) - column.null_count
            column = pc.list_flatten(column)
        text = trimmed_text(column).drop_null()
        lengths = pc.utf8_length(text)
        self.filled += len(text)
        self.characters += pc.sum(lengths).as_py() or 0
        self.longest = max(self.longest, pc.max(lengths).as_py() or 0)
        self._count(text)
        for pattern, fits in self._fits.items():
            self._fits[pattern] = fits and bool(pc.all(pc.match_substring_regex(text, pattern), min_count=0).as_py())

    def profile(self) -> ColumnProfile:
        return ColumnProfile(
            name=self.name,
            type=self._type(),
            rows=self.rows,
            filled=self.filled_lists or self.filled,
            distinct=len(self.values),
            distinct_share=len(self.values) / self.filled_when_counted if self.filled_when_counted else 0.0,
            mean_length=self.characters / self.filled if self.filled else 0.0,
            longest=self.longest,
            dates=self._dates(),
            separator=evident_separator(self.values) if self.textual else None,
        )

    def _count(self, text: pa.Array) -> None:
        for entry in pc.value_counts(text):
            if len(self.values) > MAX_CLASSES:
                return
            self.values[entry["values"].as_py()] += entry["counts"].as_py()
            self.filled_when_counted += entry["counts"].as_py()

    def _type(self) -> ColumnType:
        if not self.textual:
            return _type_of(self.arrow_type)
        if not self.filled:
            return ColumnType.STRING
        for pattern, guess in ((_INTEGER, ColumnType.INTEGER), (_NUMBER, ColumnType.NUMBER)):
            if self._fits[pattern]:
                return guess
        return ColumnType.BOOLEAN if self._fits[_BOOLEAN] else ColumnType.STRING

    def _dates(self) -> bool:
        return pa.types.is_temporal(self.arrow_type) or (self.filled > 0 and self._fits[_DATE])


def _type_of(arrow_type: pa.DataType) -> ColumnType:
    if pa.types.is_list(arrow_type):
        return ColumnType.LIST
    if pa.types.is_boolean(arrow_type):
        return ColumnType.BOOLEAN
    if pa.types.is_integer(arrow_type):
        return ColumnType.INTEGER
    return ColumnType.NUMBER if pa.types.is_floating(arrow_type) else ColumnType.STRING


def typed(column: pa.Array, kind: ColumnType) -> pa.Array:
    """A column of text as what its profile says it is; blanks become null except where it stays text."""
    match kind:
        case ColumnType.INTEGER:
            return trimmed_text(column).cast(pa.int64())
        case ColumnType.NUMBER:
            return trimmed_text(column).cast(pa.float64())
        case ColumnType.BOOLEAN:
            return pc.equal(pc.utf8_lower(trimmed_text(column)), "true")
        case ColumnType.STRING | ColumnType.LIST:
            return column


def arrow_type(kind: ColumnType) -> Any:
    return {
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.STRING: pa.string(),
        ColumnType.LIST: pa.list_(pa.string()),
    }[kind]
