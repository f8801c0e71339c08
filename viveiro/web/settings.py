"""What somebody may change about themselves: name, address, password, access tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts import service
from viveiro.accounts.types import AccessToken, Account, Grant, IssuedToken, TokenRole, Viewer
from viveiro.db import Database, utc_now
from viveiro.errors import NotAuthenticated, ViveiroError
from viveiro.http.dependencies import DatabaseDep, InFullDep, SettingsDep, SignedInDep
from viveiro.http.sign_in import set_session_cookie
from viveiro.locale import Sentence
from viveiro.types import Action
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render
from viveiro.web.sign_in import change_password

router = APIRouter()

GRANT_ROWS: Final = 4
EXPIRIES: Final = {
    0: Sentence("never"),
    7: Sentence("in 7 days"),
    30: Sentence("in 30 days"),
    90: Sentence("in 90 days"),
    365: Sentence("in a year"),
}
ROLES: Final = {
    TokenRole.WRITE: (Sentence("Write"), Sentence("All that you may do: push, train, deploy, and make more tokens.")),
    TokenRole.READ: (Sentence("Read"), Sentence("See and download what you may see. Enough to load models and data.")),
    TokenRole.INFERENCE: (Sentence("Inference"), Sentence("Ask models that are served. For an application.")),
    TokenRole.FINE_GRAINED: (
        Sentence("Fine-grained"),
        Sentence("Only what you name below, in the repositories that you name."),
    ),
}
"""What each is called, and what it is good for."""
ONCE: Final = {"Cache-Control": "no-store"}
"""For a page with a secret on it: going back in the browser must not show it again."""
WRONG_PASSWORD: Final = Sentence("That is not your current password. An administrator can set a new one.")

PasswordText: TypeAlias = Annotated[str, Form(max_length=1024)]
Text: TypeAlias = Annotated[str, Form(max_length=200)]
GrantedAction: TypeAlias = Literal["", "read", "write", "admin"]


@dataclass(frozen=True, slots=True)
class ProfileSettingsPage:
    """`done` is what has just been changed; the problems are with what was just sent."""

    template: ClassVar[str] = "accounts/profile.html"
    fullname: str
    email: str
    done: str | None = None
    problem: ViveiroError | None = None
    password_problem: ViveiroError | Sentence | None = None


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A line of the form, as it was typed."""

    resource: str = ""
    action: GrantedAction = ""
    inference: bool = False


@dataclass(frozen=True, slots=True)
class TokenForm:
    name: str = ""
    role: TokenRole = TokenRole.WRITE
    days: int = 0
    rows: tuple[GrantRow, ...] = (GrantRow(),) * GRANT_ROWS


@dataclass(frozen=True, slots=True)
class TokensPage:
    """`issued` has the secret of a token that was made by this very request."""

    template: ClassVar[str] = "accounts/tokens.html"
    tokens: Sequence[AccessToken]
    form: TokenForm
    roles: dict[TokenRole, tuple[Sentence, Sentence]]
    expiries: dict[int, Sentence]
    issued: IssuedToken | None = None
    problem: ViveiroError | None = None
    revoked: bool = False


@router.get("/settings")
def settings_page(request: Request, _: SignedInDep) -> Response:
    return go_to(request, "/settings/profile")


@router.get("/settings/profile")
def profile_page(
    request: Request,
    viewer: SignedInDep,
    database: DatabaseDep,
    done: Literal["profile", "password"] | None = None,
) -> Response:
    return render(request, viewer, _profile(_account(database, viewer), done=done))


@router.post("/settings/profile")
def change_profile(
    request: Request, viewer: InFullDep, database: DatabaseDep, fullname: Text = "", email: Text = ""
) -> Response:
    assert viewer.name is not None
    try:
        with database.write() as session:
            service.update_user(session, viewer.name, fullname=fullname.strip(), email=email.strip(), by=viewer)
    except ViveiroError as error:
        return render(request, viewer, ProfileSettingsPage(fullname, email, problem=error), status=error.status)
    return go_to(request, "/settings/profile?done=profile")


