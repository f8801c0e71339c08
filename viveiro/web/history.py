"""Commits of a repo, and what each changed."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.http.repo_addresses import RepoRefDep, RestDep, repo_routes
from viveiro.hub.diffs import CommitDiff
from viveiro.hub.types import Commit
from viveiro.web.rendering import render
from viveiro.web.repo_head import Place, RepoHead, find_place, repo_head

router = APIRouter()

COMMITS: Final = 50


@dataclass(frozen=True, slots=True)
class CommitsPage:
    """`next` and `previous` are numbers of pages, None at the ends."""

    template: ClassVar[str] = "history/commits.html"
    head: RepoHead
    place: Place
    commits: tuple[Commit, ...]
    previous: int | None
    next: int | None


@dataclass(frozen=True, slots=True)
class CommitPage:
    template: ClassVar[str] = "history/commit.html"
    head: RepoHead
    diff: CommitDiff


@repo_routes(router, "/commits/{rest:path}", "GET")
def commits(
    request: Request,
    ref: RepoRefDep,
    rest: RestDep,
    viewer: ViewerDep,
    hub: HubDep,
    p: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> Response:
    """Of a revision; with a path behind it, those that touched the path."""
    place = find_place(hub, viewer, ref, rest)
    found = hub.commits(place.repo, place.sha, path=place.path or None, skip=p * COMMITS, limit=COMMITS + 1)
    page = CommitsPage(
        head=repo_head(request, viewer, hub, place.repo, tab="commits", revision=place.revision),
        place=place,
        commits=tuple(found[:COMMITS]),
        previous=p - 1 if p else None,
        next=p + 1 if len(found) > COMMITS else None,
    )
    return render(request, viewer, page)


@repo_routes(router, "/commit/{rest:path}", "GET")
def commit(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep) -> Response:
    place = find_place(hub, viewer, ref, rest)
    diff = hub.commit_diff(place.repo, place.sha)
    head = repo_head(request, viewer, hub, place.repo, tab="commits", revision=place.sha)
    return render(request, viewer, CommitPage(head, diff))
