"""From a file as people have it to a folder as `datasets` reads it: three passes, none of which holds the table in memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from viveiro.datasets.cards import dataset_card, text_digest
from viveiro.datasets.encodings import Encoding
from viveiro.datasets.features import with_features
from viveiro.datasets.findings import findings_of_header, findings_of_import
from viveiro.datasets.fingerprints import fingerprints
from viveiro.datasets.labels import Codes, LabelCoder, Labels
from viveiro.datasets.profile import Profiler, arrow_type, require_values, typed
from viveiro.datasets.roles import choose_roles
from viveiro.datasets.sources import Source, open_source
from viveiro.datasets.splits import Ints, Mask, Rows, commoner, linked_groups, repeated, split_groups
from viveiro.datasets.types import (
    FEWEST_ROWS_PER_CLASS,
    FRACTIONS,
    MAX_CLASSES,
    REPORT_FILE,
    SPLITS,
    ColumnProfile,
    ColumnType,
    Dropped,
    DropReason,
    Finding,
    ImportOptions,
    Progress,
    Roles,
)
from viveiro.errors import UnreadableFile, UnusableData
from viveiro.storage import full_disk_named

ROWS_PER_GROUP: Final = 65_536
GROUP_BYTES: Final = 8 * 2**20
"""Rows of a split are written when so much of them has gathered."""
LONGEST_TEXT: Final = 1_000_000
"""In characters. A longer cell is a document or an accident, not an example."""
MOST_MALFORMED: Final = 0.1
"""Share of unreadable rows from which the file is refused: it is not what it was taken for."""
MOST_TWINS: Final = 3
"""Rows that may have the same text beside the one to learn from, before it is a phrase that says nothing of them. The rarer ones
are translations: rows that share one belong together."""
MIXED_AT_ONCE: Final = 2**18
NOT_GIVEN: Final = -1
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file."""

    rows: dict[str, int]
    splits_given: bool
    """Whether the file said which row belongs to which split."""
    roles: Roles
    separator: str | None
    multi_label: bool
    profiles: tuple[ColumnProfile, ...]
    classes: tuple[str, ...]
    dropped: Dropped
    encoding: Encoding | None
    renamed: Mapping[str, str]
    ignored: Sequence[str]
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "splits_given": self.splits_given,
            "text_columns": list(self.roles.texts),
            "label_column": self.roles.label,
            "label_separator": self.separator,
            "multi_label": self.multi_label,
            "columns": [
                {"name": profile.name, "type": str(profile.type), "role": str(self.roles.of(profile))}
                for profile in self.profiles
            ],
            "classes": list(self.classes),
            "dropped": self.dropped.to_json(),
            "encoding": {"name": self.encoding.name, "replaced": self.encoding.replaced} if self.encoding else {},
            "renamed_columns": dict(self.renamed),
            "ignored_files": {"count": len(self.ignored), "examples": list(self.ignored[:20])},
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class _Staged:
    """The table as Parquet, before anything is known of its meaning."""

    path: Path
    profiles: tuple[ColumnProfile, ...]
    numbers: Rows
    """For `Source.place`."""
    given: Rows
    """Position in SPLITS as the file says it, NOT_GIVEN where it does not."""

    @property
    def has_splits(self) -> bool:
        return bool((self.given != NOT_GIVEN).any())

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=list(columns)).combine_chunks().to_batches()


@dataclass(frozen=True, slots=True)
class _Index:
    """What is remembered of each row: a few bytes, never its text."""

    codes: Codes
    labels: Labels
    texts: tuple[Ints, ...]
    """One fingerprint per text column; -1 where the text is empty."""
    kept: Mask


