"""`make docs`: write docs/reference from the code. A test compares, so that the pages cannot rot."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

import viveiro
from viveiro.errors import ViveiroError
from viveiro.settings import Settings

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTICE: Final = "<!-- Written by `make docs` from the code. Change it there. -->"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


def pages() -> dict[str, str]:
    """File name → content, of every page."""
    return {"settings.md": _settings(), "cli.md": _cli(), "errors.md": _errors()}


def _settings() -> str:
    lines = [
        "# Settings",
        NOTICE,
        "",
        "Each is a `VIVEIRO_…` variable. `viveiro settings` shows the values in force.",
        "",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f" (default `{field.default}`)"
        lines.append(f"- **`VIVEIRO_{name.upper()}`**{default}: {field.description}")
    return "\n".join(lines) + "\n"


def _cli() -> str:
    from viveiro.cli import app

    command = typer.main.get_command(app)
    lines = [
        "# Command line",
        NOTICE,
        "",
        "Each command is a client of a server. Without more it asks the one of this machine's data folder, and starts it for as",
        "long as the command takes when none runs. `VIVEIRO_URL` and `VIVEIRO_TOKEN` name a server elsewhere and an access token",
        "for it. `--data-dir DIR` may stand anywhere in the line and counts more than they do. Data goes to stdout, talk to",
        "stderr; an interrupt (Ctrl-C) leaves what was started to the server, and says how to come back to it.",
        "",
    ]
    for context in _leaves(command.context_class(command, info_name="viveiro", terminal_width=80)):
        help_text = context.command.get_help(context).partition("\n\n")[2]
        lines += [f"## `{context.command_path}`", "", help_text.rstrip(), ""]
    return _as_code("\n".join(lines))


def _leaves(context: Any) -> Iterator[Any]:
    """Contexts of the commands that do something; groups only lead to them."""
    children = getattr(context.command, "commands", None)
    if children is None:
        yield context
        return
    for name, child in children.items():
        if not child.hidden:
            yield from _leaves(child.context_class(child, info_name=name, parent=context))


def _as_code(text: str) -> str:
    """Help texts keep their columns."""
    first, *blocks = text.split("\n## ")
    for block in blocks:
        heading, _, body = block.partition("\n\n")
        fenced = body.strip("\n")
        first += f"\n## {heading}\n\n```text\n{fenced}\n```\n"
    return first


def _errors() -> str:
    for module in pkgutil.walk_packages(viveiro.__path__, "viveiro."):
        if not module.name.startswith(("viveiro.db.migrations", "viveiro.__main__")):
            importlib.import_module(module.name)
    lines = ["# Errors", NOTICE, "", "The code travels in `X-Error-Code`.", "", "| status | code |", "| --- | --- |"]
    kinds = sorted(_every_error(ViveiroError), key=lambda kind: (kind.status, kind.__name__))
    lines += [f"| {kind.status} | `{kind.__name__}` |" for kind in kinds]
    return "\n".join(lines) + "\n"


def _every_error(kind: type[ViveiroError]) -> Iterator[type[ViveiroError]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("viveiro."):
            yield child
            yield from _every_error(child)


if __name__ == "__main__":
    main()
