"""Whose jobs somebody may see and cancel: the same answer for our clients and for our pages."""

from sqlalchemy.orm import Session

from viveiro.accounts.service import NOBODY, can, record
from viveiro.accounts.types import Viewer
from viveiro.errors import Forbidden, JobNotFound
from viveiro.jobs import service
from viveiro.jobs.types import Job
from viveiro.types import Action, Resource


def visible_job(session: Session, viewer: Viewer, job_id: str) -> Job:
    """Someone else's job is missing, not forbidden."""
    found = service.get_job(session, job_id)
    if not can(viewer, Action.READ, _resource(found.owner_id)):
        raise JobNotFound(job_id)
    return found


def may_cancel(viewer: Viewer, job: Job) -> bool:
    return can(viewer, Action.WRITE, _resource(job.owner_id))


def cancel_visible_job(session: Session, viewer: Viewer, job_id: str) -> Job:
    """A queued job ends at once. A running one is asked to stop, and killed when it does not."""
    found = visible_job(session, viewer, job_id)
    if not may_cancel(viewer, found):
        raise Forbidden("You may see job {job_id}, but not cancel it: that takes a role of write.", job_id=job_id)
    record(session, viewer, "job.cancel", job_id, kind=found.kind)
    return service.cancel_job(session, job_id)


def _resource(owner_id: int | None) -> Resource:
    """Without a name: a job is no repo, so no access token that was made for some repos covers it."""
    return Resource(NOBODY if owner_id is None else owner_id, name="")
