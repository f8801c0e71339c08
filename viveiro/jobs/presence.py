"""Whether a worker is gone, as the kernel knows it: a file lock ends with the last process that holds it, however that dies.

A worker, the leashes of its jobs and the jobs themselves hold one lock between them. Whoever finds it free knows that none
of them is left, and that their jobs may start again now instead of when their leases lapse.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from viveiro.settings import Settings

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def new_worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@contextmanager
def present(settings: Settings, worker: str) -> Iterator[int]:
    """Hold the worker's lock. The descriptor is for processes that are to hold it too."""
    path = _folder(settings) / worker
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(_boot_id())
        file.flush()
        try:
            yield file.fileno()
        finally:
            path.unlink(missing_ok=True)


def gone_workers(settings: Settings) -> list[str]:
    """Workers of this data folder that died, with all that they ran, since this machine was started.

    A worker of another machine, whose locks this one may not see, is never among them: its jobs wait for their leases.
    """
    return [path.name for path in sorted(_folder(settings).glob("*")) if _is_let_go(path)]


def forget(settings: Settings, worker: str) -> None:
    (_folder(settings) / worker).unlink(missing_ok=True)


def _is_let_go(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        if not (written := file.read()) or written != _boot_id():
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "workers"


def _boot_id() -> str:
    """Empty where the system has none."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
