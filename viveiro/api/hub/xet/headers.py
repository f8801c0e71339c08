"""How the answer about a file tells clients that they may fetch it by Xet."""

from collections.abc import Mapping
from typing import Final

from fastapi import Request, Response

from viveiro.accounts.types import Viewer
from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.xet.access import cas_url
from viveiro.http.dependencies import SettingsDep
from viveiro.http.urls import public_url
from viveiro.hub.service import Hub
from viveiro.hub.types import LfsPointer, Repo

XET_FILE: Final = "application/vnd.xet-fileinfo+json"
"""What hub.js accepts, where it wants to know about a file and not have it."""


def xet_headers(request: Request, viewer: Viewer, hub: Hub, repo: Repo, sha: str, oid: str) -> dict[str, str]:
    """None, where the repo does not offer it by Xet."""
    xet_hash = hub.xet.hashes(repo, [oid]).get(oid)
    if xet_hash is None:
        return {}
    settings: SettingsDep = request.app.state.settings
    token = f"{public_url(request)}/api/{repo.kind.plural}/{repo.name}/xet-read-token/{sha}"
    reconstruction = f"{cas_url(request, settings, viewer)}/v1/reconstructions/{xet_hash}"
    links = f'<{token}>; rel="xet-auth", <{reconstruction}>; rel="xet-reconstruction-info"'
    return {"X-Xet-Hash": xet_hash, "Link": links}


def xet_file(headers: Mapping[str, str], pointer: LfsPointer) -> Response:
    content = {"hash": headers["X-Xet-Hash"], "etag": pointer.oid, "size": pointer.size}
    told = {name: value for name, value in headers.items() if name not in ("Content-Type", "Content-Disposition")}
    answer = json_answer(content, headers=told)
    answer.headers["Content-Type"] = XET_FILE
    return answer
