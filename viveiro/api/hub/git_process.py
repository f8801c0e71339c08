"""A `git` child process that converses with an HTTP client: what it reads is the request's body, what it writes the answer's.

Both directions flow at the pace of the slower side, and nothing is gathered in memory. The child ends with the
conversation: a client that goes away, stalls, or a server that stops, takes it along.
"""

import asyncio
import os
import re
import signal
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from viveiro.errors import InvalidInput, Unavailable, ViveiroError
from viveiro.hub import hooks
from viveiro.hub.git import environment

log = structlog.get_logger()

STALL_SECONDS: Final = 300.0
"""A client that neither sends nor takes anything for this long is given up."""
END_SECONDS: Final = 5.0
"""What git gets to clean up its temporary files before it is killed."""
MOST_PROCESSES: Final = 64
CHUNK_BYTES: Final = 2**16
_KEPT_STDERR: Final = 4000
_PROTOCOL: Final = re.compile(r"version=[012](?::[a-z0-9=.-]+)*")
_MEMORY: Final = ("-c", "pack.threads=2", "-c", "pack.windowMemory=64m")

CheckPush = Callable[[hooks.PushQuestion], Sequence[str]]


@dataclass(frozen=True)
class GitService:
    """One of the two programs of the smart protocol, on one repository."""

    name: ClassVar[str]
    repository: Path
    configuration: Mapping[str, str] = field(default_factory=dict)

    def command(self, *options: str) -> list[str]:
        settings = [part for name, value in self.configuration.items() for part in ("-c", f"{name}={value}")]
        program = self.name.removeprefix("git-")
        return ["git", *_MEMORY, *settings, program, "--stateless-rpc", *options, str(self.repository)]


class UploadPack(GitService):
    name = "git-upload-pack"


@dataclass(frozen=True)
class ReceivePack(GitService):
    name: ClassVar[str] = "git-receive-pack"
    check: CheckPush = field(kw_only=True)
    """Asked in a thread, before any ref moves. What it returns is shown to the pusher; nothing means yes."""
    finish: Callable[[], None] = field(kw_only=True)
    """Called in a thread when git has ended, however it did, and before the client learns of it."""


class Advertisement(Response):
    """Which refs there are, and what this side can do."""
