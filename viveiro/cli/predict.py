"""viveiro predict: ask a served model."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from viveiro.cli.output import JsonOption, print_json, say
from viveiro.client import Client, get_client
from viveiro.errors import InvalidInput
from viveiro.types import RepoId

BATCH_ROWS: Final = 64
SAMPLE_ROWS: Final = 200


class UnusableTable(InvalidInput):
    pass


def add_to(app: typer.Typer) -> None:
    app.command()(predict)


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Repo id of a deployed model.")],
    text: Annotated[str | None, typer.Argument(help="What to ask it.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="How many labels to print; all by default.")] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV file with a text on each row, instead of one text.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the file's rows with `predicted` and `score`.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; guessed by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a served model about one text, or about every row of a file."""
    repo_id = RepoId.parse(model)
    if (text is None) == (file is None) or (file is None) != (out is None):
        raise UnusableTable("Give either a text, or --file IN.csv with --out OUT.csv.")
    with get_client() as client:
        if file is not None and out is not None:
            rows = _predict_file(client, repo_id, file, out, text_column)
            say(f"Wrote {rows} rows to {out}.")
        else:
            _print_answer(_ask(client, repo_id, [text or ""], top_k)[0], as_json=as_json)


def _ask(client: Client, repo_id: RepoId, texts: Sequence[str], top_k: int | None) -> list[Any]:
    """One answer for each text."""
    request: dict[str, Any] = {"inputs": list(texts)}
    if top_k is not None:
        request["parameters"] = {"top_k": top_k}
    answers: list[Any] = client.post(f"/models/{repo_id}", json=request)
    return answers


def _print_answer(answer: list[Any], *, as_json: bool) -> None:
    if as_json or not isinstance(answer[0], dict):
        print_json(answer)
        return
    for candidate in answer:
        typer.echo(f"{candidate['score']:.4f}  {candidate['label']}")


def _predict_file(client: Client, repo_id: RepoId, file: Path, out: Path, text_column: str | None) -> int:
    """How many rows were answered. `out` appears whole, or not at all."""
    partial = out.with_name(f"{out.name}.partial")
    count = 0
    with (
        file.open(encoding="utf-8-sig", newline="") as source,
        partial.open("w", encoding="utf-8", newline="") as target,
    ):
        reader = csv.DictReader(source)
        columns = list(reader.fieldnames or ())
        first = list(islice(reader, SAMPLE_ROWS))
        texts_in = _text_column(columns, first, text_column)
        writer = csv.DictWriter(target, [*columns, "predicted", "score"], extrasaction="ignore")
        writer.writeheader()
        for rows in _batches([*first], reader):
            answers = _ask(client, repo_id, [row[texts_in] or "" for row in rows], 1)
            for row, answer in zip(rows, answers, strict=True):
                writer.writerow({**row, "predicted": _best(answer)["label"], "score": f"{_best(answer)['score']:.6f}"})
            count += len(rows)
    partial.replace(out)
    return count


def _batches(first: list[dict[str, Any]], rest: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    waiting = first
    while waiting or (waiting := list(islice(rest, BATCH_ROWS))):
        yield waiting[:BATCH_ROWS]
        waiting = waiting[BATCH_ROWS:]


def _text_column(columns: list[str], rows: list[dict[str, Any]], wanted: str | None) -> str:
    if wanted is None and len(columns) == 1:
        return columns[0]
    if wanted is None:
        from viveiro.ml.tasks import TrainableTask, tasks

        task = tasks["text-classification"]
        assert isinstance(task, TrainableTask)
        wanted = task.guess_columns({column: [row[column] for row in rows] for column in columns}).get("text")
    if wanted not in columns:
        raise UnusableTable(
            "The file has no such column of texts. Name it with --text-column; there are: {columns}.",
            columns=", ".join(columns),
        )
    return wanted


def _best(answer: Any) -> dict[str, Any]:
    if not (isinstance(answer, list) and answer and isinstance(answer[0], dict)):
        raise UnusableTable(
            "This model answers with vectors, which have no place in a CSV file. Ask it about one text with --json."
        )
    best: dict[str, Any] = answer[0]
    return best
