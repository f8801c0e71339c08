"""A queue with short leases, and workers in processes of their own, as an installation has them."""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs import workshop
from viveiro.db import Database
from viveiro.jobs import leases, lifecycle, service
from viveiro.jobs.kinds import kinds
from viveiro.jobs.types import Job, JobEvent, JobState
from viveiro.settings import Settings

PATIENCE_SECONDS = 60


class Queue:
    """The queue as a test sees it: one short transaction a call."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.workers: list[subprocess.Popen[bytes]] = []

    def enqueue(self, kind: str, arguments: dict[str, Any] | None = None, **options: Any) -> str:
        with self.database.write() as session:
            return service.enqueue(session, kind, arguments or {}, **options)

    def claim(self, worker: str = "a worker", *, free: dict[str, int] | None = None, **total: int) -> Job | None:
        slots = total or {"cpu": 8, "gpu": 0, "thread": 8}
        with self.database.write() as session:
            return leases.claim(
                session, worker, kinds=list(kinds), free=free or slots, total=slots, lease=self.settings.job_lease
            )

    def job(self, job_id: str) -> Job:
        with self.database.read() as session:
            return service.get_job(session, job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        with self.database.read() as session:
            return service.job_events(session, job_id, limit=10_000)

    def cancel(self, job_id: str) -> Job:
        with self.database.write() as session:
            return service.cancel_job(session, job_id)

    def start_worker(self, **changes: Any) -> subprocess.Popen[bytes]:
        worker = workshop.start_worker(self.settings.model_copy(update=changes))
        self.workers.append(worker)
        return worker

    def wait(self, job_id: str, *states: JobState) -> Job:
        """Until the job is in one of these states; by default, until it has ended."""
        wanted = states or tuple(state for state in JobState if state.is_final)
        return wait_for(lambda: job if (job := self.job(job_id)).state in wanted else None, lambda: self.job(job_id))

    def folder(self, job_id: str) -> Path:
        return self.settings.runs_dir / job_id

    def pids(self, job_id: str) -> list[int]:
        """Of the job's process and its helper, once they run."""
        path = self.folder(job_id) / "pids"
        text = wait_for(lambda: path.read_text() if path.exists() else None, lambda: self.job(job_id))
        return [int(pid) for pid in text.split()]

    def check_history(self, job_id: str) -> None:
        """What must be true of every job at any time."""
        job, events = self.job(job_id), self.events(job_id)
        types = [event.type for event in events]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert lifecycle.fold(types) == job.state
        assert types.count("started") == job.attempt
        assert sum(event.is_final for event in types) == job.state.is_final


def wait_for(look: Callable[[], Any], explain: Callable[[], Any] = lambda: None) -> Any:
    """What `look` sees as soon as it is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited in vain: {explain()}"
        time.sleep(0.03)
    return seen


def is_alive(pid: int) -> bool:
    """A process that ended and was not yet asked for by its parent is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url=database_url,
        job_lease=timedelta(seconds=2),
        job_heartbeat=timedelta(seconds=0.4),
        job_poll=timedelta(seconds=0.05),
        job_kill_after=timedelta(seconds=5),
        job_retry_delay=timedelta(seconds=0.1),
        log_level="warning",
    )


@pytest.fixture
def queue(database: Database, settings: Settings) -> Iterator[Queue]:
    queue = Queue(database, settings)
    yield queue
    for worker in queue.workers:
        worker.kill()
        worker.wait()
    with database.read() as session:
        job_ids = [job.id for job in service.list_jobs(session, limit=1000)]
    for job_id in job_ids:
        queue.check_history(job_id)
