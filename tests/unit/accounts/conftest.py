"""A database with people in it."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

import viveiro.hub.tables
import viveiro.hub.xet.tables
from viveiro.accounts import service
from viveiro.accounts.types import Role, Viewer
from viveiro.db import Database

# Accounts can be owners: the tables of what they own exist too.
assert viveiro.hub.tables.RepoRow.__table__.name == "repos"
assert viveiro.hub.xet.tables.LayoutRow.__table__.name == "layouts"


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """One writing transaction."""
    with database.write() as session:
        yield session


@pytest.fixture
def people(session: Session) -> dict[str, Viewer]:
    """`root_` administers the installation; `alice` administers the organisation `acai`, where `bob` writes; `carol` is a stranger."""
    for name in ("root_", "alice", "bob", "carol"):
        service.create_user(session, name, is_admin=name == "root_")
    alice = viewer(session, "alice")
    service.create_organization(session, "acai", creator=alice, fullname="Açaí Ltda.")
    service.add_member(session, "acai", "bob", Role.WRITE, by=viewer(session, "alice"))
    return {name: viewer(session, name) for name in ("root_", "alice", "bob", "carol")}


def viewer(session: Session, name: str) -> Viewer:
    return service.viewer_of_user(session, service.get_account(session, name).id)
