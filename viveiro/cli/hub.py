"""viveiro hub: the storage under repos."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from viveiro.cli.following import follow
from viveiro.cli.output import JsonOption, print_json, print_table, say
from viveiro.client import get_client
from viveiro.errors import InvalidInput
from viveiro.locale import Sentence, translate
from viveiro.types import size_text

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


@app.command()
def usage(
    namespace: Annotated[
        str | None, typer.Argument(help="A user or an organisation; all that you may see, unless given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """How much room repos take: in git, and their large files, where what several repos share counts once."""
    with get_client() as client:
        found = client.get("/api/v1/hub/usage", namespace=namespace)
    if as_json:
        print_json(found)
        return
    rows = []
    for each in found:
        limit = translate("no limit") if each["limit"] is None else size_text(each["limit"])
        rows.append(_usage_row(each["namespace"], each) | {"quota": limit})
        rows += [_usage_row(f"  {repo['kind']} {repo['repo']}", repo) | {"quota": ""} for repo in each["repos"]]
    print_table(rows, ["name", "git", "large", "quota"])
    say("To limit one: viveiro hub quota NAME 50GB. To delete what no repo has: viveiro hub gc")


def _usage_row(name: str, amounts: Mapping[str, Any]) -> dict[str, str]:
    return {"name": name, "git": size_text(amounts["git"]), "large": size_text(amounts["large"])}


@app.command()
def quota(
    name: Annotated[str, typer.Argument(help="A user or an organisation.")],
    size: Annotated[str, typer.Argument(help="As in 50GB or 500MiB; none: no limit; default: as the settings say.")],
    as_json: JsonOption = False,
) -> None:
    """Limit what the large files of a user or an organisation may take. For administrators."""
    path = f"/api/v1/accounts/{quote(name, safe='')}/quota"
    with get_client() as client:
        wanted = {"bytes": None if size in ("none", "default") else _bytes_of(size)}
        answer = client.delete(path) if size == "default" else client.put(path, wanted)
    if as_json:
        print_json(answer)
    else:
        limit = translate("no limit") if answer["bytes"] is None else size_text(answer["bytes"])
        say("Quota of {name}: {limit}. To see what it uses: viveiro hub usage {name}", name=name, limit=limit)


def _bytes_of(text: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:[.,][0-9]+)?) ?([KMGT]?)(i?)B?", text, re.IGNORECASE)
    if match is None:
        raise InvalidInput("{text!r} is not a size. Write it as in 50GB or 500MiB, or none, or default.", text=text)
    base = 1024 if match[3] else 1000
    return int(float(match[1].replace(",", ".")) * base ** " KMGT".index(match[2].upper() or " "))


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted, and what kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete now what no repo has, as the nightly sweep does: contents of deleted repos, and uploads nobody finished."""
    with get_client() as client:
        plan = client.get("/api/v1/hub/gc")
        done = None if dry_run else follow(client, client.post("/api/v1/hub/gc")["job_id"])["result"]
    if as_json:
        print_json(plan if done is None else {**plan, "done": done})
        return
    for state, why in _KEPT.items():
        amount = plan[state]
        typer.echo(translate(why.template, contents=amount["contents"], size=size_text(amount["bytes"])))
    if done is None:
        say("Nothing was deleted. To delete what goes: viveiro hub gc")
    else:
        say("Deleted: {contents} contents, {uploads} unfinished uploads.", **done)


_KEPT: Final = {
    "unused": Sentence("Goes: {contents} contents, {size}, that no repo has."),
    "recent": Sentence("Stays for a day: {contents} contents, {size}, whose uploaders may be about to commit."),
    "used": Sentence("Stays: {contents} contents, {size}, that repos have."),
}


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
