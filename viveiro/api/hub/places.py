"""Where in the hub a request points: repo, revision and path, read from the path as it was sent.

Clients quote revisions and paths whole: `refs%2Fpr%2F1` is one part of an address, and `tree/main/a%2Fb` has one part
after the revision. ASGI's decoded `path` no longer shows that, so the raw one is split here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from viveiro.http.repo_addresses import KIND, unquoted
from viveiro.types import RepoId, RepoKind, RepoRef

REPO: Final = f"/api/{KIND}/{{namespace}}/{{name}}"
"""Routes of one repo start so."""
LIST: Final = f"/api/{KIND}"
MAIN: Final = "main"


@dataclass(frozen=True, slots=True)
class Place:
    """What follows the repo may be a revision, and after it a path; `revision` is `main` where none was named."""

    ref: RepoRef
    revision: str = MAIN
    path: str = ""

    @property
    def name(self) -> str:
        """All that follows, where the address names a branch or a tag: those may hold slashes."""
        return f"{self.revision}/{self.path}" if self.path else self.revision


def split_place(rest: Sequence[str]) -> tuple[str, str]:
    """Revision and path from the quoted parts after the verb. Some clients send `refs/pr/1` unquoted."""
    words = [unquoted(part) for part in rest]
    if not words or words == [""]:
        return MAIN, ""
    taken = 3 if words[0] == "refs" and len(words) >= 3 else 1
    return "/".join(words[:taken]), "/".join(words[taken:]).strip("/")


async def _kind(request: Request) -> RepoKind:
    kind: RepoKind = request.path_params["kind"]
    return kind


async def _place(request: Request) -> Place:
    parts = request.scope["raw_path"].decode("latin-1").split("/")
    # "", "api", "models", namespace, name, verb, revision, path…
    namespace, name, _verb, *rest = [*parts[3:6], "", ""][:3] + parts[6:]
    repo_id = RepoId.parse(f"{unquoted(namespace)}/{unquoted(name)}")
    return Place(RepoRef(request.path_params["kind"], repo_id), *split_place(rest))


KindDep = Annotated[RepoKind, Depends(_kind)]
PlaceDep = Annotated[Place, Depends(_place)]
