"""Endpoints for our own clients: deploy, look, undeploy."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from viveiro.api.inference.models import AdmissionsDep, HostsDep
from viveiro.http.dependencies import DatabaseDep, HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import public_url
from viveiro.serving import service
from viveiro.serving.types import Endpoint, EngineChoice
from viveiro.types import RepoId

router = APIRouter(prefix="/api/v1/endpoints", tags=["endpoints"])


class Deployment(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str
    """Repo id of the model."""
    revision: str = "main"
    """Branch, tag or commit. What it is now is what will be served, until the next deploy."""
    engine: EngineChoice = "auto"
    """What runs the model. auto: as the installation's settings say."""


def _repo_id(namespace: str, name: str) -> RepoId:
    return RepoId.parse(f"{namespace}/{name}")


RepoIdDep = Annotated[RepoId, Depends(_repo_id)]


@router.post("", status_code=201)
async def deploy(
    body: Deployment, viewer: SignedInDep, hub: HubDep, hosts: HostsDep, admissions: AdmissionsDep, request: Request
) -> dict[str, Any]:
    """Answers when the model is loaded. One that does not load changes nothing: what was served before still is."""
    repo_id = RepoId.parse(body.model)
    chosen = await run_in_threadpool(service.choose, hub, viewer, repo_id, body.revision, body.engine)
    await hosts.ready(chosen)
    before = await run_in_threadpool(service.served_now, hub.database, repo_id)
    endpoint = await run_in_threadpool(service.save, hub.database, viewer, chosen)
    admissions.forget_all()
    if before is not None:
        await hosts.stop(before)
    return await _described(endpoint, hosts, request)


@router.get("")
async def list_endpoints(
    viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep, request: Request
) -> list[dict[str, Any]]:
    endpoints = await run_in_threadpool(service.list_endpoints, database, viewer)
    return [await _described(endpoint, hosts, request) for endpoint in endpoints]


@router.get("/{namespace}/{name}")
async def info(
    repo_id: RepoIdDep, viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep, request: Request
) -> dict[str, Any]:
    return await _described(await run_in_threadpool(service.info, database, viewer, repo_id), hosts, request)


@router.delete("/{namespace}/{name}")
async def undeploy(
    repo_id: RepoIdDep, viewer: SignedInDep, database: DatabaseDep, hosts: HostsDep, admissions: AdmissionsDep
) -> dict[str, Any]:
    """The model's files stay in the hub; only its process ends."""
    endpoint = await run_in_threadpool(service.undeploy, database, viewer, repo_id)
    admissions.forget_all()
    await hosts.stop(endpoint)
    return endpoint.to_json()


async def _described(endpoint: Endpoint, hosts: HostsDep, request: Request) -> dict[str, Any]:
    """With the engine that runs it, where one does."""
    state = await hosts.state(endpoint)
    engine = state.get("stats", {}).pop("engine", endpoint.engine)
    return {**endpoint.to_json(), **state, "engine": engine, "url": f"{public_url(request)}{endpoint.path}"}
