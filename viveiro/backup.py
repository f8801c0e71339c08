"""Everything an installation knows, in one tar file, written while it runs and read back into an empty folder.

    manifest.json           format, program and schema versions
    secret.key              what signs this installation's links
    sql/<table>.jsonl       one row a line, as of one moment; readable into SQLite and PostgreSQL alike
    repos/<key>.pack        every object of a repository that its refs reach, no older than the rows
    repos/<key>.refs        those refs, as git's `update-ref --stdin` takes them
    blobs/<sha256>          content by hash; immutable, so copied last
    xorbs/<hash>            content that came by Xet, likewise
    complete                empty, and the end: a copy that was cut between two members is otherwise a good tar file

A ref may have moved between the rows and its pack: restoring indexes every repository anew, from git.
"""

import json
import shutil
import subprocess
import tarfile
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import date, datetime
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any, Final

from sqlalchemy import Column, Date, DateTime, Integer, LargeBinary, Table, func, insert, select, text
from sqlalchemy.orm import Session

from viveiro import __version__
from viveiro.db import Base, Database, UtcDateTime, migrate
from viveiro.errors import Conflict, InvalidInput
from viveiro.hub.fsck import rebuild_index
from viveiro.hub.git import create_bare_repository, environment, repository_path, run_git
from viveiro.hub.service import Hub
from viveiro.locale import Sentence, recognised
from viveiro.settings import Settings
from viveiro.storage import BlobStore, open_store

FORMAT: Final = 1
ROWS_AT_ONCE: Final = 1000
COMPLETE: Final = "complete"
CUT_SHORT: Final = Sentence("it is cut short")


class NotEmpty(Conflict):
    def __init__(self, place: str) -> None:
        super().__init__(
            "{place} is not empty. A backup is restored into a new folder (--data-dir) and an empty database.",
            place=place,
        )


class UnreadableBackup(InvalidInput):
    def __init__(self, file: Path, why: str) -> None:
        super().__init__("{file} cannot be restored: {why}", file=file, why=why)


def write_backup(hub: Hub, out: IO[bytes]) -> None:
    """Stream the tar to `out`. Needs free space for the rows and the largest repository, in the data folder."""
    database, settings = hub.database, hub.settings
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=settings.cache_dir) as folder,
        tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        spool = Path(folder)
        _add_bytes(tar, "manifest.json", json.dumps(_manifest(database)).encode())
        if settings.secret_key is not None:
            _add_bytes(tar, "secret.key", settings.secret_key.get_secret_value().encode())
        keys = _spool_rows(database, spool)
        for table in Base.metadata.sorted_tables:
            tar.add(spool / f"{table.name}.jsonl", f"sql/{table.name}.jsonl")
        for key in keys:
            _add_repository(tar, repository_path(settings.repos_dir, key), key, spool / "pack")
        for sha256 in hub.blobs.keys():  # noqa: SIM118 - a store is no mapping
            _add_blob(tar, "blobs", hub.blobs, sha256)
        for xorb in hub.xet.xorbs.keys():  # noqa: SIM118 - a store is no mapping
            _add_blob(tar, "xorbs", hub.xet.xorbs, xorb)
        _add_bytes(tar, COMPLETE, b"")


def restore_backup(settings: Settings, file: Path) -> None:
    """All or nothing: a restore that fails leaves folder and database as empty as it found them.

    Raises NotEmpty, UnreadableBackup.
    """
    _refuse_used_folder(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.sqlalchemy_url)
    migrate.upgrade(database)
    _refuse_used_database(database)
    try:
        blobs = open_store(settings)
        with tarfile.open(file, mode="r|*") as tar, Hub(database, settings, blobs) as hub:
            _restore_members(tar, hub, file)
            rebuild_index(hub)
    except BaseException as error:
        _undo(database, settings)
        if isinstance(error, tarfile.TarError | EOFError):
            raise UnreadableBackup(file, recognised(str(error)) or CUT_SHORT) from error
        raise
    finally:
        database.close()


# -- writing -----------------------------------------------------------------------------------------------------------


def _manifest(database: Database) -> dict[str, Any]:
    return {"format": FORMAT, "version": __version__, "schema": migrate.current_revision(database)}


def _spool_rows(database: Database, folder: Path) -> list[str]:
    """Every table to a file of its own, all as of one moment; the repositories' storage keys at that moment."""
    with database.read() as session:
        if not database.is_sqlite:  # a SQLite transaction sees one moment by itself
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        for table in Base.metadata.sorted_tables:
            with (folder / f"{table.name}.jsonl").open("w", encoding="utf-8") as file:
                for row in session.execute(select(table), execution_options={"yield_per": ROWS_AT_ONCE}).mappings():
                    file.write(json.dumps(dict(row), default=_to_json) + "\n")
        return list(session.scalars(text("SELECT storage_key FROM repos")))


