"""Text in whatever encoding it was saved, read as UTF-8."""

import codecs
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

CHUNK_BYTES: Final = 2**20
BUFFER_BYTES: Final = 2**22
_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which is its beginning
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_UNDEFINED_IN_CP1252: Final = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")


@dataclass(frozen=True, slots=True)
class Encoding:
    """`replaced` characters cannot be read in it, or are NUL, which no text holds: each becomes U+FFFD."""

    name: str
    replaced: int = 0


def marked_encoding(head: bytes) -> str | None:
    """What a byte order mark at the beginning says."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def guess_encoding(chunks: Iterable[bytes]) -> Encoding:
    """UTF-8 when it is that, even with a few broken bytes; else the Windows code page, else latin-1.

    The whole text is looked at: a file whose first accent comes after a million rows is common.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    accents, broken, nuls, undefined = 0, 0, 0, False
    for chunk in chunks:
        nuls += chunk.count(0)
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(chunk)
        broken += text.count("\ufffd") - chunk.count(b"\xef\xbf\xbd")
        accents += len(text) - len(text.encode("ascii", "ignore"))
        undefined = undefined or any(byte in chunk for byte in _UNDEFINED_IN_CP1252)
    broken += len(decoder.decode(b"", final=True))
    if broken <= 0 or accents - broken > broken:
        return Encoding("utf-8", max(broken, 0) + nuls)
    return Encoding("latin-1" if undefined else "cp1252", nuls)


def encoding_of(path: Path, most_bytes: int | None = None) -> Encoding:
    """`most_bytes`: look no further, for a first impression."""
    most_chunks = None if most_bytes is None else -(-most_bytes // CHUNK_BYTES)
    with path.open("rb") as file:
        marked = marked_encoding(file.read(4))
        file.seek(0)
        if marked is None:
            return guess_encoding(_chunks(file, most_chunks))
        text = io.TextIOWrapper(file, marked, "replace", newline="")
        return Encoding(marked, sum(map(_unreadable, islice(iter(lambda: text.read(CHUNK_BYTES), ""), most_chunks))))


def _chunks(file: BinaryIO, most: int | None) -> Iterator[bytes]:
    """Cut short, it ends at the end of a line, and so never within a character."""
    for number, chunk in enumerate(iter(lambda: file.read(CHUNK_BYTES), b""), start=1):
        if number == most and len(chunk) == CHUNK_BYTES:
            yield chunk[: chunk.rfind(b"\n") + 1]
            return
        yield chunk


def read_lines(stream: io.BufferedReader, most: int) -> Iterator[list[str]]:
    """Lines without their ends, up to `most` at once, of a stream that may go on for ever.

    Each lot is read in the encoding that its own bytes tell, unless a byte order mark tells that of all.
    """
    if (marked := marked_encoding(stream.peek(4))) is not None:
        text = io.TextIOWrapper(stream, marked, "replace")
        while lines := list(islice(text, most)):
            yield [line.rstrip("\n") for line in lines]
        return
    while raw := list(islice(stream, most)):
        encoding = guess_encoding(raw).name
        yield [line.removeprefix(codecs.BOM_UTF8).decode(encoding, "replace").rstrip("\r\n") for line in raw]


def open_as_utf8(path: Path, encoding: Encoding) -> tuple[BinaryIO, BinaryIO]:
    """The text as valid UTF-8 bytes, and the file below, whose `tell` says how far it has been read."""
    file = path.open("rb")
    if encoding == Encoding("utf-8"):
        return file, file
    return io.BufferedReader(_Utf8Reader(file, encoding.name), BUFFER_BYTES), file


class _Utf8Reader(io.RawIOBase):
    """A text file of any encoding, read as UTF-8. A byte order mark disappears."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)("replace")
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = self._file.read(CHUNK_BYTES)
            text = self._decoder.decode(chunk, final=not chunk).replace("\0", "\ufffd")
            self._ready = memoryview(text.encode("utf-8", "replace"))
            if not chunk:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _unreadable(text: str) -> int:
    return text.count("\ufffd") + text.count("\0")
