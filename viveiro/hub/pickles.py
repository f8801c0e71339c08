"""What a file imports if somebody unpickles it, found by following its opcodes. Nothing is loaded, and nothing called.

The stack and the memo are followed as the unpickler would move them, holding short strings and marks only, so memory does not grow
with the file; contents (tensors, long texts) are skipped, not read. What cannot be followed to its end is never called safe.

Source: CPython, `Lib/pickletools.py` (the opcodes and what they do to the stack) and `Modules/_pickle.c`.
"""

import bz2
import codecs
import lzma
import pickletools
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from io import BufferedReader, RawIOBase
from typing import IO, Any, Final

from viveiro.hub.pickle_imports import COMPUTED, PickleImport

_SUFFIXES: Final = ".pkl .pickle .pck .pcl .p .bin .pt .pt2 .pth .ckpt .joblib .jbl .dill .cloudpickle .npy .npz .dat .data .model .th .sav"
SUFFIXES: Final = frozenset(_SUFFIXES.split())
"""Names under which loaders look for pickles, or for archives of them."""
MAX_READ_BYTES: Final = 16 * 2**20
"""No single thing that is read whole (an archive's directory, a header) is longer."""
MAX_NAME_CHARS: Final = 1024
MAX_STACK: Final = 4_000_000
MAX_MEMO: Final = 200_000
MAX_IMPORTS: Final = 1000
_CHUNK: Final = 2**20
_OPCODES_BETWEEN_LOOKS: Final = 2**14


class Trouble(StrEnum):
    """Why a file could not be followed to its end."""

    DAMAGED = "damaged"
    """It breaks off, or does what the unpickler refuses."""
    TOO_LONG = "too-long"
    """It takes more time, or names more, than a file is given."""
    ARCHIVE = "archive"
    """A damaged or encrypted archive, or one of a kind that is not looked into."""


@dataclass(frozen=True, slots=True)
class Scan:
    """`imports` in alphabetical order; `trouble` None when all of the file was followed."""

    imports: tuple[PickleImport, ...] = ()
    trouble: Trouble | None = None


def may_hold_pickles(path: str) -> bool:
    dot = path.rfind(".")
    return dot > path.rfind("/") and path[dot:].lower() in SUFFIXES


def scan(file: IO[bytes], *, seconds: float) -> Scan:
    """Follow all pickles of a file: bare, one behind the other, compressed, in an array file, or in a zip.

    Args:
        file: can be read and sought. What its reading raises is raised here: a disk or a store that fails says nothing about
            what it holds.
        seconds: after so long, what was found until then is the answer, with `Trouble.TOO_LONG`.
    """
    found = _Found(time.monotonic() + seconds)
    try:
        _scan_file(BufferedReader(_Source(file), _CHUNK), found)
    except _SourceFailed as failed:
        raise failed.error from failed
    except _Unfollowable as error:
        found.trouble = error.trouble
    except RecursionError:
        found.trouble = Trouble.TOO_LONG
    return Scan(tuple(sorted(found.imports)), found.trouble)


class _Unfollowable(Exception):
    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble


@dataclass
class _Found:
    deadline: float
    imports: set[PickleImport] = field(default_factory=set)
    trouble: Trouble | None = None

    def add(self, module: str, name: str) -> None:
        self.imports.add(PickleImport(_printable(module), _printable(name)))
        if len(self.imports) > MAX_IMPORTS:
            raise _Unfollowable(Trouble.TOO_LONG)

    def look_at_the_clock(self) -> None:
        if time.monotonic() > self.deadline:
            raise _Unfollowable(Trouble.TOO_LONG)


