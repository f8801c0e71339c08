"""A file before it is imported: what its beginning says, with the same guesses that its import would make."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from viveiro.datasets.cells import cells, is_list
from viveiro.datasets.findings import findings_of_upload, in_order
from viveiro.datasets.formats import Archive, Csv, FileFormat, JsonArray, JsonLines, Parquet, sniff
from viveiro.datasets.importing import findings_of_source, require_readable, roles_in, separator_in
from viveiro.datasets.labels import LabelCoder
from viveiro.datasets.profile import Profiler, trimmed_text
from viveiro.datasets.sources import Source, open_form
from viveiro.datasets.types import (
    Cell,
    ColumnProfile,
    ImportOptions,
    InspectedColumn,
    Inspection,
    Roles,
    ValueCount,
)

WHOLE_BYTES: Final = 50 * 2**20
"""The rows of a file up to this size are counted; of a larger one, estimated."""
HEAD_BYTES: Final = 20 * 2**20
HEAD_ROWS: Final = 100_000
"""Rows that are looked into: so many, or HEAD_BYTES of them."""
PREVIEW_ROWS: Final = 20
MOST_CLASSES: Final = 30
EXAMPLES: Final = 3
EXAMPLE_CHARACTERS: Final = 80
_NAMES: Final[dict[type[FileFormat], str]] = {
    Csv: "csv",
    JsonLines: "json_lines",
    JsonArray: "json",
    Parquet: "parquet",
    Archive: "folder",
}
_CHARACTER_BYTES: Final = {"utf-16": 2, "utf-32": 4}


@dataclass
class _Head:
    """The first rows of a file, in memory."""

    profilers: list[Profiler]
    batches: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    size: int = 0
    """Bytes in memory."""

    @property
    def is_full(self) -> bool:
        return self.rows >= HEAD_ROWS or self.size >= HEAD_BYTES

    def add(self, rows: pa.RecordBatch) -> None:
        for profiler, column in zip(self.profilers, rows.columns, strict=True):
            profiler.add(column)
        self.batches.append(rows)
        self.rows += len(rows)
        self.size += rows.nbytes

    def column(self, name: str) -> list[pa.Array]:
        return [batch.column(name) for batch in self.batches]


def inspect_file(path: Path, options: ImportOptions, work: Path) -> Inspection:
    """`work`: an empty folder for scratch.

    Raises:
        UnreadableFile: no table can be read from it.
        UnknownColumn, OneColumnTwice: the options name a column that cannot be meant.
    """
    limit = HEAD_BYTES if path.stat().st_size > WHOLE_BYTES else None
    form = sniff(path, options.file_name, limit)
    source = open_form(path, options.file_name, form, work, limit)
    head, rows, is_estimate = _read(path, form, source, limit)
    require_readable(head.rows, source, options.file_name)
    profiles = [profiler.profile() for profiler in head.profilers]
    roles = _roles(profiles, source, options)
    separator = separator_in(profiles, roles, options)
    classes, is_multi = _classes(head, source.schema, roles.label, separator)
    seen = Inspection(
        file_name=options.file_name,
        format=_NAMES[type(form)],
        delimiter=form.delimiter if isinstance(form, Csv) else None,
        encoding=source.encoding.name if source.encoding else None,
        rows=rows,
        is_estimate=is_estimate,
        counted=head.rows,
        columns=tuple(_describe(profile, roles, head) for profile in profiles),
        preview=_preview(head),
        text_column=next(iter(roles.texts), None),
        label_column=roles.label,
        separator=separator,
        multi_label=is_multi,
        class_count=len(classes),
        classes=tuple(classes[:MOST_CLASSES]),
        findings=(),
    )
    encoding = {"name": source.encoding.name, "replaced": source.encoding.replaced} if source.encoding else {}
    findings = [
        *findings_of_upload(
            replace(seen, classes=tuple(classes)), source.dropped, encoding, source.renamed, source.ignored
        ),
        *findings_of_source(source, roles.label, [each.value for each in classes], options.file_name),
    ]
    return replace(seen, findings=tuple(in_order(findings)))


def _read(path: Path, form: FileFormat, source: Source, limit: int | None) -> tuple[_Head, int, bool]:
    """The head; how many rows there are; whether that is an estimate."""
    head = _Head([Profiler(column.name, column.type, source.textual) for column in source.schema])
    rows = 0
    is_whole = limit is None or not isinstance(form, JsonLines | JsonArray)  # which end at the limit by themselves
    for batch in source.batches():
        if head.is_full and (limit is not None or isinstance(form, Parquet)):
            is_whole = False
            break
        if not head.is_full and len(batch.rows):
            head.add(batch.rows)
        rows += len(batch.rows)
    if isinstance(form, Parquet):
        return head, pq.read_metadata(path).num_rows, False
    return head, rows if is_whole else _estimate(form, source, head), not is_whole


def _estimate(form: FileFormat, source: Source, head: _Head) -> int:
    """To two digits: rows further on may be longer or shorter."""
    # How far a CSV has been read says little about its rows: Arrow reads far ahead of them.
    read = sum(_csv_bytes(batch, form) for batch in head.batches) if isinstance(form, Csv) else source.position()
    rows = head.rows * source.size // max(read, 1)
    return max(round(rows, 2 - len(str(rows))), head.rows)


def _csv_bytes(rows: pa.RecordBatch, form: Csv) -> int:
    """What these rows take in the file, quotes aside."""
    measure = pc.binary_length if form.encoding.name == "utf-8" else pc.utf8_length
    characters = sum(pc.sum(measure(column)).as_py() or 0 for column in rows.columns) + rows.num_rows * rows.num_columns
    return int(characters) * _CHARACTER_BYTES.get(form.encoding.name, 1)


def _roles(profiles: Sequence[ColumnProfile], source: Source, options: ImportOptions) -> Roles:
    """As an import has them, but that a named label may have too many values: here that becomes a finding."""
    return roles_in(profiles, source, replace(options, label_separator=options.label_separator or ""))


def _classes(head: _Head, schema: pa.Schema, label: str | None, separator: str | None) -> tuple[list[ValueCount], bool]:
    """Every class with its rows, the commonest first; whether rows have several."""
    if label is None:
        return [], False
    coder = LabelCoder(schema.field(label), separator)
    codes = np.concatenate([coder.add(column, len(column)) for column in head.column(label)])
    labels = coder.finish()
    counts = labels.rows_by_class(codes)
    order = np.argsort(-counts, kind="stable")
    return [ValueCount(labels.classes[number], int(counts[number])) for number in order], labels.multi


def _describe(profile: ColumnProfile, roles: Roles, head: _Head) -> InspectedColumn:
    return InspectedColumn(
        name=profile.name,
        type=profile.type,
        role=roles.of(profile),
        empty_share=1 - profile.filled / profile.rows,
        distinct=profile.distinct,
        examples=tuple(_examples(head.column(profile.name)[0])),
    )


def _examples(column: pa.Array) -> list[str]:
    values = trimmed_text(column.flatten() if is_list(column.type) else column).drop_null().unique()[:EXAMPLES]
    return [
        text[:EXAMPLE_CHARACTERS] + ("…" if len(text) > EXAMPLE_CHARACTERS else "")
        for text in pc.utf8_slice_codeunits(values, 0, EXAMPLE_CHARACTERS + 1).to_pylist()
    ]


def _preview(head: _Head) -> tuple[tuple[Cell, ...], ...]:
    rows = (
        row
        for batch in head.batches
        for row in zip(*(cells(column[:PREVIEW_ROWS]) for column in batch.columns), strict=True)
    )
    return tuple(islice(rows, PREVIEW_ROWS))
