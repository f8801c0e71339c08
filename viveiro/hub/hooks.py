"""How a push by git asks the server before any ref moves.

`git receive-pack` runs the script below, and that `pre_receive.py`, which hands its question to the server through one
inherited pipe and waits for the verdict on another. The pipes are the credential: nothing else on the machine reaches them.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from viveiro.errors import Unavailable
from viveiro.hub import pre_receive
from viveiro.hub.types import RefUpdate

VALUES: Final = len(pre_receive.VARIABLES)
"""How many lines of a question come before the refs."""
_SCRIPT: Final = """\
#!/bin/sh
# Written by Viveiro (hub/hooks.py).
exec "$VIVEIRO_PYTHON" -I -S "$VIVEIRO_PRE_RECEIVE"
"""
_NOTHING: Final = "0" * 40


@dataclass(frozen=True, slots=True)
class PushQuestion:
    """May these refs move? `environment` says where the new objects lie until then."""

    updates: tuple[RefUpdate, ...]
    environment: dict[str, str]


def install(folder: Path) -> Path:
    """The folder for `core.hooksPath`, with the hook in it.

    Raises:
        Unavailable: git could not run it, and would then let every push through unchecked.
    """
    hook = folder / "pre-receive"
    if not (hook.is_file() and hook.read_text() == _SCRIPT and os.access(hook, os.X_OK)):
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{os.getpid()}.partial"
        partial.write_text(_SCRIPT)
        partial.chmod(0o700)
        partial.replace(hook)
    if not os.access(hook, os.X_OK):
        raise Unavailable(
            "{hook} cannot be executed, so pushes cannot be checked. Mount the data folder without noexec.", hook=hook
        )
    return folder


def environment(question: int, verdict: int) -> dict[str, str]:
    """What `receive-pack` passes on to the hook: the hook's own ends of the pipes, and what to run."""
    return {
        "VIVEIRO_QUESTION": str(question),
        "VIVEIRO_VERDICT": str(verdict),
        "VIVEIRO_PYTHON": sys.executable,
        "VIVEIRO_PRE_RECEIVE": str(Path(pre_receive.__file__).resolve()),
    }


def parse_question(lines: Sequence[str]) -> PushQuestion:
    """What the hook wrote, up to its empty line."""
    values, updates = lines[:VALUES], lines[VALUES:]
    environment = {name: value for name, value in zip(pre_receive.VARIABLES, values, strict=True) if value}
    return PushQuestion(tuple(_update(*line.split(" ", 2)) for line in updates), environment)


def format_verdict(problems: Sequence[str]) -> bytes:
    """`problems` are shown to the pusher, without whatever would steer their terminal."""
    lines = ["refused" if problems else "accepted", *map(_printable, problems)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _update(old: str, new: str, ref: str) -> RefUpdate:
    return RefUpdate(ref, None if old == _NOTHING else old, None if new == _NOTHING else new)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
