"""viveiro datasets: tables of examples."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from viveiro.cli.following import follow
from viveiro.cli.output import JsonOption, print_json, print_table, say
from viveiro.client import Client, get_client
from viveiro.errors import InvalidInput

app = typer.Typer(help="Datasets: import a table, check it, look at it.", no_args_is_help=True)

COLUMNS: Final = ("id", "private", "downloads", "likes", "lastModified")
SHOWN_CLASSES: Final = 30

DatasetArgument = Annotated[str, typer.Argument(metavar="ORG/NAME[@REVISION]", help="The dataset.")]
TextOption = Annotated[str | None, typer.Option("--text-column", help="Column of the texts; guessed by default.")]
LabelOption = Annotated[str | None, typer.Option("--label-column", help="Column of the labels; guessed by default.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Decides which row goes to which split.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines or Parquet.")],
    name: Annotated[str, typer.Option(help="ORG/NAME of the dataset. Again with another file: a new revision.")],
    text_column: TextOption = None,
    label_column: LabelOption = None,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Keep the table without labels.")] = False,
    seed: SeedOption = 0,
    private: Annotated[bool, typer.Option("--private", help="Hidden from strangers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a dataset of a file: delimiter, encoding and columns are guessed, duplicates dropped, rows split."""
    with get_client() as client:
        report = upload(
            client,
            file,
            name,
            text_column=text_column,
            label_column=label_column,
            unlabelled=unlabelled,
            seed=seed,
            private=private,
        )
    if as_json:
        print_json(report)
    else:
        _print_rows(report)
    _say_dropped(report["dropped"])
    say(
        f"Imported as {report['dataset']}@{report['revision'][:10]}. To check it: viveiro datasets check {report['dataset']}"
    )


@app.command()
def check(
    dataset: DatasetArgument,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Is it fit to learn from? Ends with status 1 when it is not."""
    with get_client() as client:
        report = run_check(client, dataset, text_column=text_column, label_column=label_column)
    if as_json:
        print_json(report)
    else:
        _print_check(report)
    if any(finding["severity"] == "error" for finding in report["findings"]):
        raise typer.Exit(1)
    say(f"Fit to learn from. To adapt a model to it: viveiro runs start text-classification --data {report['dataset']}")


@app.command("list")
def list_datasets(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    author: Annotated[str | None, typer.Option(help="User or organisation.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Datasets that you may see, the most recently changed first."""
    with get_client() as client:
        found = client.get("/api/datasets", search=search, author=author, limit=limit, sort="lastModified", full="true")
    if as_json:
        print_json(found)
    else:
        print_table(found, COLUMNS)


@app.command()
def info(dataset: DatasetArgument, as_json: JsonOption = False) -> None:
    """One dataset: its files and its card's metadata."""
    name, _, revision = dataset.partition("@")
    with get_client() as client:
        found = client.get(f"/api/datasets/{name}/revision/{revision or 'main'}")
    if as_json:
        print_json(found)
        return
    for key in ("id", "sha", "private", "lastModified", "downloads", "likes", "tags"):
        typer.echo(f"{key}: {found.get(key)}")
    print_table([{"file": sibling["rfilename"]} for sibling in found.get("siblings", [])], ["file"])


def upload(client: Client, file: Path, name: str, **options: Any) -> dict[str, Any]:
    """Send a file and wait for its import; the report."""
    if not file.is_file():
        raise InvalidInput("There is no file {file}. Give a CSV, JSON Lines or Parquet file.", file=file)
    started = client.put_file(
        "/api/v1/datasets/import", file, method="POST", name=name, file_name=file.name, **_as_query(options)
    )
    result: dict[str, Any] = follow(client, started["job_id"])["result"]
    return result


def run_check(client: Client, dataset: str, **options: Any) -> dict[str, Any]:
    name, _, revision = dataset.partition("@")
    body = {"revision": revision or "main", **options}
    started = client.post(f"/api/v1/datasets/{name}/check", json=body)
    result: dict[str, Any] = follow(client, started["job_id"])["result"]
    return result


def usual_name(client: Client, file: Path) -> str:
    """ORG/NAME for a file that is imported on the fly: the user's own namespace, and the file's name."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", file.stem).strip("-")[:80] or "table"
    return f"{client.get('/api/whoami-v2')['name']}/{stem}"


def _as_query(options: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}


def _print_rows(report: dict[str, Any]) -> None:
    print_table([{"split": split, "rows": rows} for split, rows in report["rows"].items()], ["split", "rows"])
    typer.echo("")
    print_table(report["columns"], ["name", "type", "role"])


def _say_dropped(dropped: dict[str, Any]) -> None:
    for reason, count in dropped.get("counts", {}).items():
        rows = [str(row["row"]) for row in dropped["examples"] if row["reason"] == reason][:5]
        say(
            f"Left out {count} rows ({reason.replace('_', ' ')}): row {', '.join(rows)}{' …' if count > len(rows) else ''}"
        )


def _print_check(report: dict[str, Any]) -> None:
    typer.echo(
        f"{report['dataset']}@{report['revision'][:10]}  text: {report['text_column']}  label: {report['label_column']}"
    )
    typer.echo("")
    classes = [{"class": name, **counts} for name, counts in report["classes"].items()]
    totals = {"class": f"all {len(classes)} classes", **report["rows"]}
    print_table([*classes[:SHOWN_CLASSES], totals], ["class", *report["rows"]])
    typer.echo("")
    for finding in report["findings"]:
        typer.echo(f"{finding['severity']}: {finding['message']}")
    if not report["findings"]:
        typer.echo("No duplicates, no empty rows, no text in two splits.")
