"""viveiro runs: adapt a model to a dataset."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from viveiro.cli.datasets import LabelOption, TextOption, upload, usual_name
from viveiro.cli.following import follow
from viveiro.cli.output import JsonOption, print_json, print_table, say
from viveiro.client import Client, get_client
from viveiro.errors import InvalidInput

app = typer.Typer(help="Runs: adapt a model to a dataset, evaluate it, publish it.", no_args_is_help=True)

COLUMNS: Final = ("run_id", "task", "state", "data", "base", "model", "created_at")
SHOWN: Final = (
    "run_id",
    "state",
    "model",
    "revision",
    "metrics",
    "baselines",
    "gain",
    "beats_baselines",
    "rows",
    "seconds",
)
TABLES: Final = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `viveiro runs list` shows it.")]


@app.command()
def start(
    task: Annotated[str, typer.Argument(help="What to learn, such as text-classification.")],
    data: Annotated[str, typer.Option(help="A file, or a dataset: ORG/NAME, ORG/NAME@REVISION.")],
    text_column: TextOption = None,
    label_column: LabelOption = None,
    base: Annotated[
        str | None, typer.Option(help="Model to start from: ORG/NAME[@REVISION]; the starter by default.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="How to adapt: frozen.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the task.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of everything random, the splits of a file included.")
    ] = None,
    publish: Annotated[
        str | None, typer.Option(help="ORG/NAME to publish to; named after data and base by default.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Adapt a model, evaluate it on rows it never saw beside two baselines, and publish it as one commit."""
    params = parse_settings(settings or [], method=method, seed=seed)
    with get_client() as client:
        dataset = _dataset(client, data, text_column, label_column, params.get("seed", 0))
        columns = {role: name for role, name in (("text", text_column), ("label", label_column)) if name}
        wanted = {"task": task, "data": dataset, "columns": columns, "base": base, "params": params, "publish": publish}
        run = start_run(client, wanted, wait=not detach)
    if as_json:
        print_json({name: run[name] for name in SHOWN})
    elif not detach:
        _print_result(run)
    if detach:
        say(f"Started. To see how far it is: viveiro runs info {run['run_id']}")
    else:
        say(_verdict(run))


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50, as_json: JsonOption = False
) -> None:
    """Your runs, newest first; an administrator sees everyone's."""
    with get_client() as client:
        runs = client.get("/api/v1/runs", limit=limit)
    if as_json:
        print_json(runs)
    else:
        print_table([{**run["description"], **run} for run in runs], COLUMNS)


@app.command()
def info(run_id: RunArgument, as_json: JsonOption = False) -> None:
    """One run: what it was asked to do, where it stands, what came of it."""
    with get_client() as client:
        run = client.get(f"/api/v1/runs/{run_id}")
    if as_json:
        print_json(run)
        return
    for name in (
        "run_id",
        "state",
        "stage",
        "error",
        "model",
        "revision",
        "rows",
        "seconds",
        "created_at",
        "finished_at",
    ):
        if run[name] is not None:
            typer.echo(f"{name}: {run[name]}")
    for name, value in run["description"].items():
        typer.echo(f"{name}: {value}")
    if run["metrics"]:
        _print_result(run)


@app.command()
def logs(
    run_id: RunArgument,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
) -> None:
    """What a run printed, of all its attempts."""
    with get_client() as client:
        job_id = client.get(f"/api/v1/runs/{run_id}")["job_id"]
        for line in client.stream_lines(f"/api/v1/jobs/{job_id}/logs", follow="true" if follow_on else None):
            typer.echo(line)


@app.command()
def cancel(run_id: RunArgument, as_json: JsonOption = False) -> None:
    """Stop a run. What it has computed is kept for the next one."""
    with get_client() as client:
        run = client.post(f"/api/v1/runs/{run_id}/cancel")
    if as_json:
        print_json(run)
    say(f"Run {run_id} is {run['state']}.")


def start_run(client: Client, wanted: Mapping[str, Any], *, wait: bool = True) -> dict[str, Any]:
    """Start it and, unless told otherwise, wait for its end; the run."""
    run: dict[str, Any] = client.post("/api/v1/runs", json=dict(wanted))
    if wait:
        follow(client, run["job_id"])
        run = client.get(f"/api/v1/runs/{run['run_id']}")
    return run


def parse_settings(pairs: Iterable[str], **named: Any) -> dict[str, Any]:
    """`NAME=VALUE` pairs, and options that are parameters of the task too. 0.1 is a number, true a truth, auto a word."""
    params = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (equals and name):
            raise InvalidInput("{pair!r} is no setting. Write it as --set NAME=VALUE", pair=pair)
        params[name.strip()] = _value(text.strip())
    return params


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _dataset(client: Client, data: str, text_column: str | None, label_column: str | None, seed: int) -> str:
    """The name of a dataset; a file is imported first."""
    file = Path(data)
    if not file.is_file():
        if file.suffix.lower() in TABLES:
            raise InvalidInput("There is no file {file}. --data takes a file or ORG/NAME.", file=data)
        return data
    name = usual_name(client, file)
    report = upload(client, file, name, text_column=text_column, label_column=label_column, seed=seed)
    say(f"Imported {file.name} as {name}: {sum(report['rows'].values())} rows.")
    return f"{name}@{report['revision']}"


def _print_result(run: Mapping[str, Any]) -> None:
    from rich.console import Console

    from viveiro.cli.results import result_table

    Console().print(result_table(run))


def _verdict(run: Mapping[str, Any]) -> str:
    model = run["model"]
    if not run["beats_baselines"]:
        return (
            f"The adapted model does not beat the baseline {run['best_baseline']} on these test rows, and the card of {model} "
            "says so. More rows may help; nothing was deployed."
        )
    return f"Published {model}@{run['revision'][:10]}. To serve it: viveiro endpoints deploy {model}"
