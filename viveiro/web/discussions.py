"""What people say about a repo and propose to change in it: the list, one discussion or pull request, and a new one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.types import Viewer
from viveiro.errors import InvalidInput, TooLarge, ViveiroError
from viveiro.http.dependencies import DiscussionsDep, HubDep, SignedInDep, ViewerDep
from viveiro.http.markdown import Comments
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.http.urls import public_url
from viveiro.hub.diffs import Diff
from viveiro.hub.discussions.rules import Act, may, require
from viveiro.hub.discussions.service import MAX_COMMENT_CHARS, Discussions
from viveiro.hub.discussions.types import (
    ENDED,
    OPEN,
    Comment,
    Discussion,
    DiscussionEvent,
    DiscussionQuery,
    NewCommit,
    Status,
    StatusChange,
)
from viveiro.hub.service import Hub
from viveiro.hub.types import Commit, Repo
from viveiro.types import RepoRef
from viveiro.web.navigation import go_to
from viveiro.web.receiving import short_form
from viveiro.web.rendering import render
from viveiro.web.repo_head import RepoHead, repo_head

router = APIRouter()

PER_PAGE: Final = 25
LONGEST_SEARCH: Final = 200
MAX_FORM_BYTES: Final = 9 * MAX_COMMENT_CHARS + 16 * 2**10
"""A comment in which every byte of every character is written as %XX, and a title."""

View: TypeAlias = Literal["said", "changes"]
_KINDS: Final = {"": None, "discussion": False, "pull_request": True}


@dataclass(frozen=True, slots=True)
class DiscussionsPage:
    """`previous` and `next` are numbers of pages, None at the ends."""

    template: ClassVar[str] = "discussions/list.html"
    head: RepoHead
    discussions: tuple[Discussion, ...]
    status: Literal["open", "closed"]
    open: int
    closed: int
    kind: str
    search: str
    previous: int | None
    next: int | None


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, as it is shown. `kind` chooses the words."""

    kind: Literal["comment", "status", "title", "commit"]
    event: DiscussionEvent
    html: Markup
    may_edit: bool
    may_hide: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Of a pull request. `head` is its last commit; `conflicts` names files that keep it from being merged."""

    head: str | None
    commits: tuple[Commit, ...]
    conflicts: tuple[str, ...]
    diff: Diff | None
    """None where the page does not show it."""


@dataclass(frozen=True, slots=True)
class DiscussionPage:
    template: ClassVar[str] = "discussions/discussion.html"
    head: RepoHead
    discussion: Discussion
    view: View
    happened: tuple[Happening, ...]
    changes: Changes | None
    may: frozenset[Act]
    draft: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class NewDiscussionPage:
    template: ClassVar[str] = "discussions/new.html"
    head: RepoHead
    title: str = ""
    description: str = ""
    problem: str | None = None


# Reading ------------------------------------------------------------------------------------------------------------------


@repo_routes(router, "/discussions", "GET")
def list_discussions(
    request: Request,
    ref: RepoRefDep,
    viewer: ViewerDep,
    hub: HubDep,
    discussions: DiscussionsDep,
    status: Literal["open", "closed"] = "open",
    which: Annotated[Literal["", "discussion", "pull_request"], Query(alias="type")] = "",
    search: str = "",
    p: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> Response:
    repo = hub.get_repo(viewer, ref)
    words = search[:LONGEST_SEARCH]
    statuses = OPEN if status == "open" else ENDED
    query = DiscussionQuery(_KINDS[which], statuses, search=words, skip=p * PER_PAGE, limit=PER_PAGE)
    found, count = discussions.page(repo, query)
    counted = discussions.count(repo)
    page = DiscussionsPage(
        head=repo_head(request, viewer, hub, repo, tab="discussions"),
        discussions=tuple(found),
        status=status,
        open=sum(counted.get(each, 0) for each in OPEN),
        closed=sum(counted.get(each, 0) for each in ENDED),
        kind=which,
        search=words,
        previous=p - 1 if p else None,
        next=p + 1 if count > (p + 1) * PER_PAGE else None,
    )
    return render(request, viewer, page)


@repo_routes(router, "/discussions/{number:int}", "GET")
def show_discussion(
    number: int,
    request: Request,
    ref: RepoRefDep,
    viewer: ViewerDep,
    hub: HubDep,
    discussions: DiscussionsDep,
    view: View = "said",
) -> Response:
    repo = hub.get_repo(viewer, ref)
    return render(request, viewer, _page(request, viewer, hub, discussions, repo, discussions.get(repo, number), view))


def _page(
    request: Request,
    viewer: Viewer,
    hub: Hub,
    discussions: Discussions,
    repo: Repo,
    discussion: Discussion,
    view: View = "said",
    *,
    draft: str = "",
    problem: str | None = None,
) -> DiscussionPage:
    head = repo_head(request, viewer, hub, repo, tab="discussions")
    shown_changes = discussion.is_pull_request and head.may_read_files
    view = view if shown_changes else "said"
    return DiscussionPage(
        head=head,
        discussion=discussion,
        view=view,
        happened=_happened(request, viewer, repo, discussions.events(discussion)) if view == "said" else (),
        changes=_changes(discussions, repo, discussion, with_diff=view == "changes") if shown_changes else None,
        may=frozenset(act for act in Act if may(viewer, act, repo.resource, discussion.author.id)),
        draft=draft,
        problem=problem,
    )


def _changes(discussions: Discussions, repo: Repo, pull_request: Discussion, *, with_diff: bool) -> Changes:
    return Changes(
        head=discussions.head(repo, pull_request),
        commits=tuple(discussions.commits(repo, pull_request)),
        conflicts=discussions.conflicts(repo, pull_request),
        diff=discussions.diff(repo, pull_request) if with_diff else None,
    )


def _happened(request: Request, viewer: Viewer, repo: Repo, events: Sequence[DiscussionEvent]) -> tuple[Happening, ...]:
    comments, here = Comments(f"/{repo.ref.url_path}"), f"{public_url(request)}/uploads/"

    def shown(event: DiscussionEvent) -> Happening:
        if not isinstance(event, Comment):
            kind: Literal["status", "commit", "title"] = (
                "status" if isinstance(event, StatusChange) else "commit" if isinstance(event, NewCommit) else "title"
            )
            return Happening(kind, event, Markup(), may_edit=False, may_hide=False)
        # Clients write whole addresses of what they attach; pictures of this very server may be shown.
        html = comments.html(event.content.replace(here, "/uploads/"))
        return Happening(
            "comment",
            event,
            html,
            may_edit=not event.hidden and may(viewer, Act.EDIT, repo.resource, event.author.id),
            may_hide=not event.hidden and may(viewer, Act.HIDE, repo.resource, event.author.id),
        )

    return tuple(map(shown, events))


# A new one ----------------------------------------------------------------------------------------------------------------


@repo_routes(router, "/discussions/new", "GET")
def new(request: Request, ref: RepoRefDep, viewer: ViewerDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, ref)
    require(viewer, Act.OPEN, repo)
    return render(request, viewer, NewDiscussionPage(repo_head(request, viewer, hub, repo, tab="discussions")))


@repo_routes(router, "/discussions", "POST")
async def open_discussion(
    request: Request, ref: RepoRefDep, viewer: ViewerDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    repo = await run_in_threadpool(hub.get_repo, viewer, ref)
    require(viewer, Act.OPEN, repo)
    sent = await _form(request)
    return await run_in_threadpool(_open, request, viewer, hub, discussions, repo, sent)


def _open(
    request: Request, viewer: Viewer, hub: Hub, discussions: Discussions, repo: Repo, sent: dict[str, str]
) -> Response:
    title, description = sent.get("title", ""), sent.get("description", "")
    try:
        if not description.strip():
            raise InvalidInput("Write something first: an empty comment says nothing.")
        made = discussions.open(viewer, repo, title, description)
    except ViveiroError as error:
        head = repo_head(request, viewer, hub, repo, tab="discussions")
        page = NewDiscussionPage(head, title, description, problem=error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, _address(repo, made))


# Taking part --------------------------------------------------------------------------------------------------------------

Deed: TypeAlias = Callable[[Discussions, Viewer, Repo, Discussion, dict[str, str]], object]


@repo_routes(router, "/discussions/{number:int}/comment", "POST")
async def comment(
    number: int, request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    """A comment, a new status, or both: as the pressed button says."""
    return await _do(_comment, number, request, ref, viewer, hub, discussions)


def _comment(
    discussions: Discussions, viewer: Viewer, repo: Repo, discussion: Discussion, sent: dict[str, str]
) -> None:
    if sent.get("status") in ("open", "closed"):
        status = Status(sent["status"])
        discussions.change_status(viewer, repo, discussion, status, sent.get("comment", ""))
    else:
        discussions.comment(viewer, repo, discussion, sent.get("comment", ""))


@repo_routes(router, "/discussions/{number:int}/title", "POST")
async def rename(
    number: int, request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    return await _do(
        lambda discussions, viewer, repo, discussion, sent: discussions.rename(
            viewer, repo, discussion, sent.get("title", "")
        ),
        *(number, request, ref, viewer, hub, discussions),
    )


@repo_routes(router, "/discussions/{number:int}/merge", "POST")
async def merge(
    number: int, request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    return await _do(
        lambda discussions, viewer, repo, discussion, sent: discussions.merge(
            viewer, repo, discussion, head=sent.get("head") or None
        ),
        *(number, request, ref, viewer, hub, discussions),
    )


@repo_routes(router, "/discussions/{number:int}/comments/{comment_id}/edit", "POST")
async def edit(
    number: int,
    comment_id: str,
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    discussions: DiscussionsDep,
) -> Response:
    return await _do(
        lambda discussions, viewer, repo, discussion, sent: discussions.edit(
            viewer, repo, discussion, comment_id, sent.get("content", "")
        ),
        *(number, request, ref, viewer, hub, discussions),
    )


@repo_routes(router, "/discussions/{number:int}/comments/{comment_id}/hide", "POST")
async def hide(
    number: int,
    comment_id: str,
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    discussions: DiscussionsDep,
) -> Response:
    return await _do(
        lambda discussions, viewer, repo, discussion, _sent: discussions.hide(viewer, repo, discussion, comment_id),
        *(number, request, ref, viewer, hub, discussions),
    )


async def _do(
    deed: Deed, number: int, request: Request, ref: RepoRef, viewer: Viewer, hub: Hub, discussions: Discussions
) -> Response:
    repo = await run_in_threadpool(hub.get_repo, viewer, ref)
    sent = await _form(request)

    def act() -> Response:
        discussion = discussions.get(repo, number)
        try:
            deed(discussions, viewer, repo, discussion, sent)
        except ViveiroError as error:
            # What was typed is kept, and what was done meanwhile is shown.
            draft, now = sent.get("comment", ""), discussions.get(repo, number)
            page = _page(request, viewer, hub, discussions, repo, now, draft=draft, problem=error.translated())
            return render(request, viewer, page, status=error.status)
        return go_to(request, _address(repo, discussion))

    return await run_in_threadpool(act)


async def _form(request: Request) -> dict[str, str]:
    too_long = TooLarge("This text is longer than the {most} characters of a comment.", most=MAX_COMMENT_CHARS)
    return await short_form(request, MAX_FORM_BYTES, too_long)


def _address(repo: Repo, discussion: Discussion) -> str:
    return f"/{repo.ref.url_path}/discussions/{discussion.number}"
