"""Lists of repos, filtered and sorted."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.api.hub.answers import json_answer, query_list
from viveiro.api.hub.info import Described, describe, expanded
from viveiro.api.hub.places import LIST, KindDep
from viveiro.errors import InvalidInput, NotOffered
from viveiro.http.dependencies import DatabaseDep, HubDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.listing import MOST_PER_PAGE, cursor_of, list_repos, parameter_range, position_at
from viveiro.hub.types import RepoQuery, RepoSort
from viveiro.types import RepoKind

router = APIRouter(tags=["hub"])

PER_PAGE: Final = 100
WITH_FILES_PER_PAGE: Final = 50
"""When files are asked for, each repo's git is read."""
_NOT_OFFERED: Final = ("apps", "inference", "inference_provider", "linked", "models", "datasets")

_IN_LISTS: Final = {
    RepoKind.MODEL: (
        *("private", "likes", "downloads", "trendingScore"),
        *("tags", "pipeline_tag", "library_name", "createdAt", "lastModified"),
    ),
    RepoKind.DATASET: (
        *("author", "private", "gated", "disabled", "likes", "downloads", "trendingScore"),
        *("tags", "createdAt", "lastModified", "sha"),
    ),
    RepoKind.KERNEL: (
        *("author", "private", "gated", "likes", "downloads", "trendingScore"),
        *("tags", "createdAt", "lastModified"),
    ),
    RepoKind.SPACE: ("private", "likes", "trendingScore", "tags", "sdk", "createdAt", "lastModified"),
}
_IN_FULL_LISTS: Final = ("author", "sha", "gated", "disabled", "siblings")


@router.get(LIST)
def list_of_repos(
    request: Request,
    kind: KindDep,
    viewer: ViewerDep,
    database: DatabaseDep,
    hub: HubDep,
    limit: Annotated[int, Query(ge=1)] = PER_PAGE,
    cursor: str | None = None,
    sort: str = RepoSort.TRENDING.value,
) -> Response:
    names = _names(request, kind)
    order = _sort(sort)
    most = WITH_FILES_PER_PAGE if "siblings" in names else MOST_PER_PAGE
    query = _query(request, kind, order, min(limit, most), cursor)
    with database.read() as session:
        page = list_repos(session, viewer, query)
    headers = {"Link": next_page(request, cursor=cursor_of(page.next, order))} if page.next else {}
    return json_answer([describe(Described(repo, repo.head_sha, hub), names) for repo in page.repos], headers=headers)


def _names(request: Request, kind: RepoKind) -> list[str]:
    """Which facts each item holds."""
    names = expanded(request, kind)
    if names:
        return names
    wanted = list(_IN_LISTS[kind])
    if _is_on(request, "full"):
        wanted += [name for name in _IN_FULL_LISTS if kind is not RepoKind.SPACE or name != "gated"]
    if _is_on(request, "full") or _is_on(request, "cardData"):
        wanted.append("cardData")
    if _is_on(request, "config") and kind is RepoKind.MODEL:
        wanted.append("config")
    return list(dict.fromkeys(wanted))


def _is_on(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in ("true", "1")


def _sort(name: str) -> RepoSort:
    try:
        return RepoSort(name)
    except ValueError as error:
        known = ", ".join(sort.value for sort in RepoSort)
        raise InvalidInput("Lists cannot be sorted by {name!r}. Known: {known}.", name=name, known=known) from error


def _query(request: Request, kind: RepoKind, sort: RepoSort, limit: int, cursor: str | None) -> RepoQuery:
    asked = request.query_params
    for name in _NOT_OFFERED:
        if name in asked:
            raise NotOffered("This hub cannot filter by {name} yet. Leave it out.", name=name)
    least, most = parameter_range(asked["num_parameters"]) if "num_parameters" in asked else (None, None)
    return RepoQuery(
        kind,
        tags=tuple(dict.fromkeys(query_list(asked.getlist("filter")))),
        author=asked.get("author"),
        search=" ".join(asked.getlist("search")),
        pipeline_tag=asked.get("pipeline_tag"),
        library=asked.get("library"),
        gated=_is_on(request, "gated") if "gated" in asked else None,
        min_parameters=least,
        max_parameters=most,
        sort=sort,
        limit=limit,
        after=position_at(cursor, sort) if cursor else None,
    )
