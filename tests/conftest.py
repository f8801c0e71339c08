"""Fixtures that every test may use: fresh databases on SQLite and on a real PostgreSQL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import tests.live.client_environment  # noqa: F401 - here, before any file of tests imports a client
from tests.postgres import PostgresMissing, running_postgres
from viveiro.db import Base, Database
from viveiro.telemetry import configure_logging

os.environ["VIVEIRO_LANGUAGE"] = "en"  # tests read English, whatever their developer speaks

# As in a server: what structlog does unasked draws every local variable of a traceback, for seconds.
configure_logging("debug", as_json=False, process="tests")

collect_ignore = ["conformance/suite"]
"""It is copied among the official client's own tests, and can be read only there."""

REQUIRED = frozenset(filter(None, os.environ.get("VIVEIRO_REQUIRE", "").split(",")))
"""Real components whose absence is a failure, not a skip: set by CI."""


def missing(component: str, why: str) -> None:
    """Skip, or fail where the component is required."""
    if component in REQUIRED:
        pytest.fail(f"{component} is required here: {why}")
    pytest.skip(f"{component}: {why}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL that this test run started, without a database name."""
    try:
        with running_postgres() as url:
            yield url
    except PostgresMissing as error:
        missing("postgres", str(error))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of this test's own."""
    name = f"test_{os.urandom(6).hex()}"
    admin = create_engine(f"{postgres_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{postgres_server}/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same test on both databases."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty installation's database, with every table."""
    database = Database(database_url)

    Base.metadata.create_all(database.engine)
    yield database
    database.close()
