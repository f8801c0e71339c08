"""viveiro runs: adapt a model to a dataset."""

import json
import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from viveiro.cli.datasets import LabelOption, TextOption, upload, usual_name
from viveiro.cli.folders import printable, reading
from viveiro.cli.following import events, follow, say_detached
from viveiro.cli.live import RunView, follow_run, needs
from viveiro.cli.output import JsonOption, print_fields, print_json, print_table, say
from viveiro.cli.results import BASELINES
from viveiro.client import Client, Refused, RunFailed, get_client
from viveiro.errors import InvalidInput
from viveiro.locale import Sentence
from viveiro.types import LARGEST_SEED, Visibility

if TYPE_CHECKING:
    from viveiro.training.description import RunDescription
    from viveiro.training.reproducing import Reproduction

app = typer.Typer(help="Runs: adapt a model to a dataset, evaluate it, publish it.", no_args_is_help=True)

COLUMNS: Final = ("run_id", "task", "state", "data", "base", "model", "created_at")
RESULT: Final = ("run_id", "state", "error", "model", "revision", "metrics", "baselines", "gain", "beats_baselines")
RESULT_BESIDES: Final = ("best_baseline", "rows", "seconds")
STANDING: Final = ("run_id", "state", "error", "model", "revision", "rows", "seconds", "created_at", "finished_at")
TABLES: Final = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `viveiro runs list` shows it.")]
TaskArgument = Annotated[str | None, typer.Argument(help="What to learn, such as text-classification.")]
DataOption = Annotated[str | None, typer.Option(help="A file, a folder, or a dataset: ORG/NAME, ORG/NAME@REVISION.")]
BaseOption = Annotated[
    str | None, typer.Option(help="Model to start from: ORG/NAME[@REVISION]; the starter by default.")
]
MethodOption = Annotated[
    str | None, typer.Option(help="frozen: a head on the base as it is, in seconds; full: all layers learn.")
]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the task.")
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_SEED, help="Of everything random, the splits of a file included.")
]
BudgetOption = Annotated[
    float | None, typer.Option(metavar="MINUTES", help="Stop training then; the best model so far is kept.")
]
PublishOption = Annotated[
    str | None, typer.Option(help="ORG/NAME to publish to; named after data and base by default.")
]
VisibilityOption = Annotated[
    Visibility | None,
    typer.Option(
        help="Who sees the model, and a file's rows. By default both are private; a model of a dataset is as the dataset."
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(metavar="RUN.YAML", help="A description; what the command line says counts more.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Start nothing: say what would be done, and what it needs.")
]
DetachOption = Annotated[bool, typer.Option("--detach", help="Do not wait.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")]
YamlOption = Annotated[bool, typer.Option("--yaml", help="Its description, as `viveiro runs start --config` takes it.")]
OriginalArgument = Annotated[
    str, typer.Argument(metavar="RUN|ORG/NAME[@REVISION]", help="A run, or a model that a run published.")
]
CopyOption = Annotated[
    str | None,
    typer.Option("--publish", help="ORG/NAME for the new model; the original's with -reproduced by default."),
]


@app.command()
def start(
    task: TaskArgument = None,
    data: DataOption = None,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    base: BaseOption = None,
    method: MethodOption = None,
    settings: SettingsOption = None,
    seed: SeedOption = None,
    budget: BudgetOption = None,
    publish: PublishOption = None,
    visibility: VisibilityOption = None,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Adapt a model, evaluate it on rows it never saw beside two baselines, and publish it as one commit."""
    said = {"task": task, "data": data, "base": base, "publish": publish, "visibility": visibility}
    columns = _given(text=text_column, label=label_column)
    params = parse_settings(settings or [], method=method, seed=seed)
    wanted = describe(_given(**said, budget_minutes=budget), columns=columns, params=params, config=config)
    with get_client() as client:
        file = _file(wanted)
        if file is not None:
            client.post("/api/v1/runs/check", json=wanted.model_dump(mode="json"))
        if dry_run:
            _tell_needs(client, wanted, file, as_json=as_json)
            return
        if file is not None:
            wanted = _with_rows_of(client, file, wanted)
        run = client.start_run(**wanted.model_dump(mode="json"))
        _attend(client, run, detach=detach, as_json=as_json)


@app.command("follow")
def follow_again(run_id: RunArgument, as_json: JsonOption = False) -> None:
    """Come back to a run: watch it to its end, then print its result."""
    with get_client() as client:
        _attend(client, client.get(f"/api/v1/runs/{run_id}"), as_json=as_json)


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
def info(run_id: RunArgument, as_yaml: YamlOption = False, as_json: JsonOption = False) -> None:
    """One run: what it was asked to do, where it stands, what it learnt on its way, what came of it."""
    with get_client() as client:
        run = client.get(f"/api/v1/runs/{run_id}")
        points = list(client.items_after(f"/api/v1/runs/{run_id}/points"))
    if as_yaml:
        typer.echo(_description(run["description"]).to_yaml(), nl=False)
    elif as_json:
        print_json({**run, "points": points})
    else:
        _print_run(run, points)


@app.command()
def logs(run_id: RunArgument, follow_on: FollowOption = False, as_json: JsonOption = False) -> None:
    """What a run printed, of all its attempts. --json gives its events instead, one on each line."""
    with get_client() as client:
        job_id = client.get(f"/api/v1/runs/{run_id}")["job_id"]
        if as_json:
            for event in events(client, job_id, follow_on=follow_on):
                print_json(event)
            return
        for line in client.stream_lines(f"/api/v1/jobs/{job_id}/logs", follow="true" if follow_on else None):
            typer.echo(line)


@app.command()
def cancel(run_id: RunArgument, as_json: JsonOption = False) -> None:
    """Stop a run. It publishes nothing; features that it computed are kept for the next one."""
    with get_client() as client:
        run = client.post(f"/api/v1/runs/{run_id}/cancel")
    if as_json:
        print_json(run)
    say("Run {run_id} is {state}.", run_id=run_id, state=Sentence(run["state"]))


@app.command()
def reproduce(of: OriginalArgument, publish: CopyOption = None, as_json: JsonOption = False) -> None:
    """Do again what a run did, on the same data and base, and compare. Ends with status 1 when a metric differs."""
    from viveiro.training.reproducing import compare

    with get_client() as client:
        started = client.post("/api/v1/runs/reproduce", json={"of": of, "publish": publish})
        run = follow_run(client, started["run"])
    found = compare(started["original"], run)
    if as_json:
        print_json({**{name: run[name] for name in ("run_id", "model", "revision")}, **found.to_json()})
    _say_differences(found)
    if not found.equal:
        say(
            "Not equal: {count} scores of {model} are not those of {of}.",
            count=len(found.metrics),
            model=run["model"],
            of=of,
        )
        raise typer.Exit(1)
    say("Equal: every metric of {model} is that of {of}.", model=run["model"], of=of)


def describe(
    said: Mapping[str, Any], *, columns: Mapping[str, str], params: Mapping[str, Any], config: Path | None = None
) -> "RunDescription":
    """The description that a file and a command line make together. Raises InvalidInput for what cannot be meant."""
    from viveiro.training.description import parse_description

    file = _read(config) if config else {}
    merged = {
        **file,
        **said,
        "columns": {**(file.get("columns") or {}), **columns},
        "params": {**(file.get("params") or {}), **params},
    }
    return parse_description(merged)


def parse_settings(pairs: Iterable[str], **named: Any) -> dict[str, Any]:
    """`NAME=VALUE` pairs, and options that are parameters of the task too. 0.1 is a number, true a truth, auto a word."""
    params = _given(**named)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (equals and name):
            raise InvalidInput("{pair!r} is no setting. Write it as --set NAME=VALUE", pair=pair)
        params[name.strip()] = _value(text.strip())
    return params


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(config: Path) -> dict[str, Any]:
    from viveiro.training.description import read_config

    try:
        return read_config(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "{file} cannot be read: {why}. To get such a file: viveiro runs info RUN --yaml > run.yaml",
            file=config,
            why=error,
        ) from error


def _description(fields: Mapping[str, Any]) -> "RunDescription":
    from viveiro.training.description import parse_description

    return parse_description(fields)


def _file(wanted: "RunDescription") -> Path | None:
    """The file or folder that is to be imported first. None: the data is a dataset."""
    source = Path(wanted.data)
    with reading(source):
        if source.exists():
            return source
    if source.suffix.lower() in TABLES:
        raise InvalidInput("There is no file {file}. --data takes a file, a folder or ORG/NAME.", file=wanted.data)
    return None


def _with_rows_of(client: Client, file: Path, wanted: "RunDescription") -> "RunDescription":
    """A description of the same run on a dataset that is made of the file."""
    name = usual_name(client, file)
    known = _dataset(client, name)
    if known is not None and not known["private"] and wanted.visibility is Visibility.PRIVATE:
        raise InvalidInput(
            "{name} is there and public, and so would be what is imported into it. To hide it: "
            "viveiro repos update {name} --type dataset --visibility private",
            name=name,
        )
    report = _import(client, file, name, wanted, private=wanted.visibility is not Visibility.PUBLIC)
    say(
        "Imported {file} as {name}: {rows} rows."
        if known is None
        else "Imported {file} as a new revision of {name}, which was there already: {rows} rows.",
        file=printable(file.name),
        name=name,
        rows=sum(report["rows"].values()),
    )
    if known is not None and not known["private"]:
        say(
            "{name} is public, and so are these rows. To hide them: "
            "viveiro repos update {name} --type dataset --visibility private",
            name=name,
        )
    return wanted.model_copy(update={"data": f"{name}@{report['revision']}"})


def _import(
    client: Client, file: Path, name: str, wanted: "RunDescription", *, private: bool, outlives: bool = True
) -> dict[str, Any]:
    columns = {f"{role}_column": column for role, column in wanted.columns.items()}
    return upload(client, file, name, outlives=outlives, **columns, seed=wanted.seed, private=private)


def _dataset(client: Client, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get(f"/api/datasets/{name}")
    except Refused as refused:
        if refused.http_status == HTTPStatus.NOT_FOUND:
            return None
        raise
    return found


def _attend(client: Client, run: Mapping[str, Any], *, detach: bool = False, as_json: bool) -> None:
    """Wait for it unless told otherwise, and print what came of it."""
    if detach:
        _print_json_result(run, as_json=as_json)
        say_detached(client, f"viveiro runs follow {run['run_id']}")
        return
    try:
        run = follow_run(client, run)
    except RunFailed as failure:
        _print_json_result(failure.run, as_json=as_json)
        raise
    _print_json_result(run, as_json=as_json)
    if not as_json:
        _print_result(run)
    _say_verdict(run)


def _print_json_result(run: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({name: run[name] for name in (*RESULT, *RESULT_BESIDES)})


def _tell_needs(client: Client, wanted: "RunDescription", file: Path | None, *, as_json: bool) -> None:
    if file is None:
        description, estimate = _estimate(client, wanted)
    else:
        description, estimate = _estimate_on_file(client, file, wanted)
    if as_json:
        print_json({"description": description.model_dump(mode="json"), "estimate": estimate})
    else:
        typer.echo(description.to_yaml(), nl=False)
    say("It would need {needs}. Nothing was started.", needs=needs(estimate))


def _estimate(client: Client, wanted: "RunDescription") -> tuple["RunDescription", dict[str, Any]]:
    started = client.post("/api/v1/runs/estimate", json=wanted.model_dump(mode="json"))
    return _description(started["description"]), follow(client, started["job_id"], outlives=False)["result"]


def _estimate_on_file(client: Client, file: Path, wanted: "RunDescription") -> tuple["RunDescription", dict[str, Any]]:
    """The rows are measured with, as a private dataset that is deleted again. The description speaks of the file."""
    namespace, name = usual_name(client, file).split("/")
    passing = f"{name}-dry-run-{secrets.token_hex(4)}"
    try:
        report = _import(client, file, f"{namespace}/{passing}", wanted, private=True, outlives=False)
        on_rows = wanted.model_copy(update={"data": f"{namespace}/{passing}@{report['revision']}"})
        description, estimate = _estimate(client, on_rows)
    finally:
        _delete_dataset(client, namespace, passing)
    published = (description.publish or "").replace(passing, name)
    visibility = wanted.visibility or Visibility.PRIVATE
    return description.model_copy(
        update={"data": wanted.data, "publish": published, "visibility": visibility}
    ), estimate


def _delete_dataset(client: Client, namespace: str, name: str) -> None:
    try:
        client.delete("/api/repos/delete", json={"type": "dataset", "organization": namespace, "name": name})
    except Refused as refused:
        if refused.http_status != HTTPStatus.NOT_FOUND:  # the import was refused before it made one
            raise


def _say_differences(found: "Reproduction") -> None:
    for name, (before, now) in found.metrics.items():
        say("{name} was {before} and is {now}", name=name, before=json.dumps(before), now=json.dumps(now))
    for name, (before, now) in found.environment.items():
        say("It ran on another {name}: {before} then, {now} now", name=name, before=before, now=now)


def _print_run(run: Mapping[str, Any], points: Iterable[Mapping[str, Any]]) -> None:
    view = RunView()
    view.update(run, points)
    print_fields({name: run[name] for name in STANDING})
    print_fields(run["description"])
    if run["stage"]:
        typer.echo(f"{view.title}  {view.pace()}")
    if view.estimate:
        print_fields({"needs": needs(view.estimate)})
    for line in view.curves():
        typer.echo(line)
    if run["metrics"]:
        _print_result(run)


def _print_result(run: Mapping[str, Any]) -> None:
    from rich.console import Console

    from viveiro.cli.results import result_table

    Console().print(result_table(run))


def _say_verdict(run: Mapping[str, Any]) -> None:
    if run["beats_baselines"]:
        say(
            "Published {model}@{revision}. To serve it: viveiro endpoints deploy {model}",
            model=run["model"],
            revision=run["revision"][:10],
        )
    else:
        say(
            "The adapted model does not beat a baseline ({baseline}) on these test rows, and the card of {model} says so. "
            "More rows may help, or --method full; nothing was deployed.",
            baseline=BASELINES[run["best_baseline"]],
            model=run["model"],
        )
