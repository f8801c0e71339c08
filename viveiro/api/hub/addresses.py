"""Repos as git, git-lfs and downloads address them: `/namespace/name…`, with `datasets/` or `spaces/` before all but models.

Routes are declared on both forms; see `places.py` for the addresses under `/api`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Request

from viveiro.errors import InvalidInput
from viveiro.types import RepoId, RepoKind, RepoRef

_FORMS: Final = ("/{kind:kind}/{namespace}/{name}", "/{namespace}/{name}")


def repo_routes(router: APIRouter, path: str, *methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a route below a repo, in both forms."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        for form in _FORMS:
            router.add_api_route(f"{form}{path}", handler, methods=list(methods), include_in_schema=False)
        return handler

    return declare


async def _repo_ref(request: Request) -> RepoRef:
    """With or without git's `.git`, which no repo's own name may have."""
    kind: RepoKind = request.path_params.get("kind", RepoKind.MODEL)
    name = request.path_params["name"].removesuffix(".git")
    return RepoRef(kind, RepoId.parse(f"{request.path_params['namespace']}/{name}"))


async def _quoted_rest(request: Request) -> tuple[str, ...]:
    """The parts after the verb, each unquoted by itself: only so `refs%2Fpr%2F1` is still one part."""
    before = 4 if "kind" in request.path_params else 3
    parts = request.scope["raw_path"].decode("latin-1").split("/")[before + 1 :]
    try:
        return tuple(unquote(part, errors="strict") for part in parts)
    except UnicodeDecodeError as error:
        raise InvalidInput("The address {path!r} is not UTF-8.", path="/".join(parts)[:300]) from error


RepoRefDep = Annotated[RepoRef, Depends(_repo_ref)]
RestDep = Annotated[tuple[str, ...], Depends(_quoted_rest)]
