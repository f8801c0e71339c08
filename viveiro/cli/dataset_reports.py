"""What was found in a dataset, drawn for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer

from viveiro.cli.output import print_table
from viveiro.locale import Sentence, number, restored, translate

SHOWN_CLASSES: Final = 30
SHOWN_TWINS: Final = 3
BAR_WIDTH: Final = 30
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_SEVERITIES: Final = {
    "error": (Sentence("error"), "bold red"),
    "warning": (Sentence("warning"), "yellow"),
    "info": (Sentence("note"), "cyan"),
}

_OPTIONS: Final = {
    "no_text": "--text-column …",
    "no_label": "--label-column …",
    "one_class": "--label-column …",
    "several_labels": '--label-separator ""',
    "dropped_empty_text": "--text-column …",
    "imbalance": "--set class_weights=balanced",
    "long_texts": "--base ORG/NAME",
    "unused_columns": "--text-column …",
}
"""What a finding advises, as options of these commands, by its code."""


def print_import(report: Mapping[str, Any]) -> None:
    print_table([{"split": split, "rows": number(rows)} for split, rows in report["rows"].items()], ["split", "rows"])
    typer.echo("")
    print_table(report["columns"], ["name", "type", "role"])
    typer.echo("")
    print_findings(report["findings"])


def print_check(report: Mapping[str, Any]) -> None:
    _print_head(report)
    _print_classes(report)
    if report["token_lengths"]:
        _print_lengths(report["token_lengths"])
    if report["near_duplicates"] and report["near_duplicates"]["examples"]:
        _print_twins(report["near_duplicates"])
    print_findings(report["findings"])
    if not report["findings"]:
        typer.echo(translate("No duplicates, no empty rows, no text in two splits."))


def print_findings(findings: Sequence[Mapping[str, Any]]) -> None:
    """In the reader's language, each with what to do about it."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for finding in findings:
        word, style = _SEVERITIES[finding["severity"]]
        line = Text(f"{translate(word)}: ", style=style)
        line.append(said(finding), style="default")
        if option := _OPTIONS.get(finding["code"]):
            line.append(f" ({option})", style="default")
        console.print(line, soft_wrap=True)


def said(finding: Mapping[str, Any]) -> str:
    return translate(restored({"template": finding["template"], "fields": finding["fields"]}))


def bar(value: float, most: float, width: int = BAR_WIDTH) -> str:
    """A length of blocks, to an eighth of a character; something for whatever is not nothing."""
    eighths = round(value / most * width * 8) if most else 0
    whole, rest = divmod(max(eighths, 1 if value else 0), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _print_head(report: Mapping[str, Any]) -> None:
    typer.echo(f"{report['dataset']}@{report['revision'][:10]}")
    rows = ", ".join(f"{split} {number(count)}" for split, count in report["rows"].items())
    for name, value in (
        (Sentence("rows"), rows),
        (Sentence("text column"), report["text_column"]),
        (Sentence("label column"), report["label_column"]),
    ):
        typer.echo(f"{translate(name)}: {value or '–'}")
    typer.echo("")


def _print_classes(report: Mapping[str, Any]) -> None:
    totals = {name: sum(counts.values()) for name, counts in report["classes"].items()}
    if not totals:
        return
    most = max(totals.values())
    table = _table(Sentence("class"), *report["rows"], "")
    for name, counts in list(report["classes"].items())[:SHOWN_CLASSES]:
        table.add_row(name, *(number(counts[split]) for split in report["rows"]), bar(totals[name], most))
    _print(table)
    if len(totals) > SHOWN_CLASSES:
        typer.echo(translate("… and {count} classes more: --json lists them all", count=len(totals) - SHOWN_CLASSES))
    typer.echo("")


def _print_lengths(lengths: Mapping[str, Any]) -> None:
    most = max(step["texts"] for step in lengths["histogram"])
    table = _table(Sentence("tokens"), Sentence("texts"), "")
    for step in lengths["histogram"]:
        is_cut = step["up_to"] > lengths["limit"]
        table.add_row(
            f"≤ {number(step['up_to'])}",
            number(step["texts"]),
            bar(step["texts"], most) + (f" {translate('cut')}" if is_cut and step["texts"] else ""),
            style="yellow" if is_cut else "",
        )
    _print(table)
    typer.echo(
        translate(
            "{base} reads {limit} tokens. Texts: median {median}, 95 % up to {p95}, longest {longest}.",
            base=lengths["base"],
            limit=lengths["limit"],
            median=number(lengths["median"]),
            p95=number(lengths["p95"]),
            longest=number(lengths["longest"]),
        )
    )
    typer.echo("")


def _print_twins(near: Mapping[str, Any]) -> None:
    typer.echo(translate("Almost the same:"))
    for pair in near["examples"][:SHOWN_TWINS]:
        typer.echo(f"  {number(pair['similarity'], 2)}  {_row(pair['earlier'])}\n        {_row(pair['later'])}")
    typer.echo("")


def _row(place: Mapping[str, Any]) -> str:
    return f"{place['split']}:{place['row']} “{' '.join(place['text'].split())[:100]}”"


def _table(first: str, *others: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(translate(first), overflow="ellipsis", max_width=40)
    for name in others[:-1]:
        table.add_column(translate(name), justify="right")
    table.add_column("", no_wrap=True)
    return table


def _print(table: Any) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False).print(table)
