"""Fixtures that every test may use: fresh databases on SQLite and on a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from viveiro.db import Base, Database

REQUIRED = frozenset(filter(None, os.environ.get("VIVEIRO_REQUIRE", "").split(",")))
"""Real components whose absence is a failure, not a skip: set by CI."""


def missing(component: str, why: str) -> None:
    """Skip, or fail where the component is required."""
    if component in REQUIRED:
        pytest.fail(f"{component} is required here: {why}")
    pytest.skip(f"{component}: {why}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _postgres_program(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(installed[-1]) if installed else shutil.which(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster of the test run's own, on loopback, without durability; its address without a database name."""
    initdb, server = _postgres_program("initdb"), _postgres_program("postgres")
    if initdb is None or server is None:
        missing("postgres", "install it with: apt-get install -y postgresql")
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="viveiro-postgres-"))
    if as_postgres:
        shutil.chown(folder, "postgres")
    port = free_port()
    subprocess.run(
        [*as_postgres, initdb, "-D", folder / "data", "-U", "viveiro", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "200",
        "log_min_messages": "panic",
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [*as_postgres, server, "-D", folder / "data", "-p", str(port), *flags],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"postgresql+psycopg://viveiro@127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = create_engine(f"{url}/postgres", connect_args={"connect_timeout": 2})
    for _ in range(600):
        try:
            with engine.connect():
                break
        except Exception:
            if process.poll() is not None:
                raise
            import time

            time.sleep(0.1)
    engine.dispose()


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
