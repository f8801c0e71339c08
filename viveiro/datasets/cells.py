"""Columns as people see them: of which kind, and each value short enough for a table."""

import math
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from viveiro.datasets.types import Cell, ColumnKind

SHOWN_CHARACTERS: Final = 400
SHOWN_ITEMS: Final = 20
"""Of a list."""
MOST_CHARACTERS: Final = 1_000_000
"""Of a value that is looked at by itself."""
MOST_ITEMS: Final = 10_000


def kind_of(kind: pa.DataType, *, is_label: bool = False) -> ColumnKind:
    """`kind` is the type as `OpenDataset` gives the column: labels by name."""
    if is_label:
        return ColumnKind.CLASS_LABELS if is_list(kind) else ColumnKind.CLASS_LABEL
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind):
        return ColumnKind.TEXT
    if is_list(kind):
        return ColumnKind.LIST
    return next((named for check, named in _KINDS if check(kind)), ColumnKind.OBJECT)


def is_text(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_list(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def is_binary(kind: pa.DataType) -> bool:
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(check(kind) for check in checks)


_KINDS: Final = (
    (pa.types.is_boolean, ColumnKind.BOOLEAN),
    (pa.types.is_integer, ColumnKind.INTEGER),
    (pa.types.is_floating, ColumnKind.NUMBER),
    (pa.types.is_decimal, ColumnKind.NUMBER),
    (pa.types.is_date, ColumnKind.DATE),
    (pa.types.is_timestamp, ColumnKind.DATE),
    (pa.types.is_time, ColumnKind.DATE),
    (is_binary, ColumnKind.BINARY),
)


def cells(column: pa.Array) -> list[Cell]:
    """Long values cut before they become Python's: a text of 10 MB costs what is shown of it."""
    return _cells(column, SHOWN_CHARACTERS, SHOWN_ITEMS)


def whole_cells(column: pa.Array) -> list[Cell]:
    """Cut only where nobody reads on."""
    return _cells(column, MOST_CHARACTERS, MOST_ITEMS)


def _cells(column: pa.Array, longest: int, most: int) -> list[Cell]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_text(column.type):
        return [Cell(text, is_cut=is_cut) for text, is_cut in _cut_texts(column, longest)]
    return [_cell(value, longest, most) for value in _values(column, longest)]


def as_text(column: pa.Array) -> pa.Array:
    """Dates and the like as ISO 8601; a time with a zone in UTC, so that no zone's rules have to be known."""
    if pa.types.is_timestamp(column.type) or pa.types.is_time(column.type):
        return _times_as_text(column)
    try:
        return column.cast(pa.string())
    except pa.ArrowNotImplementedError:
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def _times_as_text(column: pa.Array) -> pa.Array:
    has_zone = pa.types.is_timestamp(column.type) and column.type.tz is not None
    plain = column.cast(pa.timestamp(column.type.unit)) if has_zone else column
    text = pc.replace_substring_regex(plain.cast(pa.string()), r"\.0+$", "")
    return pc.binary_join_element_wise(text, "Z", "") if has_zone else text


def _cell(value: Any, longest: int, most: int) -> Cell:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        items = [item[:longest] for item in value[:most]]
        return Cell(items, is_cut=items != value)
    if isinstance(value, list | dict):
        text = orjson.dumps(value).decode()
        return Cell(text[:longest], is_cut=len(text) > longest)
    return Cell(value)


def _values(column: pa.Array, longest: int) -> list[Any]:
    """As JSON has them, bytes being told by their number only, and texts up to the `longest`."""
    kind = column.type
    if isinstance(kind, pa.ExtensionType):
        return _values(column.storage, longest)
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode(), longest)
    if is_text(kind):
        return [text + "…" if is_cut and text else text for text, is_cut in _cut_texts(column, longest)]
    if is_binary(kind):
        return [None if size is None else f"{size} B" for size in pc.binary_length(column).to_pylist()]
    if is_list(kind):
        return _lists(column, longest)
    if pa.types.is_struct(kind):
        parts = [_values(column.field(position), longest) for position in range(kind.num_fields)]
        rows = zip(column.is_valid().to_pylist(), *parts, strict=True)
        return [dict(zip(kind.names, values, strict=True)) if is_valid else None for is_valid, *values in rows]
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        values: list[Any] = column.to_pylist()
        return values
    if pa.types.is_floating(kind):
        digits = 7 if kind.bit_width <= 32 else 17
        return [None if value is None else _number(value, digits) for value in column.to_pylist()]
    texts: list[Any] = as_text(column).to_pylist()
    return texts


def _number(value: float, digits: int) -> float | str:
    """JSON has no word for nan, and 0.1 in 32 bits is not 0.10000000149011612 to people."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)


def _lists(column: pa.Array, longest: int) -> list[Any]:
    sizes = pc.list_value_length(column).to_pylist()
    items = iter(_values(column.flatten(), longest))
    return [None if size is None else [next(items) for _ in range(size)] for size in sizes]


def _cut_texts(column: pa.Array, longest: int) -> list[tuple[str | None, bool]]:
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    is_long = pc.fill_null(pc.greater(pc.utf8_length(column), longest), False)
    texts = pc.utf8_slice_codeunits(column, 0, longest).to_pylist()
    return list(zip(texts, is_long.to_pylist(), strict=True))
