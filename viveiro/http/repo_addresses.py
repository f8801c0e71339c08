"""Repos as git, git-lfs, downloads and pages address them: `/namespace/name…`, with `datasets/`, `spaces/` or `kernels/` before all but
models.

Routes are declared on both forms; see `api/hub/places.py` for the addresses under `/api`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Request
from starlette.convertors import Convertor, register_url_convertor

from viveiro.errors import InvalidInput, RevisionNotFound
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.types import RepoId, RepoKind, RepoRef

KIND: Final = "{kind:kind}"
"""`models`, `datasets`, `spaces` or `kernels` in the path of a route."""
_FORMS: Final = (f"/{KIND}/{{namespace}}/{{name}}", "/{namespace}/{name}")
MAX_REVISION_PARTS: Final = 8
"""How many slashes a branch's name may have, less one, where a client did not quote it."""


class KindConvertor(Convertor[RepoKind]):
    regex = "models|datasets|spaces|kernels"

    def convert(self, value: str) -> RepoKind:
        return RepoKind(value.removesuffix("s"))

    def to_string(self, value: RepoKind) -> str:
        return value.plural


register_url_convertor("kind", KindConvertor())


def repo_routes(router: APIRouter, path: str, *methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a route below a repo, in both forms."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        for form in _FORMS:
            router.add_api_route(
                f"{form}{path}", handler, methods=list(methods), include_in_schema=False, response_model=None
            )
        return handler

    return declare


def unquoted(part: str) -> str:
    """Raises InvalidInput where percent signs do not spell UTF-8."""
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput("{part!r} in the address is not UTF-8.", part=part[:300]) from error


async def _repo_ref(request: Request) -> RepoRef:
    """With or without git's `.git`, which no repo's own name may have."""
    kind: RepoKind = request.path_params.get("kind", RepoKind.MODEL)
    name = request.path_params["name"].removesuffix(".git")
    return RepoRef(kind, RepoId.parse(f"{request.path_params['namespace']}/{name}"))


async def _quoted_rest(request: Request) -> tuple[str, ...]:
    """The parts after the verb, each unquoted by itself: only so `refs%2Fpr%2F1` is still one part."""
    before = 4 if "kind" in request.path_params else 3
    parts = request.scope["raw_path"].decode("latin-1").split("/")[before + 1 :]
    return tuple(map(unquoted, parts))


RepoRefDep = Annotated[RepoRef, Depends(_repo_ref)]
RestDep = Annotated[tuple[str, ...], Depends(_quoted_rest)]


def locate(hub: Hub, repo: Repo, parts: Sequence[str]) -> tuple[str, str]:
    """Commit and path of a file."""
    _, sha, path = _first_known(hub, repo, readings(parts), parts)
    return sha, path


def locate_folder(hub: Hub, repo: Repo, parts: Sequence[str]) -> tuple[str, str, str]:
    """Revision as it is called, its commit, and a path that may be empty."""
    named = [part for part in parts if part] or ["main"]
    return _first_known(hub, repo, [*readings(named), ("/".join(named), "")], named)


def _first_known(
    hub: Hub, repo: Repo, candidates: Iterator[tuple[str, str]] | Sequence[tuple[str, str]], parts: Sequence[str]
) -> tuple[str, str, str]:
    """Where the revision was not quoted, its slashes are found by asking which prefix is one."""
    for revision, path in candidates:
        with suppress(RevisionNotFound):
            return revision, hub.resolve(repo, revision), path
    raise RevisionNotFound(parts[0], repo.name)


def readings(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Ways to read `revision/path`, the likeliest first. Pure."""
    for taken in range(1, min(len(parts) - 1, MAX_REVISION_PARTS) + 1):
        yield "/".join(parts[:taken]), "/".join(parts[taken:])
