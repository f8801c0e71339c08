"""Where clients get Xet's access tokens, by the hub's own."""

from fastapi import APIRouter, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.xet.access import LIFETIME, Access, Scope, cas_url, issue
from viveiro.db import utc_now
from viveiro.errors import NotAuthenticated
from viveiro.http.dependencies import HubDep, SettingsDep, ViewerDep
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.types import Action

router = APIRouter(tags=["xet"])


@router.get(REPO + "/xet-read-token/{rest:path}")
def read_token(request: Request, place: PlaceDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    hub.require_files(viewer, repo)
    hub.resolve(repo, place.revision)
    return _answer(request, settings, viewer, Access.to(repo, viewer), "read")


@router.get(REPO + "/xet-write-token/{rest:path}")
def write_token(
    request: Request, place: PlaceDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep, create_pr: bool = False
) -> Response:
    """To propose a change, it is enough to be signed in and to see the files: clients name `None` as revision then."""
    repo = _proposed_to(hub, viewer, place) if create_pr else hub.get_repo(viewer, place.ref, Action.WRITE)
    return _answer(request, settings, viewer, Access.to(repo, viewer, proposes=create_pr), "write")


def _proposed_to(hub: Hub, viewer: Viewer, place: PlaceDep) -> Repo:
    repo = hub.get_repo(viewer, place.ref)
    hub.require_files(viewer, repo)
    if viewer.is_anonymous:
        raise NotAuthenticated
    return repo


def _answer(request: Request, settings: Settings, viewer: Viewer, access: Access, scope: Scope) -> Response:
    """Twice: huggingface_hub reads the headers, hf-xet the body."""
    token, expires_at = issue(settings, access, scope), int((utc_now() + LIFETIME).timestamp())
    url = cas_url(request, settings, viewer)
    headers = {
        "X-Xet-Access-Token": token,
        "X-Xet-Token-Expiration": str(expires_at),
        "X-Xet-Cas-Url": url,
        "Cache-Control": "no-store",
    }
    return json_answer({"accessToken": token, "exp": expires_at, "casUrl": url}, headers=headers)
