"""What a namespace's repos take, as `HfApi.list_user_repos` asks."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.accounts.service import get_account, require_namespace
from viveiro.accounts.types import Account, AccountKind
from viveiro.api.hub.answers import date_text, json_answer
from viveiro.db import Database
from viveiro.http.dependencies import DatabaseDep, SignedInDep
from viveiro.http.urls import next_page
from viveiro.hub.usage import repo_sizes
from viveiro.types import Action

router = APIRouter(tags=["hub"])

PER_PAGE: Final = 100
Cursor = Annotated[int, Query(ge=0)]


@router.get("/api/settings/repositories")
def list_own(request: Request, viewer: SignedInDep, database: DatabaseDep, cursor: Cursor = 0) -> Response:
    with database.read() as session:
        account = require_namespace(session, viewer, viewer.name or "", Action.WRITE)
    return _page(request, database, account, cursor)


@router.get("/api/organizations/{name}/settings/repositories")
def list_of_organization(
    request: Request, name: str, viewer: SignedInDep, database: DatabaseDep, cursor: Cursor = 0
) -> Response:
    """For those who may write there."""
    with database.read() as session:
        get_account(session, name, AccountKind.ORGANIZATION)
        account = require_namespace(session, viewer, name, Action.WRITE)
    return _page(request, database, account, cursor)


def _page(request: Request, database: Database, account: Account, cursor: int) -> Response:
    with database.read() as session:
        sizes = repo_sizes(session, account.id, after=cursor, limit=PER_PAGE)
    items = [
        {
            "id": repo.name,
            "type": repo.kind.value,
            "updatedAt": date_text(repo.last_modified),
            "visibility": repo.visibility.value,
            "storage": size,
            "storagePercent": round(100 * share, 2),
        }
        for repo, size, share in sizes
    ]
    headers = {"Link": next_page(request, cursor=sizes[-1][0].pk)} if len(sizes) == PER_PAGE else {}
    return json_answer(items, headers=headers)
