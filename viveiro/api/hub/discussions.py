"""Discussions and pull requests, as `huggingface_hub.community` reads them."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from viveiro.api.hub.answers import date_text, json_answer, page_url
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.schemas import (
    ChangeStatus,
    EditComment,
    MergePullRequest,
    NewComment,
    OpenDiscussion,
    Rename,
)
from viveiro.http.dependencies import DiscussionsDep, HubDep, ViewerDep
from viveiro.http.markdown import Comments
from viveiro.http.urls import public_url
from viveiro.hub.discussions.service import Discussions
from viveiro.hub.discussions.types import (
    ENDED,
    OPEN,
    Comment,
    Discussion,
    DiscussionEvent,
    DiscussionQuery,
    EventKind,
    NewCommit,
    Person,
    Status,
    StatusChange,
    TitleChange,
    Version,
)
from viveiro.hub.types import Repo

router = APIRouter(tags=["hub"])

PER_PAGE: Final = 50
DISCUSSIONS: Final = REPO + "/discussions"
ONE: Final = DISCUSSIONS + "/{number:int}"
HIDDEN: Final = "This comment has been hidden"
"""What clients read where nothing is left to read."""

_TYPES: Final = {"all": None, "discussion": False, "pull_request": True}
_STATUSES: Final = {"all": tuple(Status), "open": OPEN, "closed": ENDED}


@router.get(DISCUSSIONS)
def list_discussions(
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    discussions: DiscussionsDep,
    p: Annotated[int, Query(ge=0, le=10**6)] = 0,
    which: Annotated[Literal["all", "discussion", "pull_request"], Query(alias="type")] = "all",
    status: Literal["all", "open", "closed"] = "all",
    author: str | None = None,
    search: str = "",
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    query = DiscussionQuery(_TYPES[which], _STATUSES[status], author, search, skip=p * PER_PAGE, limit=PER_PAGE)
    found, count = discussions.page(repo, query)
    items = [_item(repo, discussion) for discussion in found]
    return json_answer({"count": count, "start": query.skip, "discussions": items})


@router.post(DISCUSSIONS)
def open_discussion(
    body: OpenDiscussion,
    request: Request,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    discussions: DiscussionsDep,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    begin = discussions.propose if body.pull_request else discussions.open
    made = begin(viewer, repo, body.title, body.description)
    url = page_url(public_url(request), repo, "discussions", str(made.number))
    return json_answer({"num": made.number, "url": url, "pullRequest": made.is_pull_request})


@router.get(ONE)
def discussion_details(
    number: int, place: PlaceDep, viewer: ViewerDep, hub: HubDep, discussions: DiscussionsDep, diff: bool = False
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    discussion = discussions.get(repo, number)
    comments = _comments(repo)
    answer = _item(repo, discussion) | {"events": [_event(comments, each) for each in discussions.events(discussion)]}
    if discussion.is_pull_request:
        hub.require_files(viewer, repo)
        answer |= _changes(discussions, repo, discussion)
        if diff:
            answer["diff"] = discussions.unified_diff(repo, discussion)
    return json_answer(answer)


def _changes(discussions: Discussions, repo: Repo, pull_request: Discussion) -> dict[str, Any]:
    changes = {"base": pull_request.base_ref, "mergeCommitId": pull_request.merge_sha}
    return {
        "changes": {name: value for name, value in changes.items() if value is not None},
        "filesWithConflicts": list(discussions.conflicts(repo, pull_request)),
    }


# What people say and do -----------------------------------------------------------------------------------------------


@router.post(ONE + "/comment")
def comment(
    number: int, body: NewComment, place: PlaceDep, viewer: ViewerDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    said = discussions.comment(viewer, repo, discussions.get(repo, number), body.comment)
    return json_answer({"newMessage": _event(_comments(repo), said)}, 201)


@router.post(ONE + "/comment/{comment_id}/edit")
def edit_comment(
    number: int,
    comment_id: str,
    body: EditComment,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    discussions: DiscussionsDep,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    edited = discussions.edit(viewer, repo, discussions.get(repo, number), comment_id, body.content)
    return json_answer({"updatedComment": _event(_comments(repo), edited)})


@router.post(ONE + "/comment/{comment_id}/hide")
def hide_comment(
    number: int, comment_id: str, place: PlaceDep, viewer: ViewerDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    hidden = discussions.hide(viewer, repo, discussions.get(repo, number), comment_id)
    return json_answer({"updatedComment": _event(_comments(repo), hidden)})


@router.post(ONE + "/title")
def rename(
    number: int, body: Rename, place: PlaceDep, viewer: ViewerDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    renamed = discussions.rename(viewer, repo, discussions.get(repo, number), body.title)
    return json_answer({"newTitle": _event(_comments(repo), renamed)})


@router.post(ONE + "/status")
def change_status(
    number: int, body: ChangeStatus, place: PlaceDep, viewer: ViewerDep, hub: HubDep, discussions: DiscussionsDep
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    discussion = discussions.get(repo, number)
    changed = discussions.change_status(viewer, repo, discussion, Status(body.status), body.comment)
    return json_answer({"newStatus": _event(_comments(repo), changed)})


@router.post(ONE + "/merge")
def merge(
    number: int,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    discussions: DiscussionsDep,
    body: MergePullRequest | None = None,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    merged = discussions.merge(viewer, repo, discussions.get(repo, number), body.comment if body else None)
    return json_answer({"success": True, "mergeCommitId": merged.merge_sha})


def _comments(repo: Repo) -> Comments:
    return Comments(f"/{repo.ref.url_path}")


# How it is told -------------------------------------------------------------------------------------------------------


def _item(repo: Repo, discussion: Discussion) -> dict[str, Any]:
    return {
        "num": discussion.number,
        "title": discussion.title,
        "status": discussion.status,
        **_author(discussion.author),
        "createdAt": date_text(discussion.created_at),
        "isPullRequest": discussion.is_pull_request,
        "numComments": discussion.comments,
        "repo": {"name": repo.name, "type": repo.kind.value},
        "repoOwner": {"name": repo.ref.repo_id.namespace},
    }


def _author(person: Person) -> dict[str, Any]:
    """Clients say "deleted" of whoever is not named."""
    return {"author": {"name": person.name, "fullname": person.name}} if person.name is not None else {}


def _event(comments: Comments, event: DiscussionEvent) -> dict[str, Any]:
    kind, data = _kind_and_data(comments, event)
    return {
        "id": event.id,
        "type": kind.value,
        "createdAt": date_text(event.created_at),
        **_author(event.author),
        "data": data,
    }


def _kind_and_data(comments: Comments, event: DiscussionEvent) -> tuple[EventKind, dict[str, Any]]:
    match event:
        case Comment():
            now = Version(HIDDEN if event.hidden else event.content, event.written_by, event.written_at)
            return EventKind.COMMENT, {
                "edited": bool(event.history),
                "hidden": event.hidden,
                "numEdits": len(event.history),
                "latest": _version(comments, now),
                "history": [_version(comments, version) for version in event.history],
            }
        case StatusChange(status=status):
            return EventKind.STATUS, {"status": status}
        case TitleChange(old=old, new=new):
            return EventKind.TITLE, {"from": old, "to": new}
        case NewCommit(subject=subject, oid=oid):
            return EventKind.COMMIT, {"subject": subject, "oid": oid}
        case _:
            raise AssertionError(event)


def _version(comments: Comments, version: Version) -> dict[str, Any]:
    html = str(comments.html(version.content))
    written = date_text(version.written_at)
    return {"raw": version.content, "html": html, "updatedAt": written, **_author(version.author)}
