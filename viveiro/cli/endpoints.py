"""viveiro endpoints: models that answer requests."""

from typing import Annotated, Any, Final

import typer

from viveiro.cli.output import JsonOption, print_fields, print_json, print_table, say
from viveiro.client import get_client
from viveiro.types import RepoId

app = typer.Typer(help="Models that answer requests over HTTP.", no_args_is_help=True)

COLUMNS: Final = ["model", "task", "state", "revision", "sha", "engine", "owner", "created_at"]

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Repo id of the model, such as acai/triage.")]


@app.command()
def deploy(
    model: ModelArgument,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit. It is pinned as it is now.")] = "main",
    engine: Annotated[str, typer.Option(help="auto, openvino or torch. auto: as the server's settings say.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Serve a model. Returns when it is loaded; deploying again moves the endpoint to the newest commit."""
    wanted = {"model": str(RepoId.parse(model)), "revision": revision, "engine": engine}
    with get_client() as client:
        endpoint = client.post("/api/v1/endpoints", json=wanted)
    if as_json:
        print_json(endpoint)
    else:
        typer.echo(endpoint["url"])
    say(
        "{model} answers at commit {sha}. To try it: viveiro predict {model} 'a text'",
        model=endpoint["model"],
        sha=endpoint["sha"][:10],
    )


@app.command("list")
def list_endpoints(as_json: JsonOption = False) -> None:
    """Endpoints that you may see. `idle` ones load at their next request."""
    with get_client() as client:
        endpoints = client.get("/api/v1/endpoints")
    if as_json:
        print_json(endpoints)
    else:
        print_table(endpoints, COLUMNS)
    if not endpoints:
        say("No model is deployed. To deploy one: viveiro endpoints deploy ORG/NAME")


@app.command()
def info(model: ModelArgument, as_json: JsonOption = False) -> None:
    """One endpoint: what it serves, and what its process has done since it started."""
    with get_client() as client:
        endpoint = client.get(_path(model))
    if as_json:
        print_json(endpoint)
        return
    stats: dict[str, Any] = endpoint.pop("stats", None) or {}
    print_fields({**endpoint, **stats})


@app.command()
def undeploy(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Stop serving a model. It stays in the hub."""
    with get_client() as client:
        endpoint = client.delete(_path(model))
    if as_json:
        print_json(endpoint)
    say("{model} is no longer served. To serve it again: viveiro endpoints deploy {model}", model=endpoint["model"])


def _path(model: str) -> str:
    return f"/api/v1/endpoints/{RepoId.parse(model)}"
