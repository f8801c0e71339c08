"""From a file as people have it to a folder as `datasets` reads it: three passes, none of which holds the table in memory."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from viveiro.datasets.cards import dataset_card
from viveiro.datasets.features import with_features
from viveiro.datasets.fingerprints import fingerprints
from viveiro.datasets.profile import Profiler, arrow_type, label_text, typed
from viveiro.datasets.roles import choose_roles
from viveiro.datasets.sources import Source, open_source
from viveiro.datasets.splits import Ints, linked_groups, split_groups
from viveiro.datasets.types import (
    FRACTIONS,
    SPLITS,
    ColumnProfile,
    ColumnType,
    Dropped,
    DropReason,
    Roles,
)
from viveiro.errors import UnreadableFile, UnusableData

BATCH_ROWS: Final = 8192
ROWS_PER_GROUP: Final = 65_536
LONGEST_TEXT: Final = 1_000_000
"""In characters. A longer cell is a document or an accident, not an example."""
FEWEST_ROWS_PER_CLASS: Final = 3
"""One each for training, validation and test."""
REPORT_FILE: Final = "viveiro_import.json"
Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the owner said about a file. None: guess."""

    file_name: str
    text_column: str | None = None
    label_column: str | None = None
    unlabelled: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file."""

    rows: dict[str, int]
    roles: Roles
    profiles: tuple[ColumnProfile, ...]
    classes: tuple[str, ...]
    dropped: Dropped
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "text_columns": list(self.roles.texts),
            "label_column": self.roles.label,
            "columns": [
                {"name": profile.name, "type": str(profile.type), "role": str(self.roles.of(profile))}
                for profile in self.profiles
            ],
            "classes": list(self.classes),
            "dropped": self.dropped.to_json(),
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class _Index:
    """What is remembered of each staged row: a few bytes, never its text."""

    labels: Ints
    texts: tuple[Ints, ...]
    """One fingerprint per text column; -1 where the text is empty."""
    kept: np.ndarray[Any, np.dtype[np.bool_]]
    classes: tuple[str, ...]


def import_table(
    source_file: Path, options: ImportOptions, work: Path, folder: Path, progress: Progress
) -> ImportReport:
    """Write `folder` as a dataset repo: Parquet by split, card, report. `work` is scratch space on the same disk.

    Raises:
        UnreadableFile: no table can be read from the file.
        UnknownColumn: a named column is not in it.
        UnusableData: nothing can be learnt from it: one class only, too few rows, no text left.
    """
    source = open_source(source_file, options.file_name)
    staged = work / "staged.parquet"
    profiles, numbers = _stage(source, staged, progress)
    if not len(numbers):
        raise UnreadableFile("{name} has a header and no rows.", name=options.file_name)
    roles = choose_roles(profiles, text=options.text_column, label=options.label_column, unlabelled=options.unlabelled)
    progress({"stage": "duplicates", "of": len(numbers)})
    index = _index(staged, roles, numbers, source.dropped)
    require_learnable(index.labels[index.kept], index.classes, roles, options.file_name)
    splits = _assign(index, options.seed)
    progress({"stage": "writing", "of": int(index.kept.sum())})
    classes = {roles.label: index.classes} if roles.label else {}
    schema = _write(staged, folder, profiles, roles, index, splits, classes)
    staged.unlink()
    report = ImportReport(_rows_by_split(splits), roles, tuple(profiles), index.classes, source.dropped, options.seed)
    (folder / REPORT_FILE).write_text(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    (folder / "README.md").write_text(dataset_card(options.file_name, report, schema, classes, folder / "data"))
    return report


def require_learnable(labels: Ints, classes: tuple[str, ...], roles: Roles, name: str) -> None:
    """Refuse a labelled table from which no classifier could be trained and tested."""
    if not len(labels):
        raise UnusableData(
            "No usable row is left in {name}: every text or label is empty. Texts were sought in {texts}, labels in {label}.",
            name=name,
            texts=", ".join(roles.texts) or "no column",
            label=roles.label or "no column",
        )
    if roles.label is None:
        return
    if len(classes) < 2:
        raise UnusableData(
            "Column {label!r} of {name} has one class only ({only!r}). A classifier needs two. "
            "Name another column (--label-column …), or keep the table without labels (--unlabelled).",
            label=roles.label,
            name=name,
            only=classes[0],
        )
    if int((np.bincount(labels) >= FEWEST_ROWS_PER_CLASS).sum()) < 2:
        raise UnusableData(
            "{name} has {rows} usable rows. At least two classes need {fewest} rows each: one to learn from, one to choose "
            "settings with, one to test on. Add rows, or keep the table without labels (--unlabelled).",
            name=name,
            rows=len(labels),
            fewest=FEWEST_ROWS_PER_CLASS,
        )


def _stage(source: Source, path: Path, progress: Progress) -> tuple[list[ColumnProfile], Ints]:
    """First pass: any form becomes Parquet, and every column is profiled."""
    profilers = [Profiler(field.name, field.type, source.textual) for field in source.schema]
    numbers: list[Ints] = []
    with pq.ParquetWriter(path, source.schema, compression="lz4") as writer:
        for batch_numbers, batch in source.batches():
            for profiler, column in zip(profilers, batch.columns, strict=True):
                profiler.add(column)
            writer.write_batch(batch)
            numbers.append(batch_numbers)
            progress({"stage": "reading", "done": sum(map(len, numbers))})
    return [profiler.profile() for profiler in profilers], np.concatenate(numbers or [np.empty(0, np.int64)])


def _index(staged: Path, roles: Roles, numbers: Ints, dropped: Dropped) -> _Index:
    """Second pass: fingerprints and labels of each row, and which rows stay."""
    columns = [*roles.texts, *([roles.label] if roles.label else [])]
    texts: list[list[Ints]] = [[] for _ in roles.texts]
    labels: list[pa.Array] = []
    too_long: list[Any] = []
    for batch in _batches(staged, columns):
        for prints, name in zip(texts, roles.texts, strict=True):
            prints.append(fingerprints(batch.column(name)))
        too_long.append(_too_long(batch, roles.texts))
        labels.append(label_text(batch.column(roles.label)) if roles.label else pa.nulls(len(batch), pa.string()))
    codes, classes = _codes(labels, labelled=roles.label is not None)
    joined = tuple(np.concatenate(prints) for prints in texts)
    kept = _drop(codes, joined, np.concatenate(too_long), numbers, dropped)
    return _only_used(_Index(codes, joined, kept, classes))


def _too_long(batch: pa.RecordBatch, texts: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    result = np.zeros(len(batch), dtype=bool)
    for name in texts:
        lengths = pc.fill_null(pc.utf8_length(batch.column(name).cast(pa.string())), 0)
        result |= lengths.to_numpy(zero_copy_only=False) > LONGEST_TEXT
    return result


def _codes(labels: list[pa.Array], *, labelled: bool) -> tuple[Ints, tuple[str, ...]]:
    """Class numbers in the order of their names, -1 where there is none; all 0 in a table without labels."""
    joined = pa.chunked_array(labels, pa.string())
    if not labelled:
        return np.zeros(len(joined), dtype=np.int64), ()
    names = sorted(pc.unique(joined).drop_null().to_pylist(), key=_natural)
    codes = pc.fill_null(pc.index_in(joined, pa.array(names, pa.string())), -1)
    return codes.combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False), tuple(names)


def _natural(name: str) -> tuple[bool, int, str]:
    """2 before 10, numbers before words."""
    whole = name.removeprefix("-").isdecimal()
    return not whole, int(name) if whole else 0, name


def _drop(
    labels: Ints,
    texts: tuple[Ints, ...],
    too_long: np.ndarray[Any, np.dtype[np.bool_]],
    numbers: Ints,
    dropped: Dropped,
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows stay. Of rows with the same texts and label the first one does."""
    kept = np.ones(len(labels), dtype=bool)
    empty = np.all([text < 0 for text in texts], axis=0) if texts else np.zeros(len(labels), dtype=bool)
    for reason, unwanted in (
        (DropReason.EMPTY_TEXT, empty),
        (DropReason.EMPTY_LABEL, labels < 0),
        (DropReason.TOO_LONG, too_long),
    ):
        _leave_out(kept, unwanted, reason, numbers, dropped)
    if texts:
        _leave_out(kept, _repeated(np.stack([labels, *texts], axis=1), kept), DropReason.DUPLICATE, numbers, dropped)
    return kept


