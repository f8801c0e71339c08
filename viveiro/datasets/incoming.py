"""Files on their way in: kept in the data folder until the job that reads them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from viveiro.errors import StorageFull
from viveiro.settings import Settings
from viveiro.storage import NO_ROOM
from viveiro.types import is_name, new_id


@dataclass(frozen=True, slots=True)
class IncomingFile:
    upload_id: str
    file: BinaryIO


def incoming_path(settings: Settings, upload_id: str) -> Path:
    """The id is ours: no name that a client sent becomes a path."""
    assert is_name(upload_id)
    return settings.incoming_dir / upload_id


@contextmanager
def receive_file(settings: Settings, size: int | None) -> Iterator[IncomingFile]:
    """A new file to write to. Left by an error, no trace of it remains.

    Args:
        size: announced bytes; what cannot fit is refused before it is sent.
    """
    settings.incoming_dir.mkdir(parents=True, exist_ok=True)
    if size is not None and shutil.disk_usage(settings.incoming_dir).free < size:
        raise StorageFull
    path = incoming_path(settings, new_id())
    try:
        with path.open("wb") as file:
            yield IncomingFile(path.name, file)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise StorageFull from error
        raise
