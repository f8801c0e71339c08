"""What can be done with runs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from viveiro.accounts.service import can, record, visible_owners
from viveiro.accounts.types import Viewer
from viveiro.datasets.service import ImportOptions, open_upload
from viveiro.db import utc_now
from viveiro.errors import Forbidden, RepoNotFound, RevisionNotFound
from viveiro.events import RunFinished
from viveiro.hub.folders import check_may_publish
from viveiro.hub.ledger import Guard
from viveiro.hub.service import Hub
from viveiro.jobs.outbox import publish
from viveiro.jobs.service import cancel_job, enqueue
from viveiro.training import queries
from viveiro.training.curves import Curves, curves_of_history
from viveiro.training.description import Revision, RunDescription
from viveiro.training.recent_curves import RecentCurves
from viveiro.training.reproducing import description_to_repeat, record_of_model, record_of_run
from viveiro.training.resolving import refuse_hopeless, resolve
from viveiro.training.tables import RunRow
from viveiro.training.types import NotReproducible, Point, Run, RunNotFound, RunState
from viveiro.types import Action, RepoRef, Resource, Visibility, new_id

__all__ = [
    "Point",
    "Run",
    "RunDescription",
    "RunNotFound",
    "RunState",
    "cancel_run",
    "estimate_run",
    "get_run",
    "list_runs",
    "load_run",
    "note_success",
    "refuse_hopeless",
    "reproduce_run",
    "run_curves",
    "run_points",
    "run_subjects",
    "settle_runs",
    "start_import_and_run",
    "start_run",
]

BATCH = 200

_recent_curves = RecentCurves()


def start_run(
    hub: Hub, viewer: Viewer, wanted: RunDescription, *, run_id: str | None = None, guard: Guard | None = None
) -> Run:
    """Resolve, store and enqueue. The answer holds what was resolved.

    Args:
        run_id: given by a job that may run twice: a run of this id that is there already is the answer.
        guard: raises, in the transaction that starts the run, when this attempt must not start it any more.
    """
    assert viewer.user_id is not None
    if run_id is not None and (started := _find_run(hub, run_id)):
        return started
    description = resolve(hub, viewer, wanted)
    run_id = run_id or new_id()
    with hub.database.write() as session:
        if guard is not None:
            guard(session)
        job_id = enqueue(session, "train-run", {"run_id": run_id}, owner_id=viewer.user_id)
        row = RunRow(
            id=run_id,
            owner_id=viewer.user_id,
            job_id=job_id,
            task=description.task,
            description=description.model_dump(mode="json"),
        )
        session.add(row)
        record(session, viewer, "run.start", run_id, data=description.data, publish=description.publish)
        session.flush()
        return load_run(session, run_id)


def start_import_and_run(
    hub: Hub,
    viewer: Viewer,
    ref: RepoRef,
    upload_id: str,
    options: ImportOptions,
    visibility: Visibility,
    wanted: RunDescription,
) -> str:
    """Enqueue the import of an upload into `ref` and then a run on it; the job's id, which becomes the run's.

    The job's result is the import's, with `run_id`. What `wanted` says of its data is not looked at: the run gets the
    revision that the import made. Until the import is done there is no such run; then nobody has to be there to start it.

    Raises:
        UploadNotFound: the file is gone, or somebody else's.
        InvalidInput, NotFound, Forbidden: what could only fail when the import is done.
    """
    open_upload(hub.settings, viewer, upload_id)
    check_may_publish(hub, viewer, ref)
    wanted = wanted.model_copy(update={"data": str(ref.repo_id)})
    refuse_hopeless(hub, viewer, wanted)
    arguments = {
        "repo_id": str(ref.repo_id),
        "upload_id": upload_id,
        "options": asdict(options),
        "visibility": visibility.value,
        "wanted": wanted.model_dump(mode="json"),
    }
    with hub.database.write() as session:
        return enqueue(session, "import-and-run", arguments, owner_id=viewer.user_id)


def estimate_run(hub: Hub, viewer: Viewer, wanted: RunDescription) -> tuple[RunDescription, str]:
    """Resolve, and have measured what the run would need, without starting it. The description, and the job's id."""
    description = resolve(hub, viewer, wanted)
    arguments = {"description": description.model_dump(mode="json")}
    with hub.database.write() as session:
        return description, enqueue(session, "run-estimate", arguments, owner_id=viewer.user_id)


