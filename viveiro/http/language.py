"""What is said while a request is answered, is said in its sender's language."""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from viveiro.locale import ENGLISH, language_of_header, offered, speaking

LANGUAGE_COOKIE: Final = "viveiro_language"
"""What somebody chose on a page counts before what their browser asks for."""


class LanguageMiddleware:
    """Pure ASGI. huggingface_hub sends no Accept-Language and gets the English sentences that it compares with."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with speaking(language_of(scope["headers"])):
            await self.app(scope, receive, send)


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    accepted, chosen = None, None
    for name, value in headers:
        if name == b"accept-language":
            accepted = value.decode("latin-1")
        elif name == b"cookie" and LANGUAGE_COOKIE.encode() in value:
            chosen = _chosen(value.decode("latin-1"))
    return chosen or (ENGLISH if accepted is None else language_of_header(accepted))


def _chosen(header: str) -> str | None:
    try:
        cookie = SimpleCookie(header).get(LANGUAGE_COOKIE)
    except CookieError:
        return None
    return None if cookie is None else offered(cookie.value)