def import_table(
    source_file: Path, options: ImportOptions, work: Path, folder: Path, progress: Progress
) -> ImportReport:
    """Write `folder` as a dataset repo: Parquet by split, card, report. `work` is scratch space on the same disk.

    Raises:
        UnreadableFile: no table can be read from the file.
        UnknownColumn: a named column is not in it.
        UnusableData: nothing can be learnt from it: one class only, too few rows, no text left.
        StorageFull: the disk is.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's usual one keeps 50 MB of what was freed
    with full_disk_named():
        source = open_source(source_file, options.file_name, work)
        staged = _stage(source, work / "staged.parquet", progress)
        require_readable(len(staged.numbers), source, options.file_name)
        roles = roles_in(staged.profiles, source, options)
        separator = separator_in(staged.profiles, roles, options)
        index = _index(staged, roles, separator, source, progress)
        require_learnable(index, roles, options.file_name)
        groups = _groups(index, staged)
        # What is no longer needed makes room: with millions of rows it is most of the memory.
        index, staged = replace(index, texts=()), replace(staged, numbers=np.empty(0, np.int32))
        splits = _assign(index, staged, groups, options.seed)
        schema, classes = _write(staged, folder, roles, index, splits, progress)
        staged.path.unlink()
        report = _report(source, staged, roles, separator, index, splits, options)
        findings = [
            *findings_of_import(report.to_json(), options.file_name),
            *findings_of_source(source, roles.label, report.classes, options.file_name),
        ]
        card = dataset_card(options.file_name, report, schema, classes, folder / "data")
        content = {
            **report.to_json(),
            "findings": [finding.to_json() for finding in findings],
            "card_sha256": text_digest(card.encode()),
        }
        (folder / REPORT_FILE).write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")
    return report


def require_learnable(index: "_Index", roles: Roles, name: str) -> None:
    """Refuse a labelled table from which no classifier could be trained and tested."""
    codes = index.codes[index.kept]
    if not len(codes):
        raise UnusableData(
            "No usable row is left in {name}: every text or label is empty. Texts were sought in {texts}, labels in {label}. "
            "Name the columns: --text-column …, --label-column …",
            name=name,
            texts=", ".join(roles.texts) or "–",
            label=roles.label or "–",
        )
    if roles.label is None:
        return
    classes = index.labels.classes
    if len(classes) < 2:
        raise UnusableData(
            "Column {label!r} of {name} has one class only ({only!r}). A classifier needs two. "
            "Name another column (--label-column …), or keep the table without labels (--unlabelled).",
            label=roles.label,
            name=name,
            only=", ".join(classes)[:100],
        )
    if int((index.labels.rows_by_class(codes) >= FEWEST_ROWS_PER_CLASS).sum()) < 2:
        raise UnusableData(
            "{name} has {rows} usable rows. At least two classes need {fewest} rows each: one to learn from, one to choose "
            "settings with, one to test on. Add rows, or keep the table without labels (--unlabelled).",
            name=name,
            rows=len(codes),
            fewest=FEWEST_ROWS_PER_CLASS,
        )


# First pass: any form becomes Parquet, and every column is profiled ---------------------------------------------------


def _stage(source: Source, path: Path, progress: Progress) -> _Staged:
    profilers = [Profiler(field.name, field.type, source.textual) for field in source.schema]
    numbers, given, done = [np.empty(0, np.int32)], [np.empty(0, np.int8)], 0
    with pq.ParquetWriter(
        path, source.schema, compression="lz4", use_dictionary=False, write_statistics=False
    ) as writer:
        for batch in source.batches():
            for profiler, column in zip(profilers, batch.rows.columns, strict=True):
                profiler.add(column)
            writer.write_batch(batch.rows)
            numbers.append(batch.numbers.astype(np.int32))
            split = NOT_GIVEN if batch.split is None else batch.split
            given.append(np.full(len(batch.numbers), split, dtype=np.int8))
            done += len(batch.numbers)
            progress({"stage": "reading", "done": source.position() // _MIB, "of": source.size // _MIB, "rows": done})
    profiles = tuple(profiler.profile() for profiler in profilers)
    return _Staged(path, profiles, np.concatenate(numbers), np.concatenate(given))


def require_readable(rows: int, source: Source, name: str) -> None:
    """Refuse a table of which too little could be read, so many rows having been."""
    malformed = source.dropped.counts[DropReason.MALFORMED]
    if malformed > MOST_MALFORMED * (rows + malformed):
        first = source.dropped.examples[0]
        raise UnreadableFile(
            "{malformed} of {rows} rows of {name} cannot be read, the first of them is row {row} ({detail}). Look at that "
            "row: a missing quote or a second delimiter is the usual cause.",
            malformed=malformed,
            rows=rows + malformed,
            name=first.file or name,
            row=first.row,
            detail=first.detail,
        )
    if not rows:
        raise UnreadableFile("{name} has a header and no rows. Add rows below it.", name=name)


def findings_of_source(source: Source, label: str | None, classes: Sequence[str], name: str) -> Iterator[Finding]:
    """About how the file is written."""
    if source.textual and not source.roles:
        yield from findings_of_header(source.schema.names, label, classes, name)
    yield from source.findings()


def roles_in(profiles: Sequence[ColumnProfile], source: Source, options: ImportOptions) -> Roles:
    """As the owner said, as the form itself says, else guessed. Raises as `choose_roles` does, and UnusableData for a text column
    that holds lists."""
    roles = choose_roles(
        profiles,
        text=options.text_column or source.roles.get("text"),
        label=options.label_column or (None if options.unlabelled else source.roles.get("label")),
        separator=options.label_separator,
        unlabelled=options.unlabelled,
    )
    for name in roles.texts:
        require_values(source.schema.field(name))
    return roles


def separator_in(profiles: Sequence[ColumnProfile], roles: Roles, options: ImportOptions) -> str | None:
    """What cuts the label's cells: as said, else as evident. Said to be nothing (""), cells stay whole."""
    label = next((profile for profile in profiles if profile.name == roles.label), None)
    if label is None or label.type is ColumnType.LIST:
        return None
    return (label.separator if options.label_separator is None else options.label_separator) or None