def _printable(name: str) -> str:
    """As it can be stored and shown. What is not printable is no module's name."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:MAX_NAME_CHARS])


# Files of pickles ---------------------------------------------------------------------------------------------------------

_ZIP: Final = b"PK\x03\x04"
_ARRAY: Final = b"\x93NUMPY"
_OBJECTS: Final = re.compile(rb"""["'][|<>=]?O\d*["']""")
_OTHER_ARCHIVES: Final = (b"7z\xbc\xaf\x27\x1c", b"Rar!")
_TAR: Final = b"ustar"
_TAR_AT: Final = 257


def _scan_file(file: IO[bytes], found: _Found) -> None:
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(_TAR_AT + len(_TAR))
    file.seek(0)
    if head.startswith(_OTHER_ARCHIVES) or head[_TAR_AT:] == _TAR:
        raise _Unfollowable(Trouble.ARCHIVE)
    if not head.startswith(_ZIP):
        _scan_stream(file, head, end, found)
    # Archives are found from their end: a file may be a pickle for one reader and an archive for another.
    if _is_zip(file):
        _scan_zip(file, found)
    elif head.startswith(_ZIP):
        raise _Unfollowable(Trouble.ARCHIVE)


def _scan_stream(file: IO[bytes], head: bytes, end: int, found: _Found) -> None:
    decompressor = _decompressor(head)
    if decompressor is not None:
        unpacked = BufferedReader(_Unpacked(file, decompressor, found), _CHUNK)
        _scan_plain(_Reader(unpacked, found), unpacked.peek(16), found)
    else:
        _scan_plain(_Reader(file, found, end), head, found)


def _scan_plain(reader: "_Reader", head: bytes, found: _Found) -> None:
    if not head.startswith(_ARRAY) or _holds_objects(reader):
        _scan_pickles(reader, found)


def _holds_objects(reader: "_Reader") -> bool:
    """Leaves the reader behind the array's header, where such an array is a pickle."""
    try:
        major = reader.read(len(_ARRAY) + 2)[len(_ARRAY)]
        length = int.from_bytes(reader.read(2 if major == 1 else 4), "little")
        if length <= 2**16:
            return bool(_OBJECTS.search(reader.read(length)))
    except _Broken:
        pass
    raise _Unfollowable(Trouble.DAMAGED)


def _is_zip(file: IO[bytes]) -> bool:
    try:
        return zipfile.is_zipfile(file)
    except (OSError, ValueError):
        return False


def _scan_zip(file: IO[bytes], found: _Found) -> None:
    """Every member that is named or begins like a pickle. One that cannot be read is no reason to pass over the others."""
    trouble = None
    try:
        with zipfile.ZipFile(_Sparing(file)) as archive:
            for member in archive.infolist():
                found.look_at_the_clock()
                try:
                    with archive.open(member) as content:
                        _scan_member(member.filename, content, found)
                except _MEMBER_ERRORS:
                    trouble = Trouble.ARCHIVE
                except _Unfollowable as error:
                    if error.trouble is Trouble.TOO_LONG:
                        raise
                    trouble = error.trouble
    except _MEMBER_ERRORS as error:
        raise _Unfollowable(Trouble.ARCHIVE) from error
    if trouble is not None:
        raise _Unfollowable(trouble)


_MEMBER_ERRORS: Final = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError),
    *(zlib.error, lzma.LZMAError, UnicodeDecodeError, OverflowError, KeyError, IndexError),
)


def _scan_member(name: str, content: IO[bytes], found: _Found) -> None:
    buffered = BufferedReader(content, _CHUNK)  # type: ignore[type-var] # a ZipExtFile is one of those
    head = buffered.peek(16)
    if may_hold_pickles(name) or head.startswith(_ARRAY) or (head[:1] == b"\x80" and head[1:2] <= b"\x05"):
        _scan_plain(_Reader(buffered, found), head, found)


class _SourceFailed(Exception):
    """No OSError or ValueError: those are what damaged archives raise, and what reads them would keep this one to itself."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Over(RawIOBase):
    """A file on top of another, which is sought as that one is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


class _Source(_Over):
    def readinto(self, into: Any, /) -> int:
        try:
            content = self._file.read(len(into))
        except Exception as error:
            raise _SourceFailed(error) from error
        into[: len(content)] = content
        return len(content)


class _Sparing(_Over):
    """A file that refuses to be read whole: the length of an archive's directory is what the archive says it is."""

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size if 0 <= size <= MAX_READ_BYTES else MAX_READ_BYTES + 1)
        if len(data) > MAX_READ_BYTES:
            raise zipfile.BadZipFile("too large to be read at once")
        return data


class _Unpacked(RawIOBase):
    """A compressed file, unpacked as it is read: a small one may unpack to more than any disk holds."""

    def __init__(self, file: IO[bytes], unpack: Callable[[bytes, int], bytes], found: _Found) -> None:
        self._file = file
        self._unpack = unpack
        self._found = found

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any, /) -> int:
        self._found.look_at_the_clock()
        while True:
            try:
                unpacked = self._unpack(b"", len(into))
                while not unpacked:
                    packed = self._file.read(2**16)
                    if not packed:
                        return 0
                    unpacked = self._unpack(packed, len(into))
            except EOFError:
                return 0
            except (zlib.error, OSError, lzma.LZMAError) as error:
                raise _Unfollowable(Trouble.DAMAGED) from error
            into[: len(unpacked)] = unpacked
            return len(unpacked)


def _decompressor(head: bytes) -> Callable[[bytes, int], bytes] | None:
    """How joblib and others compress pickles. The function takes more input, or none, and gives at most so much output."""
    if head.startswith(b"\x1f\x8b") or head[:2] in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        deflated = zlib.decompressobj(wbits=47)  # zlib and gzip, as the head says

        def inflate(packed: bytes, most: int) -> bytes:
            if deflated.eof:
                raise EOFError
            return deflated.decompress(deflated.unconsumed_tail + packed, most)

        return inflate
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor().decompress
    if head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMADecompressor(memlimit=2**28).decompress
    return None


