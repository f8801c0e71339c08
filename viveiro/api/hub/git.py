"""git's smart HTTP: `git clone`, `fetch` and `push` on the addresses that people see."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.api.hub.credentials import GitRoute
from viveiro.api.hub.git_process import Conversation, protocol
from viveiro.api.hub.push_check import Push
from viveiro.errors import InvalidInput
from viveiro.http.dependencies import HubDep, SettingsDep, ViewerDep
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.hub import hooks
from viveiro.hub.git import run_git
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.types import Action, RepoRef

router = APIRouter(tags=["git"], route_class=GitRoute)

_NEEDS: Final = {"git-upload-pack": Action.READ, "git-receive-pack": Action.WRITE}
_MODEST: Final = ("-c", "pack.threads=2", "-c", "pack.windowMemory=64m")
"""What one clone may take of the machine."""
_REFS_SEEN: Final = ("-c", "receive.hideRefs=!refs/pr")
"""Repositories are made with pull requests hidden from pushes, as whoever pushes past the server should find them."""


@repo_routes(router, "/info/refs", "GET")
def info_refs(request: Request, ref: RepoRefDep, viewer: ViewerDep, hub: HubDep, service: str = "") -> Response:
    """Which refs there are, and what this side can do."""
    if service not in _NEEDS:
        raise InvalidInput("This hub speaks git's smart protocol only. Use git 1.6.6 or later.")
    repo = _repo(hub, viewer, ref, _NEEDS[service])
    asked = protocol(request.headers)
    seen = _REFS_SEEN if service == "git-receive-pack" else ()
    arguments = (*seen, service.removeprefix("git-"), "--stateless-rpc", "--advertise-refs", ".")
    refs = run_git(hub.repo_path(repo), *arguments, extra=asked)
    # As git's own http-backend does: from version 2 on, the first line says itself what follows.
    announced = b"" if asked.get("GIT_PROTOCOL") == "version=2" else _packet(f"# service={service}\n") + b"0000"
    headers = {"Cache-Control": "no-cache"}
    return Response(announced + refs, headers=headers, media_type=f"application/x-{service}-advertisement")


@repo_routes(router, "/git-upload-pack", "POST")
def upload_pack(ref: RepoRefDep, viewer: ViewerDep, hub: HubDep) -> Response:
    repo = _repo(hub, viewer, ref, Action.READ)
    command = ["git", *_MODEST, "upload-pack", "--stateless-rpc", str(hub.repo_path(repo))]
    return Conversation(command, "application/x-git-upload-pack-result")


@repo_routes(router, "/git-receive-pack", "POST")
def receive_pack(ref: RepoRefDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep) -> Response:
    repo = _repo(hub, viewer, ref, Action.WRITE)

    def check(question: hooks.PushQuestion) -> Sequence[str]:
        return hub.prepare_push(viewer, repo, question.updates, question.environment)

    return Conversation(
        ["git", *_receiving(settings), "receive-pack", "--stateless-rpc", str(hub.repo_path(repo))],
        "application/x-git-receive-pack-result",
        push=Push(check, lambda: hub.finish_push(repo)),
    )


def _receiving(settings: Settings) -> list[str]:
    folder = hooks.install(settings.data_dir / "hooks")
    most = settings.git_push_limit_bytes
    return [*_REFS_SEEN, "-c", f"core.hooksPath={folder}", "-c", f"receive.maxInputSize={most}"]


def _repo(hub: Hub, viewer: Viewer, ref: RepoRef, action: Action) -> Repo:
    repo = hub.get_repo(viewer, ref)
    hub.require_files(viewer, repo)
    if action is not Action.READ:
        hub.require_pusher(viewer, repo)
    return repo


def _packet(line: str) -> bytes:
    """As git frames a line: its length in four hex digits, themselves included, then the line."""
    return f"{len(line) + 4:04x}{line}".encode()