@router.post("/settings/password")
def change_own_password(
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
        page = _profile(_account(database, viewer), password_problem=about_password(error))
        return render(request, viewer, page, status=error.status)
    response = go_to(request, "/settings/profile?done=password")
    set_session_cookie(request, response, issued)
    return response


@router.get("/settings/tokens")
def tokens_page(
    request: Request, viewer: SignedInDep, database: DatabaseDep, done: Literal["revoked"] | None = None
) -> Response:
    return render(request, viewer, _tokens(database, viewer, TokenForm(), revoked=done == "revoked"))


@router.post("/settings/tokens")
def make_token(
    request: Request,
    viewer: InFullDep,
    database: DatabaseDep,
    name: Text,
    role: Annotated[TokenRole, Form()] = TokenRole.WRITE,
    days: Annotated[int, Form(ge=0, le=3650)] = 0,
    resource: Annotated[Sequence[str], Form()] = (),
    action: Annotated[Sequence[GrantedAction], Form()] = (),
    inference: Annotated[Sequence[int], Form()] = (),
) -> Response:
    """The answer shows the secret. It stands in no address, so no history and no log has it."""
    form = TokenForm(name.strip(), role, days, grant_rows(resource, action, inference))
    try:
        issued = issue_token(database, viewer, form)
    except ViveiroError as error:
        return render(request, viewer, _tokens(database, viewer, form, problem=error), status=error.status)
    return render(request, viewer, _tokens(database, viewer, TokenForm(), issued=issued), status=201, headers=ONCE)


@router.post("/settings/tokens/revoke")
def revoke_token(request: Request, viewer: InFullDep, database: DatabaseDep, name: Text) -> Response:
    assert viewer.user_id is not None
    with database.write() as session:
        service.revoke_token(session, viewer.user_id, name, by=viewer)
    return go_to(request, "/settings/tokens?done=revoked")


def issue_token(database: Database, viewer: Viewer, form: TokenForm) -> IssuedToken:
    assert viewer.user_id is not None
    expires_at = utc_now() + timedelta(days=form.days) if form.days else None
    with database.write() as session:
        return service.create_token(
            session, viewer.user_id, form.name, form.role, grants_of(form), expires_at, by=viewer
        )


def grant_rows(
    resources: Sequence[str], actions: Sequence[GrantedAction], inference: Iterable[int]
) -> tuple[GrantRow, ...]:
    """The lines of the form. Of a tick box only the ticked are sent: by the number of their line."""
    ticked = set(inference)
    rows = [
        GrantRow(resource.strip()[:200], action, at in ticked)
        for at, (resource, action) in enumerate(zip(resources, actions, strict=False))
    ]
    return tuple(rows[:GRANT_ROWS] + [GrantRow()] * (GRANT_ROWS - len(rows)))


def grants_of(form: TokenForm) -> list[Grant]:
    """What the lines that name something allow. Only a fine-grained token has any."""
    if form.role is not TokenRole.FINE_GRAINED:
        return []
    return [
        Grant(row.resource, frozenset({Action(row.action)} if row.action else ()), row.inference)
        for row in form.rows
        if row.resource
    ]


def about_password(error: ViveiroError) -> ViveiroError | Sentence:
    """Whoever is signed in already has the right name."""
    return WRONG_PASSWORD if isinstance(error, NotAuthenticated) else error


def _account(database: Database, viewer: Viewer) -> Account:
    assert viewer.user_id is not None
    with database.read() as session:
        return service.get_user(session, viewer.user_id)


def _profile(
    account: Account, *, done: str | None = None, password_problem: ViveiroError | Sentence | None = None
) -> ProfileSettingsPage:
    fullname = "" if account.fullname == account.name else account.fullname
    return ProfileSettingsPage(fullname, account.email or "", done, password_problem=password_problem)


def _tokens(
    database: Database,
    viewer: Viewer,
    form: TokenForm,
    *,
    issued: IssuedToken | None = None,
    problem: ViveiroError | None = None,
    revoked: bool = False,
) -> TokensPage:
    assert viewer.user_id is not None
    with database.read() as session:
        tokens = service.list_tokens(session, viewer.user_id)
    return TokensPage(tokens, form, ROLES, EXPIRIES, issued, problem, revoked)
