"""Files on their way in: kept in the data folder until the job that reads them.

<incoming>/<id>         what was sent
<incoming>/<id>.json    who sent it and what it is called, where it waits to be decided about
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from viveiro.accounts.types import Viewer
from viveiro.datasets.kept import write_whole
from viveiro.datasets.types import Upload
from viveiro.errors import NotFound, StorageFull
from viveiro.settings import Settings
from viveiro.storage import NO_ROOM
from viveiro.types import is_name, new_id

_NOTE: Final = ".json"


class UploadNotFound(NotFound):
    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "No upload {upload_id} waits here, or it is not yours. It may have been imported already, or have waited too "
            "long. Send the file again.",
            upload_id=upload_id[:100],
        )


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


def note_upload(settings: Settings, upload_id: str, owner_id: int, file_name: str) -> Upload:
    """Whose a received file is: from now on only its owner finds it, with `open_upload`."""
    path = incoming_path(settings, upload_id)
    write_whole(_note_path(path), orjson.dumps({"owner_id": owner_id, "file_name": file_name}))
    return Upload(upload_id, owner_id, file_name, path.stat().st_size)


def open_upload(settings: Settings, viewer: Viewer, upload_id: str) -> Upload:
    """Raises UploadNotFound, also for what somebody else sent: an id, from whoever it comes, opens nothing."""
    upload = noted_upload(settings, upload_id) if is_name(upload_id) else None
    if upload is None or upload.owner_id != viewer.user_id:
        raise UploadNotFound(upload_id)
    return upload


def noted_upload(settings: Settings, upload_id: str) -> Upload | None:
    """None also where a file is imported as it arrives, which nobody needs to find again."""
    path = incoming_path(settings, upload_id)
    try:
        note = orjson.loads(_note_path(path).read_bytes())
        return Upload(upload_id, note["owner_id"], note["file_name"], path.stat().st_size)
    except FileNotFoundError:
        return None


def discard_upload(settings: Settings, upload_id: str) -> None:
    path = incoming_path(settings, upload_id)
    path.unlink(missing_ok=True)
    _note_path(path).unlink(missing_ok=True)


def sweep_uploads(settings: Settings, before: float) -> int:
    """Discard what arrived before that moment (seconds of the epoch), and notes of files that are gone. How many files."""
    swept = 0
    for path in settings.incoming_dir.glob("*"):
        is_note = path.suffix == _NOTE
        if is_note and path.with_suffix("").exists():
            continue  # it goes with its file
        if _modified(path) < before:
            discard_upload(settings, path.name)
            swept += not is_note
    return swept


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its import has just ended
        return float("inf")


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + _NOTE)