def _leave_out(kept: Any, unwanted: Any, reason: DropReason, numbers: Ints, dropped: Dropped) -> None:
    rows = np.flatnonzero(kept & unwanted)
    for row in rows[: dropped.examples_per_reason]:
        dropped.add(int(numbers[row]), reason)
    if len(rows) > dropped.examples_per_reason:
        dropped.counts[reason] += len(rows) - dropped.examples_per_reason
    kept[rows] = False


def _repeated(rows: Ints, kept: Any) -> Any:
    """Rows equal to an earlier kept one."""
    candidates = np.flatnonzero(kept)
    _, first = np.unique(rows[candidates], axis=0, return_index=True)
    repeated = kept.copy()
    repeated[candidates[first]] = False
    return repeated


def _only_used(index: _Index) -> _Index:
    """Classes whose every row was dropped go, and the numbers of the others close up."""
    if not index.classes:
        return index
    used = np.unique(index.labels[index.kept])
    renumbered = np.full(len(index.classes) + 1, -1, dtype=np.int64)
    renumbered[used] = np.arange(len(used))
    return _Index(renumbered[index.labels], index.texts, index.kept, tuple(index.classes[code] for code in used))


def _assign(index: _Index, seed: int) -> Ints:
    """The split of each row, -1 for a dropped one. Without texts each row stands for itself."""
    labels = index.labels[index.kept]
    texts = [text[index.kept] for text in index.texts] or [np.arange(len(labels), dtype=np.int64)]
    splits = np.full(len(index.labels), -1, dtype=np.int64)
    splits[index.kept] = split_groups(labels, linked_groups(texts), FRACTIONS, seed)
    return splits


