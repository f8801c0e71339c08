"""What the worker does for runs."""

import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from viveiro.datasets.service import dataset_ref, open_revision
from viveiro.hub.folders import Publication, Publisher
from viveiro.hub.imports import check_out_base
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation
from viveiro.training.adapting import RECORD_FILE, Ingredients, adapt
from viveiro.training.description import Revision
from viveiro.training.service import load_run, note_success, settle_runs
from viveiro.training.types import Run
from viveiro.types import RepoKind, RepoRef, Visibility


@job_kind("train-run")
def train_run(job: JobContext, *, run_id: str) -> dict[str, Any]:
    """Adapt, evaluate, publish, once: an attempt that finds the run's commit in the hub only has to write it down."""
    with job.database.read() as session:
        run = load_run(session, run_id)
    with Publisher.of_job(job) as publisher:
        ref, publication = _destination(run)
        sha = publisher.published(ref, publication)
        if sha is None:
            folder = adapt(_gather(job, publisher, run), job.progress)
            job.progress({"stage": "publishing"})
            sha = publisher.publish(
                folder,
                ref,
                publication,
                visibility=run.description.visibility or Visibility.PRIVATE,
                stale=lambda path: path != ".gitattributes",
                guard=job.still_mine,
            )
        result = {"model": str(ref.repo_id), "revision": sha, **_published_record(publisher, ref, sha)}
    with job.database.write() as session:
        job.still_mine(session)
        note_success(session, run_id, result)
    shutil.rmtree(job.folder, ignore_errors=True)
    return {"model": result["model"], "revision": sha}


@job_kind("runs-settle", isolation=Isolation.THREAD)
def note_ended_runs(job: JobContext) -> dict[str, int]:
    """Jobs are forgotten after a while; how their runs ended is not."""
    with job.database.write() as session:
        return {"settled": settle_runs(session)}


schedule("runs-settle", "runs-settle", every=timedelta(minutes=10))


def _destination(run: Run) -> tuple[RepoRef, Publication]:
    assert run.description.publish is not None
    ref = RepoRef(RepoKind.MODEL, Revision.parse(run.description.publish).repo_id)
    summary = f"Adapt {run.description.base} to {run.description.task}"
    return ref, Publication(summary, f"Viveiro-Run: {run.id}", f"Data: {run.description.data}")


def _gather(job: JobContext, publisher: Publisher, run: Run) -> Ingredients:
    """Everything that the description names, at the revisions that it names."""
    hub, viewer = publisher.hub, publisher.viewer
    data, base = run.description.data_revision, run.description.base_revision
    assert base is not None
    base_repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, base.repo_id))
    return Ingredients(
        run_id=run.id,
        description=run.description,
        dataset=open_revision(hub, viewer, dataset_ref(str(data.repo_id)), data.revision),
        base=check_out_base(publisher, base_repo, base.revision),
        work=job.folder,
        cache=job.settings.cache_dir / "features",
    )


def _published_record(publisher: Publisher, ref: RepoRef, sha: str) -> Mapping[str, Any]:
    repo = publisher.hub.get_repo(publisher.viewer, ref)
    content = b"".join(publisher.hub.stream_file(repo, publisher.hub.entry(repo, sha, RECORD_FILE)))
    record: Mapping[str, Any] = orjson.loads(content)
    return record
