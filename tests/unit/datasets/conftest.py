"""Fixtures of the datasets' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.hub.house import House
from viveiro.db import Base, Database


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """For what does not depend on the database's kind."""
    database = Database(f"sqlite:///{tmp_path / 'viveiro.sqlite3'}")
    Base.metadata.create_all(database.engine)
    house = House(database, tmp_path / "data")
    yield house
    house.hub.close()
    database.close()
