"""Messages between the web process and a model host: four bytes of length, then a MessagePack map."""

import asyncio
from typing import Any, Final

import msgpack

LARGEST: Final = 256 * 2**20
_LENGTH: Final = 4


class BrokenFrame(ConnectionError):
    """The other side speaks something else, or stopped in the middle."""


def pack(message: dict[str, Any]) -> bytes:
    payload: bytes = msgpack.packb(message)
    return len(payload).to_bytes(_LENGTH, "big") + payload


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None when the other side has ended the conversation between two messages."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        if length > LARGEST:
            raise BrokenFrame(f"a frame of {length} bytes")
        message = msgpack.unpackb(await reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise BrokenFrame("the conversation ended in the middle of a message") from error
    except ValueError as error:
        raise BrokenFrame("no MessagePack") from error
    if not isinstance(message, dict):
        raise BrokenFrame("no map")
    return message
