"""Small answers that clients expect, and clear refusals for what this hub does not offer yet."""

from typing import Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.api.hub.answers import json_answer
from viveiro.errors import NotFound, NotOffered, RepoNotFound
from viveiro.http.dependencies import DatabaseDep, ViewerDep
from viveiro.hub.listing import list_repos, tags_by_type
from viveiro.hub.types import Repo, RepoQuery, RepoSort
from viveiro.locale import Sentence, current_language
from viveiro.ml.tasks import tasks
from viveiro.types import RepoKind

router = APIRouter(tags=["hub"])
last_router = APIRouter(tags=["hub"], include_in_schema=False)
"""Matches whatever no other route did: included last."""

POPULAR: Final = 5
_ALL_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@router.get("/api/models-tags-by-type")
def model_tags(viewer: ViewerDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        return json_answer(tags_by_type(session, viewer, RepoKind.MODEL))


@router.get("/api/datasets-tags-by-type")
def dataset_tags(viewer: ViewerDep, database: DatabaseDep) -> Response:
    with database.read() as session:
        return json_answer(tags_by_type(session, viewer, RepoKind.DATASET))


@router.get("/api/tasks")
def list_tasks(viewer: ViewerDep, database: DatabaseDep) -> Response:
    """What models here can do, each with the most downloaded ones: clients take the first where none was named."""
    with database.read() as session:
        found = {name: _popular(session, viewer, name) for name in tasks}
    return json_answer(
        {
            name: {
                "id": name,
                "label": tasks[name].title[current_language()],
                "models": [{"id": repo.name} for repo in repos],
                "widgetModels": [repo.name for repo in repos],
                **dict.fromkeys(("datasets", "spaces", "metrics", "libraries"), ()),
            }
            for name, repos in found.items()
        }
    )


def _popular(session: Session, viewer: Viewer, task: str) -> list[Repo]:
    query = RepoQuery(RepoKind.MODEL, pipeline_tag=task, sort=RepoSort.DOWNLOADS, limit=POPULAR)
    return list_repos(session, viewer, query).repos


@router.head("/api/telemetry/{topic:path}")
async def telemetry() -> Response:
    """Clients tell what they were used for. Nothing is kept."""
    return Response(status_code=204)


@router.get("/api/agent-harnesses")
async def agent_harnesses() -> Response:
    return json_answer({"standardEnvVars": [], "harnesses": {}})


_NOT_OFFERED: Final = {
    "leaderboard": Sentence("leaderboards"),
    "resource-group": Sentence("resource groups"),
    **dict.fromkeys(
        ("secrets", "variables", "runtime", "hardware", "sleeptime", "pause", "restart", "dev-mode", "volumes", "logs"),
        Sentence("running Spaces; it stores them"),
    ),
}
"""What may follow a repo in an address of the Hub's."""

_OF_SPACES: Final = {
    **dict.fromkeys(("hardware", "zero-gpu"), Sentence("running Spaces; it stores them")),
    "semantic-search": Sentence("searching Spaces by meaning"),
    "templates": Sentence("templates of Spaces"),
}
"""What may follow `/api/spaces/`, and is no repo's."""


@router.get("/api/spaces/zero-gpu/quota")
async def zero_gpu_quota() -> Response:
    """Before the routes of repos, which would take it for one."""
    raise NotOffered("This hub does not offer {what}.", what=_OF_SPACES["zero-gpu"])


_AFTER_A_REPO: Final = (
    *("auth-check", "branch", "commit", "commits", "like", "likers", "paths-info", "preupload", "refs", "resolve"),
    *("revision", "settings", "super-squash", "tag", "tree", "xet-read-token", "xet-write-token"),
    *("discussions", "duplicate", "lfs-files", "safetensors-metadata", "user-access-request", "compare", "treesize"),
)
_NOT_OFFERED_ANYWHERE: Final = {
    "/api/buckets": Sentence("buckets"),
    "/api/jobs": Sentence("the Jobs API of huggingface.co; see viveiro jobs and viveiro runs"),
    "/api/scheduled-jobs": Sentence("scheduled jobs"),
    "/api/resolve-cache": Sentence("a cache before its files; ask for them at /resolve/"),
    "/buckets": Sentence("buckets"),
    **dict.fromkeys(("/api/papers", "/api/daily_papers", "/papers"), Sentence("papers")),
    "/oauth": Sentence("signing in to other sites with its accounts"),
}


@last_router.api_route("/api/{kind:kind}/{rest:path}", methods=_ALL_METHODS)
async def unknown_repo_route(request: Request) -> Response:
    kind: RepoKind = request.path_params["kind"]
    parts = request.path_params["rest"].split("/")
    if kind is RepoKind.SPACE and parts[0] in _OF_SPACES:
        raise NotOffered("This hub does not offer {what}.", what=_OF_SPACES[parts[0]])
    if len(parts) == 1 or parts[1] in _AFTER_A_REPO or parts[1] in _NOT_OFFERED:
        # huggingface.co has a few old repos without a namespace; here every repo has one.
        raise RepoNotFound(parts[0], kind.value)
    what = _NOT_OFFERED.get(parts[2]) if len(parts) > 2 else None
    raise _refusal(request, what)


@last_router.api_route("/api/{rest:path}", methods=_ALL_METHODS)
@last_router.api_route("/oauth/{rest:path}", methods=_ALL_METHODS)
@last_router.api_route("/buckets/{rest:path}", methods=_ALL_METHODS)
@last_router.api_route("/papers/{rest:path}", methods=_ALL_METHODS)
async def unknown_route(request: Request) -> Response:
    path = request.url.path
    matches = (what for prefix, what in _NOT_OFFERED_ANYWHERE.items() if f"{path}/".startswith(f"{prefix}/"))
    raise _refusal(request, next(matches, None))


def _refusal(request: Request, what: str | None) -> NotFound | NotOffered:
    if what is not None:
        return NotOffered("This hub does not offer {what}.", what=what)
    return NotFound("Nothing answers {method} {path} here.", method=request.method, path=request.url.path)
