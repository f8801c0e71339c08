"""`/{name}`: a user or an organisation, and what of theirs the reader may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from viveiro.accounts import service
from viveiro.accounts.types import Account, AccountKind, Membership, Viewer
from viveiro.collections.service import list_collections
from viveiro.collections.types import Collection
from viveiro.http.dependencies import DatabaseDep, HubDep, ViewerDep
from viveiro.hub.listing import count_repos, cursor_of, liked_repos, list_repos, position_at
from viveiro.hub.types import Like, Repo, RepoQuery, RepoSort
from viveiro.locale import Sentence
from viveiro.types import RepoKind
from viveiro.web.rendering import render

router = APIRouter()

PER_PAGE: Final = 24
COLLECTIONS: Final = 12
MEMBER_ROLES: Final = {
    "read": Sentence("reads"),
    "write": Sentence("writes"),
    "admin": Sentence("administers"),
}

Tab: TypeAlias = Literal["models", "datasets", "likes"]


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """As far as the reader may see it.

    Attributes:
        counts: of repos, by the plural of their kind.
        is_member: of the organisation, or an administrator of the installation.
        following: whether the reader follows the account.
        members: of an organisation; of a user, their organisations. For readers who are signed in.
        more: where the list goes on.
    """

    template: ClassVar[str] = "profiles/profile.html"
    account: Account
    is_organization: bool
    is_oneself: bool
    is_member: bool
    followers: int
    following: bool
    tab: Tab
    counts: dict[str, int]
    repos: Sequence[Repo]
    likes: Sequence[Like]
    members: Sequence[Membership]
    member_roles: dict[str, Sentence]
    collections: Sequence[Collection]
    more: str | None


@router.get("/{name}")
def profile(
    name: str,
    request: Request,
    viewer: ViewerDep,
    database: DatabaseDep,
    hub: HubDep,
    tab: Tab = "models",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    with database.read() as session:
        account = service.get_account(session, name)
        likes, more_likes = _likes(session, viewer, account, cursor) if tab == "likes" else ([], None)
        repos, more_repos = _repos(session, viewer, account, tab, cursor) if tab != "likes" else ([], None)
        counts = count_repos(session, viewer, account.id)
        members = [] if viewer.is_anonymous else _members(session, account)
        followers, _followed = service.count_follows(session, account)
        following = service.is_following(session, viewer, account)
    more = more_likes or more_repos
    page = ProfilePage(
        account=account,
        is_organization=account.kind is AccountKind.ORGANIZATION,
        is_oneself=account.id == viewer.user_id,
        is_member=viewer.is_admin or account.id in viewer.roles,
        followers=followers,
        following=following,
        tab=tab,
        counts={kind.plural: counts.get(kind, 0) for kind in (RepoKind.MODEL, RepoKind.DATASET)},
        repos=repos,
        likes=likes,
        members=members,
        member_roles=MEMBER_ROLES,
        collections=list_collections(hub, viewer, owners=[account.name], limit=COLLECTIONS).collections,
        more=None if more is None else f"/{account.name}?tab={tab}&cursor={more}",
    )
    return render(request, viewer, page)


def _repos(
    session: Session, viewer: Viewer, account: Account, tab: Tab, cursor: str | None
) -> tuple[list[Repo], str | None]:
    sort = RepoSort.LAST_MODIFIED
    after = None if cursor is None else position_at(cursor, sort)
    kind = RepoKind.DATASET if tab == "datasets" else RepoKind.MODEL
    query = RepoQuery(kind, author=account.name, sort=sort, limit=PER_PAGE, after=after)
    found = list_repos(session, viewer, query)
    return found.repos, None if found.next is None else cursor_of(found.next, sort)


def _likes(session: Session, viewer: Viewer, account: Account, cursor: str | None) -> tuple[list[Like], str | None]:
    after = int(cursor) if cursor is not None and cursor.isdecimal() and len(cursor) < 10 else 0
    found = liked_repos(session, viewer, account.id, after=after, limit=PER_PAGE + 1)
    shown = found[:PER_PAGE]
    return shown, str(shown[-1].repo_pk) if len(found) > PER_PAGE else None


def _members(session: Session, account: Account) -> list[Membership]:
    if account.kind is AccountKind.ORGANIZATION:
        return service.list_members(session, account.name)
    return service.memberships_of(session, account.id)
