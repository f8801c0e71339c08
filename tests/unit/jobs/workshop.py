"""Job kinds for the tests, and the program that runs them: `python -m tests.unit.jobs.workshop worker | job ID ATTEMPT`."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viveiro.db import Database
from viveiro.errors import InvalidInput
from viveiro.events import Event
from viveiro.jobs.child import run_child
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.outbox import listener
from viveiro.jobs.types import Isolation
from viveiro.jobs.worker import run_worker
from viveiro.settings import Settings

ENTRY = [sys.executable, "-m", "tests.unit.jobs.workshop"]
REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class BellRang(Event):
    """An event that only these tests know."""

    name = "bell-rang"

    tower: str


def start_worker(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **settings.environment()}
    return subprocess.Popen([*ENTRY, "worker"], env=environment, cwd=REPOSITORY)


@job_kind("greet")
def greet(job: JobContext, name: str) -> dict[str, Any]:
    sys.stdout.write(f"Hello, {name}\n")
    return {"hello": name, "attempt": job.attempt}


@job_kind("greet-in-thread", isolation=Isolation.THREAD)
def greet_in_thread(job: JobContext, name: str) -> dict[str, Any]:
    job.progress({"greeted": 1})
    return {"hello": name, "pid": os.getpid()}


@job_kind("look-around")
def look_around(job: JobContext, variable: str) -> str | None:
    return os.environ.get(variable)


@job_kind("fail-until", isolation=Isolation.THREAD, max_attempts=3)
def fail_until(job: JobContext, succeeds: int) -> int:
    if job.attempt < succeeds:
        raise RuntimeError(f"not yet: {job.attempt}")
    return job.attempt


@job_kind("fail-hopelessly", max_attempts=3)
def fail_hopelessly(job: JobContext) -> None:
    raise InvalidInput("There is no column {name}.", name="text")


@job_kind("segfault", max_attempts=1)
def segfault(job: JobContext) -> None:
    ctypes.string_at(0)


@job_kind("leave-without-a-word", max_attempts=1)
def leave_without_a_word(job: JobContext) -> None:
    sys.stdout.write("goodbye\n")
    os._exit(7)


@job_kind("work-long", max_attempts=2)
def work_long(job: JobContext, seconds: float = 600) -> dict[str, Any]:
    """Starts a process of its own, leaves a checkpoint, and finds it again in its next attempt."""
    checkpoint = job.folder / "checkpoint"
    if checkpoint.exists():
        return {"resumed_from": checkpoint.read_text()}
    helper = subprocess.Popen(["sleep", "600"])
    checkpoint.write_text(f"attempt {job.attempt}")
    write_whole(job.folder / "pids", f"{os.getpid()} {helper.pid}")
    try:
        time.sleep(seconds)
    finally:
        (job.folder / "tidied-up").touch()
    return {}


@job_kind("ignore-sigterm")
def ignore_sigterm(job: JobContext) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    write_whole(job.folder / "pids", str(os.getpid()))
    time.sleep(600)


@job_kind("leave-a-helper-behind")
def leave_a_helper_behind(job: JobContext) -> dict[str, int]:
    return {"helper": subprocess.Popen(["sleep", "600"]).pid}


@job_kind("wait-for-stop", isolation=Isolation.THREAD)
def wait_for_stop(job: JobContext) -> str:
    while not job.cancelled():
        time.sleep(0.02)
    return "half done"


@job_kind("talk")
def talk(job: JobContext, times: int) -> None:
    for step in range(times):
        job.progress({"step": step + 1})
        job.log_metrics({"step": step, "loss": float("nan") if step == 0 else 1 / step})


@job_kind("hold-slots", slots={"cpu": 1})
def hold_slots(job: JobContext, diary: str) -> None:
    """Writes down when it began and ended, so that a test can see how many were at it together."""
    with Path(diary).open("a", buffering=1) as file:
        file.write("begin\n")
        time.sleep(0.15)
        file.write("end\n")


@listener(BellRang, name="hear-bell")
def hear_bell(job: JobContext, event: BellRang) -> str:
    """Dies with its worker the first time."""
    with (job.folder / "heard").open("a") as file:
        file.write(f"{event.tower}\n")
    if job.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return event.tower


def write_whole(path: Path, text: str) -> None:
    """Whoever waits for the file must not read half of it."""
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def main(process: str, *arguments: str) -> int:
    settings = Settings()
    database = Database(settings.sqlalchemy_url)
    if process == "job":
        job_id, attempt = arguments
        return run_child(settings, database, job_id, int(attempt))
    run_worker(settings, database, lambda job_id, attempt: [*ENTRY, "job", job_id, str(attempt)])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
