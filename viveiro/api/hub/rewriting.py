"""History made anew: squashed branches, and large files deleted for ever."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.api.hub.answers import date_text, json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.schemas import DeleteLfsFiles, Squash
from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.types import LfsFile
from viveiro.types import Action

router = APIRouter(tags=["hub"])

LFS_FILES: Final = 1000


@router.post(REPO + "/super-squash/{rest:path}")
def super_squash(place: PlaceDep, viewer: ViewerDep, hub: HubDep, body: Squash | None = None) -> Response:
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    message = body.message if body is not None and body.message else f"Super-squash branch '{place.name}'"
    made = hub.squash(viewer, repo, place.name, message)
    return json_answer({"commitOid": made.oid})


@router.get(REPO + "/lfs-files")
def list_lfs_files(
    request: Request,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    limit: Annotated[int, Query(ge=1)] = LFS_FILES,
    cursor: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """For who may delete them: it names what is in no commit, too."""
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    files = hub.lfs_files(repo)
    after = cursor + min(limit, LFS_FILES)
    headers = {"Link": next_page(request, cursor=after)} if len(files) > after else {}
    return json_answer([_lfs_file(file) for file in files[cursor:after]], headers=headers)


def _lfs_file(file: LfsFile) -> dict[str, Any]:
    return {
        "fileOid": file.id,
        "filename": file.path,
        "oid": file.sha256,
        "pushedAt": date_text(file.uploaded_at),
        "ref": file.ref,
        "size": file.size,
    }


@router.post(REPO + "/lfs-files/batch")
def delete_lfs_files(body: DeleteLfsFiles, place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, place.ref, Action.WRITE)
    hub.delete_lfs_files(viewer, repo, body.deletions.sha, rewrite_history=body.deletions.rewrite_history)
    return json_answer({"success": True})
