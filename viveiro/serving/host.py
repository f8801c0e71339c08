"""The process that holds one model: answers frames on a Unix socket until it is told to end.

    asyncio loop        reads and writes frames, tokenises what is short, turns outputs into answers
    one other thread    loads the model, then runs what the scheduler says
    more of them        run too, one for each core that the engine can use
    asyncio's threads   tokenise what is long

A model that does not load leaves the process alive and saying why, so that it is not started again and again.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import structlog
import uvloop

from viveiro.errors import ViveiroError
from viveiro.locale import stored
from viveiro.ml.artefact import Artefact, read_artefact
from viveiro.ml.engines import Engine, EngineUnfit, Item, engines
from viveiro.ml.task import Task
from viveiro.ml.tasks import tasks
from viveiro.serving import frames
from viveiro.serving.control import ask_supervisor
from viveiro.serving.record import Record
from viveiro.serving.scheduler import Scheduler, Work
from viveiro.serving.types import ForwardFailed, NoSupervisor, TooLate
from viveiro.settings import Settings

log = structlog.get_logger()

FASTEST_FIRST: Final = ("openvino", "torch")
"""What `auto` tries. torch runs everything that is served at all."""
THREADS: Final = "1"
"""Per operator of torch. More collapse when a neighbour wants the same cores."""
MOST_WORKERS: Final = 16
IDLE_CHECK_SECONDS: Final = 5.0
SHORT_CHARACTERS: Final = 8000
"""Of all texts of a request: so many are tokenised in 2 ms, for which all others wait. The way to a thread and back takes
0.06 ms, three times as long as a short text itself, so what most requests hold (256 tokens are 1,500 characters) stays here."""


def run_host(settings: Settings, key: str, folder: str, task: str, engine: str) -> int:
    """The whole life of the process. `key` names its socket."""
    os.environ["OMP_NUM_THREADS"] = THREADS  # torch reads it when it is imported, if it ever is
    host = ModelHost(
        Path(folder),
        tasks[task],
        FASTEST_FIRST if engine == "auto" else (engine,),
        cache=settings.engines_dir / key,
        queue_tokens=settings.model_queue_tokens,
    )
    return uvloop.run(_live(host, settings, key))


async def _live(host: "ModelHost", settings: Settings, key: str) -> int:
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end.set)
    async with host.serving(settings.sockets_dir / f"{key}.sock"):
        telling = asyncio.create_task(_tell_when_settled(host, settings, key))
        limit = settings.model_idle_limit.total_seconds()
        while not told_to_end.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told_to_end.wait(), min(IDLE_CHECK_SECONDS, limit))
            if host.idle_seconds() > limit:
                log.info("model_unloaded", reason="idle")
                with contextlib.suppress(NoSupervisor):  # then nobody would start it again either
                    await ask_supervisor(settings, {"op": "host.stop", "key": key})
                break
        telling.cancel()
    return 0


async def _tell_when_settled(host: "ModelHost", settings: Settings, key: str) -> None:
    """A death while it loads is one that the next attempt would only repeat; the supervisor counts those."""
    await host.settled()
    with contextlib.suppress(NoSupervisor):
        await ask_supervisor(settings, {"op": "host.settled", "key": key})


@dataclass(eq=False)
class _Pending:
    """A request whose texts are with the scheduler."""

    answer: "asyncio.Future[np.ndarray]"
    outputs: list[np.ndarray]
    missing: int


class ModelHost:
    def __init__(
        self, folder: Path, task: Task, engine_names: Sequence[str], *, cache: Path, queue_tokens: int
    ) -> None:
        self._folder = folder
        self._task = task
        self._engine_names = engine_names
        self._cache = cache
        self._engine: Engine
        self._artefact = Artefact(task.name)
        self._failure: str | None = None
        self._settled = asyncio.Event()
        self._scheduler = Scheduler(queue_tokens)
        self._changed = threading.Condition()
        self._running = 0
        self._ending = False
        self._record = Record()

    @contextlib.asynccontextmanager
    async def serving(self, socket_path: Path) -> AsyncIterator[None]:
        """Listens at once; what is asked before the model is loaded waits for it."""
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._own_the_model, name="model")
        server = await asyncio.start_unix_server(self._converse, sock=_private_socket(socket_path))
        thread.start()
        try:
            yield
        finally:
            # The socket's file stays: a successor may have bound its own by now, under the same name.
            server.close()
            with self._changed:
                self._ending = True
                self._changed.notify_all()
            # Waited for: a thread that Python ends inside an engine's C++ takes the process down with SIGABRT.
            await asyncio.to_thread(thread.join)

    async def settled(self) -> None:
        """Returns when the model is loaded, or has turned out not to load."""
        await self._settled.wait()

    def idle_seconds(self) -> float:
        return time.monotonic() - self._record.last_used

    # -- the model's threads -------------------------------------------------------------------------------------------

    def _own_the_model(self) -> None:
        try:
            self._load()
        except Exception as error:  # whatever it is, those who wait must learn of it
            log.exception("model_load_failed", folder=str(self._folder))
            self._failure = error.sentence if isinstance(error, ViveiroError) else f"{type(error).__name__}: {error}"
        self._loop.call_soon_threadsafe(self._settled.set)
        if self._failure is not None:
            return
        helpers = [threading.Thread(target=self._work, name="helper") for _ in range(self._engine.workers - 1)]
        for helper in helpers:
            helper.start()
        self._work()
        for helper in helpers:
            helper.join()
        self._engine.close()

    def _load(self) -> None:
        started = time.monotonic()
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._cache)  # used just now: no sweep takes it while it is read
        self._artefact = read_artefact(self._folder, self._task.name)
        name = self._load_first_fit()
        stats = self._engine.stats()
        log.info("model_loaded", seconds=time.monotonic() - started, engine=name, precision=stats.precision)

    def _load_first_fit(self) -> str:
        *others, last = self._engine_names
        for name in others:
            with contextlib.suppress(EngineUnfit):
                return self._load_with(name)
        return self._load_with(last)

    def _load_with(self, name: str) -> str:
        engine = engines[name]()
        limit, workers = self._artefact.max_length, min(_cores(), MOST_WORKERS)
        try:
            engine.load(self._folder, max_length=limit, cache=self._cache, workers=workers)
        except EngineUnfit as error:
            log.warning("engine_unfit", engine=name, reason=str(error))
            raise
        self._engine = engine
        self._record.engine = name
        return name

    def _work(self) -> None:
        while (batch := self._take_turn()) is not None:
            self._run(batch)
            with self._changed:
                self._running -= 1

    def _take_turn(self) -> list[Work] | None:
        """Waits for work. None when the process is ending."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or len(self._scheduler))
                if self._ending:
                    return None
                turn = self._scheduler.next_turn(time.monotonic())
                # Who hung up while waiting needs no answer.
                batch = [work for work in turn.batch if not work.payload[0].answer.cancelled()]
                self._running += bool(batch)
            for work in turn.expired:
                self._loop.call_soon_threadsafe(_fail, work, TooLate())
            if batch:
                return batch

    def _run(self, batch: list[Work]) -> None:
        alone = self._running == 1 and not len(self._scheduler)  # a guess: another may come at any moment
        try:
            outputs = self._engine.run([work.payload[2] for work in batch], alone=alone)
        except Exception:  # a request must learn of any failure, or it waits for ever
            log.exception("forward_failed", texts=len(batch))
            for work in batch:
                self._loop.call_soon_threadsafe(_fail, work, ForwardFailed())
        else:
            self._loop.call_soon_threadsafe(_deliver, batch, outputs)

    # -- the loop ------------------------------------------------------------------------------------------------------

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies: set[asyncio.Task[None]] = set()
        # Cancelled when the process ends: asyncio's own callback would print that as an error.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while (message := await frames.read(reader)) is not None:
                reply = asyncio.create_task(self._reply(message, writer))
                replies.add(reply)
                reply.add_done_callback(replies.discard)
        for reply in replies:
            reply.cancel()  # nobody is there to read them
        writer.close()

    async def _reply(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(message)
        except ViveiroError as error:
            answer = {"error": error.code}
        except Exception:
            log.exception("request_failed", op=message.get("op"))
            answer = {"error": ForwardFailed.__name__}
        with contextlib.suppress(ConnectionError):
            writer.write(frames.pack({"id": message["id"], **answer}))
            await writer.drain()

    async def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["op"] == "state" and not self._settled.is_set():
            return {"state": "loading"}
        await self._settled.wait()
        if self._failure is not None:
            return {"state": "failed", "why": stored(self._failure)}
        if message["op"] == "predict":
            return {"body": await self._predict(message), "decision": self._artefact.decision}
        stats = {**self._record.to_json(), **asdict(self._engine.stats())}
        return {"state": "ready", "decision": self._artefact.decision, "stats": stats}

    async def _predict(self, message: dict[str, Any]) -> bytes:
        outputs = await self._submit(message["texts"], time.monotonic() + message["seconds"])
        answers = self._task.answers(outputs, self._artefact, message["parameters"])
        return orjson.dumps(answers[0] if message["bare"] else answers, option=orjson.OPT_SERIALIZE_NUMPY)

    async def _submit(self, texts: list[str], deadline: float) -> np.ndarray:
        """Outputs in the order of the texts."""
        with self._record.request():
            items = await self._items(texts)
            now = time.monotonic()  # not before: the queue is in the order of arrival, and some are tokenised sooner
            pending = _Pending(self._loop.create_future(), [np.empty(0)] * len(items), len(items))
            works = [
                Work(self._engine.cost(item), now, deadline, (pending, place, item)) for place, item in enumerate(items)
            ]
            with self._changed:
                self._scheduler.add(works)
                self._changed.notify(len(works))
            return await pending.answer

    async def _items(self, texts: list[str]) -> list[Item]:
        if sum(map(len, texts)) <= SHORT_CHARACTERS:
            return self._engine.items(texts)
        return await asyncio.to_thread(self._engine.items, texts)


def _cores() -> int:
    """Those that this process may use, which in a container are often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _private_socket(path: Path) -> socket.socket:
    """Bound in place of what an earlier process left behind, for this user alone."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


def _deliver(batch: list[Work], outputs: np.ndarray) -> None:
    for work, output in zip(batch, outputs, strict=True):
        pending, place, _ = work.payload
        pending.outputs[place] = output
        pending.missing -= 1
        if pending.missing == 0 and not pending.answer.done():
            pending.answer.set_result(np.stack(pending.outputs))


def _fail(work: Work, error: ViveiroError) -> None:
    pending, _, _ = work.payload
    if not pending.answer.done():
        pending.answer.set_exception(error)
