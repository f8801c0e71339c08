"""What the web process does about models that are not loaded yet, and about those that should not be any more."""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.hub.house import House
from viveiro.db import utc_now
from viveiro.serving import frames, hosts, service
from viveiro.serving.hosts import Hosts
from viveiro.serving.types import Endpoint, ModelLoading
from viveiro.settings import Settings
from viveiro.types import RepoId, Resource, Visibility

LOAD_SECONDS = 0.5


class Neighbours:
    """On their sockets: a supervisor that has these hosts, and notes which it was told to stop; a host that never gets ready."""

    def __init__(self, settings: Settings, *keys: str) -> None:
        self.settings = settings
        self.keys = keys
        self.stopped: asyncio.Queue[str] = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        folder = self.settings.sockets_dir
        folder.mkdir(parents=True, exist_ok=True)
        supervisor = await asyncio.start_unix_server(self._supervise, folder / "supervisor.sock")
        async with supervisor, await asyncio.start_unix_server(self._load, folder / f"{self.keys[0]}.sock"):
            yield

    async def _supervise(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        if request["op"] == "host.stop":
            self.stopped.put_nowait(request["key"])
        writer.write(json.dumps({"ok": True, "processes": {f"host {key}": 1 for key in self.keys}}).encode() + b"\n")
        writer.close()

    async def _load(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()


class BusyNeighbours(Neighbours):
    """Its host has loaded its model, and is too busy to tell its state."""

    def __init__(self, settings: Settings, *keys: str) -> None:
        super().__init__(settings, *keys)
        self.was_asked_to_load = asyncio.Event()

    async def _load(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await frames.read(reader)) is not None:
            if request["op"] == "wait":
                self.was_asked_to_load.set()
                writer.write(frames.pack({"id": request["id"], "state": "ready"}))
        writer.close()


@pytest.fixture
def slow() -> Endpoint:
    """Of no repo that is stored: nothing wants it yet."""
    resource = Resource(1, "alice/slow", Visibility.PUBLIC)
    return Endpoint(1, resource, "main", "5" * 40, "text-classification", "auto", "alice", utc_now())


@pytest.fixture
def neighbours(slow: Endpoint, short_folder: Path) -> Neighbours:
    return Neighbours(Settings(data_dir=short_folder), slow.key, "stray")


@pytest.fixture
def asked(house: House, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setattr(hosts, "LOAD_SECONDS", LOAD_SECONDS)
    monkeypatch.setattr(hosts, "STATE_SECONDS", LOAD_SECONDS)
    monkeypatch.setattr(hosts, "TIDY_SECONDS", LOAD_SECONDS / 10)
    return Hosts(neighbours.settings, house.database, house.hub)


def test_no_request_waits_for_the_patience_of_those_before_it(asked, neighbours, slow):
    async def ask_together() -> list[BaseException | None]:
        async with neighbours.listening():
            return await asyncio.gather(*(asked.ready(slow) for _ in range(6)), return_exceptions=True)

    started = time.monotonic()
    answers = asyncio.run(ask_together())
    assert [type(answer) for answer in answers] == [ModelLoading] * 6
    assert time.monotonic() - started < 4 * LOAD_SECONDS


def test_what_no_endpoint_wants_is_unloaded_unless_a_deploy_waits_for_it(asked, neighbours, slow):
    """Also one that was told to try again: a large model takes longer to load than a request waits."""

    async def deploy_beside_a_stray() -> set[str]:
        async with neighbours.listening():
            with pytest.raises(ModelLoading):
                async with asked.held(slow):
                    pass
            await asked.start()
            stopped = {await neighbours.stopped.get() for _ in range(5)}
            await asked.close()
            return stopped

    assert asyncio.run(deploy_beside_a_stray()) == {"stray"}


def test_a_host_too_busy_to_tell_its_state_is_loading_or_ready_and_not_idle(asked, neighbours, slow):
    async def states() -> list[str]:
        idle = await asked.state(slow)
        async with neighbours.listening():
            loading = await asked.state(slow)
        async with BusyNeighbours(neighbours.settings, slow.key).listening():
            await asked.ready(slow)
            ready = await asked.state(slow)
            await asked.close()
        return [answer["state"] for answer in (idle, loading, ready)]

    assert asyncio.run(states()) == ["idle", "loading", "ready"]


def test_a_damaged_endpoint_keeps_none_of_the_later_ones_cold(house, asked, neighbours):
    for name in ("alice/sound", "alice/damaged"):  # the newest comes first
        repo = house.model(name)
        house.write(repo, {"config.json": b'{"model_type": "bert"}', "model.safetensors": name.encode()})
        service.deploy(house.hub, house.alice, RepoId.parse(name))
    shutil.rmtree(house.hub.repo_path(repo) / "objects" / service.served_now(house.database, repo.ref.repo_id).sha[:2])
    sound = service.served_now(house.database, RepoId.parse("alice/sound"))

    async def restart() -> None:
        busy = BusyNeighbours(neighbours.settings, sound.key)
        async with busy.listening(), asyncio.timeout(20):
            await asked.start()
            await busy.was_asked_to_load.wait()
            await asked.close()

    asyncio.run(restart())
