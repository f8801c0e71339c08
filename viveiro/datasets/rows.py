"""The rows of a dataset by role: what a run learns from, chooses by and is judged on."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from viveiro.datasets.findings import split_taken, untrained_classes
from viveiro.datasets.fingerprints import fingerprints
from viveiro.datasets.labels import Codes, LabelCoder, Labels, require_labels
from viveiro.datasets.profile import label_text, require_values, trimmed_text
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.separators import names_in
from viveiro.datasets.splits import Ints, Mask, linked_groups, split_groups
from viveiro.datasets.types import FRACTIONS, Finding, LabelledRows, Table
from viveiro.errors import UnusableData


def read_rows(dataset: OpenDataset, columns: Mapping[str, str], seed: int) -> LabelledRows:
    """As the dataset is split. A split of which it has no row with text and label is taken from its training rows, by `seed`.

    Rows to choose by and test on whose class no training row has are left out: nothing can learn it. `findings` say so.

    Raises:
        UnusableData: a column holds what is neither text nor label; no row is left to learn from, or none to test on.
    """
    require_values(dataset.plain_field(columns["text"]))
    require_labels(dataset.plain_field(columns["label"]))
    found = {split: _filled(dataset.table(split, list(columns.values())), columns) for split in dataset.files}
    left_out = sum(dataset.rows(split) - len(table["text"]) for split, table in found.items())
    tables = {split: table for split, table in found.items() if table["text"]}
    if "train" not in tables:
        raise UnusableData(
            "{data} has nothing to learn from: no row of a training split has text and label. To see why: "
            "viveiro datasets check {data}",
            data=dataset.name,
        )
    for split, share in shares_to_take(tables):
        tables["train"], tables[split] = _divide(tables["train"], share, seed)
    findings = [split_taken(split) for split, table in found.items() if not table["text"]]
    findings += _leave_out_untrained(tables)
    rows = LabelledRows(tables["train"], tables["validation"], tables["test"], left_out, tuple(findings))
    if not rows.counts["test"]:
        raise UnusableData(
            "No row of {data} is left to test on. To see why: viveiro datasets check {data}", data=dataset.name
        )
    return rows


def shares_to_take(splits: Container[str]) -> list[tuple[str, float]]:
    """Missing splits with the share of what then is in train, so that all of them come out as FRACTIONS says."""
    _, validation, test = FRACTIONS
    wanted = [("test", test), ("validation", validation / (1 - test))]
    return [(split, share) for split, share in wanted if split not in splits]


def deal(labels: Labels, codes: Codes, prints: Ints, share: float, seed: int) -> Mask:
    """Which training rows go to a split that gets this share of them. `codes` and `prints` (fingerprints) are theirs."""
    taken: Mask = split_groups(labels.strata(codes), linked_groups([prints]), (1 - share, share), seed) == 1
    return taken


def _leave_out_untrained(tables: dict[str, Table]) -> Iterator[Finding]:
    """Rows of the other splits with a class that no training row has."""
    trained = {name for label in tables["train"]["label"] for name in _names(label)}
    rows, classes = 0, set[str]()
    for split in ("validation", "test"):
        untrained = [_names(label) - trained for label in tables[split]["label"]]
        tables[split] = _take(tables[split], [row for row, names in enumerate(untrained) if not names])
        rows += sum(map(bool, untrained))
        classes.update(*untrained)
    if rows:
        yield untrained_classes(rows, sorted(classes))


def _names(label: Any) -> set[str]:
    return {label} if isinstance(label, str) else set(label)


def _filled(table: pa.Table, columns: Mapping[str, str]) -> Table:
    texts = _texts(table.column(columns["text"]))
    labels = _labels(table.column(columns["label"]))
    pairs = [(text, label) for text, label in zip(texts, labels, strict=True) if text is not None and label is not None]
    return {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    values: list[str | None] = trimmed_text(column.combine_chunks()).to_pylist()
    return values


def _labels(column: pa.ChunkedArray) -> list[Any]:
    """Names, or lists of names where a row has several; None where there is none."""
    values = column.combine_chunks()
    if pa.types.is_nested(values.type):
        return [None if names is None else list(names_in(names)) for names in values.to_pylist()]
    named: list[Any] = label_text(values).to_pylist()
    return named


def _divide(table: Table, share: float, seed: int) -> tuple[Table, Table]:
    labels = pa.array(table["label"])
    coder = LabelCoder(pa.field("label", labels.type))
    codes = coder.add(labels, len(labels))
    taken = deal(coder.finish(), codes, fingerprints(pa.array(table["text"], pa.string())), share, seed)
    return _take(table, np.flatnonzero(~taken).tolist()), _take(table, np.flatnonzero(taken).tolist())


def _take(table: Table, rows: Sequence[int]) -> Table:
    return {role: [values[row] for row in rows] for role, values in table.items()}
