"""Who likes what, and what users and organisations hold."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.accounts.service import get_account, list_members, memberships_of
from viveiro.accounts.types import Account, AccountKind
from viveiro.api.hub.answers import date_text, json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.http.dependencies import DatabaseDep, HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.listing import count_repos, liked_repos, likers
from viveiro.types import RepoKind

router = APIRouter(tags=["hub"])

PER_PAGE: Final = 1000


@router.post(REPO + "/like")
def like(place: PlaceDep, viewer: SignedInDep, hub: HubDep) -> Response:
    hub.like(viewer, hub.get_repo(viewer, place.ref))
    return json_answer({"success": True})


@router.delete(REPO + "/like")
def unlike(place: PlaceDep, viewer: SignedInDep, hub: HubDep) -> Response:
    hub.unlike(viewer, hub.get_repo(viewer, place.ref))
    return json_answer({"success": True})


@router.get(REPO + "/likers")
def list_likers(
    request: Request,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    database: DatabaseDep,
    cursor: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    with database.read() as session:
        found = likers(session, repo, after=cursor, limit=PER_PAGE)
    headers = {"Link": next_page(request, cursor=found[-1].user_id)} if len(found) == PER_PAGE else {}
    return json_answer([_user(liker.name, liker.fullname) for liker in found], headers=headers)


@router.get("/api/users/{name}/likes")
def list_likes(
    request: Request, name: str, viewer: ViewerDep, database: DatabaseDep, cursor: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """Only what the caller may see: a like does not give a private repo away."""
    with database.read() as session:
        user = get_account(session, name, AccountKind.USER)
        found = liked_repos(session, viewer, user.id, after=cursor, limit=PER_PAGE)
    items = [
        {
            "createdAt": date_text(like.created_at),
            "repo": {"name": str(like.ref.repo_id), "type": like.ref.kind.value},
        }
        for like in found
    ]
    headers = {"Link": next_page(request, cursor=found[-1].repo_pk)} if len(found) == PER_PAGE else {}
    return json_answer(items, headers=headers)


@router.get("/api/users/{name}/overview")
def user_overview(name: str, viewer: ViewerDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        user = get_account(session, name, AccountKind.USER)
        counts = count_repos(session, viewer, user.id)
        organizations = [_organization(membership.account) for membership in memberships_of(session, user.id)]
    return json_answer({**_user(user.name, user.fullname), "isPro": False, **_counts(counts), "orgs": organizations})


@router.get("/api/organizations/{name}/overview")
def organization_overview(name: str, viewer: ViewerDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        organization = get_account(session, name, AccountKind.ORGANIZATION)
        counts = count_repos(session, viewer, organization.id)
        members = list_members(session, organization.name)
    return json_answer({**_organization(organization), "numUsers": len(members), **_counts(counts)})


@router.get("/api/organizations/{name}/members")
def organization_members(name: str, database: DatabaseDep) -> Response:
    with database.read() as session:
        members = list_members(session, name)
    return json_answer([_user(membership.account.name, membership.account.fullname) for membership in members])


def _user(name: str, fullname: str) -> dict[str, Any]:
    return {"user": name, "fullname": fullname, "avatarUrl": "", "type": "user"}


def _organization(account: Account) -> dict[str, Any]:
    return {"name": account.name, "fullname": account.fullname, "avatarUrl": "", "type": "org"}


def _counts(counts: dict[RepoKind, int]) -> dict[str, int]:
    return {f"num{kind.plural.capitalize()}": counts.get(kind, 0) for kind in RepoKind}
