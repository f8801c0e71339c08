"""What the worker does for runs."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy.exc import DBAPIError

from viveiro.datasets.service import ImportOptions, dataset_ref, import_upload, open_revision
from viveiro.db import utc_now
from viveiro.errors import JobCancelled, RepoNotFound, Unavailable, ViveiroError
from viveiro.hub.folders import Publication, Publisher
from viveiro.hub.imports import check_out_base
from viveiro.jobs.context import JobContext, JobStopped
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation
from viveiro.settings import Settings
from viveiro.storage import full_disk_named
from viveiro.training.adapting import Ingredients, adapt, weigh
from viveiro.training.description import Revision, RunDescription
from viveiro.training.reproducing import read_record
from viveiro.training.service import load_run, note_success, settle_runs, start_run
from viveiro.training.types import Run
from viveiro.types import RepoKind, RepoRef, Visibility

MOST_STARTS: Final = 8
"""A run that was killed goes on from its checkpoint, so starting it again is cheap."""
POINTS_OF_A_RUN: Final = 200
"""Of the training loss: as many as a picture of it can show."""


# What a run meets in its own data and weights, it would meet again: only what comes from outside is worth another start.
@job_kind("train-run", max_attempts=MOST_STARTS, retry_on=(OSError, DBAPIError, Unavailable))
def train_run(job: JobContext, *, run_id: str) -> dict[str, Any]:
    """Adapt, evaluate, publish, once: an attempt that finds the run's commit in the hub only has to write it down."""
    with job.database.read() as session:
        run = load_run(session, run_id)
    with Publisher.of_job(job) as publisher, full_disk_named():
        try:
            return _attempt(job, publisher, run)
        except JobStopped:
            if publisher.published(*_destination(run)) is None:
                raise
            return _attempt(job, publisher, run)  # the stop came too late: what is published is written down


def _attempt(job: JobContext, publisher: Publisher, run: Run) -> dict[str, Any]:
    ref, publication = _destination(run)
    sha = publisher.published(ref, publication) or _make(job, publisher, run, ref, publication)
    result = {"model": str(ref.repo_id), "revision": sha, **_published_record(publisher, ref, sha)}
    with job.database.write() as session:
        with suppress(JobCancelled):  # no longer possible
            job.still_mine(session)
        note_success(session, run.id, result)
    shutil.rmtree(job.folder, ignore_errors=True)
    return {"model": result["model"], "revision": sha}


@job_kind("import-and-run")
def import_and_run(
    job: JobContext,
    *,
    repo_id: str,
    upload_id: str,
    options: dict[str, Any],
    visibility: str,
    wanted: dict[str, Any],
) -> dict[str, Any]:
    """Import an upload, then start a run on what came of it, each once. Answers what the import does, and the run's id."""
    ref, given = dataset_ref(repo_id), ImportOptions(**options)
    with Publisher.of_job(job) as publisher:
        imported = import_upload(job, publisher, ref, upload_id, given, Visibility(visibility))
        job.progress({"stage": "starting"})
        description = RunDescription.model_validate({**wanted, "data": f"{repo_id}@{imported['revision']}"})
        # The run has this job's id, so that a later attempt finds it.
        run = start_run(publisher.hub, publisher.viewer, description, run_id=job.id, guard=job.still_mine)
    return {**imported, "run_id": run.id}


@job_kind("run-estimate")
def estimate_run(job: JobContext, *, description: dict[str, Any]) -> dict[str, Any]:
    """What a run of this description would need here. Refuses as the run would."""
    with Publisher.of_job(job) as publisher, full_disk_named():
        given = _gather(job, publisher, job.id, RunDescription.model_validate(description))
        estimate = weigh(given, Narrator(job))
    shutil.rmtree(job.folder, ignore_errors=True)
    return estimate


@job_kind("runs-settle", isolation=Isolation.THREAD)
def note_ended_runs(job: JobContext) -> dict[str, int]:
    """Jobs are forgotten after a while; how their runs ended is not. The checkpoints of what did not succeed go at once."""
    with job.database.write() as session:
        settled = settle_runs(session)
    for run in settled:
        shutil.rmtree(job.settings.runs_dir / run.job_id, ignore_errors=True)
    return {"settled": len(settled)}


@job_kind("features-sweep", isolation=Isolation.THREAD)
def sweep_features(job: JobContext) -> dict[str, int]:
    """Delete kept features of long ago. A run that wants them still computes them again."""
    limit = (utc_now() - job.settings.job_retention).timestamp()
    swept = 0
    for shard in features_dir(job.settings).glob("*/*"):
        if shard.stat().st_mtime < limit:
            shard.unlink(missing_ok=True)
            swept += 1
    return {"swept": swept}


schedule("runs-settle", "runs-settle", every=timedelta(minutes=10))
schedule("features-sweep", "features-sweep", every=timedelta(days=1))


def features_dir(settings: Settings) -> Path:
    return settings.cache_dir / "features"


class Narrator:
    """Passes on what a run says of itself: where it stands, as progress; what it measured, as points, which are kept."""

    def __init__(self, job: JobContext) -> None:
        self._job = job
        self._last_share = -1

    def __call__(self, fields: Mapping[str, Any]) -> None:
        if fields.get("stage") in ("estimated", "validated"):
            self._job.log_metrics(fields)
            return
        self._job.progress(fields)
        if fields.get("stage") == "training" and self._is_worth_keeping(fields):
            self._job.log_metrics(fields)

    def _is_worth_keeping(self, fields: Mapping[str, Any]) -> bool:
        share = int(POINTS_OF_A_RUN * fields["done"] / fields["of"])
        is_new, self._last_share = share != self._last_share, share
        return is_new


def _make(job: JobContext, publisher: Publisher, run: Run, ref: RepoRef, publication: Publication) -> str:
    folder = adapt(_gather(job, publisher, run.id, run.description), Narrator(job))
    job.progress({"stage": "publishing"})
    with _no_empty_repo_left(publisher, ref):
        return publisher.publish(
            folder,
            ref,
            publication,
            visibility=run.description.visibility or Visibility.PRIVATE,
            stale=lambda path: path != ".gitattributes",
            guard=job.still_mine,
        )


@contextmanager
def _no_empty_repo_left(publisher: Publisher, ref: RepoRef) -> Iterator[None]:
    """A repo that is made for a model goes again when the model does not come."""
    hub, viewer = publisher.hub, publisher.viewer
    try:
        hub.get_repo(viewer, ref, follow=True)
        is_new = False
    except RepoNotFound:
        is_new = True
    try:
        yield
    except BaseException:
        # What hinders this too, such as the full disk, must not stand in the way of the error itself.
        with suppress(ViveiroError, OSError, DBAPIError):
            if (
                is_new
                and hub.count_commits(repo := hub.get_repo(viewer, ref, follow=True), hub.resolve(repo, "main")) == 1
            ):
                hub.delete_repo(viewer, repo.ref)
        raise


def _destination(run: Run) -> tuple[RepoRef, Publication]:
    base, publish = run.description.base_revision, run.description.publish
    assert base is not None
    assert publish is not None
    summary = f"Adapt {base.repo_id} to {run.description.task}"
    ref = RepoRef(RepoKind.MODEL, Revision.parse(publish).repo_id)
    return ref, Publication(summary, f"Viveiro-Run: {run.id}", f"Base: {base}\nData: {run.description.data}")


def _gather(job: JobContext, publisher: Publisher, run_id: str, description: RunDescription) -> Ingredients:
    """Everything that the description names, at the revisions that it names."""
    hub, viewer = publisher.hub, publisher.viewer
    data, base = description.data_revision, description.base_revision
    assert base is not None
    base_repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, base.repo_id), follow=True)
    hub.require_files(viewer, base_repo)
    return Ingredients(
        run_id=run_id,
        description=description,
        dataset=open_revision(hub, viewer, dataset_ref(str(data.repo_id)), data.revision),
        base=check_out_base(publisher, base_repo, base.revision),
        work=job.folder,
        cache=features_dir(job.settings),
        time_limit_seconds=job.settings.run_time_limit.total_seconds(),
    )


def _published_record(publisher: Publisher, ref: RepoRef, sha: str) -> Mapping[str, Any]:
    repo = publisher.hub.get_repo(publisher.viewer, ref, follow=True)
    record: Mapping[str, Any] = orjson.loads(read_record(publisher.hub, repo, sha))
    return record
