"""What the worker does to bring models in."""

import shutil
from pathlib import Path
from typing import Any

from viveiro.accounts.types import SYSTEM
from viveiro.hub.folders import Publisher
from viveiro.hub.imports import STARTER, import_starter, pull
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.types import RepoId, RepoKind, RepoRef


@job_kind("import-starter")
def import_starter_model(job: JobContext) -> dict[str, Any]:
    """In the name of the installation: the starter is everyone's."""
    with Publisher.of_job(job, viewer=SYSTEM) as publisher:
        revision = import_starter(publisher, _fresh(job.folder / "starter"))
    shutil.rmtree(job.folder, ignore_errors=True)
    return {"model": str(STARTER.repo_id), "revision": revision}


@job_kind("model-pull")
def pull_model(job: JobContext, *, repo_id: str, revision: str | None, target: str) -> dict[str, Any]:
    ref = RepoRef(RepoKind.MODEL, RepoId.parse(target))
    with Publisher.of_job(job) as publisher:
        job.progress({"stage": "downloading"})
        result = pull(publisher, repo_id, revision, ref, job.folder / "snapshot")
    shutil.rmtree(job.folder, ignore_errors=True)
    return result


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
