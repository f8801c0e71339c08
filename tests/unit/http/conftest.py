"""Small applications behind a real server on a real port."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.types import ASGIApp

from viveiro.accounts import service
from viveiro.accounts.passwords import hash_password
from viveiro.accounts.tables import AccountRow
from viveiro.accounts.types import Grant, TokenRole
from viveiro.api.hub import whoami
from viveiro.api.v1 import accounts
from viveiro.db import Base, Database
from viveiro.http.errors import install_error_handlers
from viveiro.http.request_id import RequestIdMiddleware
from viveiro.http.server import make_server
from viveiro.settings import Settings
from viveiro.types import Action

PASSWORD = "correct horse"
GRANT = Grant("acai/tickets", frozenset({Action.READ, Action.WRITE}), inference=True)


@contextmanager
def serve_in_thread(app: ASGIApp) -> Iterator[str]:
    """The address of a server that lives as long as the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready = threading.Event()
    server = make_server(app, on_ready=ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """For what does not depend on the database's kind."""
    database = Database(f"sqlite:///{tmp_path / 'viveiro.sqlite3'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def make_app(database: Database, **settings: object) -> FastAPI:
    """The plumbing and the routes of accounts, without the rest of the platform."""
    app = FastAPI()
    app.state.settings = Settings(data_dir=Path("unused"), **settings)
    app.state.database = database
    app.include_router(accounts.router)
    app.include_router(whoami.router)
    install_error_handlers(app)
    app.add_middleware(RequestIdMiddleware)
    return app


Connect = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def connect() -> Connect:
    """`with connect(app) as client`: a client of a server of that application."""

    @contextmanager
    def connected(app: ASGIApp) -> Iterator[httpx.Client]:
        with serve_in_thread(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
            yield client

    return connected


@pytest.fixture(scope="session")
def alices_hash() -> str:
    """argon2id takes its time: once is enough."""
    return hash_password(PASSWORD)


@pytest.fixture
def tokens(sqlite_database: Database, alices_hash: str) -> dict[str, str]:
    """One access token each of `ada` (who administers), `alice`, and `bob`; and three narrower ones of alice's."""
    with sqlite_database.write() as session:
        ada = service.create_user(session, "ada", is_admin=True)
        alice = service.create_user(session, "alice", fullname="Alice Açaí", email="alice@example.org")
        session.execute(update(AccountRow).where(AccountRow.id == alice.id).values(password_hash=alices_hash))
        bob = service.create_user(session, "bob")
        creator = service.viewer_of_user(session, alice.id)
        service.create_organization(session, "acai", creator=creator, fullname="Açaí Ltda.")
        issue = {
            "ada": (ada.id, TokenRole.WRITE, ()),
            "alice": (alice.id, TokenRole.WRITE, ()),
            "bob": (bob.id, TokenRole.WRITE, ()),
            "alice-read": (alice.id, TokenRole.READ, ()),
            "alice-fine": (alice.id, TokenRole.FINE_GRAINED, (GRANT,)),
            "alice-infer": (alice.id, TokenRole.INFERENCE, ()),
        }
        return {
            name: service.create_token(session, user_id, name, role, grants).secret
            for name, (user_id, role, grants) in issue.items()
        }


@pytest.fixture
def url(sqlite_database: Database, tokens: dict[str, str]) -> Iterator[str]:
    """A server on which those people are known."""
    with serve_in_thread(make_app(sqlite_database, login_attempts_per_minute=3)) as url:
        yield url
