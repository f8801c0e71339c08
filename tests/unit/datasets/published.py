"""Datasets in the hub of a test."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.hub.house import House
from viveiro.datasets.reading import OpenDataset, open_dataset
from viveiro.datasets.service import dataset_ref
from viveiro.hub.folders import Publication, Publisher


def published(house: House, folder: Path, name: str = "alice/tickets") -> OpenDataset:
    publisher = Publisher(house.hub, house.alice)
    sha = publisher.publish(folder, dataset_ref(name), Publication("Import", f"Test: {folder}"))
    return open_dataset(house.hub, house.hub.get_repo(house.alice, dataset_ref(name)), sha)


def uploaded(house: House, tmp_path: Path, **splits: dict[str, list[object]]) -> OpenDataset:
    """As other programs upload: bare Parquet files, without our report."""
    folder = tmp_path / "uploaded"
    folder.mkdir()
    for split, table in splits.items():
        pq.write_table(pa.table(table), folder / f"{split}.parquet")
    return published(house, folder, "alice/foreign")
