"""The first minutes: a password and an access token of one's own, and the lines that lead today's tools here."""

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response

from viveiro.accounts import service
from viveiro.accounts.types import IssuedToken, Viewer
from viveiro.db import Database
from viveiro.errors import ViveiroError
from viveiro.http.dependencies import DatabaseDep, InFullDep, SettingsDep, SignedInDep
from viveiro.http.sign_in import set_session_cookie
from viveiro.locale import Sentence
from viveiro.preparation import GIVEN_TOKENS
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render
from viveiro.web.settings import ONCE, PasswordText, Text, TokenForm, about_password, issue_token
from viveiro.web.sign_in import WELCOME, change_password

router = APIRouter(prefix=WELCOME)


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """What is done already is read from the data. `issued` has the secret of a token that this very request made."""

    template: ClassVar[str] = "accounts/welcome.html"
    chose_password: bool
    made_token: bool
    issued: IssuedToken | None = None
    password_problem: ViveiroError | Sentence | None = None
    token_problem: ViveiroError | None = None


@router.get("")
def welcome(request: Request, viewer: SignedInDep, database: DatabaseDep) -> Response:
    return render(request, viewer, _page(database, viewer))


@router.post("/password")
def choose_password(
    request: Request,
    viewer: InFullDep,
    database: DatabaseDep,
    settings: SettingsDep,
    current: PasswordText,
    password: PasswordText,
) -> Response:
    try:
        issued = change_password(request, database, settings, viewer, current=current, wanted=password)
    except ViveiroError as error:
        page = _page(database, viewer, password_problem=about_password(error))
        return render(request, viewer, page, status=error.status)
    response = go_to(request, f"{WELCOME}#token")
    set_session_cookie(request, response, issued)
    return response


@router.post("/token")
def make_token(request: Request, viewer: InFullDep, database: DatabaseDep, name: Text) -> Response:
    try:
        issued = issue_token(database, viewer, TokenForm(name.strip()))
    except ViveiroError as error:
        return render(request, viewer, _page(database, viewer, token_problem=error), status=error.status)
    return render(request, viewer, _page(database, viewer, issued=issued), status=201, headers=ONCE)


def _page(
    database: Database,
    viewer: Viewer,
    *,
    issued: IssuedToken | None = None,
    password_problem: ViveiroError | Sentence | None = None,
    token_problem: ViveiroError | None = None,
) -> WelcomePage:
    assert viewer.user_id is not None
    with database.read() as session:
        account = service.get_user(session, viewer.user_id)
        chose = service.chose_password(session, account)
        made = service.made_token(session, account, given=GIVEN_TOKENS)
    return WelcomePage(chose, made, issued, password_problem, token_problem)
