"""Files at a revision, and the commits that led there."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import ValidationError

from viveiro.api.hub.answers import commit_item, decode_cursor, encode_cursor, json_answer, query_list, tree_entry
from viveiro.api.hub.places import MAIN, REPO, PlaceDep
from viveiro.api.hub.schemas import PathsInfo
from viveiro.errors import InvalidInput, TooLarge
from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, TreeEntry

router = APIRouter(tags=["hub"])

ENTRIES: Final = 1000
EXPANDED_ENTRIES: Final = 100
"""With the last commit of each: that costs a walk through history."""
COMMITS: Final = 1000
PATHS_BODY_BYTES: Final = 8 * 2**20


@router.get(REPO + "/tree/{rest:path}")
def list_tree(
    request: Request,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    recursive: bool = False,
    expand: bool = False,
    limit: Annotated[int, Query(ge=1)] = ENTRIES,
    cursor: str | None = None,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    sha = hub.resolve(repo, place.revision)
    limit = min(limit, EXPANDED_ENTRIES if expand else ENTRIES)
    after = decode_cursor(cursor) if cursor else None
    # One more than shown: whether there is a next page.
    entries = hub.list_tree(repo, sha, place.path, recursive=recursive, expand=expand, after=after, limit=limit + 1)
    shown = entries[:limit]
    more = len(entries) > limit
    headers = {"Link": next_page(request, cursor=encode_cursor(shown[-1].path))} if more else {}
    return json_answer(_described(hub, repo, shown), headers=headers)


def _described(hub: Hub, repo: Repo, entries: Sequence[TreeEntry]) -> list[dict[str, Any]]:
    xet_hashes = hub.xet.hashes(repo, [entry.lfs.oid for entry in entries if entry.lfs])
    return [tree_entry(entry, xet_hashes) for entry in entries]


@router.get(REPO + "/treesize/{rest:path}")
def tree_size(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    """How many bytes a folder's files have, or a file has: those of the content, not of pointers."""
    repo = hub.get_repo(viewer, place.ref)
    sha = hub.resolve(repo, place.revision)
    return json_answer({"path": place.path or "/", "size": hub.tree_size(repo, sha, place.path)})


async def _paths_info(request: Request) -> PathsInfo:
    """Python clients send a form, JavaScript ones JSON."""
    body = await _short_body(request)
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return PathsInfo.model_validate_json(body)
        return PathsInfo.model_validate(_form(body.decode()))
    except (ValidationError, UnicodeDecodeError) as error:
        raise InvalidInput("Send paths=… once for each path, at most 5000, and expand=true or false.") from error


async def _short_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > PATHS_BODY_BYTES:
            raise TooLarge("Asking about so many paths at once is too much. Send at most 5000 at a time.")
    return bytes(body)


def _form(text: str) -> dict[str, object]:
    fields = parse_qs(text, keep_blank_values=True)
    return {"paths": fields.get("paths", []), "expand": fields.get("expand", ["false"])[-1]}


@router.post(REPO + "/paths-info/{rest:path}")
def paths_info(
    place: PlaceDep, viewer: ViewerDep, hub: HubDep, wanted: Annotated[PathsInfo, Depends(_paths_info)]
) -> Response:
    """Unknown paths are left out."""
    repo = hub.get_repo(viewer, place.ref)
    sha = hub.resolve(repo, place.revision)
    return json_answer(_described(hub, repo, hub.paths_info(repo, sha, wanted.paths, expand=wanted.expand)))


@router.get(REPO + "/compare/{rest:path}")
def compare(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    """`from..to` as a unified diff; `from...to` begins where the two parted."""
    repo = hub.get_repo(viewer, place.ref)
    hub.require_files(viewer, repo)
    before, dots, after = re.split(r"(\.{2,3})", place.name, maxsplit=1) if ".." in place.name else (place.name, "", "")
    if not dots:
        raise InvalidInput("Write two revisions to compare as from..to, or from...to.")
    diff = hub.compare(repo, hub.resolve(repo, before), hub.resolve(repo, after or MAIN), since_parting=dots == "...")
    return PlainTextResponse(diff)


@router.get(REPO + "/commits/{rest:path}")
def list_commits(
    request: Request,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    p: Annotated[int, Query(ge=0, le=10**6)] = 0,
    limit: Annotated[int, Query(ge=1)] = 50,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    sha = hub.resolve(repo, place.revision)
    limit = min(limit, COMMITS)
    commits = hub.commits(repo, sha, skip=p * limit, limit=limit)
    total = hub.count_commits(repo, sha)
    headers = {"X-Total-Count": str(total)}
    if total > (p + 1) * limit:
        headers["Link"] = next_page(request, p=p + 1)
    asked = [*request.query_params.getlist("expand"), *request.query_params.getlist("expand[]")]
    formatted = "formatted" in query_list(asked)
    return json_answer([commit_item(commit, formatted=formatted) for commit in commits], headers=headers)
