"""Every answer names its request, and so does every log line written for it."""

import re
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viveiro.types import new_id

_HEADERS: Final = ("x-request-id", "x-amzn-trace-id")
"""In order of preference. huggingface_hub sends the second and puts the answer's `X-Request-Id` into its messages."""
_SAFE: Final = re.compile(r"[A-Za-z0-9._=;:-]{1,128}")
"""What a stranger may write into our logs."""


class RequestIdMiddleware:
    """Pure ASGI: bodies pass through untouched. Add it last, so that it is the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _incoming(Headers(scope=scope)) or new_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        # Background tasks of a request run inside this block too, so they log under its id.
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)


def _incoming(headers: Headers) -> str | None:
    values = (headers.get(name, "") for name in _HEADERS)
    return next((value for value in values if _SAFE.fullmatch(value)), None)
