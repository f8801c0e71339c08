"""The pre-receive hook: how a push by git asks the server before any ref moves.

`git receive-pack` runs the script below, which hands its question to the server through one inherited pipe and waits for
the verdict on another. The pipes are the credential: nothing else on the machine can reach them. A script in plain sh,
because starting Python would take longer than most pushes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from viveiro.errors import Unavailable
from viveiro.hub.types import RefUpdate

QUESTION: Final = "VIVEIRO_QUESTION"
VERDICT: Final = "VIVEIRO_VERDICT"
"""Environment variables: numbers of the inherited descriptors."""

_VARIABLES: Final = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
VALUES: Final = len(_VARIABLES)
"""How many lines of a question come before the refs."""
_SCRIPT: Final = f"""\
#!/bin/sh
# Written by Viveiro (hub/hooks.py) at every push. Silence means no: a server that died must let nothing through unseen.
{{
  printf '%s\\n' {" ".join(f'"${name}"' for name in _VARIABLES)}
  cat
  echo
}} >"/dev/fd/${QUESTION}" || exit 1
{{
  read -r verdict
  cat >&2
}} <"/dev/fd/${VERDICT}"
[ "$verdict" = accepted ]
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


def parse_question(lines: Sequence[str]) -> PushQuestion:
    """What the script wrote, up to its empty line."""
    values, updates = lines[:VALUES], lines[VALUES:]
    environment = {name: value for name, value in zip(_VARIABLES, values, strict=True) if value}
    return PushQuestion(tuple(_update(*line.split(" ", 2)) for line in updates), environment)


def format_verdict(problems: Sequence[str]) -> bytes:
    """`problems` are shown to the pusher, without whatever would steer their terminal."""
    lines = ["refused" if problems else "accepted", *map(_printable, problems)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _update(old: str, new: str, ref: str) -> RefUpdate:
    return RefUpdate(ref, None if old == _NOTHING else old, None if new == _NOTHING else new)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
