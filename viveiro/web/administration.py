"""For administrators: who is here, and who did what."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Form, Query, Request, Response

from viveiro.accounts import service
from viveiro.accounts.secrets import new_password
from viveiro.accounts.types import Account, AccountKind, AuditEntry, Viewer
from viveiro.db import Database
from viveiro.errors import ViveiroError
from viveiro.http.dependencies import AdminDep, DatabaseDep
from viveiro.locale import Sentence
from viveiro.web import jobs
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render
from viveiro.web.settings import ONCE, Text

router = APIRouter()
router.include_router(jobs.router)

PER_PAGE: Final = 50
SCOPES: Final = {
    "session": Sentence("Sessions"),
    "user": Sentence("Users"),
    "org": Sentence("Organisations"),
    "token": Sentence("Access tokens"),
    "repo": Sentence("Repositories"),
    "run": Sentence("Runs"),
    "job": Sentence("Jobs"),
    "endpoint": Sentence("Endpoints"),
    "installation": Sentence("The installation"),
}
"""By the first part of an action's name. Another can be written into the address."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """As it was typed."""

    name: str = ""
    fullname: str = ""
    email: str = ""
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class IssuedPassword:
    """Of `name`: shown by the answer to the request that made it, and kept nowhere."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class UsersPage:
    template: ClassVar[str] = "administration/users.html"
    users: Sequence[Account]
    form: NewUser
    more: str | None
    issued: IssuedPassword | None = None
    problem: ViveiroError | None = None
    create_problem: ViveiroError | None = None


@dataclass(frozen=True, slots=True)
class AuditLine:
    entry: AuditEntry
    details: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    template: ClassVar[str] = "administration/audit.html"
    lines: Sequence[AuditLine]
    actor: str
    action: str
    target: str
    scopes: Mapping[str, Sentence]
    more: int | None


@router.get("/users")
def users_page(
    request: Request,
    viewer: AdminDep,
    database: DatabaseDep,
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    return render(request, viewer, _users(database, after=after))


@router.post("/users")
def create_user(
    request: Request,
    viewer: AdminDep,
    database: DatabaseDep,
    name: Text,
    fullname: Text = "",
    email: Text = "",
    is_admin: Annotated[bool, Form()] = False,
) -> Response:
    """The answer shows a password that somebody has to hand over; its owner chooses another one on their first visit."""
    form = NewUser(name.strip(), fullname.strip(), email.strip(), is_admin)
    password = new_password()
    try:
        with database.write() as session:
            user = service.create_user(
                session,
                form.name,
                password=password,
                email=form.email,
                fullname=form.fullname,
                is_admin=is_admin,
                by=viewer,
            )
    except ViveiroError as error:
        return render(request, viewer, _users(database, form=form, create_problem=error), status=error.status)
    page = _users(database, issued=IssuedPassword(user.name, password))
    return render(request, viewer, page, status=201, headers=ONCE)


@router.post("/users/{name}/password")
def reset_password(name: str, request: Request, viewer: AdminDep, database: DatabaseDep) -> Response:
    password = new_password()
    with database.write() as session:
        user = service.update_user(session, name, password=password, by=viewer)
    page = _users(database, issued=IssuedPassword(user.name, password))
    return render(request, viewer, page, headers=ONCE)


@router.post("/users/{name}/role")
def change_role(
    name: str,
    request: Request,
    viewer: AdminDep,
    database: DatabaseDep,
    role: Annotated[Literal["admin", "user"], Form()],
) -> Response:
    try:
        with database.write() as session:
            service.update_user(session, name, is_admin=role == "admin", by=viewer)
    except ViveiroError as error:
        return _refused(request, viewer, database, error)
    return go_to(request, "/users")


@router.post("/users/{name}/delete")
def delete_user(name: str, request: Request, viewer: AdminDep, database: DatabaseDep) -> Response:
    try:
        with database.write() as session:
            service.delete_user(session, name, by=viewer)
    except ViveiroError as error:
        return _refused(request, viewer, database, error)
    return go_to(request, "/users")


@router.get("/audit")
def audit_page(
    request: Request,
    viewer: AdminDep,
    database: DatabaseDep,
    actor: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=200)] = "",
    target: Annotated[str, Query(max_length=255)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**31)] = None,
) -> Response:
    with database.read() as session:
        entries = service.list_audit(
            session,
            actor=actor.strip() or None,
            action=action.strip() or None,
            target=target.strip() or None,
            before=before,
            limit=PER_PAGE + 1,
        )
    shown = entries[:PER_PAGE]
    page = AuditPage(
        lines=[AuditLine(entry, _details(entry)) for entry in shown],
        actor=actor.strip(),
        action=action.strip(),
        target=target.strip(),
        scopes=SCOPES,
        more=shown[-1].id if len(entries) > PER_PAGE else None,
    )
    return render(request, viewer, page)


def _details(entry: AuditEntry) -> str:
    """`role=write user_id=3`: what a log's reader scans, without JSON's brackets."""
    return " ".join(f"{name}={_value(value)}" for name, value in entry.details.items() if value not in (None, [], ""))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _users(
    database: Database,
    *,
    after: str | None = None,
    form: NewUser = NewUser(),
    issued: IssuedPassword | None = None,
    problem: ViveiroError | None = None,
    create_problem: ViveiroError | None = None,
) -> UsersPage:
    with database.read() as session:
        found = service.list_accounts(session, AccountKind.USER, after=after, limit=PER_PAGE + 1)
    shown = found[:PER_PAGE]
    more = f"/users?after={shown[-1].name}" if len(found) > PER_PAGE else None
    return UsersPage(shown, form, more, issued, problem, create_problem)


def _refused(request: Request, viewer: Viewer, database: Database, error: ViveiroError) -> Response:
    return render(request, viewer, _users(database, problem=error), status=error.status)
