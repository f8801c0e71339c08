"""`POST /models/{repo_id}`: one request to a served model, in the format of its task."""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ValidationError

from viveiro.errors import TooLarge
from viveiro.http.dependencies import DatabaseDep, ViewerDep
from viveiro.ml.tasks import Task, tasks
from viveiro.serving import service
from viveiro.serving.hosts import Hosts
from viveiro.serving.types import Endpoint, InvalidRequest
from viveiro.types import RepoId

router = APIRouter(tags=["inference"])

LARGEST_BODY: Final = 8 * 2**20
MOST_PROBLEMS: Final = 3


class BodyTooLarge(TooLarge):
    def __init__(self) -> None:
        super().__init__(
            "The request is larger than {most} MiB. Send fewer or shorter texts; models read only the first few hundred words.",
            most=LARGEST_BODY // 2**20,
        )


def _served(namespace: str, name: str, viewer: ViewerDep, database: DatabaseDep) -> Endpoint:
    return service.find_served(database, viewer, RepoId.parse(f"{namespace}/{name}"))


async def _hosts(request: Request) -> Hosts:
    hosts: Hosts = request.app.state.hosts
    return hosts


HostsDep = Annotated[Hosts, Depends(_hosts)]


@router.post("/models/{namespace}/{name}", response_class=Response)
async def infer(endpoint: Annotated[Endpoint, Depends(_served)], hosts: HostsDep, request: Request) -> Response:
    """`{"inputs": "a text" or ["one", "two"], "parameters": {…}}` → the answer of the model's task."""
    task = tasks[endpoint.task]
    asked = _parse(task, await _body(request))
    texts, bare = task.inputs_of(asked)
    content = await hosts.predict(endpoint, texts, asked.parameters, bare=bare)
    return Response(content, media_type="application/json")


async def _body(request: Request) -> bytes:
    """Refused as soon as it is known to be too large, whatever its sender announced."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
    return bytes(body)


def _parse(task: Task, body: bytes) -> Any:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"it is not JSON ({error})") from error
    try:
        return task.Request.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_problem(task.Request, problem) for problem in error.errors()[:MOST_PROBLEMS])
        raise InvalidRequest(problems) from error


def _problem(schema: type[BaseModel], problem: Any) -> str:
    """`inputs: a string is wanted`, without the names that pydantic gives to the branches of a union."""
    place = ".".join(str(part) for part in problem["loc"] if part not in ("str", "list[str]")) or schema.__name__
    return f"{place}: {problem['msg']}"
