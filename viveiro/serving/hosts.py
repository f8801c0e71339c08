"""The web process's side of the model hosts: starts them when they are needed, and asks them many things at once."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from starlette.concurrency import run_in_threadpool

from viveiro.db import Database
from viveiro.errors import ViveiroError
from viveiro.hub.service import Hub
from viveiro.locale import Sentence, restored
from viveiro.serving import frames, service
from viveiro.serving.control import ask_supervisor
from viveiro.serving.types import (
    Answer,
    Endpoint,
    ForwardFailed,
    ModelDoesNotLoad,
    ModelKeepsDying,
    ModelLoading,
    NoSupervisor,
    QueueFull,
    TooLate,
    TooManyTokens,
)
from viveiro.settings import Settings

log = structlog.get_logger()

LOAD_SECONDS: Final = 60.0
"""How long a request waits for its model to load before it is told to come back."""
CONNECT_POLL_SECONDS: Final = 0.05
ASK_AGAIN_SECONDS: Final = 1.0
STATE_SECONDS: Final = 2.0
TIDY_SECONDS: Final = 10.0
"""How often it is looked whether a host is loaded that no endpoint wants any more."""
_ERRORS: Final[dict[str, Callable[[], ViveiroError]]] = {
    error.__name__: error for error in (QueueFull, TooManyTokens, TooLate, ForwardFailed)
}


class Hosts:
    """Only for the event loop's thread."""

    def __init__(self, settings: Settings, database: Database, hub: Hub) -> None:
        self._settings = settings
        self._database = database
        self._hub = hub
        self._answer_seconds = settings.model_answer_limit.total_seconds()
        self._connections: dict[str, _Connection] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failures: dict[str, _Failure] = {}
        self._held: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring the wanted endpoints back, one after another, without making anyone wait."""
        self._tasks = [asyncio.create_task(self._warm_up()), asyncio.create_task(self._tidy())]

    async def close(self) -> None:
        """The hosts live on: their supervisor ends them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._connections.values():
            await connection.close()
        self._connections.clear()

    async def predict(
        self, endpoint: Endpoint, texts: Sequence[str], parameters: dict[str, Any], *, bare: bool
    ) -> Answer:
        """Loads the model first if nobody has.

        Raises:
            ModelLoading: it takes longer than a request should wait.
            ModelDoesNotLoad, ModelKeepsDying, QueueFull, TooManyTokens, TooLate, ForwardFailed, NoSupervisor
        """
        options = {"parameters": parameters, "bare": bare, "seconds": self._answer_seconds}
        request = {"op": "predict", "texts": texts, **options}
        try:
            answer = await self._ask(endpoint, request)
        except ConnectionError:
            # The host died under the request, which changes nothing in the world: its successor may answer.
            try:
                answer = await self._ask(endpoint, request)
            except ConnectionError:
                raise ForwardFailed from None
        if "error" in answer:
            raise _ERRORS.get(answer["error"], ForwardFailed)()
        return Answer(answer["body"], answer["decision"])

    async def ready(self, endpoint: Endpoint) -> None:
        """Returns when the model is loaded. Raises like `predict`."""
        await self._connection(endpoint)

    @contextlib.asynccontextmanager
    async def held(self, endpoint: Endpoint) -> AsyncIterator[None]:
        """Loaded when the block begins, and until its end, though no endpoint wants it yet. Raises like `predict`.

        What takes longer to load than a request waits goes on loading: who was told to try again shall find it.
        """
        self._held.add(endpoint.key)
        try:
            await self._connection(endpoint)
            yield
        except ModelLoading:
            raise
        except BaseException:
            self._held.discard(endpoint.key)
            raise
        else:
            self._held.discard(endpoint.key)

    async def state(self, endpoint: Endpoint) -> dict[str, Any]:
        """`{"state": "idle" | "loading" | "ready" | "failed", …}`, without loading anything."""
        try:
            async with asyncio.timeout(STATE_SECONDS):
                connection = await _Connection.open(self._socket(endpoint))
                try:
                    answer = await connection.ask({"op": "state"})
                finally:
                    await connection.close()
        except TimeoutError:  # a process is there, and too busy to say more
            known = self._connections.get(endpoint.key)
            return {"state": "ready" if known is not None and known.is_open else "loading"}
        except OSError:
            return {"state": "idle"}
        return {name: value for name, value in answer.items() if name != "id"}

    async def stop(self, endpoint: Endpoint) -> None:
        """Unload the model when its last answer is out, unless an endpoint still serves it."""
        if endpoint.key not in await self._wanted():
            await self._stop(endpoint.key)

    async def _stop(self, key: str) -> None:
        if (connection := self._connections.pop(key, None)) is not None:
            await connection.drain(self._answer_seconds)
            await connection.close()
        await ask_supervisor(self._settings, {"op": "host.stop", "key": key})

    async def _wanted(self) -> set[str]:
        endpoints = await run_in_threadpool(service.wanted_endpoints, self._database)
        return {endpoint.key for endpoint in endpoints}

    async def _ask(self, endpoint: Endpoint, request: dict[str, Any]) -> dict[str, Any]:
        connection = await self._connection(endpoint)
        try:
            async with asyncio.timeout(self._answer_seconds + 5):
                return await connection.ask(request)
        except TimeoutError:
            raise TooLate from None

    async def _connection(self, endpoint: Endpoint) -> "_Connection":
        """To a host whose model is loaded."""
        if (known := self._connections.get(endpoint.key)) is not None and known.is_open:
            return known
        asked = time.monotonic()
        try:
            async with asyncio.timeout(LOAD_SECONDS), self._opening[endpoint.key]:
                if (known := self._connections.get(endpoint.key)) is not None and known.is_open:
                    return known
                failure = self._failures.get(endpoint.key)
                if failure is not None and failure.at > asked:  # loading it once more for each who waited helps none
                    raise failure.of_repo(endpoint.repo)
                connection = self._connections[endpoint.key] = await self._open(endpoint)
                return connection
        except TimeoutError:
            raise ModelLoading(endpoint.repo) from None

    async def _open(self, endpoint: Endpoint) -> "_Connection":
        while True:
            try:
                return await self._reach(endpoint)
            except ConnectionError:  # it died while it loaded, or just before: its successor is on the way
                await asyncio.sleep(CONNECT_POLL_SECONDS)

    async def _reach(self, endpoint: Endpoint) -> "_Connection":
        try:
            connection = await _Connection.open(self._socket(endpoint))
        except OSError:  # no host, or one that died and left its socket behind
            connection = await self._start(endpoint)
        try:
            answer = await connection.ask({"op": "wait"})
        except BaseException:
            await connection.close()
            raise
        if answer.get("state") == "ready":
            return connection
        await connection.close()
        why = restored(answer.get("why")) or Sentence("It did not say why.")
        raise await self._fail(endpoint, partial(ModelDoesNotLoad, why=why))

    async def _fail(self, endpoint: Endpoint, of_repo: Callable[[str], ViveiroError]) -> ViveiroError:
        self._failures[endpoint.key] = _Failure(time.monotonic(), of_repo)
        await ask_supervisor(self._settings, {"op": "host.stop", "key": endpoint.key})
        return of_repo(endpoint.repo)

    async def _start(self, endpoint: Endpoint) -> "_Connection":
        folder = await run_in_threadpool(service.check_out_model, self._hub, self._settings, endpoint)
        engine = self._settings.engine if endpoint.engine == "auto" else endpoint.engine
        start = {"op": "host.start", "key": endpoint.key, "args": [str(folder), endpoint.task, engine]}
        started = ask_next = time.monotonic()
        while True:
            if time.monotonic() >= ask_next:  # again and again: it may die before it listens
                if (await ask_supervisor(self._settings, start)).get("given_up"):
                    raise await self._fail(endpoint, ModelKeepsDying)
                ask_next = time.monotonic() + ASK_AGAIN_SECONDS
            with contextlib.suppress(OSError):
                connection = await _Connection.open(self._socket(endpoint))
                log.info("host_started", repo=endpoint.repo, sha=endpoint.sha, seconds=time.monotonic() - started)
                return connection
            await asyncio.sleep(CONNECT_POLL_SECONDS)

    async def _warm_up(self) -> None:
        for endpoint in await run_in_threadpool(service.wanted_endpoints, self._database):
            try:
                await self.ready(endpoint)
            except ViveiroError as error:
                log.warning("endpoint_not_restored", repo=endpoint.repo, sha=endpoint.sha, reason=str(error))
            except Exception:  # such as files that the disk has lost: the others come back all the same
                log.warning("endpoint_not_restored", repo=endpoint.repo, sha=endpoint.sha, exc_info=True)

    async def _tidy(self) -> None:
        while True:
            try:
                await self._unload_unwanted()
            except Exception:  # such as a database that is away for a moment: the next look may find it
                log.warning("hosts_not_tidied", exc_info=True)
            await asyncio.sleep(TIDY_SECONDS)

    async def _unload_unwanted(self) -> None:
        """However an endpoint went: with its repo, with the repo's owner, or while another web process was here."""
        running, held = await self._running(), set(self._held)
        if running:
            wanted = await self._wanted()
            # Held before or now: a deploy may have begun meanwhile, or have ended after `wanted` was read.
            unwanted = running - wanted - held - self._held
            await asyncio.gather(*(self._stop(key) for key in unwanted))

    async def _running(self) -> set[str]:
        try:
            answer = await ask_supervisor(self._settings, {"op": "status"})
        except NoSupervisor:
            return set()
        return {name.removeprefix("host ") for name in answer["processes"] if name.startswith("host ")}

    def _socket(self, endpoint: Endpoint) -> str:
        return str(self._settings.sockets_dir / f"{endpoint.key}.sock")


@dataclass(frozen=True, slots=True)
class _Failure:
    """Of a model to load. Repos may share it, so each request hears of its own."""

    at: float
    of_repo: Callable[[str], ViveiroError]


class _Connection:
    """One socket, many requests under way. Answers come in any order and find their request by number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, path: str) -> "_Connection":
        return cls(*await asyncio.open_unix_connection(path))

    @property
    def is_open(self) -> bool:
        return not self._listening.done()

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises ConnectionError when the host ends before it answers."""
        if not self.is_open:
            raise ConnectionResetError("the model host has ended")
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(frames.pack({"id": number, **request}))
            await self._writer.drain()
            answer: dict[str, Any] = await future
            return answer
        finally:
            del self._waiting[number]

    async def drain(self, seconds: float) -> None:
        """Returns when every answer is there, or after that long."""
        if self._waiting:
            await asyncio.wait(self._waiting.values(), timeout=seconds)

    async def close(self) -> None:
        self._listening.cancel()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while (answer := await frames.read(self._reader)) is not None:
                    if (future := self._waiting.get(answer["id"])) is not None and not future.done():
                        future.set_result(answer)
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionResetError("the model host has ended"))
