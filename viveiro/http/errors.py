"""Errors become answers here and nowhere else: `{"error": …}` with the headers that huggingface_hub reads."""

import re
import unicodedata
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viveiro.errors import (
    AlreadyExists,
    InvalidInput,
    NotAuthenticated,
    RangeNotSatisfiable,
    RepoMoved,
    StorageFull,
    TooManyRequests,
    Unavailable,
    ViveiroError,
)
from viveiro.http.moved import moved_address
from viveiro.http.urls import public_url
from viveiro.locale import Sentence, current_language, problem, recognised, translate
from viveiro.storage import NO_ROOM

log = structlog.get_logger()

_GIT_ROUTE: Final = re.compile(r"/info/refs$|/git-(?:upload|receive)-pack$|/info/lfs(?:/|$)")
_BUSY: Final = ("database is locked", "database table is locked", "connection", "too many clients")
_FULL: Final = ("database or disk is full", "no space left on device")
INTERNAL: Final = Sentence(
    "The server failed at this request, and has logged why. Quote the X-Request-Id to its operator."
)
_TYPOGRAPHY: Final = str.maketrans({"–": "-", "—": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "→": "->"})


def install_error_handlers(app: FastAPI) -> None:
    """Call before `RequestIdMiddleware` is added: the answer to an unexpected error must pass through it."""
    app.add_exception_handler(ViveiroError, _on_viveiro_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(DataError, _on_data_error)
    app.add_exception_handler(OverflowError, _on_overflow)
    app.add_exception_handler(UnicodeEncodeError, _on_half_a_character)
    app.add_exception_handler(OperationalError, _on_operational_error)
    app.add_exception_handler(PoolTimeout, _on_pool_timeout)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_exception_handler(ClientDisconnect, _on_client_disconnect)
    app.add_middleware(UnexpectedErrorMiddleware)


def error_response(error: ViveiroError, path: str = "") -> JSONResponse:
    """The answer that programs get for an error. `path` chooses how a 401 asks for credentials."""
    message = error.translated()
    headers = {"X-Error-Code": error.code, **_headers(message)}
    match error:
        case TooManyRequests() | Unavailable() if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        case RangeNotSatisfiable():
            headers["Content-Range"] = f"bytes */{error.size}"
        case NotAuthenticated():
            # git asks for a password only when told "Basic"; a browser would too, with a dialog nobody wants.
            headers["WWW-Authenticate"] = f'{"Basic" if _GIT_ROUTE.search(path) else "Bearer"} realm="Viveiro"'
    return JSONResponse({"error": message, **error.told}, error.status, headers)


def _headers(message: str) -> dict[str, str]:
    return {
        "X-Error-Message": header_safe(message),
        "Content-Language": current_language(),
        "Vary": "Accept-Language",
    }


def header_safe(text: str) -> str:
    """One line of latin-1, as HTTP headers are. What has no place there becomes its nearest form, or '?'."""
    one_line = " ".join(text.split()).translate(_TYPOGRAPHY)
    latin = unicodedata.normalize("NFKC", one_line).encode("latin-1", "replace").decode("latin-1")
    return "".join(character if character.isprintable() else "?" for character in latin)[:1000]


class UnexpectedErrorMiddleware:
    """The last resort: a logged traceback for the operator, a sentence for the client."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            if scope["type"] != "http":
                raise
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            # An answer under way can only be cut: returning makes the server close the connection.
            if not started:
                await _failure()(scope, receive, send)


def _failure() -> Response:
    message = translate(INTERNAL)
    return JSONResponse({"error": message}, 500, {"X-Error-Code": "InternalError", **_headers(message)})


async def _on_viveiro_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ViveiroError)
    if isinstance(error, RepoMoved) and (address := _address_now(request, error)) is not None:
        # Relative: clients follow no other when they only ask for the headers of a file. 307: a push stays a push.
        return JSONResponse({"error": error.translated()}, 307, {"Location": address})
    if isinstance(error, AlreadyExists) and error.url and error.url.startswith("/"):
        error.url = public_url(request) + error.url  # domains know no address; clients want a whole one
    return error_response(error, request.url.path)


def _address_now(request: Request, error: RepoMoved) -> str | None:
    return moved_address(request.scope["raw_path"].decode("latin-1"), request.url.query, error.old, error.new)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [problem(_place(fault["loc"]), fault["msg"]) for fault in error.errors()]
    return error_response(InvalidInput("The request is not valid. {problems}", problems=problems))


def _place(location: tuple[int | str, ...]) -> str:
    """`("body", "grants", 0, "resource")` is `grants[0].resource` in the sender's eyes."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:]]
    return "".join(parts).lstrip(".") or str(location[0])


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such address, a method that it does not take, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    detail = recognised(error.detail)
    message = translate("{detail}: {method} {path}", detail=detail, method=request.method, path=request.url.path)
    headers = {**(error.headers or {}), **_headers(message)}
    return JSONResponse({"error": message}, error.status_code, headers)


async def _on_data_error(request: Request, _error: Exception) -> Response:
    """PostgreSQL stores no NUL character and no number past 64 bits."""
    return error_response(_unstorable())


async def _on_overflow(request: Request, error: Exception) -> Response:
    """SQLite's driver refuses the same numbers before the database sees them."""
    if "SQLite INTEGER" in str(error):
        return error_response(_unstorable())
    raise error


def _unstorable() -> InvalidInput:
    return InvalidInput("Something in the request cannot be stored: a NUL character, or a huge number.")


async def _on_half_a_character(request: Request, error: Exception) -> Response:
    """JSON can spell it: `"\\ud800"`. No database can store it."""
    assert isinstance(error, UnicodeEncodeError)
    if error.reason == "surrogates not allowed" and "json" in request.headers.get("content-type", ""):
        log.info("half_a_character_sent", path=request.url.path, exc_info=error)
        return error_response(InvalidInput("The request holds half a character, such as \\ud800. Send whole ones."))
    raise error


async def _on_operational_error(request: Request, error: Exception) -> Response:
    text = str(getattr(error, "orig", error)).lower()
    if any(sign in text for sign in _FULL):
        return error_response(StorageFull())
    if any(sign in text for sign in _BUSY):
        return await _on_pool_timeout(request, error)
    raise error


async def _on_pool_timeout(request: Request, error: Exception) -> Response:
    log.warning("database_busy", path=request.url.path, reason=str(error.__cause__ or error))
    return error_response(Unavailable("The database is busy or away. Nothing was changed. Try again in a few seconds."))


async def _on_os_error(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        log.error("storage_full", path=request.url.path)
        return error_response(StorageFull())
    raise error


async def _on_client_disconnect(request: Request, _error: Exception) -> Response:
    log.info("client_went_away", path=request.url.path)
    return Response(status_code=400)  # nobody reads it: the connection is gone
