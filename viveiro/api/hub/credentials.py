"""How git and git-lfs are asked who they are, and told what went wrong.

git looks for a credential only when told 401. So to someone without one, a repo that is missing and a repo that is
hidden both answer 401; with one, both answer 404.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from viveiro.errors import GatedRepo, NotAuthenticated, RepoMoved, RepoNotFound, ViveiroError
from viveiro.http.errors import error_response

LFS_MEDIA_TYPE: Final = "application/vnd.git-lfs+json"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GitRoute(APIRoute):
    """Asks a stranger who they are."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_or_ask(request: Request) -> Response:
            try:
                return await handle(request)
            except RepoMoved:  # only those learn of it who see the repo
                raise
            except (RepoNotFound, GatedRepo) as error:
                if "authorization" in request.headers:
                    raise
                raise NotAuthenticated(
                    "Sign in to reach {path}: any user name, and an access token (hf_…) as password.",
                    path=request.url.path,
                ) from error

        return handle_or_ask


class LfsRoute(APIRoute):
    """Says errors as git-lfs reads them: it looks for `message`, where the Hub's own clients look for `error`."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except RepoMoved:
                raise
            except ViveiroError as error:
                return _explanation(error, request.url.path)

        return handle_or_explain


class LfsGitRoute(LfsRoute, GitRoute):
    """Both."""


def _explanation(error: ViveiroError, path: str) -> Response:
    answer = error_response(error, path)
    headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
    if "www-authenticate" in headers:
        headers["LFS-Authenticate"] = headers["www-authenticate"]
    if "content-range" in answer.headers:
        headers["Content-Range"] = answer.headers["content-range"]
    body = {"message": error.translated(), "error": error.translated()}
    return JSONResponse(body, answer.status_code, headers, LFS_MEDIA_TYPE)
