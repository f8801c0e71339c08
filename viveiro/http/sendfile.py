"""An ASGI extension: the kernel sends a file, and no byte of it passes through Python.

`scope["extensions"]` holds "viveiro.sendfile" where the server offers it. Between `http.response.start` and the final,
empty `http.response.body`, an application may then send

    {"type": "viveiro.sendfile", "file": <descriptor>, "offset": <int>, "count": <int>}

ASGI's own `http.response.pathsend` knows no ranges, and uvicorn does not offer it.
"""

import asyncio
import os
import socket
from typing import Any, Final, cast

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "viveiro.sendfile"
STALL_SECONDS: Final = 120.0
"""A client that takes no byte for this long is cut off, so that it does not hold its file and socket for ever."""
BURST_BYTES: Final = 16 * 2**20
"""A thread serves one client at most this much before it lets others have their turn."""
THREADS: Final = 16


class SendfileProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with the extension."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self.scheme == "http" and hasattr(os, "sendfile"):
            cast(Scope, cycle.scope).setdefault("extensions", {})[EXTENSION] = {}
            app = _WithSendfile(app, cycle, self.transport, self.flow)
        super()._start_asgi_task(cycle, app)


class _WithSendfile:
    """The application of one request, whose `send` understands one more message."""

    def __init__(
        self, app: ASGIApp, cycle: RequestResponseCycle, transport: asyncio.Transport, flow: FlowControl
    ) -> None:
        self._app = app
        self._cycle = cycle
        self._transport = transport
        self._flow = flow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_sendfile(message: Message) -> None:
            if message["type"] == EXTENSION:
                await self._sendfile(message["file"], message["offset"], message["count"])
            else:
                await send(message)

        await self._app(scope, receive, send_or_sendfile)

    async def _sendfile(self, file: int, offset: int, count: int) -> None:
        if self._cycle.disconnected or self._transport.is_closing():
            return
        await self._drain()
        # A descriptor of our own: when the transport closes, its number may at once belong to another connection.
        connection = os.dup(cast(socket.socket, self._transport.get_extra_info("socket")).fileno())
        try:
            await _send_all(connection, file, offset, count)
            self._cycle.expected_content_length -= count
        except OSError:  # the client went away, or sleeps (TimeoutError is one too)
            self._transport.abort()
            self._cycle.disconnected = True  # uvicorn would notice only on its next turn
        finally:
            os.close(connection)

    async def _drain(self) -> None:
        """Wait until the headers, and whatever came before, have left the transport's own buffer."""
        self._transport.set_write_buffer_limits(high=0)
        if self._flow.write_paused:
            await self._flow.drain()
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits()


async def _send_all(connection: int, file: int, offset: int, count: int) -> None:
    end = offset + count
    while offset < end:
        # In a thread, because reading a cold file waits for the disk.
        sent = await to_thread.run_sync(_send_some, connection, file, offset, end - offset, limiter=_limiter())
        offset += sent
        if not sent:
            async with asyncio.timeout(STALL_SECONDS):
                await _writable(connection)


def _send_some(connection: int, file: int, offset: int, count: int) -> int:
    """Send until the socket is full. 0 when it is full already.

    Raises:
        EOFError: the file is shorter than it was.
    """
    sent = 0
    try:
        while sent < min(count, BURST_BYTES):
            taken = os.sendfile(connection, file, offset + sent, count - sent)
            if not taken:
                raise EOFError("The file became shorter while it was sent.")
            sent += taken
    except BlockingIOError:
        pass
    return sent


async def _writable(connection: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(connection)


_LIMITER: Final = RunVar[CapacityLimiter]("sendfile")


def _limiter() -> CapacityLimiter:
    """Not the limiter of the routes: a hundred downloads must not keep them waiting."""
    if _LIMITER.get(None) is None:
        _LIMITER.set(CapacityLimiter(THREADS))
    return _LIMITER.get()
