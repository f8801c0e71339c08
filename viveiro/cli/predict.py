"""viveiro predict: ask a served model."""

import contextlib
import csv
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from viveiro.cli.folders import reading
from viveiro.cli.output import JsonOption, print_json, say
from viveiro.client import Client, Predictions, Refused, get_client
from viveiro.errors import InvalidInput
from viveiro.locale import recognised, translate
from viveiro.types import RepoId

if TYPE_CHECKING:
    from viveiro.datasets.sources import Source

BATCH_ROWS: Final = 256
BATCH_CHARACTERS: Final = 1_000_000
"""A request larger than a few MB would be refused."""
SAMPLE_ROWS: Final = 200
SEPARATOR: Final = "|"
NAMED_ROWS: Final = 10
BUSY_STATUS: Final = 503
TOO_MUCH: Final = ("TooLate", "TooManyTokens")
"""Error codes of a model that cannot answer so many texts at once, in its time or at all."""
ATTEMPTS: Final = 20
RETRY_SECONDS: Final = 3.0

Row = dict[str, Any]


class UnusableTable(InvalidInput):
    pass


class UndecodableText(InvalidInput):
    def __init__(self) -> None:
        super().__init__(
            "The text is not in this terminal's encoding ({encoding}), so it cannot be read. Send it by standard input, where "
            "the encoding is guessed: viveiro predict MODEL - < FILE",
            encoding=sys.getfilesystemencoding(),
        )


