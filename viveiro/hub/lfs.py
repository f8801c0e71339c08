"""The text that stands for a big file in git. Pure.

Source: git-lfs, `docs/spec.md`, "The Pointer".
"""

import re
from typing import Final

from viveiro.hub.types import LfsPointer

MAX_POINTER_BYTES: Final = 1024
"""A blob this large or larger is content, whatever it says."""
MIN_POINTER_BYTES: Final = 120

_VERSION: Final = "version https://git-lfs.github.com/spec/v1"
_OID: Final = re.compile(r"sha256:([0-9a-f]{64})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")


def may_be_pointer(size: int) -> bool:
    """Whether a git blob of this size needs to be read to know."""
    return MIN_POINTER_BYTES <= size < MAX_POINTER_BYTES


def parse_pointer(content: bytes) -> LfsPointer | None:
    """The pointer that these bytes are, or None when they are ordinary content."""
    if not may_be_pointer(len(content)) or not content.startswith(_VERSION.encode()):
        return None
    try:
        fields = dict(line.split(" ", 1) for line in content.decode("ascii").splitlines())
    except ValueError:  # not ASCII, or a line that is not `key value`
        return None
    oid, size = _OID.fullmatch(fields.get("oid", "")), _SIZE.fullmatch(fields.get("size", ""))
    if oid is None or size is None or fields["version"] != _VERSION.removeprefix("version "):
        return None
    return LfsPointer(oid=oid[1], size=int(size[0]), pointer_size=len(content))


def format_pointer(oid: str, size: int) -> bytes:
    return f"{_VERSION}\noid sha256:{oid}\nsize {size}\n".encode("ascii")
