"""A dataset repo at one commit, opened: its Parquet files by split, read in batches or whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from viveiro.datasets.features import class_names, common_type, decode_class_labels, holds_numbers
from viveiro.datasets.layouts import SPLIT_WORDS, split_of
from viveiro.datasets.sources.parquet import rows_per_batch
from viveiro.datasets.types import LARGEST_REPORT, REPORT_FILE
from viveiro.errors import EntryNotFound, UnknownColumn, UnusableData
from viveiro.hub.folders import open_entry
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, TreeEntry

Classes: TypeAlias = dict[str, list[str]]
"""Names of the classes of each column that has any, in the order of their numbers."""


@dataclass(frozen=True)
class OpenDataset:
    """Files stay on disk: nothing is read before it is asked for."""

    name: str
    sha: str
    files: Mapping[str, Sequence[pq.ParquetFile]]
    """By split, in the order train, validation, test."""
    import_report: Mapping[str, Any] = field(default_factory=dict)
    """What our own import wrote beside the data; empty for a dataset that was made elsewhere."""

    @cached_property
    def schema(self) -> pa.Schema:
        return next(iter(self.files.values()))[0].schema_arrow

    @property
    def columns(self) -> list[str]:
        return list(self.schema.names)

    @cached_property
    def classes(self) -> Classes:
        """Names of the classes of every ClassLabel column, as the first file has them that names any."""
        found: Classes = {}
        for file in self._all_files:
            found = class_names(file.schema_arrow) | found
        return found

    def plain_field(self, column: str) -> pa.Field:
        """Name and type as `batches` gives the column, whatever each of the files has it as."""
        found = dict.fromkeys(self._plain_type(file.schema_arrow, column) for file in self._all_files)
        return pa.field(column, common_type([kind for kind in found if kind is not None]))

    def rows(self, split: str) -> int:
        return sum(file.metadata.num_rows for file in self.files.get(split, ()))

    def require(self, *columns: str) -> None:
        for column in columns:
            if column not in self.columns:
                raise UnknownColumn(column, self.columns)

    def batches(self, split: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns in that order, of one type in all splits; labels by name, not by number.

        A file that lacks a column gives nulls for it.
        """
        self.require(*columns)
        schema = pa.schema(map(self.plain_field, columns))
        for file in self.files.get(split, ()):
            classes = self._classes_of(file)
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(rows_per_batch(file), columns=present):
                rows = [self._cast(self._column_or_nulls(batch, field.name, classes), field) for field in schema]
                yield pa.record_batch(rows, schema=schema)

    def window(self, split: str, columns: Sequence[str], offset: int, count: int) -> Iterator[pa.RecordBatch]:
        """At most `count` rows from row `offset` on, counted from 0. Row groups before it are passed over unread.

        A file of the split that lacks a column gives nulls for it.
        """
        for file in self.files.get(split, ()):
            if offset < file.metadata.num_rows:
                classes = self._classes_of(file)
                for batch in _window_of(file, columns, offset, count):
                    count -= len(batch)
                    rows = [self._column_or_nulls(batch, name, classes) for name in columns]
                    yield pa.record_batch(rows, names=list(columns))
            offset = max(0, offset - file.metadata.num_rows)
            if not count:
                return

    def table(self, split: str, columns: Sequence[str]) -> pa.Table:
        """All rows of a split in memory."""
        self.require(*columns)
        return pa.Table.from_batches(self.batches(split, columns), pa.schema(map(self.plain_field, columns)))

    @property
    def _all_files(self) -> Iterator[pq.ParquetFile]:
        return chain.from_iterable(self.files.values())

    def _cast(self, column: pa.Array, field: pa.Field) -> pa.Array:
        try:
            return column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UnusableData(
                "Column {column} of {repo} is {kind} in one file and {other} in another. Write it alike in all of them.",
                column=field.name,
                repo=self.name,
                kind=str(field.type),
                other=str(column.type),
            ) from error

    def _plain_type(self, schema: pa.Schema, column: str) -> pa.DataType | None:
        if column not in schema.names:
            return None
        kind = schema.field(column).type
        if column not in self.classes or not holds_numbers(kind):
            return kind
        return pa.list_(pa.string()) if pa.types.is_nested(kind) else pa.string()

    def _classes_of(self, file: pq.ParquetFile) -> Classes:
        """By the names of the file itself: another may number them otherwise. Without any, by those of another."""
        return self.classes | class_names(file.schema_arrow)

    def _column_or_nulls(self, batch: pa.RecordBatch, name: str, classes: Classes) -> pa.Array:
        if name in batch.schema.names:
            return _decoded(batch, name, classes)
        return pa.nulls(len(batch), self.plain_field(name).type)


def open_dataset(hub: Hub, repo: Repo, sha: str) -> OpenDataset:
    """Raises UnusableData when the commit holds no Parquet file."""
    entries = [entry for entry in hub.list_tree(repo, sha, recursive=True) if entry.type == "file"]
    by_split = _by_split([entry for entry in entries if entry.path.endswith(".parquet")])
    if not by_split:
        raise UnusableData(
            "Dataset {repo} holds no Parquet file at {revision}. To make one of a table: "
            "viveiro datasets import FILE --name {repo}",
            repo=repo.name,
            revision=sha[:12],
        )
    files = {
        split: tuple(_open_parquet(hub, repo, entry) for entry in by_split[split])
        for split in sorted(by_split, key=list(dict.fromkeys(SPLIT_WORDS.values())).index)
    }
    return OpenDataset(repo.name, sha, files, import_report(hub, repo, sha))


def import_report(hub: Hub, repo: Repo, sha: str) -> dict[str, Any]:
    """What our own import left in the commit; empty where it left nothing."""
    try:
        entry = hub.entry(repo, sha, REPORT_FILE)
        report = orjson.loads(b"".join(hub.stream_file(repo, entry, 0, LARGEST_REPORT)))
    except (EntryNotFound, orjson.JSONDecodeError):
        return {}
    return report if isinstance(report, dict) else {}


def _decoded(batch: pa.RecordBatch, name: str, classes: Classes) -> pa.Array:
    """Numbers of classes as their names."""
    column = batch.column(name)
    is_numbered = name in classes and holds_numbers(column.type)
    return decode_class_labels(column, classes[name]) if is_numbered else column


def _window_of(file: pq.ParquetFile, columns: Sequence[str], offset: int, count: int) -> Iterator[pa.RecordBatch]:
    group = 0
    while offset >= (rows := file.metadata.row_group(group).num_rows):
        offset, group = offset - rows, group + 1
    names = [name for name in columns if name in file.schema_arrow.names]
    groups = range(group, file.num_row_groups)
    # On one thread: several would decode ahead of what is asked for.
    for batch in file.iter_batches(rows_per_batch(file), row_groups=groups, columns=names, use_threads=False):
        wanted = batch.slice(offset, count)
        offset = max(0, offset - len(batch))
        if len(wanted):
            count -= len(wanted)
            yield wanted
        if not count:
            return


def _by_split(entries: Sequence[TreeEntry]) -> dict[str, list[TreeEntry]]:
    found: dict[str, list[TreeEntry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        found.setdefault(split_of(entry.path), []).append(entry)
    return found


def _open_parquet(hub: Hub, repo: Repo, entry: TreeEntry) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(open_entry(hub, repo, entry), memory_map=True)
    except pa.ArrowInvalid as error:
        raise UnusableData(
            "{path} of {repo} is no Parquet file: {why}. Upload it again.",
            path=entry.path,
            repo=repo.name,
            why=str(error),
        ) from error
