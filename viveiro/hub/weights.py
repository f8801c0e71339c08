"""What a `.safetensors` file says about itself. Pure: the caller fetches the bytes.

Source: https://github.com/huggingface/safetensors, "Format": 8 bytes of length, a JSON header, the tensors.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import orjson

MAX_HEADER_BYTES: Final = 25 * 10**6
MAX_PARAMETERS: Final = 2**62

ReadRange = Callable[[int, int], bytes]
"""The bytes [start, stop) of the file."""


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters by data type, as in `{"F32": 22713216}`."""

    by_dtype: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_dtype.values())

    def to_json(self) -> dict[str, Any]:
        return {"parameters": self.by_dtype, "total": self.total}


def count_parameters(size: int, read: ReadRange) -> ParameterCount | None:
    """None when the file is not what its name says."""
    length = int.from_bytes(read(0, 8), "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        return None
    try:
        header = orjson.loads(read(8, 8 + length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        counts: Counter[str] = Counter()
        for tensor in tensors:
            counts[_dtype(tensor["dtype"])] += _elements(tensor["shape"])
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return _sane(counts)


def add_up(counts: Iterable[ParameterCount | None]) -> ParameterCount | None:
    """The shards of one model together. None when one cannot be read: a partial count would lie."""
    total: Counter[str] = Counter()
    for count in counts:
        if count is None:
            return None
        total.update(count.by_dtype)
    return _sane(total)


def _sane(counts: Counter[str]) -> ParameterCount | None:
    return ParameterCount(dict(counts)) if counts and counts.total() <= MAX_PARAMETERS else None


def _dtype(name: str) -> str:
    if not (isinstance(name, str) and name.isalnum() and len(name) <= 16):
        raise ValueError(name)
    return name


def _elements(shape: list[int]) -> int:
    if not all(type(length) is int and 0 <= length <= MAX_PARAMETERS for length in shape) or len(shape) > 16:
        raise ValueError(shape)
    return prod(shape)
