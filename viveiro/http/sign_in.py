"""Who sends this request: from a header or a cookie to a Viewer."""

import base64
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import structlog
from fastapi import BackgroundTasks, Request, Response
from sqlalchemy.exc import OperationalError

from viveiro.accounts.service import authenticate_session, authenticate_token, note_use, use_is_due
from viveiro.accounts.types import ANONYMOUS, IssuedSession, TokenScope, Viewer
from viveiro.db import Database
from viveiro.errors import Forbidden, InvalidCredentials
from viveiro.http.urls import client_address, public_url

log = structlog.get_logger()

SESSION_COOKIE: Final = "viveiro_session"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def viewer_of(request: Request, tasks: BackgroundTasks) -> Viewer:
    """A header wins over a cookie. A bad header raises InvalidCredentials, a cookie past its time counts as none."""
    database: Database = request.app.state.database
    if header := request.headers.get("authorization"):
        with database.read() as session:
            viewer = authenticate_token(session, _secret_in(header))
        if viewer.scope is not None and use_is_due(viewer.scope):
            # After the answer: nobody waits for the write lock only to have a clock moved.
            tasks.add_task(_write_down_use, database, viewer.scope)
    elif secret := request.cookies.get(SESSION_COOKIE):
        with database.read() as session:
            viewer = authenticate_session(session, secret)
        if not viewer.is_anonymous:
            check_same_origin(request)
    else:
        viewer = ANONYMOUS
    return replace(viewer, address=client_address(request))


def check_same_origin(request: Request) -> None:
    """Browsers send cookies with forms of other sites too: what changes something must come from our own pages.

    Sec-Fetch-Site where the browser sends it (HTTPS and loopback), else Origin. One of them there must be.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    own = public_url(request)
    same = site == "same-origin" if site else _origin(request.headers.get("origin", "")) == _origin(own)
    if not same:
        raise Forbidden(
            "This request comes from another site, and a browser session acts only from {url}. "
            "Programs send an access token instead: Authorization: Bearer hf_…",
            url=own,
        )


def set_session_cookie(request: Request, response: Response, issued: IssuedSession) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        issued.secret,
        expires=issued.expires_at,
        path="/",
        secure=public_url(request).startswith("https:"),
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(response: Response) -> None:
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax")


def _secret_in(header: str) -> str:
    """The access token in an Authorization header. git and git-lfs send it as the password of any user."""
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except ValueError:  # not ASCII, not base64, not UTF-8
                raise InvalidCredentials from None
        case _:
            raise InvalidCredentials


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _write_down_use(database: Database, scope: TokenScope) -> None:
    try:
        with database.write() as session:
            note_use(session, scope)
    except OperationalError:
        log.warning("access_token_use_not_written", token_id=scope.token_id)
