"""Run by git as the pre-receive hook, by `hub/hooks.py`. Imports nothing of ours: every push waits for its start.

Silence means no: a server that died must let nothing through unseen.
"""

import os
import sys

VARIABLES = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")


def ask() -> bool:
    """Pass on where the new objects lie and which refs would move, then an empty line; show what the server says to it."""
    with os.fdopen(int(os.environ["VIVEIRO_QUESTION"]), "wb") as question:
        question.writelines(os.environb.get(name.encode(), b"") + b"\n" for name in VARIABLES)
        question.write(sys.stdin.buffer.read() + b"\n")
    with os.fdopen(int(os.environ["VIVEIRO_VERDICT"]), "rb") as verdict:
        accepted = verdict.readline() == b"accepted\n"
        sys.stderr.buffer.write(verdict.read())
    return accepted


if __name__ == "__main__":
    try:
        sys.exit(not ask())
    except OSError:
        sys.exit("The server went away before it had looked at this push. Nothing was changed.")
