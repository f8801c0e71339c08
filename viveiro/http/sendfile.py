"""Bytes from a file to a socket by the kernel: none of them passes through Python, and no slow disk stops the event loop."""

import asyncio
import os
from typing import Final

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

STALL_SECONDS: Final = 120.0
"""A client that takes no byte for this long is cut off, so that it does not hold its file and socket for ever."""
BURST_BYTES: Final = 16 * 2**20
"""A thread serves one client at most this much before it lets others have their turn."""
THREADS: Final = 16

_LIMITER: Final = RunVar[CapacityLimiter]("sendfile")


async def send_file(connection: int, file: int, offset: int, count: int) -> None:
    """Send `count` bytes of a file on a non-blocking socket; both are descriptors.

    Raises:
        OSError: the connection has ended; TimeoutError, which is one: its other end took nothing for too long.
        EOFError: the file is shorter than it was.
    """
    end = offset + count
    while offset < end:
        # In a thread, because reading a cold file waits for the disk.
        sent = await to_thread.run_sync(_send_some, connection, file, offset, end - offset, limiter=_limiter())
        offset += sent
        if not sent:
            async with asyncio.timeout(STALL_SECONDS):
                await _writable(connection)


def _send_some(connection: int, file: int, offset: int, count: int) -> int:
    """Send until the socket is full. 0 when it is full already."""
    sent = 0
    try:
        while sent < min(count, BURST_BYTES):
            taken = os.sendfile(connection, file, offset + sent, count - sent)
            if not taken:
                raise EOFError("The file became shorter while it was sent.")
            sent += taken
    except BlockingIOError:
        pass
    return sent


async def _writable(connection: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(connection)


def _limiter() -> CapacityLimiter:
    """Not the limiter of the routes: a hundred downloads must not keep them waiting."""
    if _LIMITER.get(None) is None:
        _LIMITER.set(CapacityLimiter(THREADS))
    return _LIMITER.get()
