"""Bodies that a route reads whole, as FastAPI does with JSON, have an end. What is taken as it arrives has limits of its own."""

from typing import Final

from fastapi import params
from fastapi.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viveiro.errors import TooLarge
from viveiro.types import size_text

MAX_BYTES: Final = 32 * 2**20


class BodyTooLarge(TooLarge, HTTPException):
    """FastAPI lets no other kind of error through from where it reads a body."""

    def __init__(self) -> None:
        TooLarge.__init__(
            self, "A request of this kind has at most {most}. Send it in several.", most=size_text(MAX_BYTES)
        )
        self.status_code, self.detail, self.headers = self.status, str(self), None

    @property
    def code(self) -> str:
        return TooLarge.__name__


class BodyLimitMiddleware:
    """Pure ASGI: counts what passes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BYTES and _reads_whole(scope.get("route")):
                raise BodyTooLarge
            return message

        await self.app(scope, counted if scope["type"] == "http" else receive, send)


def _reads_whole(route: object) -> bool:
    """Forms are read field by field: each has a limit, and files go to the disk."""
    body = getattr(route, "body_field", None)
    return body is not None and not isinstance(body.field_info, params.Form)
