"""The rows of a dataset by role: what a run learns from, chooses by and is judged on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from viveiro.datasets.fingerprints import fingerprints
from viveiro.datasets.profile import label_text, trimmed_text
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.splits import linked_groups, split_groups
from viveiro.datasets.types import FRACTIONS, SPLITS
from viveiro.errors import UnusableData

Table: TypeAlias = dict[str, list[str]]
"""Columns by role, as a task wants them."""


@dataclass(frozen=True, slots=True)
class LabelledRows:
    train: Table
    validation: Table
    test: Table
    left_out: int
    """Rows without text or label."""

    @property
    def known(self) -> Table:
        """All that the model may have learnt from: what its baselines may learn from too."""
        return {role: [*self.train[role], *self.validation[role]] for role in self.train}

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(getattr(self, split)["text"]) for split in SPLITS}


def read_rows(dataset: OpenDataset, columns: Mapping[str, str], seed: int) -> LabelledRows:
    """As the dataset is split. A split that it does not have is taken from its training rows, by `seed`.

    Raises:
        UnusableData: no row is left to learn from, or none to test on.
    """
    tables = {split: _filled(dataset.table(split, list(columns.values())), columns) for split in dataset.files}
    left_out = sum(dataset.rows(split) - len(table["text"]) for split, table in tables.items())
    for split, share in _shares_to_take(tables):
        tables["train"], tables[split] = _divide(tables.get("train") or {role: [] for role in columns}, share, seed)
    rows = LabelledRows(tables["train"], tables["validation"], tables["test"], left_out)
    for split in ("train", "test"):
        if not rows.counts[split]:
            raise UnusableData(
                "The {split} split of {data} has no row with text and label. To see why: viveiro datasets check {data}",
                split=split,
                data=dataset.name,
            )
    return rows


def _shares_to_take(tables: Mapping[str, Table]) -> list[tuple[str, float]]:
    """Missing splits with the share of what then is in train, so that all of them come out as FRACTIONS says."""
    _, validation, test = FRACTIONS
    wanted = [("test", test), ("validation", validation / (1 - test))]
    return [(split, share) for split, share in wanted if split not in tables]


def _filled(table: pa.Table, columns: Mapping[str, str]) -> Table:
    texts = _column(trimmed_text, table, columns["text"])
    labels = _column(label_text, table, columns["label"])
    pairs = [(text, label) for text, label in zip(texts, labels, strict=True) if text is not None and label is not None]
    return {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}


def _column(read: Any, table: pa.Table, name: str) -> list[str | None]:
    column = table.column(name).combine_chunks()
    values: list[str | None] = read(column).to_pylist()
    return values


def _divide(table: Table, share: float, seed: int) -> tuple[Table, Table]:
    names = sorted(set(table["label"]))
    labels = np.array([names.index(label) for label in table["label"]], dtype=np.int64)
    groups = linked_groups([fingerprints(pa.array(table["text"], pa.string()))])
    assigned = split_groups(labels, groups, (1 - share, share), seed)
    rest, taken = (np.flatnonzero(assigned == position).tolist() for position in (0, 1))
    return _take(table, rest), _take(table, taken)


def _take(table: Table, rows: Sequence[int]) -> Table:
    return {role: [values[row] for row in rows] for role, values in table.items()}
