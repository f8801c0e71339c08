"""viveiro users: who may sign in to this installation."""

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from viveiro.cli.output import JsonOption, YesOption, ask_before, print_json, print_table, say
from viveiro.client import get_client
from viveiro.errors import InvalidInput
from viveiro.locale import translate

app = typer.Typer(help="Users: who may sign in.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The user's name.")]
EmailOption = Annotated[str | None, typer.Option(help="E-mail address; an empty text clears it.")]
FullnameOption = Annotated[str | None, typer.Option(help="The name that people read; an empty text clears it.")]
StdinOption = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Read from standard input: the new password, then, on a second line, your current one.",
    ),
]


@app.command("list")
def list_users(as_json: JsonOption = False) -> None:
    """All users, by name."""
    with get_client() as client:
        users = list(client.pages("/api/v1/users"))
    if as_json:
        print_json(users)
    else:
        print_table(users, ["name", "fullname", "email", "is_admin", "created_at"])


@app.command()
def create(
    name: NameArgument,
    email: EmailOption = None,
    fullname: FullnameOption = None,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything on this installation.")] = False,
    password_stdin: StdinOption = False,
    as_json: JsonOption = False,
) -> None:
    """A new user. The password is asked for, never taken from the command line; without one, access tokens remain."""
    passwords = _read_passwords() if password_stdin else _ask_for_first_password()
    fields = {"name": name, "email": email, "fullname": fullname, "is_admin": admin, **passwords}
    fields.pop("current_password", None)
    with get_client() as client:
        user = client.post("/api/v1/users", json=fields)
    if as_json:
        print_json(user)
    say(
        "Created {name}. To give them an access token: viveiro tokens create --user {name} --name NAME",
        name=user["name"],
    )


@app.command()
def update(
    name: NameArgument,
    email: EmailOption = None,
    fullname: FullnameOption = None,
    admin: Annotated[
        bool | None, typer.Option("--admin/--no-admin", help="Give or take an administrator's rights.")
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    password_stdin: StdinOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change what is given, and leave the rest. A new password ends the user's browser sessions."""
    fields: dict[str, Any] = {"email": email, "fullname": fullname, "is_admin": admin}
    if password_stdin:
        fields |= _read_passwords()
    elif password:
        fields |= _ask_for_new_password()
    with get_client() as client:
        user = client.patch(f"/api/v1/users/{quote(name, safe='')}", json=fields)
    if as_json:
        print_json(user)
    say("Changed {name}. To see all: viveiro users list", name=user["name"])


@app.command()
def delete(name: NameArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete a user who owns nothing any more, with their credentials and memberships."""
    ask_before("Deletes the user {name}.", name=name, yes=yes)
    with get_client() as client:
        deleted = client.delete(f"/api/v1/users/{quote(name, safe='')}")
    if as_json:
        print_json(deleted)
    say("Deleted {deleted}.", deleted=deleted["deleted"])


def _read_passwords() -> dict[str, str]:
    lines = sys.stdin.read().splitlines()
    if not any(lines):
        raise InvalidInput('No password came on standard input. Pipe it in: printf %s "$PASSWORD" | viveiro users …')
    return dict(zip(("password", "current_password"), filter(None, lines), strict=False))


def _ask_for_first_password() -> dict[str, str]:
    if not sys.stdin.isatty():
        return {}
    password = typer.prompt(
        translate("Password (empty: access tokens only)"),
        default="",
        hide_input=True,
        show_default=False,
        confirmation_prompt=translate("Repeat for confirmation"),
        err=True,
    )
    return {"password": password} if password else {}


def _ask_for_new_password() -> dict[str, str]:
    password = typer.prompt(
        translate("New password"), hide_input=True, confirmation_prompt=translate("Repeat for confirmation"), err=True
    )
    current = typer.prompt(
        translate("Your current password, if it is your own (administrators: empty)"),
        default="",
        hide_input=True,
        show_default=False,
        err=True,
    )
    return {"password": password, **({"current_password": current} if current else {})}