def _write(
    staged: Path,
    folder: Path,
    profiles: list[ColumnProfile],
    roles: Roles,
    index: _Index,
    splits: Ints,
    classes: Mapping[str, tuple[str, ...]],
) -> pa.Schema:
    """Third pass: one Parquet file per split, in the order of the rows."""
    types = {profile.name: profile.type for profile in profiles}
    plain = pq.read_schema(staged)
    schema = with_features(pa.schema([(field.name, _kept_type(field, types, roles)) for field in plain]), classes)
    (folder / "data").mkdir(parents=True)
    with ExitStack() as files:
        writers = [files.enter_context(_writer(folder / "data", split, schema)) for split in SPLITS]
        start = 0
        for batch in _batches(staged, plain.names):
            where = slice(start, start + len(batch))
            table = _typed_table(batch, schema, types, roles, index.labels[where])
            for position, writer in enumerate(writers):
                writer.write_table(table.filter(pa.array(splits[where] == position)), ROWS_PER_GROUP)
            start += len(batch)
    return schema


def _kept_type(field: pa.Field, types: Mapping[str, ColumnType], roles: Roles) -> pa.DataType:
    if field.name == roles.label:
        return pa.int64()
    is_guessed = pa.types.is_string(field.type) and field.name not in roles.texts
    return arrow_type(types[field.name]) if is_guessed else field.type


def _typed_table(
    batch: pa.RecordBatch, schema: pa.Schema, types: Mapping[str, ColumnType], roles: Roles, labels: Ints
) -> pa.Table:
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == roles.label:
            columns.append(pa.array(labels))
        elif pa.types.is_string(column.type) and name not in roles.texts:
            columns.append(typed(column, types[name]))
        else:
            columns.append(column)
    return pa.table(columns, schema=schema)


def _writer(folder: Path, split: str, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(folder / f"{split}-00000-of-00001.parquet", schema, compression="zstd")


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, memory_map=True) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=columns)


def _rows_by_split(splits: Ints) -> dict[str, int]:
    return {split: int((splits == position).sum()) for position, split in enumerate(SPLITS)}
