"""Runs each job in a process of its own, on a leash."""

import contextlib
import itertools
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

from viveiro.jobs import leash
from viveiro.jobs.logs import last_lines, log_path
from viveiro.jobs.messages import decode
from viveiro.jobs.slots import visible_gpus
from viveiro.jobs.types import Ending, Job, JobEventType, Message, Outcome
from viveiro.locale import Sentence, restored
from viveiro.settings import Settings

PIPE_VARIABLE: Final = "VIVEIRO_JOB_PIPE"
PIPE_CHUNK: Final = 2**16
READS_PER_LOOK: Final = 16
"""A job that talks without end must not keep the worker from looking after the others."""
THREAD_SPINS: Final = "2000"
"""Looks that a thread of torch or scikit-learn takes for its fellows' end before it sleeps. GNU's 300,000 hold a core for
milliseconds while the fellow waits for that very core: `benchmarks/busy_core.py`."""
LAST_WORD_SECONDS: Final = 10.0
"""A process that has said how its job ended, and is still there after this, hangs in its own shutdown: it is killed."""

ChildCommand = Callable[[str, int], list[str]]


class LocalProcessRunner:
    def __init__(self, settings: Settings, child_command: ChildCommand, lock: int) -> None:
        """`lock` is the descriptor of the worker's lock (see `presence`), which every job holds too."""
        self._settings = settings
        self._lock = lock
        self._child_command = child_command
        self._gpus = visible_gpus()
        self._lent: dict[tuple[str, int], list[str]] = {}
        # Nobody ever writes to it. Each leash reads it, and its end means that this process is gone.
        self._life, self._kept_open = os.pipe()

    def start(self, job: Job) -> "JobProcess":
        path = log_path(self._settings, job.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            with path.open("ab") as log:
                log_start = log.tell()
                process = self._spawn(job, writing, log)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return JobProcess(job, process, reading, path, log_start, on_end=lambda: self._take_back(job))

    def _spawn(self, job: Job, pipe: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = self._child_command(job.id, job.attempt)
        return subprocess.Popen(
            [sys.executable, "-I", "-S", leash.__file__, str(self._life), str(pipe), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self._environment(job, pipe),
            pass_fds=(self._life, pipe, self._lock),
            start_new_session=True,
        )

    def _environment(self, job: Job, pipe: int) -> dict[str, str]:
        """A job sees the GPUs that it asked for and no others, or two would meet in one memory."""
        environment = {
            "GOMP_SPINCOUNT": THREAD_SPINS,  # an operator's own counts
            **os.environ,
            **self._settings.environment(),
            PIPE_VARIABLE: str(pipe),
            "PYTHONUNBUFFERED": "1",  # the log is followed while the job runs
            "PYTHONFAULTHANDLER": "1",
        }
        if self._gpus:
            taken = {gpu for gpus in self._lent.values() for gpu in gpus}
            free = [gpu for gpu in self._gpus if gpu not in taken]
            lent = self._lent[job.id, job.attempt] = free[: job.slots.get("gpu", 0)]
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(lent)
        return environment

    def _take_back(self, job: Job) -> None:
        self._lent.pop((job.id, job.attempt), None)


class JobProcess:
    """A running job, told from the leash's side: messages from its pipe, its end from the leash's last line."""

    def __init__(
        self,
        job: Job,
        process: subprocess.Popen[bytes],
        pipe: int,
        log: Path,
        log_start: int,
        *,
        on_end: Callable[[], None],
    ) -> None:
        self.job = job
        self._process = process
        self._pipe = pipe
        self._log = log
        self._log_start = log_start
        self._on_end = on_end
        self._rest = b""
        self._said: list[Message] = []
        self._final: dict[str, Message] = {}
        self._kill_at = math.inf
        self._outcome: Outcome | None = None

    def messages(self) -> list[Message]:
        if self._outcome is None:
            self._read(READS_PER_LOOK)
        said, self._said = self._said, []
        return said

    def outcome(self) -> Outcome | None:
        if time.monotonic() >= self._kill_at:
            self.kill()
        if self._outcome is None and self._has_ended():
            self._sweep()
            self._read(None)
            os.close(self._pipe)
            self._on_end()
            self._outcome = judge(self._final, lambda: last_lines(self._log, self._log_start))
        return self._outcome

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _has_ended(self) -> bool:
        """Without reaping the leash: as long as it is not, its number, which is its group's, passes to nobody else."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _sweep(self) -> None:
        """Whatever the job left running ends with it."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _read(self, times: int | None) -> None:
        """Take what is in the pipe: at most so many chunks, or to its end."""
        with contextlib.suppress(BlockingIOError):
            for _ in itertools.count() if times is None else range(times):
                if not (chunk := os.read(self._pipe, PIPE_CHUNK)):
                    break
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    self._sort(decode(line))

    def _sort(self, message: Message | None) -> None:
        if message is None:
            return
        if message["type"] in (JobEventType.PROGRESS, JobEventType.METRICS):
            self._said.append(message)
        else:
            self._final[message["type"]] = message
            self._kill_at = min(self._kill_at, time.monotonic() + LAST_WORD_SECONDS)


def judge(final: Mapping[str, Message], log_tail: Callable[[], str]) -> Outcome:
    """What an attempt's last messages mean: `result` or `error` from the job, `exit` from its leash.

    The job's own word counts first: a library that crashes while Python shuts down does not undo a result.
    """
    if "result" in final:
        return Outcome(Ending.RETURNED, result=final["result"]["data"])
    if "error" in final:
        error = final["error"]
        return Outcome(Ending(error["ending"]), error=restored(error["data"]), may_retry=error["may_retry"])
    status = final["exit"]["status"] if "exit" in final else -signal.SIGKILL
    last_words = Sentence("{how}. The last lines of its log:\n{log}", how=_how(status), log=log_tail())
    return Outcome(Ending.FAILED, error=last_words)


def _how(status: int) -> Sentence:
    if status >= 0:
        return Sentence("The job's process ended with status {status} and without a result", status=status)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if -status == signal.SIGKILL:
        return Sentence("The job's process was killed by {signal}; the machine may be out of memory", signal=name)
    return Sentence("The job's process was killed by {signal}", signal=name)