def reproduce_run(hub: Hub, viewer: Viewer, of: str, publish: str | None) -> tuple[Run, dict[str, Any]]:
    """Start again what made a model (ORG/NAME, with or without @revision) or what a run did. The new run, the old record.

    Raises:
        NotReproducible: there is no usable record, or its data or base are no longer here.
    """
    original = _record_to_reproduce(hub, viewer, of)
    wanted = description_to_repeat(original, publish)
    try:
        return start_run(hub, viewer, wanted), original
    except (RepoNotFound, RevisionNotFound) as error:
        raise NotReproducible(
            "{of} was made of {data} and {base}, and not all of that is here for you: {why}",
            of=of,
            data=wanted.data,
            base=wanted.base,
            why=error,
        ) from error


def _record_to_reproduce(hub: Hub, viewer: Viewer, of: str) -> dict[str, Any]:
    if "/" in of:
        return record_of_model(hub, viewer, Revision.parse(of))
    with hub.database.read() as session:
        return record_of_run(get_run(session, viewer, of))


def run_points(session: Session, viewer: Viewer, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Point]:
    """What it measured on its way, from point `after` on, exclusive; none any more once its job is forgotten."""
    return queries.points(session, get_run(session, viewer, run_id).job_id, after, limit)


def run_curves(session: Session, run: Run) -> Curves:
    """Of a run that the viewer was given. Once its job is forgotten, what the result kept: one value an epoch."""
    curves = _recent_curves.of(session, run.job_id)
    history = (run.result or {}).get("history") or ()
    return curves_of_history(history) if not curves.series and history else curves


def get_run(session: Session, viewer: Viewer, run_id: str) -> Run:
    """Someone else's run is missing, not forbidden."""
    run = load_run(session, run_id)
    if not can(viewer, Action.READ, _resource(run)):
        raise RunNotFound(run_id)
    return run


def list_runs(
    session: Session, viewer: Viewer, *, before: str | None = None, limit: int = 50, data: Sequence[str] = ()
) -> list[Run]:
    """Those that `get_run` would show the viewer, newest first. `data`: only on the dataset of these names."""
    return queries.list_runs(session, owner_ids=visible_owners(viewer), before=before, limit=limit, data=data)


def run_subjects(session: Session, run_ids: Iterable[str]) -> dict[str, str]:
    """`acai/triage · acai/tickets`: the model and the dataset of each. For whoever may see the runs: nobody is asked."""
    found = queries.subjects(session, run_ids)
    return {
        run_id: " · ".join(filter(None, (model, data.partition("@")[0]))) for run_id, (model, data) in found.items()
    }


def cancel_run(session: Session, viewer: Viewer, run_id: str) -> Run:
    run = get_run(session, viewer, run_id)
    if not can(viewer, Action.WRITE, _resource(run)):
        raise Forbidden("You may see run {run_id}, but not cancel it: that takes a role of write.", run_id=run_id)
    record(session, viewer, "run.cancel", run_id)
    cancel_job(session, run.job_id)
    return load_run(session, run_id)


def _find_run(hub: Hub, run_id: str) -> Run | None:
    with hub.database.read() as session:
        return queries.find(session, run_id)


def load_run(session: Session, run_id: str) -> Run:
    run = queries.find(session, run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run


def note_success(session: Session, run_id: str, result: dict[str, Any]) -> None:
    """The model is in the hub: say so, once, in the transaction that the job's fence guards."""
    row = session.get_one(RunRow, run_id)
    if row.result is None:
        row.result = result
        publish(session, RunFinished(run_id, RunState.SUCCEEDED))


def settle_runs(session: Session) -> list[Run]:
    """Note how ended runs ended, before their jobs are forgotten. Which ones."""
    ended = queries.ended_but_not_noted(session, BATCH)
    for row, run in ended:
        row.state, row.error, row.finished_at = run.state, run.error, run.finished_at or utc_now()
        if run.state is not RunState.SUCCEEDED:
            publish(session, RunFinished(run.id, run.state))
    return [run for _, run in ended]


def _resource(run: Run) -> Resource:
    """Without a name: a run is no repo, so no access token that was made for some repos covers it."""
    return Resource(run.owner_id, "")
