"""Is this dataset fit to learn from? Counts first, then findings: what its owner should know, in order of gravity."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from viveiro.datasets.fingerprints import fingerprints
from viveiro.datasets.importing import FEWEST_ROWS_PER_CLASS
from viveiro.datasets.profile import label_text, trimmed_text
from viveiro.datasets.reading import OpenDataset
from viveiro.datasets.splits import Ints
from viveiro.datasets.types import CheckReport, Finding

IMBALANCE: Final = 20
"""Times the rarest class fits into the commonest before it is worth a word."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """All rows of all splits, as small numbers. `splits`: position of the split; `labels`: -1 where there is none."""

    splits: Ints
    texts: Ints
    labels: Ints
    lengths: Ints
    names: tuple[str, ...]


def check_dataset(dataset: OpenDataset, text: str | None, label: str | None) -> CheckReport:
    """Go through every row once."""
    splits = list(dataset.files)
    rows = _read(dataset, splits, text, label)
    classes = _classes_by_split(rows, splits)
    duplicates, contradictions = _repetitions(rows)
    report = CheckReport(
        dataset=dataset.name,
        revision=dataset.sha,
        rows={split: dataset.rows(split) for split in splits},
        columns=[_describe_column(dataset, name) for name in dataset.columns],
        text_column=text,
        label_column=label,
        classes=classes,
        text_lengths=_lengths(rows),
        duplicates=duplicates,
        contradictions=contradictions,
        shared_across_splits=_shared(rows),
        dropped=dict(dataset.import_report.get("dropped", {})),
        findings=[],
    )
    report.findings.extend(findings(report))
    return report


def findings(report: CheckReport) -> Iterator[Finding]:
    """Errors, then warnings, then what is merely good to know. Pure."""
    yield from _errors(report)
    yield from _warnings(report)
    if report.duplicates:
        yield Finding("info", "duplicates", f"{report.duplicates} rows repeat an earlier row.")
    for reason, count in report.dropped.get("counts", {}).items():
        yield Finding(
            "info", f"dropped_{reason}", f"{count} rows of the file were left out: {reason.replace('_', ' ')}."
        )


def _errors(report: CheckReport) -> Iterator[Finding]:
    if report.text_column is None:
        yield Finding("error", "no_text", "No column holds texts. Name one: --text-column …")
    if report.label_column is None:
        yield Finding("error", "no_label", "No column holds labels. Name one: --label-column …")
        return
    learnable = [name for name, counts in report.classes.items() if sum(counts.values()) >= FEWEST_ROWS_PER_CLASS]
    if len(report.classes) < 2:
        yield Finding(
            "error",
            "one_class",
            f"Column {report.label_column} holds {len(report.classes)} class; a classifier needs 2.",
        )
    elif len(learnable) < 2:
        yield Finding("error", "too_few_rows", f"At least two classes need {FEWEST_ROWS_PER_CLASS} rows each.")


def _warnings(report: CheckReport) -> Iterator[Finding]:
    for column in report.columns:
        if column["empty"] and column["name"] in (report.text_column, report.label_column):
            yield Finding(
                "warning", "empty", f"{column['empty']} rows have no {column['name']}; a run leaves them out."
            )
    if report.shared_across_splits:
        yield Finding(
            "warning",
            "leak",
            f"{report.shared_across_splits} rows of validation and test have a text that an earlier split has too: scores on them flatter.",
        )
    if report.contradictions:
        yield Finding(
            "warning",
            "contradictions",
            f"{report.contradictions} rows have a text that is labelled otherwise elsewhere.",
        )
    yield from _warnings_of_classes(report.classes)


def _warnings_of_classes(classes: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    totals = Counter({name: sum(counts.values()) for name, counts in classes.items()})
    rare = [name for name, count in totals.items() if count < FEWEST_ROWS_PER_CLASS]
    if rare:
        yield Finding("warning", "rare_classes", f"Too rare to be tested on: {', '.join(sorted(rare)[:10])}.")
    if len(totals) > 1:
        (commonest, most), (rarest, least) = totals.most_common()[0], totals.most_common()[-1]
        if most >= IMBALANCE * max(least, 1):
            yield Finding(
                "warning",
                "imbalance",
                f"{commonest} has {most} rows and {rarest} {least}: try --set class_weights=balanced.",
            )
    for twins in _same_but_for_case(totals):
        yield Finding(
            "warning", "similar_classes", f"These class names differ only in case or spacing: {', '.join(twins)}."
        )


def _same_but_for_case(names: Sequence[str] | Counter[str]) -> list[list[str]]:
    folded: dict[str, list[str]] = {}
    for name in sorted(names):
        folded.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [twins for twins in folded.values() if len(twins) > 1]


def _read(dataset: OpenDataset, splits: Sequence[str], text: str | None, label: str | None) -> _Rows:
    columns = [name for name in (text, label) if name is not None]
    parts: list[tuple[Ints, Ints, Ints]] = []
    labels: list[pa.Array] = []
    for position, split in enumerate(splits):
        for batch in dataset.batches(split, columns) if columns else ():
            texts = batch.column(text) if text else pa.nulls(len(batch), pa.string())
            lengths = pc.fill_null(pc.utf8_length(trimmed_text(texts)), 0).cast(pa.int64()).to_numpy()
            parts.append((np.full(len(batch), position), fingerprints(texts), lengths))
            labels.append(label_text(batch.column(label)) if label else pa.nulls(len(batch), pa.string()))
    joined = pa.chunked_array(labels, pa.string())
    names = tuple(sorted(pc.unique(joined).drop_null().to_pylist()))
    codes = pc.fill_null(pc.index_in(joined, pa.array(names, pa.string())), -1).combine_chunks().cast(pa.int64())
    split_of, prints, lengths = (
        (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else (np.empty(0, np.int64),) * 3
    )
    return _Rows(split_of, prints, codes.to_numpy(zero_copy_only=False), lengths, names)


def _classes_by_split(rows: _Rows, splits: Sequence[str]) -> dict[str, dict[str, int]]:
    filled = rows.labels >= 0
    counts = np.zeros((len(rows.names), len(splits)), dtype=np.int64)
    np.add.at(counts, (rows.labels[filled], rows.splits[filled]), 1)
    order = np.argsort(-counts.sum(1), kind="stable")
    return {rows.names[code]: dict(zip(splits, counts[code].tolist(), strict=True)) for code in order}


def _repetitions(rows: _Rows) -> tuple[int, int]:
    """Rows that repeat an earlier one's text: with the same label, and with another."""
    filled = rows.texts >= 0
    pairs = np.stack([rows.texts[filled], rows.labels[filled]], axis=1)
    distinct_pairs, distinct_texts = len(np.unique(pairs, axis=0)), len(np.unique(pairs[:, 0]))
    return len(pairs) - distinct_pairs, distinct_pairs - distinct_texts


def _shared(rows: _Rows) -> int:
    shared = 0
    for position in range(1, int(rows.splits.max(initial=0)) + 1):
        here, earlier = rows.texts[rows.splits == position], rows.texts[rows.splits < position]
        shared += int(np.isin(here[here >= 0], earlier).sum())
    return shared


def _lengths(rows: _Rows) -> dict[str, float]:
    filled = rows.lengths[rows.texts >= 0]
    if not len(filled):
        return {}
    return {"mean": round(float(filled.mean()), 1), "median": float(np.median(filled)), "longest": float(filled.max())}


def _describe_column(dataset: OpenDataset, name: str) -> dict[str, Any]:
    empty = 0
    for split in dataset.files:
        for batch in dataset.batches(split, [name]):
            values = batch.column(0)
            empty += values.null_count if not pa.types.is_string(values.type) else trimmed_text(values).null_count
    kind = "class label" if name in dataset.classes else str(dataset.schema.field(name).type)
    return {"name": name, "type": kind, "empty": empty}
