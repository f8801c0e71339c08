"""What has to be true before the first request: schema, folders, an administrator, the command line's credential."""

import json
import os
import sys
from typing import Final

from sqlalchemy.orm import Session

from viveiro.accounts.access_tokens import revoke_tokens_named
from viveiro.accounts.secrets import new_password
from viveiro.accounts.service import create_token, create_user, first_administrator
from viveiro.accounts.types import Account, TokenRole
from viveiro.db import Database, migrate
from viveiro.hub.service import Hub
from viveiro.locale import translate
from viveiro.settings import Settings
from viveiro.storage import check_store, open_store

COMMAND_LINE_TOKEN: Final = "viveiro command line on the server's own machine"  # noqa: S105 - a token's name, not its value
FIRST_TOKEN: Final = "first start"  # noqa: S105 - a token's name, not its value
GIVEN_TOKENS: Final = (COMMAND_LINE_TOKEN, FIRST_TOKEN)
"""What the administrator has without having made it."""


def prepare_installation(settings: Settings) -> None:
    """Runs once before the other processes of each start; does again whatever an earlier one left half done."""
    for folder in (settings.repos_dir, settings.storage_dir, settings.runs_dir, settings.cache_dir, settings.logs_dir):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_store(settings)
    database = Database(settings.sqlalchemy_url)
    migrate.upgrade(database)
    hub = Hub(database, settings, open_store(settings))
    hub.reconcile()
    with database.write() as session:
        administrator = first_administrator(session)
        welcome = None
        if administrator is None:
            administrator, welcome = _make_administrator(session)
        command_line = _renew_command_line_token(session, administrator)
    if welcome is not None:
        _show_once(settings, welcome)
    _write_private(settings, "server.json", json.dumps({"token": command_line, "user": administrator.name}))
    hub.close()
    database.close()


def _make_administrator(session: Session) -> tuple[Account, str]:
    password = new_password()
    administrator = create_user(session, "admin", password=password, is_admin=True)
    token = create_token(session, administrator.id, FIRST_TOKEN, TokenRole.WRITE)
    welcome = translate(
        "Administrator: {name}\nPassword:      {password}\nAccess token:  {access_token}\n",
        name=administrator.name,
        password=password,
        access_token=token.secret,
    )
    return administrator, welcome


def _renew_command_line_token(session: Session, administrator: Account) -> str:
    """A new one at each start: the last one's life ended with its server."""
    revoke_tokens_named(session, administrator.id, COMMAND_LINE_TOKEN)
    return create_token(session, administrator.id, COMMAND_LINE_TOKEN, TokenRole.WRITE).secret


def _show_once(settings: Settings, welcome: str) -> None:
    path = _write_private(settings, "first-sign-in.txt", welcome)
    advice = translate("This is shown once. It is also in {path}: delete that file when you have noted it.", path=path)
    sys.stdout.write(f"{welcome}{advice}\n")
    sys.stdout.flush()


def _write_private(settings: Settings, name: str, content: str) -> str:
    """Whole or not at all, readable by the owner only."""
    path = settings.data_dir / name
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
    partial.replace(path)
    return str(path)
