"""`POST /api/v1/hub/fsck`, as `viveiro hub fsck` asks it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.unit.hub.house import House, sha256
from viveiro.accounts.service import create_token
from viveiro.accounts.types import TokenRole, Viewer
from viveiro.api.v1 import hub_admin
from viveiro.cli.hub import _line
from viveiro.http.errors import install_error_handlers
from viveiro.hub.types import AddLfsFile

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.settings, app.state.database = house.settings, house.database
    app.state.blobs, app.state.hub = house.blobs, house.hub
    app.include_router(hub_admin.router)
    install_error_handlers(app)
    with TestClient(app) as client:
        yield client


def fsck(house: House, client: TestClient, viewer: Viewer, **body: Any) -> Any:
    assert viewer.user_id is not None
    with house.database.write() as session:
        issued = create_token(session, viewer.user_id, f"fsck-{len(body)}", TokenRole.WRITE)
    headers = {"Authorization": f"Bearer {issued.secret}"}
    return client.post("/api/v1/hub/fsck", json=body, headers=headers)


def test_a_sound_hub_is_clean(house: House, client: TestClient) -> None:
    house.model("alice/one")
    house.model("alice/two")
    assert fsck(house, client, house.root).json() == {"clean": True, "repos": 2, "findings": []}


def test_what_is_lost_is_named_and_a_repair_does_not_hide_it(house: House, client: TestClient) -> None:
    repo = house.model()
    house.commit(repo, AddLfsFile("model.bin", house.store(b"\0weights", repo)))
    house.blobs.delete(sha256(b"\0weights"))
    for body in ({}, {"repair": True}):
        report = fsck(house, client, house.root, **body).json()
        assert not report["clean"]
        assert "alice/seeds refs/heads/main model.bin" in _line(report["findings"][0])


def test_only_administrators_may_ask(house: House, client: TestClient) -> None:
    assert fsck(house, client, house.alice).status_code == 403
    assert client.post("/api/v1/hub/fsck", json={}).status_code == 401
