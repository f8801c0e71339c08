"""Help and usage errors in the reader's language. The texts stand in English where commands declare them."""

from collections.abc import Sequence
from typing import Any, NoReturn

import typer
import typer.core
from typer._click.core import Command, Context  # typer hides its copy of click, hence the upper bound in pyproject
from typer._click.exceptions import NoArgsIsHelpError, UsageError
from typer._click.formatting import HelpFormatter

from viveiro.locale import ENGLISH, Sentence, current_language, recognised, translate

WORDS = (
    *(Sentence("Usage: "), Sentence("Arguments"), Sentence("Options"), Sentence("Commands")),
    *(Sentence("[OPTIONS]"), Sentence("COMMAND [ARGS]..."), Sentence("required"), Sentence("default: {default}")),
    Sentence("Show this message and exit."),
    Sentence("Install completion for the current shell."),
    Sentence("Show completion for the current shell, to copy it or customize the installation."),
)
"""typer's own."""


class Formatter(HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, translate(prefix or "Usage: "))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(term, translate(text)) for term, text in rows], col_max, col_spacing)


def localised(app: typer.Typer) -> Command:
    """The program, its help already translated when whoever started it reads another language."""
    command = typer.main.get_command(app)
    if current_language() != ENGLISH:
        Context.formatter_class = Formatter
        typer.core._ = translate  # type: ignore[assignment, attr-defined] # by which typer looks up its headings
        _translate_help(command)
    return command


def _translate_help(command: Any) -> None:
    command.help = translate(command.help or "")
    command.options_metavar = translate("[OPTIONS]")
    for parameter in command.params:
        for told in ("help", "metavar"):
            if text := getattr(parameter, told, None):
                setattr(parameter, told, translate(text))
    for child in getattr(command, "commands", {}).values():
        command.subcommand_metavar = translate("COMMAND [ARGS]...")
        _translate_help(child)


def refuse(error: typer.TyperException) -> NoReturn:
    """What typer shows for a command line that it cannot make sense of, in the reader's language."""
    if isinstance(error, NoArgsIsHelpError):
        error.show()
    else:
        if isinstance(error, UsageError) and error.ctx is not None:
            typer.echo(error.ctx.get_usage(), err=True)
            hint = translate("Try '{command} --help' for help.", command=error.ctx.command_path)
            typer.echo(f"{hint}\n", err=True)
        typer.echo(translate("Error: {why}", why=recognised(error.format_message())), err=True)
    raise SystemExit(error.exit_code)
