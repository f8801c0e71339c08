"""Who likes what, and what users and organisations hold."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from viveiro.accounts.service import (
    count_follows,
    follow,
    get_account,
    is_following,
    list_followed,
    list_followers,
    list_members,
    memberships_of,
    unfollow,
)
from viveiro.accounts.types import Account, AccountKind, Viewer
from viveiro.api.hub.answers import date_text, json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.db import Database
from viveiro.http.dependencies import DatabaseDep, HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.listing import count_likes, count_repos, liked_repos, likers
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
        likes = count_likes(session, viewer, user.id)
        follows = _follows(session, viewer, user)
    facts = {"isPro": False, "createdAt": date_text(user.created_at), "numLikes": likes, "orgs": organizations}
    return json_answer({**_user(user.name, user.fullname), **facts, **_counts(counts), **follows})


@router.get("/api/organizations/{name}/overview")
def organization_overview(name: str, viewer: ViewerDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        organization = get_account(session, name, AccountKind.ORGANIZATION)
        counts = count_repos(session, viewer, organization.id)
        members = list_members(session, organization.name)
        follows = _follows(session, viewer, organization)
    facts = {"isVerified": False, "numUsers": len(members)}
    return json_answer({**_organization(organization), **facts, **_counts(counts), **follows})


@router.get("/api/organizations/{name}/members")
def organization_members(name: str, database: DatabaseDep) -> Response:
    with database.read() as session:
        members = list_members(session, name)
    return json_answer([_user(membership.account.name, membership.account.fullname) for membership in members])


Cursor = Annotated[int, Query(ge=0, le=2**31)]


@router.get("/api/users/{name}/followers")
def user_followers(request: Request, name: str, database: DatabaseDep, cursor: Cursor = 0) -> Response:
    return _followers(request, database, name, AccountKind.USER, cursor)


@router.get("/api/organizations/{name}/followers")
def organization_followers(request: Request, name: str, database: DatabaseDep, cursor: Cursor = 0) -> Response:
    return _followers(request, database, name, AccountKind.ORGANIZATION, cursor)


@router.get("/api/users/{name}/following")
def user_following(request: Request, name: str, database: DatabaseDep, cursor: Cursor = 0) -> Response:
    """Users. Clients take whatever stands here for one."""
    with database.read() as session:
        user = get_account(session, name, AccountKind.USER)
        found = list_followed(session, user, AccountKind.USER, after=cursor, limit=PER_PAGE)
    return _page_of_users(request, found)


@router.post("/api/users/{name}/follow")
def follow_user(name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    return _change_following(follow, name, AccountKind.USER, viewer, database)


@router.post("/api/users/{name}/unfollow")
def unfollow_user(name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    return _change_following(unfollow, name, AccountKind.USER, viewer, database)


@router.post("/api/organizations/{name}/follow")
def follow_organization(name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    return _change_following(follow, name, AccountKind.ORGANIZATION, viewer, database)


@router.post("/api/organizations/{name}/unfollow")
def unfollow_organization(name: str, viewer: SignedInDep, database: DatabaseDep) -> Response:
    return _change_following(unfollow, name, AccountKind.ORGANIZATION, viewer, database)


def _change_following(
    change: Callable[[Session, Viewer, str], Account], name: str, kind: AccountKind, viewer: Viewer, database: Database
) -> Response:
    with database.write() as session:
        change(session, viewer, get_account(session, name, kind).name)
    return json_answer({"success": True})


def _followers(request: Request, database: Database, name: str, kind: AccountKind, cursor: int) -> Response:
    with database.read() as session:
        found = list_followers(session, get_account(session, name, kind), after=cursor, limit=PER_PAGE)
    return _page_of_users(request, found)


def _page_of_users(request: Request, found: Sequence[Account]) -> Response:
    headers = {"Link": next_page(request, cursor=found[-1].id)} if len(found) == PER_PAGE else {}
    return json_answer([_user(account.name, account.fullname) for account in found], headers=headers)


def _follows(session: Session, viewer: Viewer, account: Account) -> dict[str, Any]:
    followers, following = count_follows(session, account)
    told: dict[str, Any] = {"numFollowers": followers, "isFollowing": is_following(session, viewer, account)}
    return told | ({"numFollowing": following} if account.kind is AccountKind.USER else {})


def _user(name: str, fullname: str) -> dict[str, Any]:
    return {"user": name, "fullname": fullname, "avatarUrl": "", "type": "user"}


def _organization(account: Account) -> dict[str, Any]:
    return {"name": account.name, "fullname": account.fullname, "avatarUrl": "", "type": "org"}


def _counts(counts: dict[RepoKind, int]) -> dict[str, int]:
    return {f"num{kind.plural.capitalize()}": counts.get(kind, 0) for kind in RepoKind}
