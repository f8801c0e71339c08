"""Runs for our own clients: start, look, cancel. What a run prints and how far it is are its job's to tell."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from viveiro.http.dependencies import DatabaseDep, HubDep, SignedInDep
from viveiro.http.urls import next_page
from viveiro.locale import translate
from viveiro.training import service
from viveiro.training.service import Point, Run, RunDescription

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


class Reproduction(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    of: str
    """A run's id, or a model that a run published: ORG/NAME, or ORG/NAME@revision."""
    publish: str | None = None
    """Repo that the new model is committed to. Unset: the original's name with -reproduced behind it."""


@router.post("", status_code=202)
def start(wanted: RunDescription, viewer: SignedInDep, hub: HubDep) -> dict[str, Any]:
    """Refuses at once what cannot succeed; then the run goes on in the background."""
    return as_json(service.start_run(hub, viewer, wanted))


@router.post("/estimate", status_code=202)
def estimate(wanted: RunDescription, viewer: SignedInDep, hub: HubDep) -> dict[str, Any]:
    """Start nothing: resolve it, and measure what it would need. That is the result of the job that the answer names."""
    description, job_id = service.estimate_run(hub, viewer, wanted)
    return {"description": description.model_dump(mode="json"), "job_id": job_id}


@router.post("/check", status_code=204)
def check(wanted: RunDescription, viewer: SignedInDep, hub: HubDep) -> None:
    """Refuse what no data can help, before data is imported that nothing will learn from. `data` is not looked at."""
    service.refuse_hopeless(hub, viewer, wanted)


@router.post("/reproduce", status_code=202)
def reproduce(wanted: Reproduction, viewer: SignedInDep, hub: HubDep) -> dict[str, Any]:
    """Start again what an earlier run did. `original` is that run's record, to compare the new one's with."""
    run, original = service.reproduce_run(hub, viewer, wanted.of, wanted.publish)
    return {"run": as_json(run), "original": original}


@router.get("")
def list_runs(
    viewer: SignedInDep,
    database: DatabaseDep,
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(description="Comes from the `Link` header of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[dict[str, Any]]:
    """Newest first; yours, or everyone's for an administrator."""
    with database.read() as session:
        runs = service.list_runs(session, viewer, before=cursor, limit=limit)
    if len(runs) == limit:
        response.headers["Link"] = next_page(request, cursor=runs[-1].id)
    return [as_json(run) for run in runs]


@router.get("/{run_id}")
def get_run(run_id: str, viewer: SignedInDep, database: DatabaseDep) -> dict[str, Any]:
    with database.read() as session:
        return as_json(service.get_run(session, viewer, run_id))


@router.get("/{run_id}/points")
def points(
    run_id: str,
    viewer: SignedInDep,
    database: DatabaseDep,
    after: Annotated[int, Query(ge=0, description="Only points behind this `seq`.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> list[Point]:
    """What the run measured on its way: its needs, losses, validation scores."""
    with database.read() as session:
        return service.run_points(session, viewer, run_id, after=after, limit=limit)


@router.get("/{run_id}/curves")
def curves(
    run_id: str,
    viewer: SignedInDep,
    database: DatabaseDep,
    most: Annotated[
        int, Query(ge=2, le=10_000, description="Values in a series at most; peaks and ends are kept.")
    ] = 1000,
) -> dict[str, Any]:
    """To draw: `x` in epochs, and series such as train_loss, eval_loss and eval_f1_macro, null where they have no value."""
    with database.read() as session:
        found = service.run_curves(session, service.get_run(session, viewer, run_id))
    return found.decimated(most).to_json()


@router.post("/{run_id}/cancel")
def cancel(run_id: str, viewer: SignedInDep, database: DatabaseDep) -> dict[str, Any]:
    """A queued run ends at once. A running one is asked to stop, and killed when it does not."""
    with database.write() as session:
        return as_json(service.cancel_run(session, viewer, run_id))


def as_json(run: Run) -> dict[str, Any]:
    """`metrics` and `baselines` are None until the run has succeeded."""
    result = run.result or {}
    return {
        "run_id": run.id,
        "state": run.state,
        "stage": run.stage,
        "error": None if run.error is None else translate(run.error),
        "model": result.get("model"),
        "revision": result.get("revision"),
        "metrics": result.get("metrics"),
        "baselines": result.get("baselines"),
        "gain": result.get("gain"),
        "beats_baselines": result.get("beats_baselines"),
        "best_baseline": result.get("best_baseline"),
        "rows": result.get("rows"),
        "seconds": result.get("seconds"),
        "history": result.get("history"),
        "environment": result.get("environment"),
        "description": run.description.model_dump(mode="json"),
        "job_id": run.job_id,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }
