"""What processes that were killed left half done in a folder."""

import shutil
import time
from datetime import timedelta
from pathlib import Path


def sweep_folder(folder: Path, older_than: timedelta) -> int:
    """Delete the files and folders in it in which nothing has been written for so long. How many."""
    oldest = time.time() - older_than.total_seconds()
    stale = [path for path in _children(folder) if _last_touched(path) < oldest]
    for path in stale:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(stale)


def _children(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _last_touched(path: Path) -> float:
    """When the file, or anything in the folder, was last written. What vanishes meanwhile counts as touched just now."""
    try:
        return max(each.stat().st_mtime for each in (path, *path.rglob("*")))
    except FileNotFoundError:
        return time.time()
