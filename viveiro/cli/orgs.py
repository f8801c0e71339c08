"""viveiro orgs: organisations, and who may do what in them."""

from typing import Annotated
from urllib.parse import quote

import typer

from viveiro.accounts.types import Role
from viveiro.cli.output import JsonOption, YesOption, ask_before, print_json, print_table, say
from viveiro.client import get_client

app = typer.Typer(help="Organisations: namespaces that several users share.", no_args_is_help=True)
members = typer.Typer(help="Who belongs to an organisation.", no_args_is_help=True)
app.add_typer(members, name="members")

NameArgument = Annotated[str, typer.Argument(help="The organisation's name.")]
UserArgument = Annotated[str, typer.Argument(help="The user's name.")]


@app.command("list")
def list_organizations(as_json: JsonOption = False) -> None:
    """Your organisations; all of them, if you administer the installation."""
    with get_client() as client:
        organizations = list(client.pages("/api/v1/orgs"))
    if as_json:
        print_json(organizations)
    else:
        print_table(organizations, ["name", "fullname", "created_at"])


@app.command()
def create(
    name: NameArgument,
    fullname: Annotated[str | None, typer.Option(help="The name that people read.")] = None,
    as_json: JsonOption = False,
) -> None:
    """A new organisation, with you as its administrator."""
    with get_client() as client:
        organization = client.post("/api/v1/orgs", json={"name": name, "fullname": fullname})
    if as_json:
        print_json(organization)
    say("Created {name}. To add someone: viveiro orgs members add {name} USER --role write", name=organization["name"])


@app.command()
def update(
    name: NameArgument,
    fullname: Annotated[str, typer.Option(help="The name that people read; an empty text clears it.")],
    as_json: JsonOption = False,
) -> None:
    """Change the name that people read."""
    with get_client() as client:
        organization = client.patch(_path(name), json={"fullname": fullname})
    if as_json:
        print_json(organization)
    say("Changed {name}.", name=organization["name"])


@app.command()
def delete(name: NameArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete an organisation that owns nothing any more. Its members stay users."""
    ask_before("Deletes the organisation {name}.", name=name, yes=yes)
    with get_client() as client:
        deleted = client.delete(_path(name))
    if as_json:
        print_json(deleted)
    say("Deleted {deleted}.", deleted=deleted["deleted"])


@members.command("list")
def list_members(name: NameArgument, as_json: JsonOption = False) -> None:
    """Who belongs to it, and in which role."""
    with get_client() as client:
        found = client.get(f"{_path(name)}/members")
    if as_json:
        print_json(found)
    else:
        print_table([{**member["account"], "role": member["role"]} for member in found], ["name", "fullname", "role"])


@members.command()
def add(
    name: NameArgument,
    user: UserArgument,
    role: Annotated[Role, typer.Option(help="What the member may do with the organisation's repos.")] = Role.WRITE,
    as_json: JsonOption = False,
) -> None:
    """Make a user a member, or give a member another role."""
    with get_client() as client:
        member = client.put(f"{_path(name)}/members/{quote(user, safe='')}", json={"role": role})
    if as_json:
        print_json(member)
    say(
        "{name} may now {role} in {name2}. To see all: viveiro orgs members list {name2}",
        name=member["account"]["name"],
        role=member["role"],
        name2=name,
    )


@members.command()
def remove(name: NameArgument, user: UserArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """End a membership. What the member made stays the organisation's."""
    ask_before("Removes {user} from {name}.", user=user, name=name, yes=yes)
    with get_client() as client:
        removed = client.delete(f"{_path(name)}/members/{quote(user, safe='')}")
    if as_json:
        print_json(removed)
    say("{removed} no longer belongs to {name}.", removed=removed["removed"], name=name)


def _path(name: str) -> str:
    return f"/api/v1/orgs/{quote(name, safe='')}"
