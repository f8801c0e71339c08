"""Files and folders on their way to the server. A folder goes as an uncompressed tar, made while it is sent."""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from viveiro.errors import InvalidInput
from viveiro.locale import recognised

CHUNK_BYTES: Final = 2**20


@contextmanager
def reading(source: Path) -> Iterator[None]:
    """What the system says of a file that it does not let be read, in words."""
    try:
        yield
    except OSError as error:
        why = recognised(error.strerror or str(error))
        raise InvalidInput("{file} cannot be read: {why}.", file=error.filename or source, why=why) from error


def printable(name: str) -> str:
    """The name of a file as text: on old disks some are in no encoding of today, and stand here as lone surrogates."""
    return os.fsencode(name).decode("utf-8", "replace")


def folder_as_tar(folder: Path) -> Iterator[bytes]:
    """Regular files only, in order of path, under names relative to the folder. Links stay behind: where they lead is not
    the folder's."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    if not files:
        raise InvalidInput("There is no file in the folder {folder}.", folder=folder)
    return _archive(folder, files)


def _archive(folder: Path, files: list[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = left = path.stat().st_size
            yield entry.tobuf(tarfile.PAX_FORMAT)
            while left:
                chunk = file.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise InvalidInput("{file} became shorter while it was read. Send it again.", file=path)
                left -= len(chunk)
                yield chunk
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
