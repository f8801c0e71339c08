"""Runs for our own clients: start, look, cancel. What a run prints and how far it is are its job's to tell."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from viveiro.http.dependencies import DatabaseDep, HubDep, SignedInDep
from viveiro.http.urls import next_page
from viveiro.training import service
from viveiro.training.service import Run, RunDescription

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


@router.post("", status_code=202)
def start(wanted: RunDescription, viewer: SignedInDep, hub: HubDep) -> dict[str, Any]:
    """Refuses at once what cannot succeed; then the run goes on in the background."""
    return as_json(service.start_run(hub, viewer, wanted))


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
        "error": run.error,
        "model": result.get("model"),
        "revision": result.get("revision"),
        "metrics": result.get("metrics"),
        "baselines": result.get("baselines"),
        "gain": result.get("gain"),
        "beats_baselines": result.get("beats_baselines"),
        "best_baseline": result.get("best_baseline"),
        "rows": result.get("rows"),
        "seconds": result.get("seconds"),
        "description": run.description.model_dump(mode="json"),
        "job_id": run.job_id,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }
