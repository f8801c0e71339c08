"""Datasets in the hub of a test."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.hub.house import House
from viveiro.datasets.features import with_features
from viveiro.datasets.reading import OpenDataset, open_dataset
from viveiro.datasets.service import dataset_ref
from viveiro.hub.folders import Publication, Publisher


def published(house: House, folder: Path, name: str = "alice/tickets") -> OpenDataset:
    publisher = Publisher(house.hub, house.alice)
    sha = publisher.publish(folder, dataset_ref(name), Publication("Import", f"Test: {folder}"))
    return open_dataset(house.hub, house.hub.get_repo(house.alice, dataset_ref(name)), sha)


def class_labels(texts: Sequence[str], codes: Sequence[int], names: Sequence[str]) -> pa.Table:
    """Text and label, the latter a number of a class, as `datasets` writes it. -1: unknown."""
    schema = with_features(pa.schema([("text", pa.string()), ("label", pa.int64())]), {"label": names})
    return pa.table([list(texts), list(codes)], schema=schema)


def uploaded(house: House, tmp_path: Path, **splits: dict[str, list[object]] | pa.Table) -> OpenDataset:
    """As other programs upload: bare Parquet files, without our report."""
    folder = tmp_path / "uploaded"
    folder.mkdir()
    for split, table in splits.items():
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), folder / f"{split}.parquet")
    return published(house, folder, "alice/foreign")
