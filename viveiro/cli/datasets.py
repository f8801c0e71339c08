"""viveiro datasets: tables of examples."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from viveiro.cli.dataset_reports import print_check, print_import
from viveiro.cli.folders import folder_as_tar, printable, reading
from viveiro.cli.following import follow
from viveiro.cli.output import JsonOption, print_fields, print_json, print_table, say
from viveiro.client import Client, get_client
from viveiro.datasets.naming import name_of_path
from viveiro.errors import InvalidInput
from viveiro.types import LARGEST_SEED

app = typer.Typer(help="Datasets: import a table, check it, look at it.", no_args_is_help=True)

COLUMNS: Final = ("id", "private", "downloads", "likes", "lastModified")
FIELDS: Final = ("id", "sha", "private", "lastModified", "downloads", "likes", "tags")

DatasetArgument = Annotated[str, typer.Argument(metavar="ORG/NAME[@REVISION]", help="The dataset.")]
TextOption = Annotated[str | None, typer.Option("--text-column", help="Column of the texts; guessed by default.")]
LabelOption = Annotated[str | None, typer.Option("--label-column", help="Column of the labels; guessed by default.")]
SeparatorOption = Annotated[
    str | None,
    typer.Option(help='Between several labels in one cell; guessed by default. "": cells are whole labels.'),
]
SeedOption = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Decides which row goes to which split.")]


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="CSV, JSON, Parquet, or a folder of tables or class folders.")
    ],
    name: Annotated[str, typer.Option(help="ORG/NAME of the dataset. Again with another file: a new revision.")],
    text_column: TextOption = None,
    label_column: LabelOption = None,
    label_separator: SeparatorOption = None,
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
            label_separator=label_separator,
            unlabelled=unlabelled,
            seed=seed,
            private=private,
        )
    if as_json:
        print_json(report)
    else:
        print_import(report)
    say(
        "Imported as {dataset}@{revision}. To check it: viveiro datasets check {dataset}",
        dataset=report["dataset"],
        revision=report["revision"][:10],
    )


@app.command()
def check(
    dataset: DatasetArgument,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="ORG/NAME[@REVISION]", help="Model whose tokens are counted; the starter by default."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Is it fit to learn from? Ends with status 1 when it is not."""
    with get_client() as client:
        report = run_check(client, dataset, text_column=text_column, label_column=label_column, base=base)
    if as_json:
        print_json(report)
    else:
        print_check(report)
    if any(finding["severity"] == "error" for finding in report["findings"]):
        raise typer.Exit(1)
    say(
        "Fit to learn from. To adapt a model to it: viveiro runs start text-classification --data {dataset}",
        dataset=report["dataset"],
    )


@app.command("list")
def list_datasets(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    author: Annotated[str | None, typer.Option(help="User or organisation.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Datasets that you may see, the most recently changed first."""
    with get_client() as client:
        found = client.first(
            limit, "/api/datasets", search=search, author=author, sort="lastModified", expand=FIELDS[1:]
        )
    if as_json:
        print_json(found)
        return
    print_table(found, COLUMNS)
    if not found:
        say("No dataset to be seen. To make one of a table: viveiro datasets import FILE --name ORG/NAME")


@app.command()
def info(dataset: DatasetArgument, as_json: JsonOption = False) -> None:
    """One dataset: its splits, columns, classes and files, and what its import found."""
    name, _, revision = dataset.partition("@")
    with get_client() as client:
        found = client.get(f"/api/datasets/{name}/revision/{revision or 'main'}")
        found["import"] = _import_report(client, name, found)
    if as_json:
        print_json(found)
        return
    print_fields({field: found.get(field) for field in FIELDS})
    if found["import"]:
        typer.echo("")
        print_import(found["import"])
    typer.echo("")
    print_table([{"file": sibling["rfilename"]} for sibling in found.get("siblings", [])], ["file"])


def upload(client: Client, file: Path, name: str, *, outlives: bool = True, **options: Any) -> dict[str, Any]:
    """Send a file or folder and wait for its import; the report. `outlives`: as in `follow`."""
    query = {"name": name, "file_name": printable(file.resolve().name), **_as_query(options)}
    with reading(file):
        if file.is_dir():
            headers = {"Content-Type": "application/x-tar"}
            started = client.request("POST", _IMPORT, content=folder_as_tar(file), headers=headers, params=query)
        elif file.is_file():
            started = client.put_file(_IMPORT, file, method="POST", **query)
        else:
            raise InvalidInput("There is no file or folder {file}. Give a CSV, JSON or Parquet file.", file=file)
    result: dict[str, Any] = follow(client, started["job_id"], outlives=outlives)["result"]
    return result


def run_check(client: Client, dataset: str, **options: Any) -> dict[str, Any]:
    name, _, revision = dataset.partition("@")
    body = {"revision": revision or "main", **options}
    started = client.post(f"/api/v1/datasets/{name}/check", json=body)
    result: dict[str, Any] = follow(client, started["job_id"])["result"]
    return result


def usual_name(client: Client, file: Path) -> str:
    """ORG/NAME for a file that is imported on the fly: the user's own namespace, and what the file is called."""
    return f"{client.get('/api/whoami-v2')['name']}/{name_of_path(file)}"


_IMPORT: Final = "/api/v1/datasets/import"
_REPORT_FILE: Final = "viveiro_import.json"


def _import_report(client: Client, name: str, found: dict[str, Any]) -> dict[str, Any] | None:
    """What our own import wrote into the repo; None for a dataset that was made elsewhere."""
    if not any(sibling["rfilename"] == _REPORT_FILE for sibling in found.get("siblings", [])):
        return None
    report: dict[str, Any] = client.get(f"/datasets/{name}/resolve/{found['sha']}/{_REPORT_FILE}")
    return report


def _as_query(options: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
