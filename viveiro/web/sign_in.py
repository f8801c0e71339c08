"""Signing in and out."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Query, Request, Response

from viveiro.accounts import service
from viveiro.accounts.types import IssuedSession, Viewer
from viveiro.db import Database
from viveiro.errors import NotAuthenticated, TooManyRequests, ViveiroError
from viveiro.http.dependencies import DatabaseDep, SettingsDep, ViewerDep
from viveiro.http.sign_in import SESSION_COOKIE, check_same_origin, clear_session_cookie, set_session_cookie
from viveiro.http.urls import client_address
from viveiro.settings import Settings
from viveiro.web.navigation import go_to, own_address
from viveiro.web.rendering import render

router = APIRouter()

WELCOME: Final = "/-/welcome"


@dataclass(frozen=True, slots=True)
class SignInPage:
    """`back_to` is one of our own addresses. The password is never sent back."""

    template: ClassVar[str] = "accounts/sign_in.html"
    back_to: str
    name: str = ""
    problem: ViveiroError | None = None


@router.get("/login")
def sign_in_page(
    request: Request, viewer: ViewerDep, back_to: Annotated[str | None, Query(alias="next")] = None
) -> Response:
    back_to = own_address(back_to)
    return render(request, viewer, SignInPage(back_to)) if viewer.is_anonymous else go_to(request, back_to)


@router.post("/login")
def sign_in(
    request: Request,
    viewer: ViewerDep,
    database: DatabaseDep,
    settings: SettingsDep,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1024)],
    back_to: Annotated[str | None, Form(alias="next")] = None,
) -> Response:
    check_sender(request)
    back_to = own_address(back_to)
    try:
        issued = open_session(request, database, settings, name.strip(), password)
    except (NotAuthenticated, TooManyRequests) as error:
        return render(
            request, viewer, SignInPage(back_to, name, error), status=error.status, headers=_when_to_retry(error)
        )
    response = go_to(request, WELCOME if back_to == "/" and _is_new(database, issued) else back_to)
    set_session_cookie(request, response, issued)
    return response


@router.post("/logout")
def sign_out(request: Request, viewer: ViewerDep, database: DatabaseDep) -> Response:
    """Whoever is signed out already is no less so."""
    secret = request.cookies.get(SESSION_COOKIE)
    if secret and not viewer.is_anonymous:
        with database.write() as session:
            service.sign_out(session, viewer, secret)
    response = go_to(request, "/")
    clear_session_cookie(response)
    return response


def check_sender(request: Request) -> None:
    """No other site may sign a browser in: as whom, its user would not notice."""
    if "origin" in request.headers or "sec-fetch-site" in request.headers:
        check_same_origin(request)


def open_session(request: Request, database: Database, settings: Settings, name: str, password: str) -> IssuedSession:
    return service.sign_in(
        database,
        name,
        password,
        address=client_address(request),
        attempts_per_minute=settings.login_attempts_per_minute,
        lasts=settings.session_time_limit,
    )


def change_password(
    request: Request,
    database: Database,
    settings: Settings,
    viewer: Viewer,
    *,
    current: str,
    wanted: str,
) -> IssuedSession:
    """All browser sessions of the viewer end; the answer is a new one, for the browser that asks.

    Raises:
        NotAuthenticated, TooManyRequests: the current password is wrong, or was so too often.
        InvalidInput: the new one is too short or too long.
    """
    assert viewer.name is not None
    service.authenticate_password(
        database,
        viewer.name,
        current,
        address=viewer.address,
        attempts_per_minute=settings.login_attempts_per_minute,
    )
    with database.write() as session:
        service.update_user(session, viewer.name, password=wanted, by=viewer)
    return open_session(request, database, settings, viewer.name, wanted)


def _when_to_retry(error: ViveiroError) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, TooManyRequests) else {}


def _is_new(database: Database, issued: IssuedSession) -> bool:
    with database.read() as session:
        return service.signs_in_for_the_first_time(session, issued.account)
