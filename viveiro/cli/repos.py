"""viveiro repos: models, datasets and Spaces as the hub keeps them."""

from typing import Annotated, Any, Final

import typer

from viveiro.cli.output import JsonOption, YesOption, ask_before, print_fields, print_json, print_table, say
from viveiro.client import Client, get_client
from viveiro.errors import InvalidInput
from viveiro.types import RepoId, RepoKind, Visibility

app = typer.Typer(help="Repos: models, datasets and Spaces with their history.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="[NAMESPACE/]NAME", help="The repo; alone, in your own namespace.")
]
KindOption = Annotated[RepoKind, typer.Option("--type", help="What the repo holds.")]
VisibilityOption = Annotated[Visibility | None, typer.Option(help="private hides it from strangers.")]

COLUMNS: Final = ("id", "private", "likes", "downloads", "lastModified")
FIELDS: Final = {
    RepoKind.MODEL: (*COLUMNS[1:], "tags", "pipeline_tag", "library_name"),
    RepoKind.DATASET: (*COLUMNS[1:], "tags"),
    RepoKind.SPACE: ("private", "likes", "lastModified", "tags", "sdk"),
    RepoKind.KERNEL: (*COLUMNS[1:], "tags"),
}
SHOWN: Final = (
    "id",
    "sha",
    "private",
    "gated",
    "lastModified",
    "createdAt",
    "downloads",
    "likes",
    "tags",
    "usedStorage",
)


@app.command("list")
def list_repos(
    kind: KindOption = RepoKind.MODEL,
    search: Annotated[str | None, typer.Option(help="Words that the name holds.")] = None,
    author: Annotated[str | None, typer.Option(help="Only this namespace.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only with this tag. May be given several times.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help="lastModified, createdAt, downloads, likes or trendingScore.")
    ] = "lastModified",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Those you may see, newest change first."""
    asked = {"search": search, "author": author, "filter": tag or None, "sort": sort, "expand": FIELDS[kind]}
    with get_client() as client:
        repos = client.first(limit, f"/api/{kind.plural}", **asked)
    if as_json:
        print_json(repos)
    else:
        print_table(repos, COLUMNS)


@app.command()
def info(name: NameArgument, kind: KindOption = RepoKind.MODEL, as_json: JsonOption = False) -> None:
    """What is known of one repo, and its files."""
    with get_client() as client:
        repo = client.get(_path(client, kind, name), blobs=True)
    if as_json:
        print_json(repo)
        return
    print_fields({field: repo.get(field) for field in SHOWN})
    typer.echo("")
    print_table([{"file": file["rfilename"], "size": file["size"]} for file in repo["siblings"]], ["file", "size"])


@app.command()
def create(
    name: NameArgument,
    kind: KindOption = RepoKind.MODEL,
    private: Annotated[bool, typer.Option("--private", help="Hidden from strangers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A new repo, with its first commit."""
    visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
    with get_client() as client:
        created = client.post("/api/repos/create", json={**_named(client, kind, name), "visibility": visibility})
    if as_json:
        print_json(created)
    say(
        "Created {url}. To fill it: hf upload {name} FOLDER --repo-type {kind}",
        url=created["url"],
        name=created["name"],
        kind=kind,
    )


@app.command()
def update(
    name: NameArgument,
    kind: KindOption = RepoKind.MODEL,
    visibility: VisibilityOption = None,
    gated: Annotated[str | None, typer.Option(help="Who may read its files: auto, manual, or off for all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change who sees a repo and who may read it."""
    if gated not in (None, "auto", "manual", "off"):
        raise InvalidInput("--gated takes auto, manual or off, not {gated!r}.", gated=gated)
    changes: dict[str, Any] = {} if visibility is None else {"visibility": visibility}
    if gated is not None:
        changes["gated"] = False if gated == "off" else gated
    with get_client() as client:
        changed = client.put(f"{_path(client, kind, name)}/settings", json=changes)
    if as_json:
        print_json(changed)
    say(
        "{name} is now {visibility}, and gated." if changed["gated"] else "{name} is now {visibility}.",
        name=name,
        visibility=changed["visibility"],
    )


@app.command()
def duplicate(
    name: NameArgument,
    to: Annotated[
        str | None,
        typer.Argument(metavar="[[NAMESPACE/]NAME]", help="The copy's name; left out, the same in your namespace."),
    ] = None,
    kind: KindOption = RepoKind.MODEL,
    visibility: VisibilityOption = None,
    as_json: JsonOption = False,
) -> None:
    """A new repo with another's history. Large files are shared with it, not copied."""
    with get_client() as client:
        source = _repo_id(client, name)
        wanted: dict[str, Any] = {"repository": str(_repo_id(client, to or source.name))}
        if visibility is not None:
            wanted["visibility"] = visibility
        made = client.post(f"/api/{kind.plural}/{source}/duplicate", json=wanted)
    if as_json:
        print_json(made)
    say("Created {url}, with the history of {source}.", url=made["url"], source=source)


@app.command()
def move(
    name: NameArgument,
    to: Annotated[str, typer.Argument(metavar="[NAMESPACE/]NAME", help="Its new name; alone, in the same namespace.")],
    kind: KindOption = RepoKind.MODEL,
    as_json: JsonOption = False,
) -> None:
    """Rename a repo, or give it to another namespace. Its old name leads to the new one."""
    with get_client() as client:
        source = _repo_id(client, name)
        target = to if "/" in to else f"{source.namespace}/{to}"
        moved = client.post("/api/repos/move", json={"fromRepo": str(source), "toRepo": target, "type": kind})
    if as_json:
        print_json(moved)
    say("{source} is called {target} now: {url}", source=source, target=moved["id"], url=moved["url"])


@app.command()
def delete(
    name: NameArgument, kind: KindOption = RepoKind.MODEL, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Delete a repo with all its files and its history."""
    with get_client() as client:
        named = _named(client, kind, name)
        full_name = f"{named['organization']}/{named['name']}"
        ask_before(
            "Deletes the {kind} repo {full_name}, all its files and its history.",
            kind=kind,
            full_name=full_name,
            yes=yes,
        )
        client.delete("/api/repos/delete", json=named)
    if as_json:
        print_json({"deleted": full_name, "type": kind})
    say("Deleted {full_name}. To see what is left: viveiro repos list --type {kind}", full_name=full_name, kind=kind)


def _named(client: Client, kind: RepoKind, name: str) -> dict[str, str]:
    repo_id = _repo_id(client, name)
    return {"name": repo_id.name, "organization": repo_id.namespace, "type": kind}


def _path(client: Client, kind: RepoKind, name: str) -> str:
    return f"/api/{kind.plural}/{_repo_id(client, name)}"


def _repo_id(client: Client, name: str) -> RepoId:
    return RepoId.parse(name if "/" in name else f"{client.get('/api/whoami-v2')['name']}/{name}")
