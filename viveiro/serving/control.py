"""What model hosts and the web process ask of the supervisor: one JSON line in, one out."""

import asyncio
import json
from typing import Any, Final

from viveiro.serving.types import NoSupervisor
from viveiro.settings import Settings

ANSWER_SECONDS: Final = 10.0


async def ask_supervisor(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    """Raises NoSupervisor when nobody answers, or not with yes."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(settings.sockets_dir / "supervisor.sock")
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                answer: dict[str, Any] = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, ValueError) as error:
        raise NoSupervisor from error
    if not answer.get("ok"):
        raise NoSupervisor
    return answer
