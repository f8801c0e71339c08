"""A `git` child process that converses with an HTTP client: it reads the request's body and writes the answer's.

Both directions flow at the pace of the slower side, and nothing is gathered in memory. The child ends with the
conversation: a client that goes away or stalls, and a server that stops, take it along.
"""

import asyncio
import os
import re
import signal
import zlib
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from viveiro.api.hub.push_check import HookPipes, Push
from viveiro.errors import InvalidInput, TooManyRequests
from viveiro.hub.git import environment
from viveiro.locale import Sentence

log = structlog.get_logger()

STALL_SECONDS: Final = 300.0
"""A client that neither sends what it announced nor takes what it asked for in this time is given up."""
END_SECONDS: Final = 5.0
"""What git gets for removing its temporary files before it is killed."""
MOST_CONVERSATIONS: Final = 64
CHUNK_BYTES: Final = 2**16
UNPACKED_BYTES: Final = 2**20
_KEPT_STDERR_BYTES: Final = 4000
_PROTOCOL: Final = re.compile(r"version=[012]")


class Conversation(Response):
    """The answer that git gives. `push` is there for `receive-pack` only."""

    def __init__(self, command: Sequence[str], media_type: str, *, push: Push | None = None) -> None:
        super().__init__(None, headers={"Cache-Control": "no-cache"}, media_type=media_type)
        del self.headers["content-length"]
        self._command = command
        self._push = push
        self._stderr = bytearray()
        self._body_is_whole = False
        self._client_is_gone = False
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with _one_of_the_conversations(), _hook_pipes(self._push) as hook:
                await self._converse(hook, Headers(scope=scope), receive, send)
        finally:
            if self._push:
                await run_in_threadpool(self._push.finish)
        await self._start(send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _converse(self, hook: HookPipes | None, headers: Headers, receive: Receive, send: Send) -> None:
        inherited = hook.inherited if hook else ()
        variables = {**protocol(headers), **(hook.environment if hook else {})}
        async with _running(self._command, variables, inherited) as git:
            aside = [
                asyncio.create_task(self._feed(git, headers, receive)),
                asyncio.create_task(self._keep_stderr(git)),
            ]
            if hook and self._push:
                hook.close_inherited()
                aside.append(asyncio.create_task(hook.answer(self._push.check)))
            async with _ending(aside):
                await self._relay(git, send)
        self._require_sense(git)

    async def _relay(self, git: Process, send: Send) -> None:
        assert git.stdout is not None
        while chunk := await git.stdout.read(CHUNK_BYTES):
            await self._start(send)
            async with asyncio.timeout(STALL_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _start(self, send: Send) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _feed(self, git: Process, headers: Headers, receive: Receive) -> None:
        """Pass the body on, then watch for the client to go away."""
        assert git.stdin is not None
        unpack = unpacker(headers)
        try:
            while not self._body_is_whole:
                async with asyncio.timeout(STALL_SECONDS):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    return self._on_disconnect(git)
                await _write(git.stdin, unpack(message.get("body", b"")))
                self._body_is_whole = not message.get("more_body", False)
            git.stdin.close()
            await receive()
            self._on_disconnect(git)
        except TimeoutError:
            self._on_disconnect(git)
        except zlib.error as error:
            _signal(git, signal.SIGTERM)
            raise InvalidInput("The request's body is not gzip, as its header says.") from error

    def _on_disconnect(self, git: Process) -> None:
        """Nobody waits for a clone any more. A push that arrived whole goes on; of a half one, git reads the end and tidies up."""
        self._client_is_gone = True
        if not self._push:
            _signal(git, signal.SIGTERM)
        elif git.stdin is not None:
            git.stdin.close()

    async def _keep_stderr(self, git: Process) -> None:
        assert git.stderr is not None
        while chunk := await git.stderr.read(CHUNK_BYTES):
            self._stderr = (self._stderr + chunk)[-_KEPT_STDERR_BYTES:]

    def _require_sense(self, git: Process) -> None:
        """git that fails without a word to the client could not make sense of it. Else the answer itself says why."""
        if git.returncode and not self._started and not self._client_is_gone:
            said = self._stderr.decode("utf-8", "replace").strip()
            log.warning("git_failed", command=self._command, exit_status=git.returncode, stderr=said)
            raise InvalidInput(
                "git could not make sense of this request: {said}", said=said or Sentence("it gave no reason")
            )


@asynccontextmanager
async def _running(
    command: Sequence[str], variables: Mapping[str, str], inherited: Sequence[int]
) -> AsyncIterator[Process]:
    """On leaving it has ended: by itself, or because whoever talked to it failed."""
    git = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(variables),
        pass_fds=inherited,
        start_new_session=True,
    )
    try:
        yield git
        await git.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if git.returncode is None:
                _signal(git, number)
                with suppress(TimeoutError):
                    async with asyncio.timeout(END_SECONDS):
                        await git.wait()


@asynccontextmanager
async def _ending(tasks: Sequence[asyncio.Task[None]]) -> AsyncIterator[None]:
    """On leaving, none of them runs any more. What one of them failed of is raised."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _write(stdin: asyncio.StreamWriter, pieces: Iterator[bytes]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # git has ended, and its answer says why
        for piece in pieces:
            stdin.write(piece)
            await stdin.drain()


def _signal(git: Process, number: int) -> None:
    """To git and all that it started: the group bears the number of its first process."""
    if git.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(git.pid, number)


def protocol(headers: Mapping[str, str]) -> dict[str, str]:
    """The version of the protocol that the client asks for, as git's environment."""
    asked = headers.get("git-protocol", "")
    return {"GIT_PROTOCOL": asked} if _PROTOCOL.fullmatch(asked) else {}


def unpacker(headers: Mapping[str, str]) -> Callable[[bytes], Iterator[bytes]]:
    """git compresses long requests. However small it is packed, no more than 1 MiB is unpacked at a time."""
    if headers.get("content-encoding", "identity") not in ("gzip", "x-gzip"):
        return lambda data: iter([data] if data else [])
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def unpack(data: bytes) -> Iterator[bytes]:
        while data:
            yield inflate.decompress(data, UNPACKED_BYTES)
            data = inflate.unconsumed_tail

    return unpack


@contextmanager
def _hook_pipes(push: Push | None) -> Iterator[HookPipes | None]:
    if push is None:
        yield None
    else:
        with closing(HookPipes()) as pipes:
            yield pipes


_conversations = 0


@contextmanager
def _one_of_the_conversations() -> Iterator[None]:
    global _conversations
    if _conversations >= MOST_CONVERSATIONS:
        raise TooManyRequests("Too many clones and pushes at once. Try again in a moment.", retry_after_seconds=5)
    _conversations += 1
    try:
        yield
    finally:
        _conversations -= 1
