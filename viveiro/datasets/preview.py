"""Rows of a dataset for a page, at once: what is looked at stays open for a while."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from viveiro.datasets.cells import cells, kind_of, whole_cells
from viveiro.datasets.reading import OpenDataset, open_dataset
from viveiro.datasets.types import Cell, Preview, ShownColumn
from viveiro.errors import NotFound, UnusableData
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo

MOST_ROWS: Final = 100
MOST_COLUMNS: Final = 100
MOST_DATASETS: Final = 16
MOST_FILES: Final = 256
"""Of all datasets that are kept open together. One may have more."""


class SplitNotFound(NotFound):
    def __init__(self, split: str, dataset: str, known: Sequence[str]) -> None:
        super().__init__(
            "{dataset} has no split {split}. It has: {known}.", dataset=dataset, split=split, known=", ".join(known)
        )


class CellNotFound(NotFound):
    def __init__(self, dataset: str, split: str, row: int, column: str) -> None:
        super().__init__(
            "Split {split} of {dataset} has no row {row} with a column {column}. Rows are counted from 0.",
            dataset=dataset,
            split=split,
            row=row,
            column=column,
        )


@dataclass(frozen=True, slots=True)
class _Opened:
    dataset: OpenDataset
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Two threads must not read one ParquetFile at once."""

    @property
    def file_count(self) -> int:
        return sum(len(files) for files in self.dataset.files.values())


class OpenDatasets:
    """The datasets looked at last. Threads may share it.

    Whoever asks has been let in to the repo: nothing here knows of permissions. What is put out goes when its last
    reader is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: OrderedDict[tuple[str, str], _Opened] = OrderedDict()

    def get(self, hub: Hub, repo: Repo, sha: str) -> _Opened:
        # By its storage key: numbers of deleted repos are given again.
        key = repo.storage_key, sha
        with self._lock:
            if key in self._opened:
                self._opened.move_to_end(key)
                return self._opened[key]
        opened = _Opened(open_dataset(hub, repo, sha))
        with self._lock:
            opened = self._opened.setdefault(key, opened)
            self._opened.move_to_end(key)
            while len(self._opened) > 1 and self._is_too_full():
                self._opened.popitem(last=False)
        return opened

    def __len__(self) -> int:
        return len(self._opened)

    def _is_too_full(self) -> bool:
        files = sum(opened.file_count for opened in self._opened.values())
        return len(self._opened) > MOST_DATASETS or files > MOST_FILES


_datasets = OpenDatasets()


def preview(hub: Hub, repo: Repo, sha: str, split: str | None, offset: int, limit: int) -> Preview:
    """`split` None: the first. Raises SplitNotFound, or UnusableData where the files cannot be read."""
    opened = _datasets.get(hub, repo, sha)
    dataset = opened.dataset
    split = require_split(dataset, split)
    names = dataset.columns[:MOST_COLUMNS]
    offset, limit = max(0, offset), max(0, min(limit, MOST_ROWS))
    with unreadable_named(dataset), opened.lock:
        batches = list(dataset.window(split, names, offset, limit))
        rows = tuple(row for batch in batches for row in zip(*map(cells, batch.columns), strict=True))
    return Preview(
        dataset=repo.name,
        revision=sha,
        splits={name: dataset.rows(name) for name in dataset.files},
        split=split,
        offset=offset,
        columns=tuple(shown_column(dataset, name) for name in names),
        hidden_columns=len(dataset.columns) - len(names),
        rows=rows,
    )


def whole_cell(hub: Hub, repo: Repo, sha: str, split: str | None, row: int, column: str) -> Cell:
    """One value, with what `preview` cuts off. Raises as `preview` does, and CellNotFound."""
    opened = _datasets.get(hub, repo, sha)
    dataset = opened.dataset
    split = require_split(dataset, split)
    if column in dataset.columns:
        with unreadable_named(dataset), opened.lock:
            for batch in dataset.window(split, [column], row, 1):
                return whole_cells(batch.column(0))[0]
    raise CellNotFound(dataset.name, split, row, column)


def require_split(dataset: OpenDataset, split: str | None) -> str:
    if split is None:
        return next(iter(dataset.files))
    if split not in dataset.files:
        raise SplitNotFound(split, dataset.name, list(dataset.files))
    return split


def shown_column(dataset: OpenDataset, name: str) -> ShownColumn:
    kind = kind_of(dataset.plain_field(name).type, is_label=name in dataset.classes)
    return ShownColumn(name, kind, str(dataset.schema.field(name).type))


@contextmanager
def unreadable_named(dataset: OpenDataset) -> Iterator[None]:
    """A file that opened well may still be damaged further in."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnusableData(
            "The rows of {repo} cannot be read: {why}. Upload its files again.", repo=dataset.name, why=str(error)
        ) from error
