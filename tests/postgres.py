"""A PostgreSQL cluster of the test run's own, on loopback, without durability."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

START_SECONDS = 60


class PostgresMissing(RuntimeError):
    """The server's programs are not installed: apt-get install -y postgresql"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Its address, without a database name. PostgreSQL refuses to run as root, so root becomes `postgres` for it."""
    initdb, server = _program("initdb"), _program("postgres")
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="viveiro-postgres-"))
    if as_postgres:
        shutil.chown(folder, "postgres")
    port = free_port()
    make = [initdb, "-D", str(folder / "data"), "-U", "viveiro", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*as_postgres, *make], check=True, capture_output=True, cwd="/")
    options = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "max_connections=200",
        "log_min_messages=panic",
    )
    flags = [word for option in options for word in ("-c", option)]
    command = [*as_postgres, server, "-D", str(folder / "data"), "-p", str(port), *flags]
    process = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"postgresql+psycopg://viveiro@127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which(name)
    if found is None:
        raise PostgresMissing(PostgresMissing.__doc__)
    return found


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = create_engine(f"{url}/postgres", connect_args={"connect_timeout": 2})
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect():
                break
        except OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    engine.dispose()
