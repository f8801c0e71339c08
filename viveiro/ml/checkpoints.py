"""Where a run can go on from after it was killed.

A checkpoint is a folder that appears whole, by a rename, and holds a manifest with the hash of each of its files: what a
dying disk or a full one left behind is noticed and passed over for the one before it.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from viveiro.ml.weights import writing_weights

KEPT: Final = 2
MANIFEST: Final = "manifest.json"
STATE: Final = "state.json"
TENSORS: Final = ".safetensors"

Tensors = Mapping[str, Mapping[str, Tensor]]
"""Tensors by name, in groups: one file each."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`state` is JSON; `tensors` are on the CPU."""

    step: int
    tensors: Tensors
    state: Mapping[str, Any]


class Checkpoints:
    """Those of one run. `fingerprint` stands for all that decides its result: others in the folder are not its own."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint

    def save(self, step: int, tensors: Tensors, state: Mapping[str, Any]) -> None:
        """Durable when this returns; then all but the newest KEPT go. Raises OSError, with those before it intact."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=self._folder, suffix=".partial"))
        try:
            _write(partial, tensors, state, self._fingerprint)
            target = self._folder / f"{step:012d}"
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
            _sync(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._prune(step)

    def newest(self) -> Checkpoint | None:
        """The last one that is whole, if there is any."""
        return next((found for folder in self._folders() if (found := self._read(folder)) is not None), None)

    def clear(self) -> None:
        """Nothing is to be resumed any more."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _folders(self) -> Iterator[Path]:
        """Newest first."""
        found = self._folder.iterdir() if self._folder.exists() else ()
        yield from sorted((path for path in found if path.name.isdecimal()), reverse=True)

    def _read(self, folder: Path) -> Checkpoint | None:
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            if manifest["fingerprint"] != self._fingerprint or not _is_whole(folder, manifest["files"]):
                return None
            groups = [name for name in manifest["files"] if name.endswith(TENSORS)]
            tensors = {name.removesuffix(TENSORS): load_file(folder / name) for name in groups}
            return Checkpoint(int(folder.name), tensors, json.loads((folder / STATE).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):  # cut short or overwritten
            return None

    def _prune(self, newest: int) -> None:
        """A later one than the newest is damaged or another run's: it was passed over to get here."""
        kept = [folder for folder in self._folders() if int(folder.name) <= newest][:KEPT]
        for path in self._folder.iterdir():
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)


def _write(folder: Path, tensors: Tensors, state: Mapping[str, Any], fingerprint: str) -> None:
    for name, group in tensors.items():
        contiguous = {key: tensor.detach().cpu().contiguous() for key, tensor in group.items()}
        with writing_weights():
            save_file(contiguous, folder / f"{name}{TENSORS}")
    (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
    files = {path.name: _hash(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps({"fingerprint": fingerprint, "files": files}), encoding="utf-8")
    for path in [*folder.iterdir(), folder]:
        _sync(path)


def _is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    return all(_hash(folder / name) == digest for name, digest in files.items())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
