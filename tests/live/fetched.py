"""Clients that a package registry has and an installation for development has not."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.conftest import missing

OLDER = "huggingface_hub==0.36.2"
"""The last one before 1.0, which transformers 4 and much else still wants. Its dependencies are there for other reasons."""


def older_client() -> Path:
    """A folder to be put before others on Python's path."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", ".", OLDER]
    return fetched("older", pip, (), component="pypi")


def fetched(name: str, command: Sequence[str], sources: Sequence[Path], *, component: str) -> Path:
    """What the command makes in a folder that holds these files: kept until one of them, or the command, changes.

    Skips, or fails where the component is required, when the registry cannot be reached.
    """
    state = sha256("\0".join(command).encode())
    for file in sources:
        state.update(file.read_bytes())
    kept = Path(tempfile.gettempdir()) / f"viveiro-tests-{os.getuid()}-{name}-{state.hexdigest()[:16]}"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=kept.parent, ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "made"
        made.mkdir()
        for file in sources:
            shutil.copy(file, made)
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            missing(component, f"{command[0]} fetched nothing: {done.stderr[-2000:]}")
        try:
            made.rename(kept)
        except OSError:  # another session was faster
            assert kept.exists()
    return kept
