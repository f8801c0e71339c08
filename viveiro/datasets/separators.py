"""Several labels in one cell. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

MISSING_LABELS: Final = ("", "nan", "NaN", "null", "NULL", "#N/A")
"""How programs write a label that is not there. Words that people use as classes ("none", "NA") are not among them."""
SEPARATORS: Final = (";", "|")
"""Between the labels of a cell, as far as it is guessed. A comma is a part of too many names."""
LONGEST_LABEL: Final = 60
_SHARE_OF_COMBINATIONS: Final = 0.05
_SHARE_THAT_RECURS: Final = 0.8


def evident_separator(values: Counter[str]) -> str | None:
    """What cuts cells into labels that come back in other cells. Cautious: a name may hold a semicolon."""
    return next((separator for separator in SEPARATORS if _is_evident(values, separator)), None)


def _is_evident(values: Counter[str], separator: str) -> bool:
    combined = {value: rows for value, rows in values.items() if separator in value}
    if len(combined) < 2 or sum(combined.values()) < _SHARE_OF_COMBINATIONS * sum(values.values()):
        return False
    parts = Counter(name for value in values for name in names_in(value.split(separator)))
    if any(len(part) > LONGEST_LABEL for part in parts):
        return False
    in_combinations = {name for value in combined for name in names_in(value.split(separator))}
    recurring = sum(parts[name] > 1 for name in in_combinations)
    return len(in_combinations) > 1 and recurring >= _SHARE_THAT_RECURS * len(in_combinations)


def names_in(values: Iterable[Any]) -> tuple[str, ...]:
    stripped = {str(value).strip() for value in values if value is not None}
    return tuple(sorted(stripped.difference(MISSING_LABELS)))
