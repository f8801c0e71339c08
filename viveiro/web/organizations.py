"""Organisations: making one, who belongs to it, and its end. Whom one follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Request, Response

from viveiro.accounts import service
from viveiro.accounts.types import Account, AccountKind, Membership, Role, Viewer
from viveiro.db import Database
from viveiro.errors import InvalidInput, ViveiroError
from viveiro.http.dependencies import DatabaseDep, InFullDep, SignedInDep
from viveiro.locale import Sentence
from viveiro.types import Action
from viveiro.web.navigation import go_to
from viveiro.web.profiles import MEMBER_ROLES
from viveiro.web.rendering import render
from viveiro.web.settings import Text

router = APIRouter()

ROLES: Final = {
    Role.READ: Sentence("Reads: sees what is private"),
    Role.WRITE: Sentence("Writes: makes and changes repositories"),
    Role.ADMIN: Sentence("Administers: members and settings too"),
}


@dataclass(frozen=True, slots=True)
class NewOrganizationPage:
    """`problem` is what was wrong with what was sent."""

    template: ClassVar[str] = "organizations/new.html"
    name: str = ""
    fullname: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class OrganizationPage:
    """For its members. `may_admin`: the reader may change it; `words`: roles in a word; the problems are with what was just sent."""

    template: ClassVar[str] = "organizations/organization.html"
    organization: Account
    members: Sequence[Membership]
    roles: Mapping[Role, Sentence]
    words: Mapping[str, Sentence]
    may_admin: bool
    user: str = ""
    role: Role = Role.WRITE
    problem: str | None = None
    delete_problem: str | None = None


@router.get("/organizations/new")
def new_organization(request: Request, viewer: InFullDep) -> Response:
    return render(request, viewer, NewOrganizationPage())


@router.post("/organizations/new")
def create_organization(
    request: Request,
    viewer: InFullDep,
    database: DatabaseDep,
    name: Annotated[str, Form(max_length=200)] = "",
    fullname: Text = "",
) -> Response:
    try:
        with database.write() as session:
            made = service.create_organization(session, name.strip(), creator=viewer, fullname=fullname.strip())
    except ViveiroError as error:
        page = NewOrganizationPage(name, fullname, error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, f"/{made.name}/-/members")


@router.get("/{name}/-/members")
def organization(request: Request, name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    return render(request, viewer, _page(database, viewer, name))


@router.post("/{name}/-/members")
def set_role(
    request: Request,
    name: str,
    viewer: SignedInDep,
    database: DatabaseDep,
    user: Text = "",
    role: Annotated[Role, Form()] = Role.WRITE,
) -> Response:
    """A new member, or another role for one."""
    try:
        with database.write() as session:
            service.add_member(session, name, user.strip(), role, by=viewer)
    except ViveiroError as error:
        page = replace(_page(database, viewer, name), user=user, role=role, problem=error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, f"/{name}/-/members")


@router.post("/{name}/-/members/remove")
def remove_member(request: Request, name: str, viewer: SignedInDep, database: DatabaseDep, user: Text = "") -> Response:
    """Members may leave by themselves."""
    try:
        with database.write() as session:
            service.remove_member(session, name, user.strip(), by=viewer)
    except ViveiroError as error:
        page = replace(_page(database, viewer, name), problem=error.translated())
        return render(request, viewer, page, status=error.status)
    left = viewer.name is not None and user.strip().lower() == viewer.name.lower()
    return go_to(request, f"/{name}" if left else f"/{name}/-/members")


@router.post("/{name}/-/fullname")
def rename(request: Request, name: str, viewer: SignedInDep, database: DatabaseDep, fullname: Text = "") -> Response:
    with database.write() as session:
        service.update_organization(session, name, fullname=fullname.strip(), by=viewer)
    return go_to(request, f"/{name}/-/members")


@router.post("/{name}/-/delete")
def delete(request: Request, name: str, viewer: SignedInDep, database: DatabaseDep, typed: Text = "") -> Response:
    """Its name has to be typed, and it has to own nothing any more."""
    page = _page(database, viewer, name)
    try:
        if typed.strip() != page.organization.name:
            raise InvalidInput("To delete it, type its name: {name}", name=page.organization.name)
        with database.write() as session:
            service.delete_organization(session, name, by=viewer)
    except ViveiroError as error:
        again = replace(page, delete_problem=error.translated())
        return render(request, viewer, again, status=error.status)
    return go_to(request, "/")


@router.post("/{name}/-/follow")
def follow(request: Request, name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        account = service.follow(session, viewer, name)
    return go_to(request, f"/{account.name}")


@router.post("/{name}/-/unfollow")
def unfollow(request: Request, name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    with database.write() as session:
        account = service.unfollow(session, viewer, name)
    return go_to(request, f"/{account.name}")


def _page(database: Database, viewer: Viewer, name: str) -> OrganizationPage:
    """Raises Forbidden for who does not belong to it."""
    with database.read() as session:
        found = service.get_account(session, name, AccountKind.ORGANIZATION)
        service.require_namespace(session, viewer, found.name, Action.READ)
        members = service.list_members(session, found.name)
    return OrganizationPage(found, members, ROLES, MEMBER_ROLES, may_admin=service.administers(viewer, found))
