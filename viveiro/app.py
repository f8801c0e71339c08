"""The composition root: the only module that knows every part.

Each process of the installation enters here: `python -m viveiro.app prepare | web | worker | job | host | restore`.
The supervisor and the worker start them; people use `viveiro`.
"""

import ctypes
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from viveiro.db import Database
from viveiro.errors import ViveiroError
from viveiro.locale import translate
from viveiro.settings import Settings
from viveiro.telemetry import configure_logging

if TYPE_CHECKING:
    from fastapi import FastAPI

PR_SET_PDEATHSIG: Final = 1


def main(arguments: Sequence[str]) -> int:
    process, *rest = arguments
    _die_with_parent()
    settings = Settings()
    if process != "restore":  # which wants an empty folder, and brings the key with it
        settings = with_secret_key(settings)
    configure_logging(settings.log_level, as_json=settings.log_json, process=process)
    try:
        return PROCESSES[process](settings, *rest)
    except ViveiroError as error:
        sys.stderr.write(translate("Error: {why}", why=error.sentence) + "\n")
        return 1


def with_secret_key(settings: Settings) -> Settings:
    """Settings whose key is set: the given one, or the data folder's, made on first use."""
    if settings.secret_key is not None:
        return settings
    path = settings.data_dir / "secret.key"
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass  # an earlier start made it
    return Settings(**{**settings.model_dump(), "secret_key": path.read_text()})


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies, then look whether it already has."""
    parent = os.environ.get("VIVEIRO_PARENT_PID")
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(1)


def register_everything() -> None:
    """Import what registers job kinds, listeners and tables. Imports no tensors."""
    import viveiro.collections.tables
    import viveiro.datasets.jobs
    import viveiro.hub.imports_jobs
    import viveiro.hub.jobs
    import viveiro.hub.safety_jobs
    import viveiro.jobs.jobs
    import viveiro.serving.jobs
    import viveiro.serving.tables
    import viveiro.training.jobs
    import viveiro.webhooks.jobs  # noqa: F401


def create_app(settings: Settings) -> "FastAPI":
    """The web application. Pure composition: routes live in `api/` and `web/`, their state in `app.state`."""
    from viveiro.api import build_application
    from viveiro.web import install_pages

    register_everything()
    return build_application(settings, install_pages)


def web(settings: Settings) -> int:
    from viveiro.http.server import serve

    descriptor = int(os.environ["VIVEIRO_LISTEN_FD"])
    ready = int(os.environ["VIVEIRO_READY_FD"])
    serve(create_app(settings), socket.socket(fileno=descriptor), on_ready=lambda: os.write(ready, b"1"))
    return 0


def worker(settings: Settings) -> int:
    from viveiro.jobs.worker import run_worker

    register_everything()
    run_worker(
        settings, Database(settings.sqlalchemy_url), lambda job_id, attempt: [*ENTRY, "job", job_id, str(attempt)]
    )
    return 0


def job(settings: Settings, job_id: str, attempt: str) -> int:
    from viveiro.jobs.child import run_child

    register_everything()
    return run_child(settings, Database(settings.sqlalchemy_url), job_id, int(attempt))


def host(settings: Settings, key: str, *arguments: str) -> int:
    from viveiro.serving.host import run_host

    return run_host(settings, key, *arguments)


def prepare(settings: Settings) -> int:
    """Before every start: migrate, finish what a killed server left, make the first administrator."""
    from viveiro.preparation import prepare_installation

    register_everything()
    prepare_installation(settings)
    return 0


def restore(settings: Settings, file: str) -> int:
    from viveiro.backup import restore_backup

    register_everything()
    restore_backup(settings, Path(file))
    return 0


# -P: else a structlog.py or statistics.py in the folder where somebody started us would be imported in place of the real one.
ENTRY: Final = [sys.executable, "-P", "-m", "viveiro.app"]
PROCESSES: Final[dict[str, Callable[..., int]]] = {
    process.__name__: process for process in (prepare, web, worker, job, host, restore)
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