# Opcodes -----------------------------------------------------------------------------------------------------------------


class _Broken(Exception):
    """The unpickler would stop here too."""


class _Mark:
    pass


_MARK: Final = _Mark()
_Value = str | _Mark | None
"""Of what lies on the stack, only what may become a name is kept."""


class _Reader:
    """Opcodes and their arguments, of which only short ones are read."""

    def __init__(self, file: IO[bytes], found: _Found, end: int | None = None) -> None:
        """`end`: the file's size, where seeking in it is cheaper than reading."""
        self.file = file
        self._found = found
        self._end = end
        self.code = partial(file.read, 1)

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) < size:
            raise _Broken
        return data

    def line(self) -> bytes | None:
        """What stands before the line's end; None when it is too long to be a name."""
        start = self.file.readline(MAX_NAME_CHARS)
        if start.endswith(b"\n"):
            return start[:-1]
        while part := self.file.readline(_CHUNK):
            self._found.look_at_the_clock()
            if part.endswith(b"\n"):
                return None
        raise _Broken

    def counted(self, size: int) -> bytes | None:
        """So many bytes; None, and skipped, when they are too many to be a name."""
        if size <= MAX_NAME_CHARS:
            return self.read(size)
        self.skip(size)
        return None

    def skip(self, size: int) -> None:
        if self._end is not None:
            if size > self._end - self.file.tell():
                raise _Broken
            self.file.seek(size, 1)
            return
        while size:
            self._found.look_at_the_clock()
            part = self.file.read(min(size, _CHUNK))
            if not part:
                raise _Broken
            size -= len(part)


def _scan_pickles(reader: _Reader, found: _Found) -> None:
    """One pickle behind the other, as torch and joblib write them; other content may follow the last."""
    is_first = True
    while (code := reader.code()) != b"":
        machine = _Machine(reader, found)
        try:
            machine.run(code)
        except _Broken as error:
            # Without the opcode that every pickle of the last twenty years begins with, it never was one: raw weights, a text.
            if is_first and (code == b"\x80" or machine.imported):
                raise _Unfollowable(Trouble.DAMAGED) from error
            return
        is_first = False


class _Machine:
    """The unpickler's stack and memo, while one pickle is followed."""

    def __init__(self, reader: _Reader, found: _Found) -> None:
        self.reader = reader
        self._found = found
        self.stack: list[_Value] = []
        self._memo: dict[int, str] = {}
        self._memoized = 0
        self.imported = False

    def run(self, code: bytes) -> None:
        """Up to and with STOP. Raises _Broken where the unpickler would raise."""
        next_code, steps = self.reader.code, _STEPS
        while True:
            for _ in range(_OPCODES_BETWEEN_LOOKS):
                if code == _STOP:
                    return
                step = steps.get(code)
                if step is None:
                    raise _Broken
                step(self)
                code = next_code()
            self._found.look_at_the_clock()
            if len(self.stack) > MAX_STACK:
                raise _Unfollowable(Trouble.TOO_LONG)

    def argument(self, descriptor: Any) -> bytes | None:
        size = descriptor.n
        if size >= 0:
            return self.reader.read(size)
        if size == pickletools.UP_TO_NEWLINE:
            return self.reader.line()
        width, signed = _COUNTS[size]
        length = int.from_bytes(self.reader.read(width), "little", signed=signed)
        if length < 0:
            raise _Broken
        return self.reader.counted(length)

    def push(self, value: _Value) -> None:
        self.stack.append(value)

    def pop(self) -> _Value:
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise _Broken
        return self.stack.pop()

    def pop_to_mark(self) -> None:
        for position in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[position], _Mark):
                del self.stack[position:]
                return
        raise _Broken

    def pop_anything(self) -> None:
        if not self.stack:
            raise _Broken
        self.stack.pop()

    def duplicate(self) -> None:
        value = self.pop()
        self.stack += [value, value]

    def put(self, key: int | None = None) -> None:
        """Only names need remembering. What is not there, a later GET takes for something else."""
        value = self.pop()
        self.push(value)
        key = self._memoized if key is None else key
        self._memoized += 1
        if isinstance(value, str) and len(self._memo) < MAX_MEMO:
            self._memo[key] = value
        else:
            self._memo.pop(key, None)

    def get(self, key: int) -> None:
        self.push(self._memo.get(key))

    def add(self, module: _Value, name: _Value) -> None:
        self.imported = True
        known = isinstance(module, str) and isinstance(name, str)
        self._found.add(*((str(module), str(name)) if known else COMPUTED))


# One function for each opcode, from what pickletools says of its argument and of the stack ---------------------------------

