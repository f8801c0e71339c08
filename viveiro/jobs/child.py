"""The process of one job: what `python -m viveiro.app job ID ATTEMPT` does."""

import os
import signal
import sys
import threading
from typing import Final

import structlog

from viveiro.db import Database
from viveiro.errors import LeaseLost
from viveiro.jobs.context import JobContext, JobStopped, run_handler
from viveiro.jobs.kinds import kinds
from viveiro.jobs.messages import encode
from viveiro.jobs.processes import PIPE_VARIABLE
from viveiro.jobs.service import get_job
from viveiro.jobs.types import Ending, JobState, Message, Outcome
from viveiro.locale import stored
from viveiro.settings import Settings

STOPPED: Final = 128 + signal.SIGTERM


def run_child(settings: Settings, database: Database, job_id: str, attempt: int) -> int:
    """Run the handler and tell the worker, over the pipe it passed, how that ended. The status to exit with."""
    pipe = _Pipe(int(os.environ.pop(PIPE_VARIABLE)))
    try:
        outcome = _run(settings, database, job_id, attempt, pipe)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # too late: it must not cut the last message in two
    except JobStopped:
        return STOPPED
    pipe.send(_last_message(outcome))
    return {Ending.RETURNED: 0, Ending.RELEASED: STOPPED}.get(outcome.ending, 1)


def _run(settings: Settings, database: Database, job_id: str, attempt: int, pipe: "_Pipe") -> Outcome:
    stop = _stop_at_sigterm()
    with database.read() as session:
        job = get_job(session, job_id)
    if job.state is not JobState.RUNNING or job.attempt != attempt:
        raise LeaseLost(job_id, attempt)
    structlog.contextvars.bind_contextvars(job_id=job_id, job_kind=job.kind, attempt=attempt)
    context = JobContext(job, settings, database, pipe.send, stop)
    return run_handler(kinds[job.kind], context, job.arguments, sys.stderr)


class _Pipe:
    """Lines to the worker, from whichever thread of the handler."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # the worker waits for its end: no program we start may hold it open
        self._file = os.fdopen(descriptor, "wb")
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        line = encode(message)
        with self._lock:
            self._file.write(line)
            self._file.flush()


def _last_message(outcome: Outcome) -> Message:
    if outcome.ending is Ending.RETURNED:
        return {"type": "result", "data": outcome.result}
    return {"type": "error", "ending": outcome.ending, "data": stored(outcome.error), "may_retry": outcome.may_retry}


def _stop_at_sigterm() -> threading.Event:
    """An event that SIGTERM sets. The first one also raises JobStopped in the main thread, wherever that is."""
    stop = threading.Event()

    def on_sigterm(_number: int, _frame: object) -> None:
        if not stop.is_set():
            stop.set()
            raise JobStopped

    signal.signal(signal.SIGTERM, on_sigterm)
    return stop
