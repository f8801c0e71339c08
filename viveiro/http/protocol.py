"""uvicorn's HTTP/1.1, with two differences.

A file can be sent by the kernel. `scope["extensions"]` holds "viveiro.sendfile" where that is so; between
`http.response.start` and the final, empty `http.response.body` an application may then send

    {"type": "viveiro.sendfile", "file": <descriptor>, "offset": <int>, "count": <int>}

(ASGI's own `http.response.pathsend` knows no ranges, and uvicorn does not offer it.)

And a request that arrived whole is delivered whole, though its sender has hung up since: uvicorn throws away what it has
received and not yet handed over, and with it the end of a push.
"""

import asyncio
import os
import socket
from typing import Any, Final, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from viveiro.http.sendfile import send_file

SENDFILE: Final = "viveiro.sendfile"


class Protocol(HttpToolsProtocol):
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self.scheme == "http" and hasattr(os, "sendfile"):
            cast(Scope, cycle.scope).setdefault("extensions", {})[SENDFILE] = {}
        super()._start_asgi_task(cycle, cast(Any, _Exchange(app, cycle, self.transport, self.flow)))


class _Exchange:
    """The application of one request, with a `receive` and a `send` of ours around uvicorn's."""

    def __init__(
        self, app: ASGIApp, cycle: RequestResponseCycle, transport: asyncio.Transport, flow: FlowControl
    ) -> None:
        self._app = app
        self._cycle = cycle
        self._transport = transport
        self._flow = flow
        self._body_is_delivered = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_the_rest_too() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and self._has_more_to_deliver():
                message = {"type": "http.request", "body": bytes(self._cycle.body), "more_body": self._cycle.more_body}
                self._cycle.body = bytearray()
            self._body_is_delivered = self._body_is_delivered or not message.get("more_body", False)
            return message

        async def send_or_sendfile(message: Message) -> None:
            if message["type"] == SENDFILE:
                await self._send_file(message["file"], message["offset"], message["count"])
            else:
                await send(message)

        await self._app(scope, receive_the_rest_too, send_or_sendfile)

    def _has_more_to_deliver(self) -> bool:
        if self._body_is_delivered or self._cycle.response_complete:
            return False
        return bool(self._cycle.body) or not self._cycle.more_body

    async def _send_file(self, file: int, offset: int, count: int) -> None:
        if count > self._cycle.expected_content_length:
            raise RuntimeError("More of the file than the answer's Content-Length.")
        if self._cycle.disconnected or self._transport.is_closing():
            return
        await self._drain()
        # A descriptor of our own: when the transport closes, its number may at once belong to another connection.
        connection = os.dup(cast(socket.socket, self._transport.get_extra_info("socket")).fileno())
        try:
            await send_file(connection, file, offset, count)
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
