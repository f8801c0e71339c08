"""What the worker does for datasets."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from viveiro.datasets.incoming import sweep_uploads
from viveiro.datasets.kept import checks_dir, keep_check, statistics_dir
from viveiro.datasets.service import (
    ImportOptions,
    choose_columns,
    dataset_ref,
    import_upload,
    open_revision,
    resolve_base,
)
from viveiro.db import utc_now
from viveiro.errors import NotOffered
from viveiro.hub.folders import Publisher
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
    with Publisher.of_job(job) as publisher:
        ref, given = dataset_ref(repo_id), ImportOptions(**options)
        return import_upload(job, publisher, ref, upload_id, given, Visibility(visibility))


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
    """Answers the report, and keeps it for the page of the revision."""
    from viveiro.datasets import check

    with Publisher.of_job(job) as publisher:
        repo = publisher.hub.get_repo(publisher.viewer, dataset_ref(repo_id), follow=True)
        dataset = open_revision(publisher.hub, publisher.viewer, repo.ref, sha)
        named = {role: name for role, name in (("text", text_column), ("label", label_column)) if name is not None}
        columns = choose_columns(dataset, "text-classification", named)
        tokens = _tokens(publisher, base)
        report = check.check_dataset(dataset, columns.get("text"), columns.get("label"), tokens, job.progress).to_json()
        keep_check(job.settings, repo, sha, report)
    return report


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
    """Delete uploads whose import failed, or was never enqueued because the connection was cut or nobody came back."""
    limit = (utc_now() - job.settings.upload_time_limit).timestamp()
    return {"swept": sweep_uploads(job.settings, limit)}


@job_kind("findings-sweep", isolation=Isolation.THREAD)
def sweep_kept_findings(job: JobContext) -> dict[str, int]:
    """Delete checks and statistics of long ago. Whoever wants them again has them made again."""
    limit = (utc_now() - job.settings.job_retention).timestamp()
    swept = 0
    for folder in (checks_dir(job.settings), statistics_dir(job.settings)):
        for file in folder.glob("*/*"):
            if file.stat().st_mtime < limit:
                file.unlink(missing_ok=True)
                swept += 1
    return {"swept": swept}


schedule("incoming-sweep", "incoming-sweep", every=timedelta(hours=1))
schedule("findings-sweep", "findings-sweep", every=timedelta(days=1))
