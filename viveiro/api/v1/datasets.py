"""Datasets for our own clients: import a file, check a revision. Lists and files are the hub's."""

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from viveiro.datasets import service
from viveiro.http.dependencies import DatabaseDep, HubDep, SettingsDep, SignedInDep
from viveiro.http.files import receive_body
from viveiro.hub.folders import check_may_publish
from viveiro.types import LARGEST_SEED, RepoRef, Visibility

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])


class ImportRequest(BaseModel):
    """Travels in the address: the body is the file."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str
    """Repo id of the dataset. It is made when missing; else its rows are replaced by a new revision."""
    file_name: str = Field(max_length=1000)
    """What the file is called where it comes from."""
    text_column: str | None = None
    """Column of the texts. Unset: guessed."""
    label_column: str | None = None
    """Column of the labels. Unset: guessed."""
    label_separator: str | None = Field(default=None, max_length=10)
    """What stands between several labels in one cell. Unset: guessed. Empty: cells are whole labels."""
    unlabelled: bool = False
    """Keep the table without labels, whatever its columns look like."""
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    """Decides which row goes to which split."""
    private: bool = False
    """Visibility of the repo, if it has to be made."""

    @property
    def options(self) -> service.ImportOptions:
        return service.ImportOptions(
            file_name=PurePath(self.file_name).name,
            text_column=self.text_column,
            label_column=self.label_column,
            label_separator=self.label_separator,
            unlabelled=self.unlabelled,
            seed=self.seed,
        )

    @property
    def visibility(self) -> Visibility:
        return Visibility.PRIVATE if self.private else Visibility.PUBLIC


class Started(BaseModel):
    """Work that goes on in the background: GET /api/v1/jobs/{job_id} tells how far it is."""

    job_id: str


class CheckRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    revision: str = "main"
    """Branch, tag or commit."""
    text_column: str | None = None
    """Column of the texts. Unset: guessed."""
    label_column: str | None = None
    """Column of the labels. Unset: guessed."""
    base: str | None = None
    """ORG/NAME[@REVISION] of the model whose tokens are counted. Unset: the starter."""


def _dataset(namespace: str, name: str) -> RepoRef:
    return service.dataset_ref(f"{namespace}/{name}")


@router.post("/import", status_code=202)
async def import_file(
    request: Request,
    wanted: Annotated[ImportRequest, Query()],
    viewer: SignedInDep,
    hub: HubDep,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Started:
    """The body is the file, of any size: CSV, JSON, Parquet, or a folder as an uncompressed tar."""
    ref = service.dataset_ref(wanted.name)
    await run_in_threadpool(check_may_publish, hub, viewer, ref)
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdecimal() else None
    async with contextmanager_in_threadpool(service.receive_file(settings, size)) as incoming:
        await receive_body(request, incoming.file.write)

    def start() -> str:
        with database.write() as session:
            return service.start_import(session, viewer, ref, incoming.upload_id, wanted.options, wanted.visibility)

    return Started(job_id=await run_in_threadpool(start))


@router.post("/{namespace}/{name}/check", status_code=202)
def check(
    ref: Annotated[RepoRef, Depends(_dataset)],
    wanted: CheckRequest,
    viewer: SignedInDep,
    hub: HubDep,
    database: DatabaseDep,
) -> Started:
    """Look at every row. The job's result is the report."""
    repo = hub.get_repo(viewer, ref)
    hub.require_files(viewer, repo)
    sha = hub.resolve(repo, wanted.revision)
    if wanted.base is not None:
        service.resolve_base(hub, viewer, wanted.base)
    with database.write() as session:
        job_id = service.start_check(
            session,
            viewer,
            ref,
            sha,
            text_column=wanted.text_column,
            label_column=wanted.label_column,
            base=wanted.base,
        )
    return Started(job_id=job_id)
