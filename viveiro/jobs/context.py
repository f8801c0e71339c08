"""What a handler is given, and how its end becomes an outcome."""

import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy.orm import Session

from viveiro.db import Database
from viveiro.errors import ViveiroError
from viveiro.jobs import leases
from viveiro.jobs.kinds import JobKind
from viveiro.jobs.types import Ending, Job, JobEventType, Message, Outcome
from viveiro.locale import Sentence
from viveiro.settings import Settings


class JobStopped(BaseException):
    """The attempt was told to stop. Not an Exception, so that no handler mistakes it for a failure it can go on from."""


class JobContext:
    """One attempt at a job, as its handler sees it."""

    def __init__(
        self,
        job: Job,
        settings: Settings,
        database: Database,
        send: Callable[[Message], None],
        stop: threading.Event,
    ) -> None:
        self.id = job.id
        self.attempt = job.attempt
        self.owner_id = job.owner_id
        self.settings = settings
        self.database = database
        self.saw_stop = False
        self._send = send
        self._stop = stop

    @property
    def folder(self) -> Path:
        """The job's own folder. Later attempts find there what this one left: checkpoints belong here."""
        folder = self.settings.runs_dir / self.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def progress(self, fields: Mapping[str, Any]) -> None:
        """How far it is, in whatever words the kind uses. May be called often: only a few a second are kept."""
        self._send({"type": JobEventType.PROGRESS, "data": dict(fields)})

    def log_metrics(self, fields: Mapping[str, Any]) -> None:
        """One point of a curve. Every call is kept, in order."""
        self._send({"type": JobEventType.METRICS, "data": dict(fields)})

    def cancelled(self) -> bool:
        """Whether to stop: someone cancelled the job, or its worker is leaving and another will start it again.

        A handler that returns after it saw True has stopped, not finished. In a process nobody needs to ask: the stop
        comes as an exception (JobStopped), and `finally` clauses run.
        """
        if self._stop.is_set():
            self.saw_stop = True
        return self.saw_stop

    def still_mine(self, session: Session) -> None:
        """Call inside the transaction that publishes. Raises LeaseLost or JobCancelled, so that nothing is published twice."""
        leases.still_mine(session, self.id, self.attempt)


def run_handler(kind: JobKind, context: JobContext, arguments: Mapping[str, Any], log: TextIO) -> Outcome:
    """Run the handler. Whatever it raises becomes an outcome; the traceback goes to `log`."""
    try:
        result = kind.handler(context, **arguments)
    except JobStopped:
        return _stopped()
    except Exception as error:
        traceback.print_exc(file=log)
        return Outcome(Ending.FAILED, error=describe(error), may_retry=kind.may_retry(error))
    return _stopped() if context.saw_stop else Outcome(Ending.RETURNED, result=result)


def describe(error: BaseException) -> str:
    """Our own errors are sentences for people; others need their type to be understood."""
    return error.sentence if isinstance(error, ViveiroError) else f"{type(error).__name__}: {error}"


def _stopped() -> Outcome:
    return Outcome(Ending.RELEASED, error=Sentence("It was told to stop."))
