"""`viveiro NOUN VERB`. Every command is a client of the server; data goes to stdout, talk to stderr.

Nothing heavy is imported here: `viveiro --help` must answer at once.
"""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from viveiro import __version__
from viveiro.cli import (
    datasets,
    demo,
    endpoints,
    hub,
    installation,
    jobs,
    models,
    orgs,
    predict,
    repos,
    runs,
    tokens,
    users,
)
from viveiro.cli.localisation import localised, refuse
from viveiro.errors import ViveiroError
from viveiro.locale import Sentence, translate
from viveiro.settings import Settings, problems

app = typer.Typer(
    name="viveiro",
    help="Your own Hugging Face: models and datasets, transfer learning, inference, on your own machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for noun in (repos, models, datasets, runs, endpoints, jobs, users, orgs, tokens, hub):
    app.add_typer(noun.app, name=noun.__name__.rpartition(".")[2])
predict.add_to(app)
installation.add_to(app)
demo.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"viveiro {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="The installation's folder (VIVEIRO_DATA_DIR). May stand anywhere in the line."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The loop: import a model and a dataset → runs start → endpoints deploy → predict."""


def run(arguments: list[str] | None = None) -> None:
    """Parse and obey. An error that a person can act on ends with status 1 and one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal of fewer letters than a label has is shown the others
        sys.stdout.reconfigure(errors="replace")
    line = _take_data_dir(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.exit(localised(app).main(line, prog_name="viveiro", standalone_mode=False))
    except ViveiroError as error:
        _fail(error.sentence)
    except typer.TyperException as error:
        refuse(error)
    except typer.Abort:
        _fail(Sentence("Nothing was done."))
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        _fail(Sentence("{problems}. To see every setting: viveiro settings", problems=problems(error)))


def _fail(why: Sentence, status: int = 1) -> NoReturn:
    typer.secho(translate("Error: {why}", why=why), fg=typer.colors.RED, err=True)
    sys.exit(status)


def _take_data_dir(arguments: list[str]) -> list[str]:
    """`--data-dir DIR` means the same wherever it stands, so it is taken out before the commands see the line.

    Who types it means the server of that folder, whatever another one the environment names.
    """
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*rest, word, *words]
        if word == "--data-dir":
            _choose_folder(next(words, ""))
        elif word.startswith("--data-dir="):
            _choose_folder(word.partition("=")[2])
        else:
            rest.append(word)
    return rest


def _choose_folder(folder: str) -> None:
    if not folder:
        _fail(Sentence("--data-dir needs a folder."), status=2)
    os.environ["VIVEIRO_DATA_DIR"] = folder
    for name in ("VIVEIRO_URL", "VIVEIRO_TOKEN"):
        os.environ.pop(name, None)
