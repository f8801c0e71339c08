"""Branches and tags."""

from typing import Any

from fastapi import APIRouter, Response

from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.schemas import CreateBranch, CreateTag
from viveiro.errors import NotOffered
from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.hub.types import GitRef
from viveiro.types import Action

router = APIRouter(tags=["hub"])


@router.get(REPO + "/refs")
def list_refs(place: PlaceDep, viewer: ViewerDep, hub: HubDep, include_prs: bool = False) -> Response:
    refs = hub.refs(hub.get_repo(viewer, place.ref))
    # `converts` are branches that huggingface.co's dataset viewer makes: none here, and clients want the list.
    answer: dict[str, Any] = {
        "branches": [_ref(ref) for ref in refs.branches],
        "converts": [],
        "tags": [_ref(ref) for ref in refs.tags],
    }
    if include_prs:
        answer["pullRequests"] = [_ref(ref) for ref in refs.pull_requests]
    return json_answer(answer)


def _ref(ref: GitRef) -> dict[str, str]:
    return {"name": ref.name, "ref": ref.ref, "targetCommit": ref.target}


@router.post(REPO + "/branch/{rest:path}")
def create_branch(place: PlaceDep, viewer: ViewerDep, hub: HubDep, body: CreateBranch | None = None) -> Response:
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    if body is not None and (body.empty or body.overwrite):
        raise NotOffered(
            "This hub makes a branch from a commit, and only where none has that name. Leave emptyBranch and overwrite out; "
            "to begin one anew, delete it first."
        )
    hub.create_branch(viewer, repo, place.name, body.starting_point if body else None)
    return json_answer({"success": True})


@router.delete(REPO + "/branch/{rest:path}")
def delete_branch(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    hub.delete_branch(viewer, hub.get_repo(viewer, place.ref, Action.WRITE), place.name)
    return json_answer({"success": True})


@router.post(REPO + "/tag/{rest:path}")
def create_tag(body: CreateTag, place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    """The address names the revision, the body the tag."""
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    hub.create_tag(viewer, repo, body.tag, place.revision, body.message)
    return json_answer({"success": True})


@router.delete(REPO + "/tag/{rest:path}")
def delete_tag(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    hub.delete_tag(viewer, hub.get_repo(viewer, place.ref, Action.WRITE), place.name)
    return json_answer({"success": True})
