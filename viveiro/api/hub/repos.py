"""Repos as wholes: create, delete, change; whether the caller may read or write; what to do before a commit."""

import base64
import binascii
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.api.hub.answers import json_answer, page_url
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.schemas import (
    CreateRepo,
    DuplicateRepo,
    MoveRepo,
    NewRepo,
    Preupload,
    PreuploadFile,
    RepoName,
    RepoSettings,
    ValidateYaml,
)
from viveiro.errors import AlreadyExists, InvalidInput, NotAuthenticated, NotOffered
from viveiro.http.dependencies import HubDep, SettingsDep, SignedInDep, ViewerDep
from viveiro.http.urls import public_url
from viveiro.hub.cards import CARD, check_card, first_card
from viveiro.hub.duplicating import duplicate_repo
from viveiro.hub.moving import move_repo
from viveiro.hub.paths import check_path
from viveiro.hub.patterns import is_ignored, lfs_patterns
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.hub.uploads import PendingFile, upload_mode
from viveiro.locale import translate
from viveiro.types import Action, RepoId, RepoKind, RepoRef, Visibility

router = APIRouter(tags=["hub"])

_SPACE_FEATURES: Final = ("template", "hardware", "secrets", "variables", "volumes")


@router.post("/api/repos/create")
def create(body: CreateRepo, request: Request, viewer: ViewerDep, hub: HubDep) -> Response:
    _refuse_what_would_be_forgotten(body)
    visibility = _visibility(body.visibility, body.private) or Visibility.PUBLIC
    ref = _named(body, viewer)
    try:
        repo = hub.create_repo(viewer, ref, visibility=visibility, files=_first_files(body, ref))
    except AlreadyExists as error:
        # Clients that said exist_ok read the address of the one that exists.
        url = error.url and public_url(request) + error.url
        raise AlreadyExists(error.template, url=url, **error.fields) from error
    return json_answer(_made(request, repo))


def _first_files(body: CreateRepo, ref: RepoRef) -> dict[str, bytes]:
    """What was sent; before it a card that says what else was."""
    says: dict[str, str] = {}
    if ref.kind is RepoKind.SPACE and body.sdk is not None:
        says |= {"title": ref.repo_id.name, "sdk": body.sdk}
    if body.license is not None:
        says["license"] = body.license
    files = {CARD: first_card(**says).encode()} if says else {}
    for file in body.files:
        if file.path == CARD and body.license is not None:
            raise InvalidInput(
                "A README.md was sent, and a license besides. Say the license in the README.md's metadata."
            )
        try:
            files[file.path] = file.decoded
        except ValueError as error:
            raise InvalidInput("The content of {path} is not base64.", path=file.path) from error
    return files


@router.post(REPO + "/duplicate")
def duplicate(body: DuplicateRepo, request: Request, place: PlaceDep, viewer: SignedInDep, hub: HubDep) -> Response:
    """Large files are there at once: they are shared with the original, not copied."""
    _refuse_what_would_be_forgotten(body)
    visibility = _visibility(body.visibility, body.private)
    repo = duplicate_repo(hub, viewer, place.ref, RepoId.parse(body.repository), visibility=visibility)
    return json_answer({**_made(request, repo), "filesCopyPending": False})


def _made(request: Request, repo: Repo) -> dict[str, Any]:
    return {"url": page_url(public_url(request), repo), "name": repo.name, "id": str(repo.pk)}


@router.delete("/api/repos/delete")
def delete(body: RepoName, viewer: ViewerDep, hub: HubDep) -> Response:
    hub.delete_repo(viewer, _named(body, viewer))
    return json_answer({"success": True})


@router.post("/api/repos/move")
def move(body: MoveRepo, request: Request, viewer: SignedInDep, hub: HubDep) -> Response:
    """Rename, or give to another namespace. Addresses with the old name lead to the new one from now on."""
    ref = RepoRef(body.kind, RepoId.parse(body.source))
    repo = move_repo(hub, viewer, ref, RepoId.parse(body.target))
    return json_answer({"success": True, "url": page_url(public_url(request), repo), "id": repo.name})


def _named(body: RepoName, viewer: Viewer) -> RepoRef:
    namespace = body.organization or viewer.name
    if namespace is None:
        raise NotAuthenticated
    return RepoRef(body.kind, RepoId.parse(body.name if "/" in body.name else f"{namespace}/{body.name}"))


