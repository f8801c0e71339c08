"""The queue's own housekeeping."""

from datetime import timedelta
from typing import Final

from viveiro.db import utc_now
from viveiro.jobs import queries
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.logs import delete_files
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation

BATCH: Final = 200


@job_kind("jobs-retention", isolation=Isolation.THREAD)
def delete_old_jobs(job: JobContext) -> dict[str, int]:
    """Delete jobs that ended long ago, with their events, logs and folders."""
    limit = utc_now() - job.settings.job_retention
    deleted = 0
    while not job.cancelled():
        with job.database.read() as session:
            ids = queries.ended_before(session, limit, BATCH)
        if not ids:
            break
        # Files first: should this be interrupted, the rows are still there to say what remains to be done.
        for job_id in ids:
            delete_files(job.settings, job_id)
        with job.database.write() as session:
            queries.delete_jobs(session, ids)
        deleted += len(ids)
    return {"deleted": deleted}


schedule("jobs-retention", "jobs-retention", every=timedelta(days=1))
