"""uvicorn, as this project runs it."""

import logging
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from viveiro.http.protocol import Protocol

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections: one that is closed just as a request leaves looks like a failure."""
GRACE_SECONDS = 10
"""What requests under way get after a stop signal; the supervisor kills after twice that."""


def serve(app: ASGIApp, listener: socket.socket, *, on_ready: Callable[[], object] = lambda: None) -> None:
    """Answer on a listening socket until SIGTERM or SIGINT."""
    make_server(app, on_ready=on_ready).run(sockets=[listener])


def make_server(app: ASGIApp, *, on_ready: Callable[[], object] = lambda: None) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        log_config=None,  # `telemetry` decides where lines go
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,  # `http/urls.py` reads them, and only from proxies the operator listed
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return _Server(config, on_ready)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()