def _refuse_what_would_be_forgotten(body: NewRepo) -> None:
    asked = [name for name in _SPACE_FEATURES if getattr(body, name)]
    if asked:
        raise NotOffered(
            "This hub stores Spaces and does not run them, so {asked} would have no effect. Create the Space without.",
            asked=", ".join(asked),
        )
    if body.resource_group is not None:
        raise NotOffered("This hub has no resource groups. Give access by organisation, and leave resourceGroupId out.")


def _visibility(visibility: str | None, private: bool | None) -> Visibility | None:
    """Older clients send `private`."""
    if visibility is None:
        return None if private is None else Visibility.PRIVATE if private else Visibility.PUBLIC
    try:
        return Visibility(visibility)
    except ValueError as error:
        raise InvalidInput(
            "{visibility!r} is no visibility here. Choose public or private.", visibility=visibility
        ) from error


@router.put(REPO + "/settings")
def change_settings(body: RepoSettings, place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    visibility = _visibility(body.visibility, body.private)
    if visibility is None and body.gated is None:
        raise InvalidInput(
            "Nothing to change was sent. Send visibility (public or private) or gated (auto, manual, false)."
        )
    repo = hub.update_repo(viewer, place.ref, visibility=visibility, gated=body.gated)
    private = repo.visibility is Visibility.PRIVATE
    return json_answer({"visibility": repo.visibility, "private": private, "gated": repo.gated or False})


@router.get(REPO + "/auth-check")
def check_read(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    """Whether files may be downloaded: a gated repo is seen by all and read by few."""
    hub.require_files(viewer, hub.get_repo(viewer, place.ref))
    return json_answer({})


@router.get(REPO + "/auth-check/write")
def check_write(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    hub.get_repo(viewer, place.ref, Action.WRITE)
    return json_answer({})


@router.post("/api/validate-yaml")
def validate_yaml(body: ValidateYaml) -> Response:
    """Clients parse the body before they look at the status."""
    report = check_card(body.content, body.kind)
    answer = {
        "errors": [{"message": translate(message)} for message in report.errors],
        "warnings": [{"message": translate(message)} for message in report.warnings],
    }
    return json_answer(answer, 400 if report.errors else 200)


@router.post(REPO + "/preupload/{rest:path}")
def preupload(
    body: Preupload, request: Request, place: PlaceDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep
) -> Response:
    """How each file must travel, and which object the repo holds at its path: clients drop what has not changed.

    Refused at once where there is no room for them: who sends by Xet names their hashes only when all is sent.
    """
    repo = hub.get_repo(viewer, place.ref)
    if wants_pull_request(request):
        hub.require_upload(viewer, repo)
    else:
        hub.require_committer(viewer, repo, place.revision)
    sha = hub.resolve(repo, place.revision)
    patterns = hub.lfs_patterns(repo, sha) if body.gitattributes is None else lfs_patterns(body.gitattributes)
    gitignore = _gitignore(hub, repo, sha) if body.gitignore is None else body.gitignore
    oids = _oids(hub, repo, sha, [check_path(file.path) for file in body.files])
    modes = {file.path: upload_mode(_pending(file), patterns, settings.lfs_threshold_bytes) for file in body.files}
    ignored = {file.path for file in body.files if is_ignored(file.path, gitignore)}
    coming = [file.size for file in body.files if modes[file.path] == "lfs" and file.path not in ignored]
    hub.require_room_for_sizes(viewer, repo, coming)
    return json_answer(
        {
            "files": [
                {
                    "path": file.path,
                    "uploadMode": modes[file.path],
                    "shouldIgnore": file.path in ignored,
                    "oid": oids.get(file.path),
                }
                for file in body.files
            ]
        }
    )


def wants_pull_request(request: Request) -> bool:
    """Instead of a commit onto the branch that the address names."""
    return request.query_params.get("create_pr", "") in ("1", "true")


def _pending(file: PreuploadFile) -> PendingFile:
    try:
        return PendingFile(file.path, file.size, base64.b64decode(file.sample))
    except binascii.Error as error:
        raise InvalidInput("The sample of {path} is not base64.", path=file.path) from error


def _oids(hub: Hub, repo: Repo, sha: str, paths: list[str]) -> dict[str, str]:
    """What the client will compare with its own: sha256 for LFS, git's object id for the rest."""
    entries = hub.paths_info(repo, sha, paths)
    return {entry.path: entry.lfs.oid if entry.lfs else entry.oid for entry in entries if entry.type == "file"}


def _gitignore(hub: Hub, repo: Repo, sha: str) -> str:
    found: list[Any] = hub.paths_info(repo, sha, [".gitignore"])
    return hub.read_blob(repo, found[0].oid).decode("utf-8", "replace") if found and found[0].lfs is None else ""
