"""viveiro models: bring models in, look at them, delete them."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from viveiro.cli.following import follow
from viveiro.cli.output import JsonOption, YesOption, ask_before, print_fields, print_json, print_table, say
from viveiro.client import Client, get_client
from viveiro.errors import InvalidInput, ViveiroError
from viveiro.locale import current_language
from viveiro.types import RepoId

app = typer.Typer(help="Models: import, list, delete.", no_args_is_help=True)

COLUMNS: Final = ("id", "pipeline_tag", "library_name", "private", "downloads", "likes", "lastModified")
FIELDS: Final = ("id", "sha", "pipeline_tag", "library_name", "private", "lastModified", "downloads", "likes", "tags")

ModelArgument = Annotated[str, typer.Argument(metavar="ORG/NAME", help="The model.")]


@app.command("import-starter")
def import_starter(as_json: JsonOption = False) -> None:
    """The model that runs start from: all-MiniLM-L6-v2, from the Python package of the extra `starter`."""
    with get_client() as client:
        imported = starter(client)
    if as_json:
        print_json(imported)
    else:
        typer.echo(f"{imported['model']}@{imported['revision']}")
    say("To adapt it to your texts: viveiro runs start text-classification --data FILE")


@app.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="A folder in Hugging Face layout.")],
    name: Annotated[str, typer.Option(help="ORG/NAME of the model.")],
    private: Annotated[bool, typer.Option("--private", help="Hidden from strangers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload a local folder as a model."""
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise InvalidInput("{folder} holds no config.json: it is no model in Hugging Face layout.", folder=folder)
    with get_client() as client:
        commit = _upload_folder(client, folder, RepoId.parse(name), private=private)
    if as_json:
        print_json({"model": name, "revision": commit})
    else:
        typer.echo(f"{name}@{commit}")
    say("To serve it: viveiro endpoints deploy {name}", name=name)


@app.command()
def pull(
    model: ModelArgument,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit there; main by default.")] = None,
    name: Annotated[str | None, typer.Option(help="Its ORG/NAME here; the same by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a model from the upstream hub (VIVEIRO_UPSTREAM_URL) into this one."""
    with get_client() as client:
        started = client.post("/api/v1/models/pull", json={"repo_id": model, "revision": revision, "name": name})
        pulled = follow(client, started["job_id"])["result"]
    if as_json:
        print_json(pulled)
    else:
        typer.echo(f"{pulled['model']}@{pulled['revision']}")
    say("To serve it: viveiro endpoints deploy {model}", model=pulled["model"])


@app.command("list")
def list_models(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    author: Annotated[str | None, typer.Option(help="User or organisation.")] = None,
    task: Annotated[str | None, typer.Option(help="As in text-classification.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Models that you may see, the most recently changed first."""
    with get_client() as client:
        asked = {"search": search, "author": author, "pipeline_tag": task, "sort": "lastModified", "expand": FIELDS[1:]}
        found = client.first(limit, "/api/models", **asked)
    if as_json:
        print_json(found)
    else:
        print_table(found, COLUMNS)
    if not found:
        say("No model yet. To get one: viveiro models import-starter")


@app.command()
def info(model: ModelArgument, as_json: JsonOption = False) -> None:
    """One model: its files and what its card says."""
    name, _, revision = model.partition("@")
    with get_client() as client:
        found = client.get(f"/api/models/{RepoId.parse(name)}/revision/{revision or 'main'}")
    if as_json:
        print_json(found)
        return
    print_fields({field: found.get(field) for field in FIELDS})
    print_table([{"file": sibling["rfilename"]} for sibling in found.get("siblings", [])], ["file"])


@app.command()
def delete(model: ModelArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete a model with all its revisions."""
    repo_id = RepoId.parse(model)
    ask_before("Deletes the model {repo_id} with all its revisions.", repo_id=repo_id, yes=yes)
    with get_client() as client:
        body = {"type": "model", "organization": repo_id.namespace, "name": repo_id.name}
        client.delete("/api/repos/delete", json=body)
    if as_json:
        print_json({"deleted": str(repo_id)})
    say("Deleted {repo_id}. If it was served, it no longer is: viveiro endpoints list", repo_id=repo_id)


def starter(client: Client) -> dict[str, str]:
    """Import it, or find that it is there; `model` and `revision`."""
    result: dict[str, str] = follow(client, client.post("/api/v1/models/import-starter")["job_id"])["result"]
    return result


def _upload_folder(client: Client, folder: Path, repo_id: RepoId, *, private: bool) -> str:
    """Through the hub's own protocol, as any client would; the commit."""
    os.environ["HF_HUB_DISABLE_XET"] = "1"  # read once, when huggingface_hub is first imported
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=client.url, token=client.token, headers={"Accept-Language": current_language()})
    try:
        api.create_repo(str(repo_id), private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=str(repo_id), folder_path=folder, commit_message=f"Import {folder.name}")
    except HfHubHTTPError as error:
        raise ViveiroError("{why}", why=error.server_message or str(error)) from error
    return str(commit.oid)