def add_to(app: typer.Typer) -> None:
    app.command()(predict)


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Repo id of a deployed model.")],
    text: Annotated[
        str | None, typer.Argument(help="What to ask it; - for a text on each line of standard input.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="How many labels to give. By default all of one text, the best of a row.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A table with a text in each row (CSV, JSON Lines, Parquet), instead of one text."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the table's rows as CSV, with `predicted` and `score`.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; guessed by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a served model about one text, or about every row of a table."""
    repo_id = RepoId.parse(model)
    if (text is None) == (file is None) or (file is None) != (out is None):
        raise UnusableTable("Give either a text, or --file IN.csv with --out OUT.csv.")
    if text is not None and _is_undecodable(text):
        raise UndecodableText
    if file is not None and out is not None:
        _check_paths(file, out)
    with get_client() as client:
        if file is not None and out is not None:
            _predict_table(_Model(client, repo_id, top_k), file, out, text_column, as_json=as_json)
        elif text == "-":
            _predict_lines(_Model(client, repo_id, top_k), as_json=as_json)
        else:
            _print_answer(client.predict(str(repo_id), [text or ""], top_k=top_k).answers[0], as_json=as_json)


class _Model:
    """A served classifier that is asked about many texts."""

    def __init__(self, client: Client, repo_id: RepoId, top_k: int | None) -> None:
        self._client = client
        self._repo_id = repo_id
        self._top_k = top_k
        self._most_rows = BATCH_ROWS

    def answers(self, texts: Sequence[str]) -> list[list[Row]]:
        """Labels for each text, likeliest first; none for a text without words."""
        waiting = [place for place, text in enumerate(texts) if _has_words(text)]
        answers: list[list[Row]] = [[] for _ in texts]
        while waiting:
            found = self._patiently(_fitting(texts[place] for place in waiting[: self._most_rows]))
            for place, answer in zip(waiting, found.answers, strict=False):
                answers[place] = self._chosen(answer, found.decision)
            waiting = waiting[len(found.answers) :]
        return answers

    def _patiently(self, texts: Sequence[str]) -> Predictions:
        """What the model says of the first texts: of as many as it gets through in its time. Then no more are sent at once.

        Many rows take their time, and a busy model is no reason to lose those that are done.
        """
        for attempt in itertools.count(1):
            try:
                return self._client.predict(str(self._repo_id), texts, top_k=self._top_k)
            except Refused as error:
                if error.error_code in TOO_MUCH and len(texts) > 1:
                    self._most_rows = len(texts) // 2
                    return self._patiently(texts[: self._most_rows])
                if error.http_status != BUSY_STATUS or attempt == ATTEMPTS:
                    raise
                time.sleep(RETRY_SECONDS)
        raise AssertionError("the attempts have an end")

    def _chosen(self, answer: Any, decision: str) -> list[Row]:
        """Of several labels the ones that the model gives; of one label, the best."""
        if not isinstance(answer, list) or any(not isinstance(candidate, dict) for candidate in answer):
            raise UnusableTable(
                "This model answers with vectors, which have no place in a table. Ask it about one text with --json."
            )
        return answer if self._top_k is not None or decision == "sigmoid" else answer[:1]


def _is_undecodable(text: str) -> bool:
    """Whether it holds bytes that Python could not decode, and keeps as lone surrogates."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _fitting(texts: Iterable[str]) -> list[str]:
    """As many of the first texts as fit one request: one at least."""
    batch: list[str] = []
    characters = 0
    for text in map(_cut, texts):
        characters += len(text)
        if batch and characters > BATCH_CHARACTERS:
            break
        batch.append(text)
    return batch


def _cut(text: str) -> str:
    """What is longer is refused, and the model would not read so far."""
    from viveiro.ml.texts import LONGEST_TEXT

    return text[:LONGEST_TEXT]


def _has_words(text: str) -> bool:
    return bool(_cut(text).strip())


def _print_answer(answer: list[Any], *, as_json: bool) -> None:
    if as_json or any(not isinstance(candidate, dict) for candidate in answer):
        print_json(answer)
        return
    for candidate in answer:
        typer.echo(f"{candidate['score']:.4f}  {candidate['label']}")
    if not answer:
        say("No label reaches its threshold. To see all of them: --top-k 1000")


def _predict_lines(model: _Model, *, as_json: bool) -> None:
    """A line out for each line in, at once for each batch."""
    from viveiro.datasets.encodings import read_lines

    with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
        for lines in read_lines(stream, BATCH_ROWS):
            for answer in model.answers(lines):
                if as_json:
                    print_json(answer)
                else:
                    typer.echo("\t".join(_fields(answer)))


def _check_paths(file: Path, out: Path) -> None:
    """What can be known before a model is asked about thousands of rows."""
    from viveiro.datasets.formats import Archive, sniff

    with reading(file):
        is_table = file.is_file() and not isinstance(sniff(file, file.name), Archive)
    if not is_table:
        raise UnusableTable("{file} is no file of rows. Name a CSV, JSON Lines or Parquet file.", file=file)
    with _writing(out):
        if out.exists() and not out.is_file():
            raise UnusableTable(
                "{out} is a folder or a device. Name the file to write, such as --out OUT.csv.", out=out
            )
        if any(path.exists() and path.samefile(file) for path in (out, _partial(out))):
            raise UnusableTable(
                "Writing {out} would overwrite the file that is read. Name another, such as --out OUT.csv.", out=out
            )


def _predict_table(model: _Model, file: Path, out: Path, text_column: str | None, *, as_json: bool) -> None:
    """`out` appears whole, or not at all."""
    from viveiro.datasets.sources import open_source

    source = open_source(file, file.name)
    partial = _partial(out)
    with _writing(out):
        try:
            with partial.open("w", encoding="utf-8", newline="") as target:
                counts = _write_rows(model, source, csv.writer(target), text_column)
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
    counts["unreadable"] = source.dropped.counts.total()
    if as_json:
        print_json({**counts, "out": str(out)})
    _say_counts(counts, out, [dropped.row for dropped in source.dropped.examples])


def _partial(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableTable(
            "{out} cannot be written: {why}.", out=out, why=recognised(error.strerror or str(error))
        ) from error


def _write_rows(model: _Model, source: "Source", writer: Any, text_column: str | None) -> dict[str, int]:
    from viveiro.datasets.formats import unique_names

    names, texts_in, counts = list(source.schema.names), "", {"rows": 0, "empty": 0}
    writer.writerow(unique_names([*names, "predicted", "score"]))
    for rows in _slices(source):
        texts_in = texts_in or _text_column(names, rows[:SAMPLE_ROWS], text_column)
        texts = [_as_text(row[texts_in]) for row in rows]
        for row, answer in zip(rows, model.answers(texts), strict=True):
            writer.writerow([*(_as_text(row[name]) for name in names), *_fields(answer)])
        counts["rows"] += len(rows)
        counts["empty"] += sum(not _has_words(text) for text in texts)
        _show_progress(counts["rows"])
    return counts


def _slices(source: "Source") -> Iterator[list[Row]]:
    for batch in source.batches():
        for start in range(0, batch.rows.num_rows, BATCH_ROWS):
            yield batch.rows.slice(start, BATCH_ROWS).to_pylist()


def _text_column(columns: list[str], rows: Sequence[Row], wanted: str | None) -> str:
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


def _fields(answer: Iterable[Row]) -> tuple[str, str]:
    """Labels and scores, each in one field."""
    answer = list(answer)
    labels = SEPARATOR.join(str(candidate["label"]) for candidate in answer)
    return labels, SEPARATOR.join(f"{candidate['score']:.6f}" for candidate in answer)


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)


def _show_progress(rows: int) -> None:
    if sys.stderr.isatty():
        typer.echo("\r" + translate("{rows} rows", rows=rows), err=True, nl=False)


def _say_counts(counts: dict[str, int], out: Path, unreadable: Sequence[int]) -> None:
    """`unreadable`: numbers of the first rows that are left out."""
    if sys.stderr.isatty():
        typer.echo("", err=True)
    say("Wrote {rows} rows to {out}.", rows=counts["rows"], out=out)
    if counts["empty"]:
        say("{empty} of them have no text, and no prediction.", empty=counts["empty"])
    if counts["unreadable"]:
        say(
            "{rows} rows of the file could not be read, and are left out: {numbers} (counted from 1, the header aside).",
            rows=counts["unreadable"],
            numbers=_enumerated(unreadable, counts["unreadable"]),
        )


def _enumerated(numbers: Sequence[int], count: int) -> str:
    """The first of `count` numbers: "2, 5, …"."""
    named = numbers[:NAMED_ROWS]
    return ", ".join([*map(str, named), *(["…"] if count > len(named) else [])])
