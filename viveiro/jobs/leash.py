"""Holds a job's process, so that nothing of it outlives its worker or itself. Standard library only: it starts in milliseconds.

    worker ── leash ── the job ── whatever the job starts        (leash and below: one process group)

- The worker dies, however: the life pipe, of which only the worker holds the other end, closes; the group is killed.
- The job ends, however: how it ended is reported on the job's pipe; the worker kills what it left running.
- The leash dies: the kernel kills the job (PR_SET_PDEATHSIG), and the worker the rest of the group.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def main(life: int, pipe: int, command: Sequence[str]) -> None:
    leash = os.getpid()
    job = os.fork()
    if job == 0:
        os.close(life)
        _become(command, leash)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is for the job, and reaches the whole group
    threading.Thread(target=_kill_group_at_end_of, args=(life,), daemon=True).start()
    _, status = os.waitpid(job, 0)
    report = {"type": "exit", "status": os.waitstatus_to_exitcode(status)}
    os.write(pipe, b"\n" + json.dumps(report).encode() + b"\n")  # a killed job may have left half a line before it


def _become(command: Sequence[str], leash: int) -> NoReturn:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != leash:
        os._exit(1)  # the leash died before the kernel knew what to do then
    try:
        os.execvpe(command[0], list(command), {**os.environ, "VIVEIRO_PARENT_PID": str(leash)})  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _kill_group_at_end_of(life: int) -> None:
    os.read(life, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
