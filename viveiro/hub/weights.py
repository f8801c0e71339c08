"""What a `.safetensors` file says about itself. Pure: the caller fetches the bytes.

Source: https://github.com/huggingface/safetensors, "Format": 8 bytes of length, a JSON header, the tensors.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from typing import Any, Final

import orjson

MAX_HEADER_BYTES: Final = 25 * 10**6
MAX_PARAMETERS: Final = 2**62
_BITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    "F4": 4,
}
"""Of one element. A type that is newer than this list is not measured."""

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


class HeaderFault(StrEnum):
    """Why a file is no safetensors, or a damaged one."""

    LENGTH = "length"
    """It is shorter than the header that it announces, or the header is longer than any."""
    JSON = "json"
    TENSOR = "tensor"
    """A tensor is described without type, shape or place."""
    OFFSETS = "offsets"
    """Tensors overlap, leave holes, end behind the file, or take more or less room than their shape."""


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    """Where its bytes begin, counted from the header's end."""
    stop: int

    @property
    def elements(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says it holds. With `fault`, as far as it could be read."""

    tensors: tuple[Tensor, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    fault: HeaderFault | None = None

    @property
    def parameters(self) -> dict[str, int]:
        """Elements by type, most first."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors:
            counts[tensor.dtype] += tensor.elements
        return dict(counts.most_common())


def read_header(size: int, read: ReadRange) -> Header:
    """The header of a file of `size` bytes. Nothing that it says is believed: a length of 100 GB reads nothing."""
    length = int.from_bytes(read(0, min(8, size)), "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        return Header(fault=HeaderFault.LENGTH)
    try:
        described = orjson.loads(read(8, 8 + length))
    except orjson.JSONDecodeError:
        return Header(fault=HeaderFault.JSON)
    if not isinstance(described, dict):
        return Header(fault=HeaderFault.JSON)
    told = described.pop("__metadata__", None)
    metadata = {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}
    try:
        tensors = tuple(_tensor(name, it) for name, it in described.items())
    except (KeyError, TypeError, ValueError):
        return Header((), metadata, HeaderFault.TENSOR)
    return Header(tensors, metadata, None if _fill(tensors, size - 8 - length) else HeaderFault.OFFSETS)


def _tensor(name: str, told: dict[str, Any]) -> Tensor:
    start, stop = told["data_offsets"]
    if type(start) is not int or type(stop) is not int:
        raise TypeError(name)
    _elements(told["shape"])
    return Tensor(name, _dtype(told["dtype"]), tuple(told["shape"]), start, stop)


def _fill(tensors: Sequence[Tensor], room: int) -> bool:
    """Whether they lie one behind the other over all the room there is, each as long as its shape says."""
    end = 0
    for tensor in sorted(tensors, key=lambda it: (it.start, it.stop)):
        bits = _BITS.get(tensor.dtype)
        if tensor.start != end or (bits is not None and (tensor.stop - tensor.start) * 8 != tensor.elements * bits):
            return False
        end = tensor.stop
    return end == room


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
