"""Waiting for work in the background, with something to look at meanwhile: on stderr, so that stdout stays data."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer

from viveiro.cli.output import say
from viveiro.client import ENDED, POLL_SECONDS, Client
from viveiro.errors import ViveiroError
from viveiro.jobs.stages import STAGES
from viveiro.locale import Sentence, translate

WAITING: Final = Sentence("Waiting for a worker")
INTERRUPTED: Final = 130
"""Status of a program that an interrupt ended, as shells give it."""


class WorkFailed(ViveiroError):
    """The job ended without success. Its own words say why."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        if job["state"] == "cancelled":
            super().__init__("It was cancelled.")
        else:
            super().__init__(
                "{error} What it printed: viveiro jobs logs {job_id}",
                error=job["error"] or Sentence("It failed."),
                job_id=job["id"],
            )


def follow(client: Client, job_id: str, *, outlives: bool = True) -> dict[str, Any]:
    """Show progress until the job has ended; the job as it ended.

    Args:
        outlives: whether the job goes on after an interrupt from the keyboard. Else it is cancelled, and that waited for.

    Raises:
        WorkFailed: it failed or was cancelled.
        typer.Exit: an interrupt from the keyboard.
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
            line = display.add_task(translate(WAITING), total=None)
            for job in client.changes(f"/api/v1/jobs/{job_id}"):
                stage = job["progress"] or {}
                if stage:
                    title = translate(STAGES.get(stage.get("stage", ""), stage.get("stage", "")))
                    display.update(line, description=title, completed=stage.get("done", 0), total=stage.get("of"))
    except KeyboardInterrupt:
        if outlives:
            say_detached(client, f"viveiro jobs info {job_id}")
        else:
            client.post(f"/api/v1/jobs/{job_id}/cancel")
            *_, job = client.changes(f"/api/v1/jobs/{job_id}")
        raise typer.Exit(INTERRUPTED) from None
    if job["state"] != "succeeded":
        raise WorkFailed(job)
    return job


def events(client: Client, job_id: str, *, follow_on: bool) -> Iterator[dict[str, Any]]:
    """All of the job's until now, or until it has ended."""
    seq = 0
    while True:
        # In this order: what happens before its end is among the events once it has ended.
        is_last = not follow_on or client.get(f"/api/v1/jobs/{job_id}")["state"] in ENDED
        for event in client.items_after(f"/api/v1/jobs/{job_id}/events", seq):
            seq = event["seq"]
            yield event
        if is_last:
            return
        time.sleep(POLL_SECONDS)


def say_detached(client: Client, command: str) -> None:
    """Work is the server's; so it goes on for as long as there is one."""
    if client.owns_server:
        say(
            "The server that this command started ends with it; the work goes on where it was when there is one again. "
            "To start it: viveiro serve; then: {command}",
            command=command,
        )
    else:
        say("It goes on in the background. To come back to it: {command}", command=command)