# Second pass: fingerprints and labels of each row, and which rows stay ------------------------------------------------


def _index(staged: _Staged, roles: Roles, separator: str | None, source: Source, progress: Progress) -> _Index:
    total = len(staged.numbers)
    texts = [np.empty(total, dtype=np.int64) for _ in roles.texts]
    codes = np.empty(total, dtype=np.int32)
    too_long = np.zeros(total, dtype=bool)
    schema = pq.read_schema(staged.path)
    coder = LabelCoder(schema.field(roles.label) if roles.label else None, separator)
    start = 0
    for batch in staged.batches([*roles.texts, *([roles.label] if roles.label else [])] or schema.names[:1]):
        where = slice(start, start + len(batch))
        for prints, name in zip(texts, roles.texts, strict=True):
            prints[where] = fingerprints(batch.column(name))
            too_long[where] |= _too_long(batch.column(name))
        codes[where] = coder.add(batch.column(roles.label) if roles.label else None, len(batch))
        start += len(batch)
        progress({"stage": "duplicates", "done": start, "of": total})
    labels = coder.finish()
    _require_few_classes(labels, roles)
    kept = _kept(codes, texts, too_long, staged, source, labelled=roles.label is not None)
    return _Index(codes, labels.only_used(codes[kept]), tuple(texts), kept)


def _too_long(column: pa.Array) -> Any:
    lengths = pc.fill_null(pc.utf8_length(column.cast(pa.string())), 0)
    return lengths.to_numpy(zero_copy_only=False) > LONGEST_TEXT


def _require_few_classes(labels: Labels, roles: Roles) -> None:
    if len(labels.classes) > MAX_CLASSES:
        raise UnusableData(
            "Column {column!r} holds {classes} different labels, and {limit} is the most. Is it a column of labels?",
            column=roles.label,
            classes=len(labels.classes),
            limit=MAX_CLASSES,
        )


def _kept(codes: Codes, texts: list[Ints], too_long: Mask, staged: _Staged, source: Source, *, labelled: bool) -> Mask:
    """Which rows stay, the others being noted as dropped. Of rows with the same texts and label the first one does.

    Where there is no label, rows that say the same may still differ in what they are about: all of them stay.

    Args:
        texts: fingerprints of the text to learn from, then of those beside it. Of the latter, those of phrases that many rows
            have become -1.
    """
    kept = np.ones(len(codes), dtype=bool)
    leave_out = partial(_leave_out, kept, staged.numbers, source)
    if texts:
        leave_out(np.all([text < 0 for text in texts], axis=0), DropReason.EMPTY_TEXT)
    leave_out(codes < 0, DropReason.EMPTY_LABEL)
    leave_out(too_long, DropReason.TOO_LONG)
    if texts and labelled:
        repeats = _among(kept, _mixed(codes, *texts, staged.given), repeated)
        leave_out(repeats & (texts[0] >= 0), DropReason.DUPLICATE)
    for text in texts[1:]:
        text[_among(kept, text, partial(commoner, most=MOST_TWINS))] = -1
    if texts and labelled:
        leave_out(_judged_elsewhere(kept, texts, staged.given), DropReason.IN_ANOTHER_SPLIT)
    return kept


def _leave_out(kept: Mask, numbers: Rows, source: Source, unwanted: Mask, reason: DropReason) -> None:
    rows = np.flatnonzero(kept & unwanted)
    for row in rows[: source.dropped.examples_per_reason]:
        file, number = source.place(int(numbers[row]))
        source.dropped.add(number, reason, file=file)
    if len(rows) > source.dropped.examples_per_reason:
        source.dropped.counts[reason] += len(rows) - source.dropped.examples_per_reason
    kept[rows] = False


def _among(kept: Mask, values: Ints, which: Any) -> Mask:
    if kept.all():
        result: Mask = which(values)
        return result
    result = np.zeros(len(kept), dtype=bool)
    result[kept] = which(values[kept])
    return result


def _mixed(*columns: Rows) -> Ints:
    """One number for a row's numbers: 63 bits, equal for equal rows and hardly ever for others."""
    result = np.empty(len(columns[0]), dtype=np.int64)
    for start in range(0, len(result), MIXED_AT_ONCE):
        mixed = np.zeros(len(result[start : start + MIXED_AT_ONCE]), dtype=np.uint64)
        for column in columns:
            mixed += column[start : start + MIXED_AT_ONCE].astype(np.uint64)
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        result[start : start + MIXED_AT_ONCE] = mixed >> np.uint64(1)
    return result


def _judged_elsewhere(kept: Mask, texts: list[Ints], given: Rows) -> Mask:
    """Rows whose text also stands in a later split that the file gives: those are kept whole, as others judge by them."""
    result = np.zeros(len(kept), dtype=bool)
    for split in range(len(SPLITS) - 1):
        here, later = kept & (given == split), kept & (given > split)
        for text in texts:
            result[here] |= (text[here] >= 0) & np.isin(text[here], text[later])
    return result


# Third pass: one Parquet file per split, in the order of the rows -----------------------------------------------------


def _groups(index: _Index, staged: _Staged) -> Rows:
    """Kept rows that share a text have the same number. Without texts each row stands for itself."""
    if staged.has_splits or not index.texts:
        return np.arange(int(index.kept.sum()))
    return linked_groups([text[_where(index)] for text in index.texts])


def _assign(index: _Index, staged: _Staged, groups: Rows, seed: int) -> Rows:
    """The split of each row, -1 for a dropped one."""
    splits = np.full(len(index.kept), -1, dtype=np.int8)
    where = _where(index)
    if staged.has_splits:
        splits[where] = staged.given[where]
    else:
        splits[where] = split_groups(index.labels.strata(index.codes[where]), groups, FRACTIONS, seed)
    return splits


def _where(index: _Index) -> Any:
    """Selects the kept rows. Where that is all of them, nothing is copied."""
    return slice(None) if index.kept.all() else index.kept


def _write(
    staged: _Staged, folder: Path, roles: Roles, index: _Index, splits: Rows, progress: Progress
) -> tuple[pa.Schema, dict[str, tuple[str, ...]]]:
    types = {profile.name: profile.type for profile in staged.profiles}
    plain = pq.read_schema(staged.path)
    classes = {roles.label: index.labels.classes} if roles.label else {}
    fields = [(field.name, _kept_type(field, types, roles, multi=index.labels.multi)) for field in plain]
    schema = with_features(pa.schema(fields), classes)
    (folder / "data").mkdir(parents=True)
    with ExitStack() as files:
        writers = {
            position: files.enter_context(_SplitWriter(folder / "data", SPLITS[position], schema))
            for position in _used_splits(splits, staged)
        }
        start = 0
        for batch in staged.batches(plain.names):
            where = slice(start, start + len(batch))
            table = _typed_table(batch, schema, types, roles, index.labels.column(index.codes[where]))
            for position, writer in writers.items():
                writer.write(table.filter(pa.array(splits[where] == position)))
            start += len(batch)
            progress({"stage": "writing", "done": start, "of": len(splits)})
    return schema, classes


def _used_splits(splits: Rows, staged: _Staged) -> list[int]:
    """All of them, or those that the file gives."""
    return [position for position in range(len(SPLITS)) if not staged.has_splits or (splits == position).any()]


def _kept_type(field: pa.Field, types: Mapping[str, ColumnType], roles: Roles, *, multi: bool) -> pa.DataType:
    if field.name == roles.label:
        return pa.list_(pa.int64()) if multi else pa.int64()
    is_guessed = pa.types.is_string(field.type) and field.name not in roles.texts
    return arrow_type(types[field.name]) if is_guessed else field.type


def _typed_table(
    batch: pa.RecordBatch, schema: pa.Schema, types: Mapping[str, ColumnType], roles: Roles, labels: pa.Array
) -> pa.Table:
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == roles.label:
            columns.append(labels)
        elif pa.types.is_string(column.type) and name not in roles.texts:
            columns.append(typed(column, types[name]))
        else:
            columns.append(column)
    return pa.table(columns, schema=schema)


class _SplitWriter:
    """Gathers rows, so that row groups are neither tiny nor larger than memory has room for."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        self._file = pq.ParquetWriter(folder / f"{split}-00000-of-00001.parquet", schema, compression="zstd")
        self._gathered: list[pa.Table] = []
        self._schema = schema

    def __enter__(self) -> "_SplitWriter":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._flush()
        finally:
            self._file.close()

    def write(self, table: pa.Table) -> None:
        self._gathered.append(table)
        if sum(part.nbytes for part in self._gathered) > GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._gathered) if self._gathered else self._schema.empty_table()
        self._gathered = []
        if len(table):
            self._file.write_table(table, ROWS_PER_GROUP)


def _report(
    source: Source,
    staged: _Staged,
    roles: Roles,
    separator: str | None,
    index: _Index,
    splits: Rows,
    options: ImportOptions,
) -> ImportReport:
    return ImportReport(
        rows={SPLITS[position]: int((splits == position).sum()) for position in _used_splits(splits, staged)},
        splits_given=staged.has_splits,
        roles=roles,
        separator=separator,
        multi_label=index.labels.multi,
        profiles=staged.profiles,
        classes=index.labels.classes,
        dropped=source.dropped,
        encoding=source.encoding,
        renamed=source.renamed,
        ignored=source.ignored,
        seed=options.seed,
    )
