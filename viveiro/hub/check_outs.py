"""Folders that hold a revision's files for programs that want files: how long they stay.

Where large files lie in a bucket or in xorbs, such a folder holds copies of them. It can be made again at any time, and so can
what a model host makes of one.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from stat import S_ISREG
from typing import Final

from viveiro.settings import Settings

IN_USE_FOR: Final = timedelta(hours=1)
"""Whoever asked for a folder has opened its files by then. What is open survives its deletion."""
UNWANTED_FOR: Final = timedelta(days=1)
"""What nobody wants any more stays for so long: it may be wanted again, or be in the making."""


@dataclass(frozen=True, slots=True)
class _CheckOut:
    folder: Path
    used_at: float
    bytes: int


def is_checked_out(folder: Path) -> bool:
    """Whether it is there. From now on it counts as used just now."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def trim_check_outs(settings: Settings) -> int:
    """Delete those that were not used for longest, until the others fit; how many."""
    found = sorted(_all(settings.cache_dir), key=lambda each: each.used_at)
    too_much = sum(each.bytes for each in found) - settings.check_out_bytes
    newest = time.time() - IN_USE_FOR.total_seconds()
    deleted = 0
    for each in found:
        if too_much <= 0 or each.used_at > newest:
            break
        if each.bytes:
            _delete(each.folder)
            too_much -= each.bytes
            deleted += 1
    return deleted


def delete_unwanted(folders: Iterable[Path], wanted: Collection[str]) -> int:
    """Delete those of other names that were not used for a day; how many."""
    newest = time.time() - UNWANTED_FOR.total_seconds()
    deleted = 0
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
            if folder.name not in wanted and folder.stat().st_mtime < newest:
                _delete(folder)
                deleted += 1
    return deleted


def _all(cache: Path) -> Iterator[_CheckOut]:
    for folder in (*cache.glob("models/*"), *cache.glob("revisions/*/*")):
        try:
            yield _CheckOut(folder, folder.stat().st_mtime, _own_bytes(folder))
        except FileNotFoundError:  # deleted meanwhile
            continue


def _own_bytes(folder: Path) -> int:
    """What is a link to stored content too takes no room."""
    states = [file.lstat() for file in folder.rglob("*")]
    return sum(state.st_size for state in states if S_ISREG(state.st_mode) and state.st_nlink == 1)


def _delete(folder: Path) -> None:
    """Its name goes first: nobody finds it half empty. Killed here, it is found again by the next."""
    gone = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)
