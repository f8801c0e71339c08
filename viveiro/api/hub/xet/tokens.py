"""Where clients get Xet's access tokens, by the hub's own."""

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from viveiro.accounts.service import can
from viveiro.accounts.types import Viewer
from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.xet.access import LIFETIME, Access, Scope, cas_url, issue
from viveiro.db import utc_now
from viveiro.http.dependencies import HubDep, SettingsDep, ViewerDep
from viveiro.http.urls import public_url
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.types import Action

router = APIRouter(tags=["xet"])

WRITE_ACCESS: Final = "/xet-write-token/"


@router.get(REPO + "/xet-read-token/{rest:path}")
def read_token(request: Request, place: PlaceDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    hub.require_files(viewer, repo)
    hub.resolve(repo, place.revision)
    return _answer(request, settings, viewer, Access.to(repo, viewer), "read")


@router.get(REPO + WRITE_ACCESS + "{rest:path}")
def write_token(
    request: Request, place: PlaceDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep, create_pr: bool = False
) -> Response:
    """To propose a change, it is enough to be signed in and to see the files: clients name `None` as revision then."""
    repo = _proposed_to(hub, viewer, place) if create_pr else hub.get_repo(viewer, place.ref, Action.WRITE)
    return _answer(request, settings, viewer, Access.to(repo, viewer, proposes=create_pr), "write")


def _proposed_to(hub: Hub, viewer: Viewer, place: PlaceDep) -> Repo:
    repo = hub.get_repo(viewer, place.ref)
    hub.require_upload(viewer, repo)
    return repo


def _answer(request: Request, settings: Settings, viewer: Viewer, access: Access, scope: Scope) -> Response:
    """Twice: huggingface_hub reads the headers, hf-xet the body."""
    headers = token_headers(request, settings, viewer, access, scope)
    body = {
        "accessToken": headers["X-Xet-Access-Token"],
        "exp": int(headers["X-Xet-Token-Expiration"]),
        "casUrl": headers["X-Xet-Cas-Url"],
    }
    return json_answer(body, headers={**headers, "Cache-Control": "no-store"})


def token_headers(request: Request, settings: Settings, viewer: Viewer, access: Access, scope: Scope) -> dict[str, str]:
    return {
        "X-Xet-Access-Token": issue(settings, access, scope),
        "X-Xet-Token-Expiration": str(int((utc_now() + LIFETIME).timestamp())),
        "X-Xet-Cas-Url": cas_url(request, settings, viewer),
    }


def write_offer(
    request: Request, settings: Settings, viewer: Viewer, repo: Repo, revision: str
) -> tuple[str, dict[str, str]]:
    """Where to renew a token, and one to begin with: for those who ask over LFS how to send content."""
    proposes = not can(viewer, Action.WRITE, repo.resource)
    headers = token_headers(request, settings, viewer, Access.to(repo, viewer, proposes=proposes), "write")
    query = "?create_pr=1" if proposes else ""
    address = f"{public_url(request)}/api/{repo.kind}s/{repo.name}{WRITE_ACCESS}{quote(revision, safe='')}{query}"
    return address, headers
