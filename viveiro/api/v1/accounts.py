"""Users, organisations, access tokens, browser sessions and the audit log, for our own clients."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from viveiro.accounts import service
from viveiro.accounts.types import (
    AccessToken,
    Account,
    AccountKind,
    AuditEntry,
    Grant,
    IssuedToken,
    Membership,
    Role,
    TokenRole,
    Viewer,
)
from viveiro.db import Database, utc_now
from viveiro.errors import Forbidden
from viveiro.http.dependencies import AdminDep, DatabaseDep, InFullDep, SettingsDep, SignedInDep
from viveiro.http.sign_in import SESSION_COOKIE, check_same_origin, clear_session_cookie, set_session_cookie
from viveiro.http.urls import client_address, next_page
from viveiro.types import Action

router = APIRouter(prefix="/api/v1", tags=["accounts"])

Password = Annotated[str, StringConstraints(max_length=1024)]
Text = Annotated[str, StringConstraints(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=1000)]


class SignIn(BaseModel):
    name: Text
    password: Password


@router.post("/session")
def sign_in(
    body: SignIn, request: Request, response: Response, database: DatabaseDep, settings: SettingsDep
) -> Account:
    """The answer sets the cookie. Programs use access tokens instead."""
    if "origin" in request.headers or "sec-fetch-site" in request.headers:
        check_same_origin(request)  # no other site may sign a browser in: as whom, its user would not notice
    issued = service.sign_in(
        database,
        body.name,
        body.password,
        address=client_address(request),
        attempts_per_minute=settings.login_attempts_per_minute,
        lasts=settings.session_time_limit,
    )
    set_session_cookie(request, response, issued)
    return issued.account


@router.delete("/session")
def sign_out(request: Request, response: Response, viewer: SignedInDep, database: DatabaseDep) -> dict[str, bool]:
    if secret := request.cookies.get(SESSION_COOKIE):
        with database.write() as session:
            service.sign_out(session, viewer, secret)
    clear_session_cookie(response)
    return {"signed_in": False}


class NewUser(BaseModel):
    name: Text
    password: Password | None = None
    email: Text | None = None
    fullname: Text | None = None
    is_admin: bool = False


class UserChanges(BaseModel):
    """What is absent stays. `current_password` is asked of all but administrators, who could set any password anyway."""

    password: Password | None = None
    current_password: Password | None = None
    email: Text | None = None
    fullname: Text | None = None
    is_admin: bool | None = None


@router.get("/users")
def list_users(
    request: Request,
    response: Response,
    _: AdminDep,
    database: DatabaseDep,
    after: str | None = None,
    limit: Limit = 100,
) -> list[Account]:
    with database.read() as session:
        users = service.list_accounts(session, AccountKind.USER, after=after, limit=limit)
    if len(users) == limit:
        response.headers["Link"] = next_page(request, after=users[-1].name)
    return list(users)


@router.post("/users", status_code=201)
def create_user(body: NewUser, viewer: AdminDep, database: DatabaseDep) -> Account:
    with database.write() as session:
        return service.create_user(session, **body.model_dump(), by=viewer)


@router.get("/users/{name}")
def get_user(name: str, viewer: SignedInDep, database: DatabaseDep) -> Account:
    _require_self_or_admin(viewer, name)
    with database.read() as session:
        return service.get_account(session, name, AccountKind.USER)


@router.patch("/users/{name}")
def update_user(
    name: str, body: UserChanges, viewer: InFullDep, database: DatabaseDep, settings: SettingsDep
) -> Account:
    _require_self_or_admin(viewer, name)
    if body.is_admin is not None and not viewer.is_admin:
        raise Forbidden("Only an administrator makes administrators.")
    if body.password is not None and not viewer.is_admin:
        # A browser left open, or an access token that leaked, must not be enough to take the account over.
        service.authenticate_password(
            database,
            name,
            body.current_password or "",
            address=viewer.address,
            attempts_per_minute=settings.login_attempts_per_minute,
        )
    with database.write() as session:
        return service.update_user(session, name, **body.model_dump(exclude={"current_password"}), by=viewer)


@router.delete("/users/{name}")
def delete_user(name: str, viewer: AdminDep, database: DatabaseDep) -> dict[str, str]:
    with database.write() as session:
        service.delete_user(session, name, by=viewer)
    return {"deleted": name}


class NewOrganization(BaseModel):
    name: Text
    fullname: Text | None = None


class OrganizationChanges(BaseModel):
    fullname: Text


class MemberRole(BaseModel):
    role: Role


@router.get("/orgs")
def list_organizations(
    request: Request,
    response: Response,
    viewer: SignedInDep,
    database: DatabaseDep,
    after: str | None = None,
    limit: Limit = 100,
) -> list[Account]:
    """One's own; all of them, to an administrator of the installation."""
    member_id = None if viewer.is_admin else viewer.user_id
    with database.read() as session:
        organizations = service.list_accounts(
            session, AccountKind.ORGANIZATION, member_id=member_id, after=after, limit=limit
        )
    if len(organizations) == limit:
        response.headers["Link"] = next_page(request, after=organizations[-1].name)
    return list(organizations)


