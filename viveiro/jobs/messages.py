"""What travels on an attempt's pipe: one JSON object a line."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from viveiro.jobs.types import JobEventType, Message
from viveiro.locale import Sentence, restored, stored


def encode(message: Message) -> bytes:
    return json.dumps(storable(message), ensure_ascii=False).encode(errors="replace") + b"\n"


def decode(line: bytes) -> Message | None:
    """None for what is no message: a process that is killed may leave half a line."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "type" in message else None


def storable(value: Any) -> Any:
    """The nearest value that JSON columns of both databases keep.

    NaN and infinities become None, NUL characters vanish (PostgreSQL refuses both), one-element arrays and tensors
    become their number.
    """
    if isinstance(value, Sentence):
        return restored(storable(stored(value)))
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {storable(str(name)): storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable(item) for item in value]
    if hasattr(value, "item"):
        return storable(value.item())
    return str(value)


def coalesced(messages: Sequence[Message]) -> list[Message]:
    """Every metric, and of the progress only the latest: what stood in between, nobody will look at."""
    latest = max((at for at, message in enumerate(messages) if _is_progress(message)), default=None)
    return [message for at, message in enumerate(messages) if at == latest or not _is_progress(message)]


def _is_progress(message: Message) -> bool:
    return bool(message["type"] == JobEventType.PROGRESS)
