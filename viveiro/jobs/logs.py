"""A job's output: one file for all its attempts, rolled over when it grows large."""

import os
import shutil
from pathlib import Path
from typing import Final

from viveiro.settings import Settings

TAIL_BYTES: Final = 4000
TAIL_LINES: Final = 15


def log_path(settings: Settings, job_id: str) -> Path:
    return settings.logs_dir / "jobs" / f"{job_id}.log"


def older_log_path(settings: Settings, job_id: str) -> Path:
    return log_path(settings, job_id).with_suffix(".1.log")


def roll(settings: Settings, job_id: str) -> bool:
    """Move what is in a log that grew too large to the older file. Copied, then emptied: the job has the file open."""
    path = log_path(settings, job_id)
    if not path.exists() or path.stat().st_size <= settings.job_log_bytes:
        return False
    shutil.copyfile(path, older_log_path(settings, job_id))
    os.truncate(path, 0)
    return True


def last_lines(path: Path, since: int = 0) -> str:
    """The end of a log, to stand in an error. Nothing from before byte `since`: that was an earlier attempt.

    Empty where somebody deleted the log.
    """
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(size - TAIL_BYTES, since if since <= size else 0)
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def read_all(settings: Settings, job_id: str) -> tuple[bytes, int]:
    """What is kept, oldest first, and the position in the current file from where to read on.

    At most twice `job_log_bytes`, and what a job wrote since its worker last looked.
    """
    older = older_log_path(settings, job_id)
    text, position = read_from(settings, job_id, 0)
    return (older.read_bytes() if older.exists() else b"") + text, position


def read_from(settings: Settings, job_id: str, position: int) -> tuple[bytes, int]:
    """What came after `position` in the current file, and the new position. A file that was rolled over is read from its start."""
    path = log_path(settings, job_id)
    if not path.exists():
        return b"", position
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(position if position <= size else 0)
        return file.read(), file.tell()


def delete_files(settings: Settings, job_id: str) -> None:
    """Log and folder. They may be gone already."""
    log_path(settings, job_id).unlink(missing_ok=True)
    older_log_path(settings, job_id).unlink(missing_ok=True)
    shutil.rmtree(settings.runs_dir / job_id, ignore_errors=True)
