"""The Hub's routes behind a real server, on both databases, with people in it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.unit.http.conftest import serve_in_thread
from viveiro.accounts.service import create_organization, create_token, create_user, viewer_of_user
from viveiro.accounts.types import TokenRole
from viveiro.api import hub as hub_api
from viveiro.db import Base, Database
from viveiro.http.errors import install_error_handlers
from viveiro.http.request_id import RequestIdMiddleware
from viveiro.hub.service import Hub
from viveiro.settings import Settings
from viveiro.storage import LocalBlobStore

KiB = 2**10


@dataclass
class Site:
    """A hub at an address. `as_("alice")` is a client with her access token, `as_()` one of nobody's."""

    url: str
    tokens: dict[str, str]
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def as_(self, name: str = "") -> httpx.Client:
        if name not in self.clients:
            headers = {"Authorization": f"Bearer {self.tokens[name]}"} if name else {}
            self.clients[name] = httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)
        return self.clients[name]

    def new_repo(self, kind: str = "model", **body: object) -> str:
        """The address below /api of a repo that no other test has, made by Alice."""
        name = f"{kind}-{next(self.numbers)}"
        answer = self.as_("alice").post("/api/repos/create", json={"name": name, "type": kind, **body})
        assert answer.status_code == 200, answer.text
        return f"/api/{kind}s/alice/{name}"

    def commit(self, repo: str, files: dict[str, str], revision: str = "main") -> str:
        lines = [{"key": "header", "value": {"summary": "files", "description": ""}}]
        for path, text in files.items():
            lines.append({"key": "file", "value": {"path": path, "content": text, "encoding": "utf-8"}})
        answer = self.as_("alice").post(f"{repo}/commit/{revision}", content=ndjson(lines))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["commitOid"])


def ndjson(lines: list[dict[str, object]]) -> bytes:
    import orjson

    return b"\n".join(orjson.dumps(line) for line in lines)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Shared by all tests of the folder, so each makes repos of its own. From 64 KiB on, files are large here."""
    data_dir = tmp_path_factory.mktemp("site")
    postgres = request.param == "postgres"
    url = f"{request.getfixturevalue('postgres_server')}/postgres" if postgres else None
    settings = Settings(data_dir=data_dir, database_url=url, lfs_threshold_bytes=64 * KiB, secret_key="x" * 32)
    database = Database(settings.sqlalchemy_url)
    Base.metadata.drop_all(database.engine)
    Base.metadata.create_all(database.engine)
    tokens = _people(database)
    app = _make_app(settings, database)
    with serve_in_thread(app) as address:
        site = Site(address, tokens)
        yield site
        for client in site.clients.values():
            client.close()
    app.state.hub.close()
    Base.metadata.drop_all(database.engine)
    database.close()


def _people(database: Database) -> dict[str, str]:
    """Alice and her organisation acai; Bob, a stranger to both; an administrator."""
    with database.write() as session:
        users = {name: create_user(session, name, is_admin=name == "root_") for name in ("alice", "bob", "root_")}
        create_organization(session, "acai", creator=viewer_of_user(session, users["alice"].id), fullname="Açaí Ltda.")
        issued = {name: create_token(session, user.id, "test", TokenRole.WRITE) for name, user in users.items()}
        issued["alice-read"] = create_token(session, users["alice"].id, "reader", TokenRole.READ)
    return {name: token.secret for name, token in issued.items()}


def _make_app(settings: Settings, database: Database) -> FastAPI:
    app = FastAPI()
    app.state.settings = settings
    app.state.database = database
    app.state.hub = Hub(database, settings, LocalBlobStore(Path(settings.storage_dir)))
    app.state.blobs = app.state.hub.blobs
    app.include_router(hub_api.router)
    install_error_handlers(app)
    app.add_middleware(RequestIdMiddleware)
    return app
