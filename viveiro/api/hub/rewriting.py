"""History made anew: squashed branches, and large files deleted for ever, or shared with another repo."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from viveiro.api.hub.answers import date_text, json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.schemas import CopyLfsFiles, DeleteLfsFiles, Squash
from viveiro.http.dependencies import HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import next_page
from viveiro.hub.types import LfsFile
from viveiro.locale import Sentence, translate
from viveiro.types import Action, RepoId, RepoRef

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


@router.post(REPO + "/lfs-files/duplicate")
def copy_lfs_files(body: CopyLfsFiles, place: PlaceDep, viewer: SignedInDep, hub: HubDep) -> Response:
    """Before a commit that names files of another repo. Nothing is copied: the target may use the same content."""
    source = hub.get_repo(viewer, place.ref)
    hub.require_files(viewer, source)
    target = hub.get_repo(viewer, RepoRef(body.target.kind, RepoId.parse(body.target.name)), Action.WRITE)
    shared = hub.share_contents(viewer, source, target, [file.sha256 for file in body.files])
    why = translate(Sentence("{repo} does not have this content.", repo=source.name))
    failed = [{"sha256": file.sha256, "error": why} for file in body.files if file.sha256 not in shared]
    return json_answer({"failed": failed})
