"""Xorbs and shards come in."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Final
from weakref import WeakValueDictionary

import orjson
import structlog
from anyio import CapacityLimiter, Semaphore, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import StreamingResponse

from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.xet.access import CAS, HashDep, SenderDep
from viveiro.errors import NotFound, TooLarge, ViveiroError
from viveiro.http.dependencies import XetDep
from viveiro.http.errors import INTERNAL
from viveiro.http.files import receive_body
from viveiro.hub.xet.service import Progress, Sender, Xet, tell_nobody
from viveiro.hub.xet.shards import MAX_SHARD_BYTES
from viveiro.locale import translate
from viveiro.types import Json

log = structlog.get_logger()

router = APIRouter(tags=["xet"])

HEARTBEAT_SECONDS: Final = 15.0

_LIMITER: Final = RunVar[CapacityLimiter]("xet-verification")
_TURNS: Final = RunVar[WeakValueDictionary[int, Semaphore]]("xet-turns")


def _limiter() -> CapacityLimiter:
    """Verifying is all computing: more threads than processors would only keep other routes waiting."""
    if _LIMITER.get(None) is None:
        _LIMITER.set(CapacityLimiter(max(2, os.cpu_count() or 1)))
    return _LIMITER.get()


async def _register(xet: Xet, sender: Sender, shard: bytes, tell: Progress) -> None:
    """Nobody has more than half of the threads: a shard of a few kilobytes can name hours of work."""
    async with _turns_of(sender):
        await to_thread.run_sync(xet.register, sender, shard, tell, limiter=_limiter())


def _turns_of(sender: Sender) -> Semaphore:
    if _TURNS.get(None) is None:
        _TURNS.set(WeakValueDictionary())
    fresh = Semaphore(int(_limiter().total_tokens) // 2)
    return _TURNS.get().setdefault(sender.viewer.user_id or 0, fresh)


@router.post(CAS + "/v1/xorbs/default/{hash}")
async def upload_xorb(request: Request, sender: SenderDep, name: HashDep, xet: XetDep) -> Response:
    await to_thread.run_sync(xet.require_room, sender)
    async with contextmanager_in_threadpool(xet.receiving()) as incoming:
        await receive_body(request, incoming.write, _limiter())
        new = await to_thread.run_sync(incoming.finish, sender, name, limiter=_limiter())
    return json_answer({"was_inserted": new})


@router.head(CAS + "/v1/xorbs/default/{hash}")
def xorb(sender: SenderDep, name: HashDep, xet: XetDep) -> Response:
    """Whether this sender may build files from it: not whether it is here."""
    if not xet.usable(sender, [name]):
        raise NotFound("No xorb {xorb} here, or not for this access token.", xorb=name)
    return Response()


@router.post(CAS + "/v1/shards")
async def upload_shard(request: Request, sender: SenderDep, xet: XetDep) -> Response:
    shard = await _received(request)
    await _register(xet, sender, shard, tell_nobody)
    return json_answer({"result": 1})


@router.post(CAS + "/v2/shards")
async def upload_shard_with_progress(request: Request, sender: SenderDep, xet: XetDep) -> Response:
    shard = await _received(request)
    return StreamingResponse(_events(xet, sender, shard), media_type="application/x-ndjson")


async def _received(request: Request) -> bytes:
    shard = bytearray()
    async for chunk in request.stream():
        shard += chunk
        if len(shard) > MAX_SHARD_BYTES:
            raise TooLarge("A shard has at most 64 MiB. Register these files in several.")
    return bytes(shard)


async def _events(xet: Xet, sender: Sender, shard: bytes) -> AsyncIterator[bytes]:
    """How far the verification has come, and as last line how it ended. A quiet minute would look like a dead connection."""
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Json | None] = asyncio.Queue()

    def tell(done: int, total: int) -> None:
        event: Json = {"type": "validating", "verified": done, "total": total}
        loop.call_soon_threadsafe(told.put_nowait, event)

    running = asyncio.ensure_future(_register(xet, sender, shard, tell))
    running.add_done_callback(lambda _: told.put_nowait(None))
    event: Json | None = {"type": "validating", "verified": 0, "total": 1}
    while event is not None:
        last = event
        yield _line(event)
        while True:
            try:
                event = await asyncio.wait_for(told.get(), HEARTBEAT_SECONDS)
                break
            except TimeoutError:
                yield _line(last)
    yield _line(_end(running))


def _end(done: "asyncio.Future[None]") -> Json:
    error = done.exception()
    if error is None:
        return {"type": "result"}
    if isinstance(error, ViveiroError):
        return {"type": "error", "message": error.translated(), "retryable": error.status >= 500}
    log.error("shard_failed", exc_info=error)
    return {"type": "error", "message": translate(INTERNAL), "retryable": True}


def _line(event: Json) -> bytes:
    return orjson.dumps(event) + b"\n"


@router.post(CAS + "/v1/telemetry")
@router.post("/v1/telemetry", include_in_schema=False)
async def telemetry() -> Response:
    """hf-xet tells how fast it was, at the root too. Nothing is kept."""
    return Response()
