"""Fixtures that every test may use: fresh databases on SQLite and on a real PostgreSQL."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import tests.live.client_environment  # noqa: F401 - here, before any file of tests imports a client
from tests.postgres import PostgresMissing, running_postgres
from viveiro.db import Base, Database
from viveiro.jobs.processes import THREAD_SPINS
from viveiro.telemetry import configure_logging

os.environ["VIVEIRO_LANGUAGE"] = "en"  # tests read English, whatever their developer speaks
os.environ.setdefault("GOMP_SPINCOUNT", THREAD_SPINS)  # before torch: several files train at once, on the same cores

# A shell's background job ignores it, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

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
    with postgres_database(postgres_server) as url:
        yield url


@contextmanager
def postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    """Its address. It is what the template is, and gone afterwards."""
    name = f"test_{os.urandom(6).hex()}"
    admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    yield f"{server}/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def tables_on_postgres(postgres_server: str) -> Iterator[str]:
    """The name of a database with every table, to be copied: that takes a fraction of making them."""
    with postgres_database(postgres_server) as url:
        make_tables(url)
        yield url.rpartition("/")[2]


@pytest.fixture(scope="session")
def tables_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("tables") / "viveiro.sqlite3"
    make_tables(f"sqlite:///{path}")
    return path


def make_tables(url: str) -> None:
    with closing(Database(url)) as database:
        Base.metadata.create_all(database.engine)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty installation's, with every table: the same test on both databases."""
    if request.param == "postgres":
        template = request.getfixturevalue("tables_on_postgres")
        with postgres_database(request.getfixturevalue("postgres_server"), template) as url:
            yield url
    else:
        path = tmp_path / "viveiro.sqlite3"
        shutil.copy(request.getfixturevalue("tables_on_sqlite"), path)
        yield f"sqlite:///{path}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        Base.metadata.create_all(database.engine)  # some tests have an address of their own
        yield database
