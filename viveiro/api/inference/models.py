"""`POST /models/{repo_id}`: one request to a served model, in the format of its task."""

from typing import Any, Final

import orjson
from fastapi import APIRouter, BackgroundTasks, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from viveiro.errors import TooLarge
from viveiro.http.sign_in import viewer_of
from viveiro.locale import Sentence, problem
from viveiro.ml.tasks import Task, tasks
from viveiro.serving import service
from viveiro.serving.admissions import Admissions
from viveiro.serving.hosts import Hosts
from viveiro.serving.types import Endpoint, InvalidRequest
from viveiro.types import RepoId

router = APIRouter(tags=["inference"])

LARGEST_BODY: Final = 8 * 2**20
MOST_PROBLEMS: Final = 3
DECISION_HEADER: Final = "X-Viveiro-Decision"
"""Whether a text has one label (softmax) or any number of them (sigmoid), which the answer's format has no place for."""


class BodyTooLarge(TooLarge):
    def __init__(self) -> None:
        super().__init__(
            "The request is larger than {most} MiB. Send fewer or shorter texts; models read only the first few hundred words.",
            most=LARGEST_BODY // 2**20,
        )


@router.post("/models/{namespace}/{name}", response_class=Response)
async def infer(namespace: str, name: str, request: Request, background: BackgroundTasks) -> Response:
    """`{"inputs": "a text" or ["one", "two"], "parameters": {…}}` → the answer of the model's task."""
    # Read here, not by annotation: each dependency costs a noticeable part of what a small model takes.
    hosts: Hosts = request.app.state.hosts
    admissions: Admissions = request.app.state.admissions
    key = (request.headers.get("authorization", ""), f"{namespace}/{name}")
    endpoint = admissions.find(key)
    if endpoint is None:
        asked = admissions.now()
        endpoint = await run_in_threadpool(_served, request, background, RepoId.parse(key[1]))
        if key[0]:  # a browser's session is also held to its own pages, which is looked at each time
            admissions.remember(key, endpoint, asked)
    task = tasks[endpoint.task]
    asked_for = _parse(task, await _body(request))
    texts, bare = task.inputs_of(asked_for)
    answer = await hosts.predict(endpoint, texts, asked_for.parameters, bare=bare)
    return Response(answer.body, media_type="application/json", headers={DECISION_HEADER: answer.decision})


def _served(request: Request, background: BackgroundTasks, repo_id: RepoId) -> Endpoint:
    viewer = viewer_of(request, background)
    return service.find_served(request.app.state.database, viewer, repo_id)


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
        raise InvalidRequest([Sentence("it is not JSON ({error})", error=str(error))]) from error
    try:
        return task.Request.model_validate(content)
    except ValidationError as error:
        raise InvalidRequest([_problem(task.Request, fault) for fault in error.errors()[:MOST_PROBLEMS]]) from error


def _problem(schema: type[BaseModel], fault: Any) -> Sentence:
    """`inputs: a string is wanted`, without the names that pydantic gives to the branches of a union."""
    place = ".".join(str(part) for part in fault["loc"] if part not in ("str", "list[str]")) or schema.__name__
    return problem(place, fault["msg"])
