"""The installation itself: is it alive, is it ready, a copy of everything."""

import os
import threading
from collections.abc import Iterator

import structlog
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import text

from viveiro import __version__
from viveiro.accounts.service import record
from viveiro.errors import Unavailable
from viveiro.http.dependencies import AdminDep, DatabaseDep, HubDep, SettingsDep
from viveiro.hub.service import Hub

router = APIRouter()
log = structlog.get_logger()


@router.get("/healthz")
async def health() -> dict[str, str]:
    """The process answers. Restart it when this does not."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz")
def readiness(database: DatabaseDep, settings: SettingsDep) -> dict[str, str]:
    """Database and data folder answer: traffic may be sent here."""
    try:
        with database.read() as session:
            session.execute(text("SELECT 1"))
        settings.repos_dir.stat()
    except Exception as error:
        log.exception("readiness_failed")
        raise Unavailable("Not ready: {why}", why=type(error).__name__) from error
    return {"status": "ready", "version": __version__}


@router.get("/api/v1/backup")
def backup(viewer: AdminDep, hub: HubDep) -> StreamingResponse:
    """Everything this installation knows, as a tar (see `viveiro/backup.py`). Holds password hashes: administrators only."""
    with hub.database.write() as session:
        record(session, viewer, "installation.backup", "")
    return StreamingResponse(_tar(hub), media_type="application/x-tar")


def _tar(hub: Hub) -> Iterator[bytes]:
    """What a thread writes into a pipe. A failure on its side cuts the answer short, so that the client sees no whole file."""
    from viveiro.backup import write_backup  # rarely needed, and brings the migrations' machinery into memory

    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(writing, "wb") as out:
                write_backup(hub, out)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write, name="backup", daemon=True)
    thread.start()
    with os.fdopen(reading, "rb") as incoming:
        while chunk := incoming.read(2**20):
            yield chunk
    thread.join()
    if failures:
        log.error("backup_failed", error=repr(failures[0]))
        raise failures[0]
