"""An error as a page: what was wrong and what to do next, in the reader's language."""

from dataclasses import dataclass
from typing import ClassVar, Final

import orjson
from fastapi import BackgroundTasks, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viveiro.accounts.types import ANONYMOUS, Viewer
from viveiro.errors import ViveiroError
from viveiro.http.sign_in import viewer_of
from viveiro.locale import translate
from viveiro.web.navigation import sign_in_address
from viveiro.web.rendering import HEADERS, is_fragment, own_path, render

_FOR_PROGRAMS: Final = ("/api/", "/static/")
LARGEST_MESSAGE: Final = 2**16


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """`message` is in the reader's language already."""

    template: ClassVar[str] = "error.html"
    status: int
    code: str
    message: str


class ErrorPageMiddleware:
    """Turns the JSON that `http/errors.py` answers into a page, for browsers that asked for one.

    Whoever has to sign in is led there and back.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_a_page(scope):
            await self.app(scope, receive, send)
            return
        failure: Message | None = None
        body = bytearray()

        async def watch(message: Message) -> None:
            nonlocal failure
            if message["type"] == "http.response.start" and _is_failure(message):
                failure = message
            elif failure is None:
                await send(message)
            elif len(body) < LARGEST_MESSAGE:
                body.extend(message.get("body", b""))

        await self.app(scope, receive, watch)
        if failure is not None:
            request = Request(scope)
            response = await _page(request, failure["status"], Headers(raw=failure["headers"]), bytes(body))
            await response(scope, receive, send)


def _wants_a_page(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "") and not scope["path"].startswith(_FOR_PROGRAMS)


def _is_failure(message: Message) -> bool:
    content_type = Headers(raw=message["headers"]).get("content-type", "")
    return bool(message["status"] >= 400) and content_type.startswith("application/json")


async def _page(request: Request, status: int, headers: Headers, body: bytes) -> Response:
    viewer = await run_in_threadpool(_viewer, request)
    if status == 401 and viewer.is_anonymous and request.method == "GET" and not is_fragment(request):
        return RedirectResponse(sign_in_address(own_path(request)), 303, HEADERS)
    code = headers.get("x-error-code", "")
    message = str(orjson.loads(body).get("error", ""))
    if status == 404 and not code:  # the framework's own: no route has this address
        message = translate(
            "There is no page at {path}. Its address may be mistyped, or what was there has moved.",
            path=request.url.path,
        )
    kept = {name: headers[name] for name in ("retry-after", "x-error-code", "allow") if name in headers}
    page = ErrorPage(status, code, message)
    part = "parts/error.html" if is_fragment(request) else None
    return await run_in_threadpool(render, request, viewer, page, part=part, status=status, headers=kept)


def _viewer(request: Request) -> Viewer:
    """Whoever is signed in, even where the error is about just that."""
    try:
        return viewer_of(request, BackgroundTasks())
    except ViveiroError:
        return ANONYMOUS
