"""Endpoints for our own clients: deploy, look, undeploy."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from viveiro.http.dependencies import AdmissionsDep, DatabaseDep, HostsDep, HubDep, SignedInDep, ViewerDep
from viveiro.http.urls import public_url
from viveiro.serving import deployment
from viveiro.serving.deployment import EndpointStatus
from viveiro.serving.types import EngineChoice
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
    status = await deployment.deploy(hub, hosts, admissions, viewer, repo_id, body.revision, body.engine)
    return _as_json(status, request)


@router.get("")
async def list_endpoints(
    viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep, request: Request
) -> list[dict[str, Any]]:
    return [_as_json(status, request) for status in await deployment.list_statuses(database, hosts, viewer)]


@router.get("/{namespace}/{name}")
async def info(
    repo_id: RepoIdDep, viewer: ViewerDep, database: DatabaseDep, hosts: HostsDep, request: Request
) -> dict[str, Any]:
    return _as_json(await deployment.info(database, hosts, viewer, repo_id), request)


@router.delete("/{namespace}/{name}")
async def undeploy(
    repo_id: RepoIdDep, viewer: SignedInDep, database: DatabaseDep, hosts: HostsDep, admissions: AdmissionsDep
) -> dict[str, Any]:
    """The model's files stay in the hub; only its process ends."""
    return (await deployment.undeploy(database, hosts, admissions, viewer, repo_id)).to_json()


def _as_json(status: EndpointStatus, request: Request) -> dict[str, Any]:
    return {**status.to_json(), "url": f"{public_url(request)}{status.endpoint.path}"}
