"""`make docs`: write docs/reference from the code. A test compares, so that the pages cannot rot."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
from click import Command, Context, Group

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
    lines = ["# Settings", NOTICE, "", "Each is a `VIVEIRO_…` variable. `viveiro settings` shows the values in force.", ""]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f" (default `{field.default}`)"
        lines.append(f"- **`VIVEIRO_{name.upper()}`**{default}: {field.description}")
    return "\n".join(lines) + "\n"


def _cli() -> str:
    from viveiro.cli import app

    command = typer.main.get_command(app)
    lines = ["# Command line", NOTICE, "", "`--data-dir DIR` may stand anywhere in the line. Data goes to stdout, talk to stderr.", ""]
    for path, leaf in _leaves(command, Context(command, info_name="viveiro")):
        lines += [f"## `{path.command_path}`", "", leaf.get_help(path).partition("\n\n")[2].rstrip(), ""]
    return _as_code("\n".join(lines))


def _leaves(command: Command, context: Context) -> Iterator[tuple[Context, Command]]:
    if not isinstance(command, Group):
        yield context, command
        return
    for name, child in command.commands.items():
        if not child.hidden:
            yield from _leaves(child, Context(child, info_name=name, parent=context))


def _as_code(text: str) -> str:
    """Help texts keep their columns."""
    blocks = text.split("\n## ")
    return blocks[0] + "".join("\n## " + heading + "\n\n```text\n" + body.strip("\n") + "\n```\n" for heading, _, body in _split(blocks[1:]))


def _split(blocks: list[str]) -> Iterator[tuple[str, str, str]]:
    yield from (block.partition("\n\n") for block in blocks)


def _errors() -> str:
    from viveiro.app import create_app  # noqa: F401 - importing the application declares every domain's errors

    lines = ["# Errors", NOTICE, "", "The code travels in `X-Error-Code`.", "", "| status | code |", "| --- | --- |"]
    lines += [f"| {kind.status} | `{kind.__name__}` |" for kind in sorted(_every_error(ViveiroError), key=lambda kind: (kind.status, kind.__name__))]
    return "\n".join(lines) + "\n"


def _every_error(kind: type[ViveiroError]) -> Iterator[type[ViveiroError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _every_error(child)


if __name__ == "__main__":
    main()