@router.post("/orgs", status_code=201)
def create_organization(body: NewOrganization, viewer: InFullDep, database: DatabaseDep) -> Account:
    with database.write() as session:
        return service.create_organization(session, body.name, creator=viewer, fullname=body.fullname)


@router.patch("/orgs/{name}")
def update_organization(name: str, body: OrganizationChanges, viewer: SignedInDep, database: DatabaseDep) -> Account:
    with database.write() as session:
        return service.update_organization(session, name, fullname=body.fullname, by=viewer)


@router.delete("/orgs/{name}")
def delete_organization(name: str, viewer: SignedInDep, database: DatabaseDep) -> dict[str, str]:
    with database.write() as session:
        service.delete_organization(session, name, by=viewer)
    return {"deleted": name}


@router.get("/orgs/{name}/members")
def list_members(name: str, _: SignedInDep, database: DatabaseDep) -> list[Membership]:
    with database.read() as session:
        return service.list_members(session, name)


@router.put("/orgs/{name}/members/{user}")
def add_member(name: str, user: str, body: MemberRole, viewer: SignedInDep, database: DatabaseDep) -> Membership:
    with database.write() as session:
        return service.add_member(session, name, user, body.role, by=viewer)


@router.delete("/orgs/{name}/members/{user}")
def remove_member(name: str, user: str, viewer: SignedInDep, database: DatabaseDep) -> dict[str, str]:
    with database.write() as session:
        service.remove_member(session, name, user, by=viewer)
    return {"removed": user}


class GrantLine(BaseModel):
    resource: Text
    actions: frozenset[Action] = frozenset()
    inference: bool = False

    def to_grant(self) -> Grant:
        return Grant(self.resource, self.actions, self.inference)


class NewToken(BaseModel):
    name: Text
    role: TokenRole
    grants: list[GrantLine] = []
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class TokenChanges(BaseModel):
    """What is absent stays. The role cannot change: whoever holds the secret relies on it."""

    name: Text | None = None
    grants: list[GrantLine] | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


@router.get("/tokens")
def list_tokens(viewer: SignedInDep, database: DatabaseDep, user: str | None = None) -> list[AccessToken]:
    """One's own; an administrator may name another `user`, here and below."""
    with database.read() as session:
        return service.list_tokens(session, _owner_id(database, viewer, user))


@router.post("/tokens", status_code=201)
def create_token(body: NewToken, viewer: InFullDep, database: DatabaseDep, user: str | None = None) -> IssuedToken:
    """The secret is in this answer and never again."""
    owner_id = _owner_id(database, viewer, user)
    grants = [line.to_grant() for line in body.grants]
    with database.write() as session:
        return service.create_token(
            session, owner_id, body.name, body.role, grants, _days_from_now(body.expires_in_days), by=viewer
        )


@router.patch("/tokens/{name}")
def update_token(
    name: str, body: TokenChanges, viewer: InFullDep, database: DatabaseDep, user: str | None = None
) -> AccessToken:
    owner_id = _owner_id(database, viewer, user)
    grants = None if body.grants is None else [line.to_grant() for line in body.grants]
    with database.write() as session:
        return service.update_token(
            session,
            owner_id,
            name,
            new_name=body.name,
            grants=grants,
            expires_at=_days_from_now(body.expires_in_days),
            by=viewer,
        )


@router.delete("/tokens/{name}")
def revoke_token(name: str, viewer: InFullDep, database: DatabaseDep, user: str | None = None) -> dict[str, str]:
    owner_id = _owner_id(database, viewer, user)
    with database.write() as session:
        service.revoke_token(session, owner_id, name, by=viewer)
    return {"revoked": name}


@router.get("/audit")
def list_audit(
    request: Request,
    response: Response,
    _: AdminDep,
    database: DatabaseDep,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
    before: Annotated[int | None, Query(ge=1, le=2**31)] = None,
    limit: Limit = 100,
) -> list[AuditEntry]:
    """Newest first. `action` is a whole name (`token.create`) or its scope (`token`)."""
    with database.read() as session:
        entries = service.list_audit(session, actor=actor, action=action, target=target, before=before, limit=limit)
    if len(entries) == limit:
        response.headers["Link"] = next_page(request, before=entries[-1].id)
    return entries


def _is_self(viewer: Viewer, name: str) -> bool:
    return viewer.name is not None and viewer.name.lower() == name.lower()


def _require_self_or_admin(viewer: Viewer, name: str) -> None:
    if not (viewer.is_admin or _is_self(viewer, name)):
        raise Forbidden("Only {name} and administrators of this installation may do this.", name=name)


def _owner_id(database: Database, viewer: Viewer, user: str | None) -> int:
    assert viewer.user_id is not None  # SignedInDep let only users in
    if user is None or _is_self(viewer, user):
        return viewer.user_id
    _require_self_or_admin(viewer, user)
    with database.read() as session:
        return service.get_account(session, user, AccountKind.USER).id


def _days_from_now(days: int | None) -> datetime | None:
    return None if days is None else utc_now() + timedelta(days=days)
