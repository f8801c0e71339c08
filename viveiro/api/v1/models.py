"""Models for our own clients: bring some in. Lists, files and uploads are the hub's."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from viveiro.api.v1.datasets import Started
from viveiro.http.dependencies import AdminDep, DatabaseDep, HubDep, SignedInDep
from viveiro.hub.folders import check_may_publish
from viveiro.jobs.service import enqueue
from viveiro.types import RepoId, RepoKind, RepoRef

router = APIRouter(prefix="/api/v1/models", tags=["models"])


class PullRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    repo_id: str
    """The model's name on the upstream hub."""
    revision: str | None = None
    """Branch, tag or commit there. Unset: main."""
    name: str | None = None
    """Its name here. Unset: the same."""


@router.post("/import-starter", status_code=202)
def import_starter(viewer: AdminDep, database: DatabaseDep) -> Started:
    """all-MiniLM-L6-v2, from the Python package that the extra `starter` installs."""
    with database.write() as session:
        return Started(job_id=enqueue(session, "import-starter", {}, owner_id=viewer.user_id))


@router.post("/pull", status_code=202)
def pull(body: PullRequest, viewer: SignedInDep, hub: HubDep, database: DatabaseDep) -> Started:
    """Copy a revision from the upstream hub into this one."""
    source = RepoId.parse(body.repo_id)
    target = RepoId.parse(body.name) if body.name else source
    check_may_publish(hub, viewer, RepoRef(RepoKind.MODEL, target))
    arguments = {"repo_id": str(source), "revision": body.revision, "target": str(target)}
    with database.write() as session:
        return Started(job_id=enqueue(session, "model-pull", arguments, owner_id=viewer.user_id))
