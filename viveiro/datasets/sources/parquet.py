"""Parquet, whoever wrote it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from viveiro.datasets.cells import is_binary, is_list
from viveiro.datasets.features import class_names, decode_class_labels, plain_type
from viveiro.datasets.sources.stream import BATCH_BYTES, BATCH_ROWS, Batch, Source
from viveiro.errors import UnreadableFile


def open_parquet(path: Path, name: str) -> Source:
    reader = _Reader(path, name)
    return Source(
        schema=reader.schema,
        textual=False,
        batches=reader.batches,
        size=path.stat().st_size,
        position=lambda: reader.position,
    )


class _Reader:
    def __init__(self, path: Path, name: str) -> None:
        self._file, self._name, self._size = _open(path, name), name, path.stat().st_size
        self.schema = _schema(self._file, name)
        self.position = 0

    def batches(self) -> Iterator[Batch]:
        first, total = 1, max(self._file.metadata.num_rows, 1)
        try:
            for batch in self._file.iter_batches(rows_per_batch(self._file)):
                yield Batch(np.arange(first, first + batch.num_rows, dtype=np.int64), self._plain(batch))
                first += batch.num_rows
                self.position = self._size * (first - 1) // total
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(self._name, error) from error

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names = class_names(self._file.schema_arrow)
        columns = [
            decode_class_labels(batch.column(field.name), names[field.name])
            if field.name in names
            else _cast(batch.column(field.name), field)
            for field in self.schema
        ]
        return pa.record_batch(columns, schema=self.schema)


def rows_per_batch(file: pq.ParquetFile) -> int:
    """As many as fit into a batch if all were of mean size."""
    metadata = file.metadata
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES * metadata.num_rows // max(size, 1))))


def _open(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> UnreadableFile:
    return UnreadableFile(
        "{name} is a damaged Parquet file: {why}. Copy or export it again.", name=name, why=str(error)
    )


def _schema(file: pq.ParquetFile, name: str) -> pa.Schema:
    schema = pa.schema([(field.name, plain_type(field, file.schema_arrow)) for field in file.schema_arrow])
    for field, stored in zip(schema, file.schema_arrow, strict=True):
        if schema.names.count(field.name) > 1:
            raise UnreadableFile(
                "Two columns of {name} are called {column!r}. Give each its own name, then import it again.",
                name=name,
                column=field.name,
            )
        is_list_of_strings = field.type == pa.list_(pa.string())
        if (pa.types.is_nested(field.type) and not is_list_of_strings) or is_binary(_value_type(stored.type)):
            raise UnreadableFile(
                "Column {column!r} of {name} holds {type}; what can be imported are texts, numbers, booleans, dates and "
                "lists of texts. A dataset of any form can be uploaded with datasets.Dataset.push_to_hub.",
                column=field.name,
                name=name,
                type=stored.type,
            )
    return schema


def _value_type(kind: pa.DataType) -> pa.DataType:
    """Of what lists, codes and named types are made."""
    if is_list(kind) or pa.types.is_dictionary(kind):
        return _value_type(kind.value_type)
    return _value_type(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _cast(column: pa.Array, wanted: pa.Field) -> Any:
    if pa.types.is_string(wanted.type) and pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return pc.cast(column, wanted.type)
    except pa.ArrowInvalid:  # a whole number of 64 bits without a sign
        raise UnreadableFile(
            "Column {column!r} holds a number that is too large. Write it as a text.", column=wanted.name
        ) from None
