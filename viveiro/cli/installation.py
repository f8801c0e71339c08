"""The installation itself: serve, settings, doctor, backup, restore."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from viveiro.cli.output import say
from viveiro.locale import number, translate
from viveiro.settings import Settings


def add_to(app: typer.Typer) -> None:
    for command in (serve, settings, doctor, backup, restore):
        app.command()(command)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 answers the network.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Start the server: web, worker and model hosts, until Ctrl-C."""
    from viveiro.supervisor import Supervisor

    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    raise typer.Exit(Supervisor(Settings().model_copy(update=chosen)).run())


def settings(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """Every setting: its value, its variable, and what it means."""
    current = Settings()
    secret = {"secret_key", "upstream_token", "database_url"}
    values = {
        name: "***" if name in secret and getattr(current, name) is not None else getattr(current, name)
        for name in Settings.model_fields
    }
    if as_json:
        typer.echo(json.dumps(values, default=str))
        return
    for name, field in Settings.model_fields.items():
        typer.echo(f"VIVEIRO_{name.upper()} = {values[name]}\n    {translate(field.description or '')}")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """What this machine can do, what is missing, and the exact command to mend it."""
    from viveiro.cli.doctor import Finding, examine

    findings = examine(Settings())
    if as_json:
        typer.echo(json.dumps([finding.to_json() for finding in findings]))
    else:
        for finding in findings:
            typer.echo(finding.line())
    raise typer.Exit(1 if any(finding.verdict == Finding.FAULT for finding in findings) else 0)


def backup(file: Annotated[Path, typer.Argument(help="Where to write the backup, a .tar file.")]) -> None:
    """Copy everything this installation knows into one file, while it runs."""
    from viveiro.client import get_client

    with get_client() as client:
        size = client.download("/api/v1/backup", file)
    say(
        "Wrote {file} ({size} MiB). To bring it back: viveiro restore {file} --data-dir NEW_FOLDER",
        file=file,
        size=number(size / 2**20, 1),
    )


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that `viveiro backup` wrote.")],
) -> None:
    """Bring a backup back into an empty data folder (and an empty database, when VIVEIRO_DATABASE_URL names one)."""
    chosen = Settings()
    environment = {**os.environ, **chosen.environment()}
    status = subprocess.run(
        [sys.executable, "-P", "-m", "viveiro.app", "restore", str(file)], env=environment, check=False
    ).returncode
    if status == 0:
        say("Restored into {folder}. To start it: viveiro serve --data-dir {folder}", folder=chosen.data_dir)
    raise typer.Exit(status)
