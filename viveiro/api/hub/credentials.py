"""How git and git-lfs are asked who they are.

git looks for a credential only when told 401. So to someone without one, a repo that is missing and a repo that is
hidden both answer 401; with one, both answer 404.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from viveiro.errors import GatedRepo, NotAuthenticated, RepoNotFound, ViveiroError
from viveiro.http.errors import error_response

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GitRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_or_ask(request: Request) -> Response:
            try:
                return await handle(request)
            except (RepoNotFound, GatedRepo) as error:
                if "authorization" in request.headers:
                    raise
                raise NotAuthenticated(
                    "Sign in to reach {path}: any user name, and an access token (hf_…) as password.",
                    path=request.url.path,
                ) from error

        return handle_or_ask


class LfsRoute(GitRoute):
    """git-lfs reads `message` where the Hub's own clients read `error`."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except ViveiroError as error:
                answer = error_response(error, request.url.path)
                headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
                if "www-authenticate" in headers:
                    headers["LFS-Authenticate"] = headers["www-authenticate"]
                return JSONResponse(
                    {"message": str(error), "error": str(error)},
                    answer.status_code,
                    headers,
                    "application/vnd.git-lfs+json",
                )

        return handle_or_explain
