"""Runs housekeeping jobs in threads of the worker. Daemon threads: one that hangs cannot keep the worker from ending."""

import io
import queue
import threading

from viveiro.db import Database
from viveiro.jobs.context import JobContext, run_handler
from viveiro.jobs.kinds import kinds
from viveiro.jobs.logs import log_path
from viveiro.jobs.types import Ending, Job, Message, Outcome
from viveiro.settings import Settings


class ThreadRunner:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def start(self, job: Job) -> "JobThread":
        return JobThread(job, self._settings, self._database)


class JobThread:
    def __init__(self, job: Job, settings: Settings, database: Database) -> None:
        self.job = job
        self._settings = settings
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._outcome: Outcome | None = None
        self._context = JobContext(job, settings, database, self._said.put, self._stop)
        self._thread = threading.Thread(target=self._run, name=f"job-{job.id}", daemon=True)
        self._thread.start()

    def messages(self) -> list[Message]:
        return [self._said.get_nowait() for _ in range(self._said.qsize())]

    def outcome(self) -> Outcome | None:
        return None if self._thread.is_alive() else self._outcome

    def terminate(self) -> None:
        self._stop.set()

    def kill(self) -> None:
        """A thread cannot be killed, only asked again."""
        self._stop.set()

    def _run(self) -> None:
        log = io.StringIO()
        try:
            self._outcome = run_handler(kinds[self.job.kind], self._context, self.job.arguments, log)
            self._keep(log.getvalue())
        except BaseException as error:  # the worker waits for an outcome: whatever happens, there must be one
            self._outcome = Outcome(Ending.FAILED, error=f"{type(error).__name__}: {error}")

    def _keep(self, text: str) -> None:
        """Housekeeping that went well leaves no log: there are too many of these jobs."""
        if text:
            path = log_path(self._settings, self.job.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
