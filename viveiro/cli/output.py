"""What commands share: data on stdout, talk on stderr, and a question before anything is destroyed."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from viveiro.locale import Sentence, moment, translate

HEADINGS: Final = (
    *(
        Sentence("id"),
        Sentence("name"),
        Sentence("fullname"),
        Sentence("email"),
        Sentence("is_admin"),
        Sentence("role"),
    ),
    *(Sentence("created_at"), Sentence("expires_at"), Sentence("last_used_at"), Sentence("finished_at")),
    *(Sentence("started_at"), Sentence("lastModified"), Sentence("createdAt"), Sentence("private"), Sentence("gated")),
    *(Sentence("downloads"), Sentence("likes"), Sentence("tags"), Sentence("usedStorage"), Sentence("visibility")),
    *(Sentence("grants"), Sentence("hint"), Sentence("owner"), Sentence("file"), Sentence("size"), Sentence("rows")),
    *(Sentence("split"), Sentence("type"), Sentence("class"), Sentence("kind"), Sentence("state"), Sentence("stage")),
    *(Sentence("attempt"), Sentence("progress"), Sentence("error"), Sentence("result"), Sentence("arguments")),
    *(Sentence("run_id"), Sentence("job_id"), Sentence("task"), Sentence("data"), Sentence("base"), Sentence("model")),
    *(Sentence("revision"), Sentence("engine"), Sentence("url"), Sentence("seconds"), Sentence("columns")),
    *(Sentence("priority"), Sentence("failures"), Sentence("max_attempts"), Sentence("cancel_requested")),
    *(Sentence("run_at"), Sentence("slots"), Sentence("owner_id"), Sentence("worker"), Sentence("lease_until")),
    *(Sentence("precision"), Sentence("dimension"), Sentence("max_length"), Sentence("texts"), Sentence("batches")),
    *(Sentence("params"), Sentence("publish"), Sentence("pipeline_tag"), Sentence("library_name"), Sentence("sdk")),
)
"""What columns of tables and fields of a thing are called: the words of the JSON, and in other languages their own."""
STATES: Final = (
    *(Sentence("queued"), Sentence("running"), Sentence("succeeded"), Sentence("failed"), Sentence("cancelled")),
)
"""Of jobs and runs, where a sentence names one. In tables they stand as they are typed after --state."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_YES: Final = ("y", "yes", "s", "sim")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def print_json(data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # what this terminal cannot show, or nobody could, stands there escaped
        text = json.dumps(data)
    typer.echo(text)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """One line a row under a line of headings. What is absent is a dash."""
    lines = [[translate(column).upper().replace("_", " ") for column in columns]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_fields(fields: Mapping[str, Any]) -> None:
    """One line each. What is absent is left out."""
    for name, value in fields.items():
        if value not in (None, [], {}):
            typer.echo(f"{translate(name)}: {_cell(value)}")


def say(sentence: str, /, **fields: object) -> None:
    """In the reader's language: a template and its fields, or a Sentence."""
    typer.echo(translate(sentence, **fields), err=True)


def ask_before(deed: str, /, *, yes: bool, **fields: object) -> None:
    """Ends the command unless the answer is yes. `deed` is a template as in `say`."""
    if yes:
        return
    question = translate("{deed} This cannot be undone. Go on? [y/N]", deed=Sentence(deed, **fields))
    answer = typer.prompt(question, default="", show_default=False, err=True)
    if answer.strip().lower() not in _YES:
        raise typer.Abort


def _cell(value: Any) -> str:
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return translate("yes") if value else translate("no")
        case list():
            return ",".join(map(str, value))
        case str() if _MOMENT.fullmatch(value):
            return moment(datetime.fromisoformat(value))
        case _:
            return str(value)
