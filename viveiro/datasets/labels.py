"""Labels as numbers: of each row one, or, where rows have several, a set of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from viveiro.datasets.cells import is_list
from viveiro.datasets.profile import label_text, require_values
from viveiro.datasets.separators import names_in
from viveiro.datasets.splits import Ints, Rows

Codes = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Labels:
    """What the codes of a LabelCoder stand for.

    Attributes:
        classes: names, numbers before words and 2 before 10.
        sets: for each code the classes that it stands for, by position. One of each, unless `multi`.
    """

    classes: tuple[str, ...]
    sets: tuple[tuple[int, ...], ...]
    multi: bool

    def rows_by_class(self, codes: Codes) -> Ints:
        """Rows that have each class, shape (classes,)."""
        counts = np.zeros(len(self.classes), dtype=np.int64)
        for code, rows in enumerate(np.bincount(codes[codes >= 0], minlength=len(self.sets)).tolist()):
            counts[list(self.sets[code])] += rows
        return counts

    def strata(self, codes: Codes) -> Rows:
        """For each row the rarest of its classes: if that one is divided well among splits, the others are. Rows without
        any are a class of their own, as unlabelled ones are."""
        counts = self.rows_by_class(codes)
        rarest = [min(members, key=counts.__getitem__, default=len(self.classes)) for members in self.sets]
        return np.array([*rarest, len(self.classes)], dtype=np.int16)[codes]

    def only_used(self, codes: Codes) -> "Labels":
        """Without the classes that none of these rows has. Codes stay what they are."""
        used = sorted({member for code in np.unique(codes[codes >= 0]) for member in self.sets[code]})
        renumbered = {old: new for new, old in enumerate(used)}
        sets = tuple(tuple(renumbered[member] for member in members if member in renumbered) for members in self.sets)
        return Labels(tuple(self.classes[member] for member in used), sets, self.multi)

    def column(self, codes: Codes) -> pa.Array:
        """Class numbers as they are stored: int64, or lists of them. Null where there is no label."""
        if self.multi:
            lists = [None if code < 0 else list(self.sets[code]) for code in codes.tolist()]
            return pa.array(lists, pa.list_(pa.int64()))
        first = np.array([*(members[0] if members else -1 for members in self.sets), -1], dtype=np.int64)
        return pa.array(first[codes], mask=codes < 0)


def require_labels(column: pa.Field) -> None:
    """Refuse a column that holds objects: neither labels nor lists of them."""
    require_values(column.with_type(column.type.value_type) if is_list(column.type) else column)


class LabelCoder:
    """Numbers labels in the order they come by; their names are put in order at the end.

    Args:
        separator: what stands between several labels in one text.

    Raises:
        UnusableData: the column holds objects.
    """

    def __init__(self, column: pa.Field | None, separator: str | None = None) -> None:
        if column is not None:
            require_labels(column)
        self.multi = separator is not None or (column is not None and is_list(column.type))
        self._labelled = column is not None
        self._separator = separator
        self._codes: dict[Any, int] = {}

    def add(self, column: pa.Array | None, rows: int) -> Codes:
        """Codes of the next rows, -1 for a missing label. Without a label column, all rows are of one kind."""
        if column is None:
            return np.zeros(rows, dtype=np.int32)
        if self.multi:
            values = column if is_list(column.type) else label_text(column)
            return np.fromiter((self._code_of_several(value) for value in values.to_pylist()), np.int32, rows)
        coded = label_text(column).dictionary_encode()
        lookup = [self._code(name) for name in coded.dictionary.to_pylist()]
        indices = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
        codes: Codes = np.array([*lookup, -1], dtype=np.int32)[indices]
        return codes

    def finish(self) -> Labels:
        if not self._labelled:
            return Labels((), ((),), multi=False)
        members = [key if self.multi else (key,) for key in self._codes]
        classes = tuple(sorted({name for names in members for name in names}, key=_natural))
        position = {name: number for number, name in enumerate(classes)}
        sets = tuple(tuple(sorted(position[name] for name in names)) for names in members)
        return Labels(classes, sets, self.multi)

    def _code_of_several(self, value: Any) -> int:
        if value is None:
            return -1
        names = names_in(value.split(self._separator) if isinstance(value, str) else value)
        # An empty list says that none applies; an empty cell says nothing.
        return -1 if isinstance(value, str) and not names else self._code(names)

    def _code(self, key: Any) -> int:
        return self._codes.setdefault(key, len(self._codes))


def _natural(name: str) -> tuple[bool, int, str]:
    whole = name.removeprefix("-").isdecimal()
    return not whole, int(name) if whole else 0, name
