"""Xorbs and shards come in."""

import os
from typing import Final

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool

from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.xet.access import CAS, HashDep, SenderDep
from viveiro.errors import TooLarge
from viveiro.http.dependencies import XetDep
from viveiro.http.files import receive_body
from viveiro.hub.xet.shards import MAX_SHARD_BYTES

router = APIRouter(tags=["xet"])

_LIMITER: Final = RunVar[CapacityLimiter]("xet-verification")


def _limiter() -> CapacityLimiter:
    """Verifying is all computing: more threads than processors would only keep other routes waiting."""
    if _LIMITER.get(None) is None:
        _LIMITER.set(CapacityLimiter(max(2, os.cpu_count() or 1)))
    return _LIMITER.get()


@router.post(CAS + "/v1/xorbs/default/{hash}")
async def upload_xorb(request: Request, sender: SenderDep, name: HashDep, xet: XetDep) -> Response:
    async with contextmanager_in_threadpool(xet.receiving()) as incoming:
        await receive_body(request, incoming.write, _limiter())
        new = await to_thread.run_sync(incoming.finish, sender, name, limiter=_limiter())
    return json_answer({"was_inserted": new})


@router.post(CAS + "/v1/shards")
async def upload_shard(request: Request, sender: SenderDep, xet: XetDep) -> Response:
    shard = bytearray()
    async for chunk in request.stream():
        shard += chunk
        if len(shard) > MAX_SHARD_BYTES:
            raise TooLarge("A shard has at most 64 MiB. Register these files in several.")
    await to_thread.run_sync(xet.register, sender, bytes(shard), limiter=_limiter())
    return json_answer({"result": 1})
