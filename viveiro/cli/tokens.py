"""viveiro tokens: access tokens, which programs send instead of a password."""

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from viveiro.accounts.types import TokenRole
from viveiro.cli.output import JsonOption, YesOption, ask_before, print_json, print_table, say
from viveiro.client import get_client
from viveiro.errors import InvalidInput
from viveiro.types import Action

app = typer.Typer(help="Access tokens: what programs send instead of a password.", no_args_is_help=True)

INFERENCE: Final = "inference"

NameArgument = Annotated[str, typer.Argument(help="The access token's name.")]
UserOption = Annotated[str | None, typer.Option(help="Whose; yours by default. Others' take an administrator.")]
DaysOption = Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires; never, by default.")]
GrantOption = Annotated[
    list[str] | None,
    typer.Option(
        "--grant", help="acai/tickets:read,write or acai:read,inference. May be repeated; makes it fine-grained."
    ),
]


@app.command("list")
def list_tokens(user: UserOption = None, as_json: JsonOption = False) -> None:
    """Names, roles and last use. The secrets are known to nobody but their holders."""
    with get_client() as client:
        tokens = client.get("/api/v1/tokens", user=user)
    if as_json:
        print_json(tokens)
    else:
        rows = [{**token, "grants": [_as_text(grant) for grant in token["grants"]]} for token in tokens]
        print_table(rows, ["name", "role", "grants", "hint", "created_at", "expires_at", "last_used_at"])


@app.command()
def create(
    name: Annotated[str, typer.Option(help="To recognise it by.")],
    role: Annotated[TokenRole | None, typer.Option(help="What it is good for; read by default.")] = None,
    grant: GrantOption = None,
    expires_in_days: DaysOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """A new access token. Its secret is printed now and never again."""
    grants = [parse_grant(line) for line in grant or ()]
    chosen = role or (TokenRole.FINE_GRAINED if grants else TokenRole.READ)
    fields = {"name": name, "role": chosen, "grants": grants, "expires_in_days": expires_in_days}
    with get_client() as client:
        issued = client.post("/api/v1/tokens", json=fields, user=user)
    if as_json:
        print_json(issued)
    else:
        typer.echo(issued["secret"])
    say("Keep it safe: it is shown only now. To revoke it: viveiro tokens delete {name!r}", name=name)


@app.command()
def update(
    name: NameArgument,
    new_name: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    grant: GrantOption = None,
    expires_in_days: DaysOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given, and leave the rest. Grants replace the ones before."""
    grants = None if grant is None else [parse_grant(line) for line in grant]
    fields = {"name": new_name, "grants": grants, "expires_in_days": expires_in_days}
    with get_client() as client:
        access_token = client.request("PATCH", _path(name), json=fields, params={"user": user})
    if as_json:
        print_json(access_token)
    say("Changed {name!r}. To see all: viveiro tokens list", name=access_token["name"])


@app.command()
def delete(name: NameArgument, user: UserOption = None, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Revoke an access token: from now on it opens nothing."""
    ask_before("Revokes the access token {name!r}.", name=name, yes=yes)
    with get_client() as client:
        revoked = client.delete(_path(name), user=user)
    if as_json:
        print_json(revoked)
    say("Revoked {revoked!r}.", revoked=revoked["revoked"])


def parse_grant(line: str) -> dict[str, Any]:
    """`acai/tickets:read,inference` as the server reads it."""
    resource, _, words = line.rpartition(":")
    named = [word.strip() for word in words.split(",")]
    if not resource or not set(named) <= {*Action, INFERENCE}:
        raise InvalidInput(
            "{line!r} is not a grant. Write a namespace or namespace/name, a colon, and any of {words}: acai/tickets:read,write",
            line=line,
            words=", ".join([*Action, INFERENCE]),
        )
    return {
        "resource": resource,
        "actions": [word for word in named if word != INFERENCE],
        "inference": INFERENCE in named,
    }


def _as_text(grant: dict[str, Any]) -> str:
    words = [*sorted(grant["actions"], key=list(Action).index), *([INFERENCE] if grant["inference"] else [])]
    return f"{grant['resource']}:{'+'.join(words)}"


def _path(name: str) -> str:
    return f"/api/v1/tokens/{quote(name, safe='')}"
