"""Fixtures of the serving tests: a hub, and short folders, because a socket's path has at most about 100 bytes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.hub.house import House
from viveiro.db import Database


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    house = House(database, tmp_path / "data")
    yield house
    house.hub.close()


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vv-"))
    yield folder
    shutil.rmtree(folder)
