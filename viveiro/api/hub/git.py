"""git's smart HTTP: `git clone`, `fetch` and `push` on the addresses that people see."""

from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.types import Viewer
from viveiro.api.hub.addresses import RepoRefDep, repo_routes
from viveiro.api.hub.credentials import GitRoute
from viveiro.api.hub.git_process import GitService, ReceivePack, UploadPack
from viveiro.errors import InvalidInput
from viveiro.http.dependencies import HubDep, SettingsDep, ViewerDep
from viveiro.hub import hooks
from viveiro.hub.service import Hub
from viveiro.settings import Settings
from viveiro.types import Action, RepoRef

router = APIRouter(tags=["git"], route_class=GitRoute)

ServiceName = Literal["git-upload-pack", "git-receive-pack"]
_NEEDS: Final[dict[str, Action]] = {"git-upload-pack": Action.READ, "git-receive-pack": Action.WRITE}


@repo_routes(router, "/info/refs", "GET")
async def info_refs(
    request: Request, ref: RepoRefDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep, service: str = ""
) -> Response:
    if service not in _NEEDS:
        raise InvalidInput("This hub speaks git's smart protocol only. Use git 2.0 or later.")
    process = await run_in_threadpool(_service, service, request, hub, settings, viewer, ref)
    return process.advertisement()


@repo_routes(router, "/git-upload-pack", "POST")
async def upload_pack(
    request: Request, ref: RepoRefDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep
) -> Response:
    process = await run_in_threadpool(_service, "git-upload-pack", request, hub, settings, viewer, ref)
    return process.conversation()


@repo_routes(router, "/git-receive-pack", "POST")
async def receive_pack(
    request: Request, ref: RepoRefDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep
) -> Response:
    process = await run_in_threadpool(_service, "git-receive-pack", request, hub, settings, viewer, ref)
    return process.conversation()