_STOP: Final = b"."
_COUNTS: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
"""How long the count before an argument is, and whether it can be negative."""
_Step = Callable[[_Machine], None]


def _text(data: bytes | None, decode: Callable[[bytes], str]) -> str | None:
    if data is None:
        return None
    try:
        return decode(data)
    except ValueError as error:  # so does UnicodeDecodeError count
        raise _Broken from error


def _quoted(data: bytes) -> str:
    data = data.strip()
    if len(data) < 2 or data[:1] != data[-1:] or data[:1] not in (b'"', b"'"):
        raise ValueError(data)
    return _latin(codecs.escape_decode(data[1:-1])[0])


def _latin(data: bytes) -> str:
    return data.decode("latin-1")


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _raw_escapes(data: bytes) -> str:
    return data.decode("raw-unicode-escape")


_TEXTS: Final[dict[str, Callable[[bytes], str]]] = {
    "STRING": _quoted,
    "BINSTRING": _latin,
    "SHORT_BINSTRING": _latin,
    "UNICODE": _raw_escapes,
    "SHORT_BINUNICODE": _utf8,
    "BINUNICODE": _utf8,
    "BINUNICODE8": _utf8,
}


def _pushes_text(descriptor: Any, decode: Callable[[bytes], str]) -> _Step:
    return lambda it: it.push(_text(it.argument(descriptor), decode))


def _two_lines(it: _Machine) -> tuple[str | None, str | None]:
    return _text(it.reader.line(), _utf8), _text(it.reader.line(), _utf8)


def _global(it: _Machine) -> None:
    it.add(*_two_lines(it))
    it.push(None)


def _instance(it: _Machine) -> None:
    it.add(*_two_lines(it))
    it.pop_to_mark()
    it.push(None)


def _stack_global(it: _Machine) -> None:
    name, module = it.pop(), it.pop()
    it.add(module, name)
    it.push(None)


def _extension(descriptor: Any) -> _Step:
    """A number that stands for an import, by a registry of the loading process."""

    def step(it: _Machine) -> None:
        it.add("copyreg", f"extension_{int.from_bytes(it.argument(descriptor) or b'', 'little')}")
        it.push(None)

    return step


def _number(it: _Machine, descriptor: Any) -> int:
    data = it.argument(descriptor)
    if data is None:
        raise _Broken
    if descriptor.n != pickletools.UP_TO_NEWLINE:
        return int.from_bytes(data, "little")
    try:
        return int(data)
    except ValueError as error:
        raise _Broken from error


def _frame(descriptor: Any) -> _Step:
    def step(it: _Machine) -> None:
        it.argument(descriptor)

    return step


def _generic(opcode: Any) -> _Step:
    """Take off the stack what pickletools says, put on it as much."""
    before, after = list(opcode.stack_before), len(opcode.stack_after)
    pushed: list[_Value] = [None] * after
    with_mark = pickletools.markobject in before
    below = before.index(pickletools.markobject) if with_mark else len(before)
    descriptor = opcode.arg
    size = descriptor.n if descriptor is not None else 0

    def step(it: _Machine) -> None:
        if descriptor is not None:
            it.argument(descriptor)
        if with_mark:
            it.pop_to_mark()
        for _ in range(below):
            it.pop()
        it.stack += pushed

    def step_of_a_constant(it: _Machine) -> None:
        """The same for what most opcodes of a long pickle are."""
        if size and len(it.reader.file.read(size)) < size:
            raise _Broken
        it.stack.append(None)

    return step_of_a_constant if not before and after == 1 and size >= 0 else step


def _steps() -> Iterator[tuple[bytes, _Step]]:
    special: dict[str, Callable[[Any], _Step]] = {
        "MARK": lambda _: lambda it: it.push(_MARK),
        "POP": lambda _: _Machine.pop_anything,
        "POP_MARK": lambda _: _Machine.pop_to_mark,
        "DUP": lambda _: _Machine.duplicate,
        "MEMOIZE": lambda _: _Machine.put,
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda arg: lambda it: it.put(_number(it, arg))),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda arg: lambda it: it.get(_number(it, arg))),
        **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
        **dict.fromkeys(("PROTO", "FRAME"), _frame),
        "GLOBAL": lambda _: _global,
        "INST": lambda _: _instance,
        "STACK_GLOBAL": lambda _: _stack_global,
    }
    for opcode in pickletools.opcodes:
        code = opcode.code.encode("latin-1")
        if opcode.name in _TEXTS:
            yield code, _pushes_text(opcode.arg, _TEXTS[opcode.name])
        elif opcode.name in special:
            yield code, special[opcode.name](opcode.arg)
        else:
            yield code, _generic(opcode)


_STEPS: Final[dict[bytes, _Step]] = dict(_steps())