def _to_json(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in a backup")


def _add_repository(tar: tarfile.TarFile, path: Path, key: str, spool: Path) -> None:
    """The refs are read once, and the pack made of what they were: git's own bundle looks twice, and leaves out refs
    that moved between.
    """
    try:
        refs = run_git(path, "for-each-ref", "--format=create %(refname) %(objectname)")
        targets = b"".join(line.rpartition(b" ")[2] + b"\n" for line in refs.splitlines())
        with spool.open("wb") as pack:
            command = ["git", "pack-objects", "--revs", "--stdout", "-q"]
            subprocess.run(command, cwd=path, env=environment(), input=targets, stdout=pack, check=True)
    except (OSError, subprocess.CalledProcessError):
        if (path / "HEAD").exists():
            raise
        return  # deleted meanwhile
    tar.add(spool, f"repos/{key}.pack")
    _add_bytes(tar, f"repos/{key}.refs", refs)


def _add_blob(tar: tarfile.TarFile, folder: str, blobs: BlobStore, name: str) -> None:
    size = blobs.size(name)
    if size is not None:  # else it was collected since the list began
        member = tarfile.TarInfo(f"{folder}/{name}")
        member.size = size
        tar.addfile(member, BufferedReader(_Chunks(blobs.read(name)), 2**20))


class _Chunks(RawIOBase):
    """An iterator of bytes as a file that can only be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, BytesIO(content))


# -- reading -----------------------------------------------------------------------------------------------------------


def _refuse_used_folder(settings: Settings) -> None:
    if settings.data_dir.exists() and any(settings.data_dir.iterdir()):
        raise NotEmpty(str(settings.data_dir))


def _refuse_used_database(database: Database) -> None:
    with database.read() as session:
        if any(session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables):
            raise NotEmpty(Sentence("The database"))


def _undo(database: Database, settings: Settings) -> None:
    if not database.is_sqlite:  # whose file goes with the folder
        with database.write() as session:
            tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
            session.execute(text(f"TRUNCATE {tables}"))  # not DELETE: the audit log refuses that
    database.close()
    for path in settings.data_dir.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _restore_members(tar: tarfile.TarFile, hub: Hub, file: Path) -> None:
    database, settings = hub.database, hub.settings
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    for member in tar:
        folder, _, name = member.name.rpartition("/")
        content = tar.extractfile(member)
        if content is None:
            raise UnreadableBackup(file, Sentence("{name} is not a file", name=member.name))
        match folder:
            case "" if name == "manifest.json":
                _check_manifest(json.load(content), database, file)
            case "" if name == "secret.key":
                _write_private(settings.data_dir / "secret.key", content.read())
            case "sql":
                _load_rows(database, tables[name.removesuffix(".jsonl")], content)
            case "repos":
                key, _, part = name.partition(".")
                _restore_repository(repository_path(settings.repos_dir, key), part, content)
            case "blobs":
                _restore_blob(hub.blobs, name, content)
            case "xorbs":
                hub.xet.restore(name, content)
            case "" if name == COMPLETE:
                return
            case _:
                raise UnreadableBackup(file, Sentence("unexpected member {name}", name=member.name))
    raise UnreadableBackup(file, CUT_SHORT)


def _check_manifest(manifest: dict[str, Any], database: Database, file: Path) -> None:
    schema = migrate.current_revision(database)
    if manifest.get("format") != FORMAT or manifest.get("schema") != schema:
        why = Sentence(
            "it was written by version {theirs}, schema {their_schema}; this program is {ours}, schema {our_schema}",
            theirs=manifest.get("version"),
            their_schema=manifest.get("schema"),
            ours=__version__,
            our_schema=schema,
        )
        raise UnreadableBackup(file, why)


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _load_rows(database: Database, table: Table, lines: IO[bytes]) -> None:
    with database.write() as session:
        for rows in _batches(table, lines):
            session.execute(insert(table), rows)
        if not database.is_sqlite:
            _continue_sequence(session, table)


def _batches(table: Table, lines: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for line in lines:
        batch.append({name: _from_json(table.columns[name], value) for name, value in json.loads(line).items()})
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _from_json(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, UtcDateTime | DateTime):
        return datetime.fromisoformat(value)
    if isinstance(column.type, Date):
        return date.fromisoformat(value)
    if isinstance(column.type, LargeBinary):
        return b64decode(value)
    return value


def _continue_sequence(session: Session, table: Table) -> None:
    """PostgreSQL counts ids in a sequence that knows nothing of the rows just written."""
    keys = list(table.primary_key)
    if len(keys) == 1 and isinstance(keys[0].type, Integer) and session.scalar(select(func.count()).select_from(table)):
        highest = select(func.max(keys[0])).scalar_subquery()
        session.execute(select(func.setval(func.pg_get_serial_sequence(table.name, keys[0].name), highest)))


def _restore_repository(path: Path, part: str, content: IO[bytes]) -> None:
    """The pack comes first, for refs can only be made to objects that are there."""
    if part == "refs":
        run_git(path, "update-ref", "--stdin", stdin=content.read())
        return
    create_bare_repository(path)
    command = ["git", "index-pack", "--stdin"]
    with subprocess.Popen(command, cwd=path, env=environment(), stdin=PIPE, stdout=DEVNULL) as git:
        assert git.stdin is not None  # a pipe
        shutil.copyfileobj(content, git.stdin, 2**20)
    if git.returncode:
        raise subprocess.CalledProcessError(git.returncode, command)


def _restore_blob(blobs: BlobStore, sha256: str, content: IO[bytes]) -> None:
    with blobs.writer(sha256) as writer:
        while chunk := content.read(2**20):
            writer.write(chunk)
        writer.finish()
