"""viveiro hub: the storage under repos."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from viveiro.cli.following import follow
from viveiro.cli.output import JsonOption, print_json, say
from viveiro.client import get_client
from viveiro.locale import Sentence, translate

app = typer.Typer(help="The storage under all repos.", no_args_is_help=True)


@app.callback()
def hub() -> None:
    """The storage under all repos."""


@app.command()
def fsck(
    repair: Annotated[bool, typer.Option(help="Rebuild the index from git, and tidy up what was left over.")] = False,
    deep: Annotated[bool, typer.Option(help="Also hash all stored content: reads every byte.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that every promise is kept: git objects, big files, index. Ends with status 1 when one is not."""
    with get_client() as client:
        report = client.post("/api/v1/hub/fsck", {"repair": repair, "deep": deep})
    if as_json:
        print_json(report)
    else:
        for finding in report["findings"]:
            typer.echo(_line(finding))
        say(_verdict(report, repair=repair))
    raise typer.Exit(0 if report["clean"] else 1)


@app.command()
def scan(
    again: Annotated[bool, typer.Option(help="Also look at what was scanned before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for pickles in all repos, as every push does: after an upgrade, or for what was there before."""
    with get_client() as client:
        started = client.post("/api/v1/hub/scan", {"again": again})
        done = follow(client, started["job_id"])["result"]
    if as_json:
        print_json(done)
    else:
        say("{count} files scanned. What was found is on their pages.", count=done["scanned"])


def _line(finding: Mapping[str, Any]) -> str:
    where = " ".join(str(finding[part]) for part in ("repo", "ref", "path", "oid") if finding[part])
    state = f" ({translate('repaired')})" if finding["repaired"] else ""
    return f"{finding['fault']}{state}: {where}: {finding['says']}"


def _verdict(report: Mapping[str, Any], *, repair: bool) -> Sentence:
    checked = Sentence("{repos} repos checked", repos=report["repos"])
    if report["clean"]:
        return Sentence("{checked}: all is there.", checked=checked)
    if repair:
        return Sentence(
            "{checked}: what is named above and not repaired is lost. To bring it back: viveiro restore BACKUP",
            checked=checked,
        )
    return Sentence("{checked}: see above. What can be mended is mended by: viveiro hub fsck --repair", checked=checked)
