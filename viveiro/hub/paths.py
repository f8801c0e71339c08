"""Which paths a repo may hold. Pure.

A path arrives from strangers and ends on the disks of everybody who downloads the repo, on every system. So what no
system can hold, what escapes the folder, and what git or Windows would take for something else is refused at the door.
"""

import unicodedata
from typing import Final

from viveiro.errors import InvalidPath
from viveiro.locale import Sentence

MAX_PART_BYTES: Final = 255
MAX_PATH_BYTES: Final = 1024
MAX_DEPTH: Final = 100

_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10))]
)
_INVISIBLE: Final = frozenset("\u200b\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
"""Zero-width spaces and direction overrides: they make one name look like another, and no language needs them."""


def check_path(path: str) -> str:
    """The path itself, when a repo may hold it.

    Raises:
        InvalidPath: with the reason in words.
    """
    why = _fault(path)
    if why is not None:
        raise InvalidPath(path.encode("utf-8", "backslashreplace").decode(), why)
    return path


def is_valid_path(path: str) -> bool:
    return _fault(path) is None


def folded(name: str) -> str:
    """What file systems that ignore case or unicode form would make of a name. Two equal ones exclude each other."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _fault(path: str) -> Sentence | None:
    if not path:
        return Sentence("it is empty")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return Sentence("it is not valid UTF-8")
    if len(encoded) > MAX_PATH_BYTES:
        return Sentence("it is longer than {most} bytes", most=MAX_PATH_BYTES)
    if path.startswith("/"):
        return Sentence("it starts with '/'")
    if "\\" in path:
        return Sentence("it holds a backslash; folders are separated by '/'")
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        return Sentence("it is more than {most} folders deep", most=MAX_DEPTH)
    return next((fault for fault in map(part_fault, parts) if fault is not None), None)


def part_fault(part: str) -> Sentence | None:
    """Why one name between slashes is refused, or None."""
    if not part:
        return Sentence("it has an empty part")
    if part in (".", ".."):
        return Sentence("the part {part!r} would leave its folder", part=part)
    if len(part.encode("utf-8", "surrogatepass")) > MAX_PART_BYTES:
        return Sentence("a part is longer than {most} bytes", most=MAX_PART_BYTES)
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in part):
        return Sentence("it holds a control character")
    if not _INVISIBLE.isdisjoint(part):
        return Sentence("it holds an invisible character")
    if _is_dot_git(part):
        return Sentence("'.git' belongs to git")
    if part.split(".", 1)[0].rstrip(" ").lower() in _DEVICES:
        return Sentence("Windows reserves the name {part!r}, so the repo could not be cloned there", part=part)
    return None


def _is_dot_git(part: str) -> bool:
    """Also as HFS+ (ignorable characters), NTFS (streams, trailing dots and spaces) and DOS (short names) would see it."""
    visible = "".join(char for char in part if unicodedata.category(char) != "Cf")
    return visible.split(":", 1)[0].rstrip(". ").lower() in (".git", "git~1")
