"""viveiro jobs: the work that the server does in the background."""

from typing import Annotated, Any

import typer

from viveiro.cli.following import events
from viveiro.cli.output import JsonOption, print_fields, print_json, print_table, say
from viveiro.client import ENDED, get_client
from viveiro.locale import Sentence

app = typer.Typer(help="Jobs: imports, runs and housekeeping in the background.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(help="The job's id, as `viveiro jobs list` shows it.")]
COLUMNS = ("id", "kind", "state", "attempt", "progress", "created_at")


@app.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    kind: Annotated[str | None, typer.Option(help="As in dataset-import.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Your jobs, newest first; an administrator sees everyone's."""
    with get_client() as client:
        jobs = client.get("/api/v1/jobs", state=state, kind=kind, limit=limit)
    if as_json:
        print_json(jobs)
    else:
        print_table([job | {"progress": _progress(job)} for job in jobs], COLUMNS)


@app.command()
def info(job_id: IdArgument, as_json: JsonOption = False) -> None:
    """One job: where it stands, what it was given, how it ended."""
    with get_client() as client:
        job = client.get(f"/api/v1/jobs/{job_id}")
    if as_json:
        print_json(job)
        return
    print_fields(job)
    say("What it printed: viveiro jobs logs {job_id}", job_id=job_id)


@app.command()
def logs(
    job_id: IdArgument,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many of the last lines.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What a job printed, of all its attempts. --json gives its events instead, one on each line."""
    with get_client() as client:
        if as_json:
            for event in events(client, job_id, follow_on=follow_on):
                print_json(event)
            return
        path = f"/api/v1/jobs/{job_id}/logs"
        for line in client.stream_lines(path, tail=tail, follow="true" if follow_on else None):
            typer.echo(line)


@app.command()
def cancel(job_id: IdArgument, as_json: JsonOption = False) -> None:
    """Stop a job. One that runs gets some seconds to tidy up, then it is killed."""
    with get_client() as client:
        job = client.post(f"/api/v1/jobs/{job_id}/cancel")
    if as_json:
        print_json(job)
    if job["state"] == "cancelled":
        say("Job {job_id} is cancelled.", job_id=job_id)
    elif job["state"] in ENDED:
        say("Job {job_id} had already ended: {state}.", job_id=job_id, state=Sentence(job["state"]))
    else:
        say("Job {job_id} was asked to stop. To see when it has: viveiro jobs info {job_id}", job_id=job_id)


def _progress(job: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in (job["progress"] or {}).items())
