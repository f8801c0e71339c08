"""Waiting for work in the background, with something to look at meanwhile: on stderr, so that stdout stays data."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from viveiro.cli.output import say
from viveiro.client import Client, ServerUnreachable
from viveiro.errors import ViveiroError

POLL_SECONDS: Final = 0.3
PATIENCE_SECONDS: Final = 60
"""How long the server may be gone: its supervisor restarts a web process that died."""
ENDED: Final = ("succeeded", "failed", "cancelled")
_STAGES: Final = {
    "reading": "Reading rows",
    "duplicates": "Looking for duplicates",
    "writing": "Writing splits",
    "downloading": "Downloading",
    "features": "Computing features",
    "head": "Training the head",
    "evaluating": "Evaluating on rows it never saw",
    "publishing": "Publishing",
}


class WorkFailed(ViveiroError):
    """The job ended without success. Its own words say why."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        if job["state"] == "cancelled":
            super().__init__("It was cancelled.")
        else:
            super().__init__(
                "{error} What it printed: viveiro jobs logs {job_id}",
                error=job["error"] or "It failed.",
                job_id=job["id"],
            )


def follow(client: Client, job_id: str) -> dict[str, Any]:
    """Show progress until the job has ended; the job as it ended.

    Raises:
        WorkFailed: it failed or was cancelled. An interrupt from the keyboard leaves it running.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    job: dict[str, Any] = {}
    try:
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
            line = display.add_task("Waiting for a worker", total=None)
            for job in _changes(client, job_id):
                stage = job["progress"] or {}
                if stage:
                    description = _STAGES.get(stage.get("stage", ""), stage.get("stage", "Working"))
                    display.update(line, description=description, completed=stage.get("done", 0), total=stage.get("of"))
    except KeyboardInterrupt:
        say(
            f"It goes on in the background. To see how far it is: viveiro jobs info {job_id}; to stop it: viveiro jobs cancel {job_id}"
        )
        raise
    if job["state"] != "succeeded":
        raise WorkFailed(job)
    return job


def _changes(client: Client, job_id: str) -> Iterator[dict[str, Any]]:
    """The job, again and again, until it has ended."""
    reached = time.monotonic()
    while True:
        try:
            job: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}")
        except ServerUnreachable:
            if time.monotonic() > reached + PATIENCE_SECONDS:
                raise
        else:
            reached = time.monotonic()
            yield job
            if job["state"] in ENDED:
                return
        time.sleep(POLL_SECONDS)
