"""What the worker does for datasets."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viveiro.datasets.service import (
    ImportOptions,
    choose_columns,
    dataset_ref,
    import_table,
    incoming_path,
    open_revision,
    resolve_base,
)
from viveiro.db import utc_now
from viveiro.errors import NotOffered
from viveiro.hub.folders import Publication, Publisher
from viveiro.hub.imports import check_out_base
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation
from viveiro.types import Visibility

if TYPE_CHECKING:
    from viveiro.datasets.check import Tokens


@job_kind("dataset-import")
def import_dataset(job: JobContext, *, repo_id: str, upload_id: str, visibility: str, **options: Any) -> dict[str, Any]:
    """From an uploaded file to a commit. Answers what was written where, and what was left out."""
    ref = dataset_ref(repo_id)
    publication = Publication(f"Import {options['file_name']}", f"Viveiro-Job: {job.id}")
    with Publisher.of_job(job) as publisher:
        sha = publisher.published(ref, publication)
        if sha is None:
            folder = _write_folder(job, upload_id, ImportOptions(**options))
            job.progress({"stage": "publishing"})
            sha = publisher.publish(
                folder,
                ref,
                publication,
                visibility=Visibility(visibility),
                stale=_is_replaced_data,
                guard=job.still_mine,
            )
        report = open_revision(publisher.hub, publisher.viewer, ref, sha).import_report
    incoming_path(job.settings, upload_id).unlink(missing_ok=True)
    shutil.rmtree(job.folder, ignore_errors=True)
    return {"dataset": repo_id, "revision": sha, **report}


def _write_folder(job: JobContext, upload_id: str, options: ImportOptions) -> Path:
    folder = job.folder / "dataset"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    folder.mkdir()
    import_table(incoming_path(job.settings, upload_id), options, job.folder, folder, job.progress)
    return folder


@job_kind("dataset-check")
def check_dataset(
    job: JobContext,
    *,
    repo_id: str,
    sha: str,
    text_column: str | None,
    label_column: str | None,
    base: str | None = None,
) -> dict[str, Any]:
    """Answers the report."""
    from viveiro.datasets import check

    with Publisher.of_job(job) as publisher:
        dataset = open_revision(publisher.hub, publisher.viewer, dataset_ref(repo_id), sha)
        named = {role: name for role, name in (("text", text_column), ("label", label_column)) if name is not None}
        columns = choose_columns(dataset, "text-classification", named)
        tokens = _tokens(publisher, base)
        return check.check_dataset(dataset, columns.get("text"), columns.get("label"), tokens, job.progress).to_json()


def _tokens(publisher: Publisher, base: str | None) -> "Tokens | None":
    """The tokenizer of the base that a run would start from. None where that is a starter that is not installed."""
    from viveiro.datasets.check import Tokens
    from viveiro.ml.token_lengths import TokenCounter

    try:
        repo, sha = resolve_base(publisher.hub, publisher.viewer, base)
    except NotOffered:
        return None
    return Tokens(repo.name, TokenCounter(check_out_base(publisher, repo, sha)))


@job_kind("incoming-sweep", isolation=Isolation.THREAD)
def sweep_incoming_paths(job: JobContext) -> dict[str, int]:
    """Delete uploads whose import failed, or was never enqueued because the connection was cut."""
    limit = (utc_now() - job.settings.upload_time_limit).timestamp()
    swept = 0
    for file in job.settings.incoming_dir.glob("*"):
        if file.stat().st_mtime < limit:
            file.unlink(missing_ok=True)
            swept += 1
    return {"swept": swept}


schedule("incoming-sweep", "incoming-sweep", every=timedelta(hours=1))


def _is_replaced_data(path: str) -> bool:
    """The rows of the repo's earlier revision go; its card and whatever else its owner put there stay."""
    return path.startswith("data/") and path.endswith(".parquet")
