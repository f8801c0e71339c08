"""How much memory the whole installation takes while clients send it large files."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from huggingface_hub import HfApi

from tests.live.running_server import RunningServer

MiB = 2**20
PAUSE_SECONDS = 0.05


class MemoryWatch:
    """Samples the resident memory of a process and all its descendants while the block runs; `peak_bytes` is the most seen.

    Resident memory counts pages that processes share once for each of them: the truth is lower, never higher. Only a
    child that has been forked and not yet become another program is left out: its pages are all its parent's.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak_bytes = 0
        self.at_peak: dict[str, int] = {}
        """Bytes by process."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            pids = descendants(self._pid)
            resident = {f"{_program(pid)} ({pid})": _resident_bytes(pid) for pid in pids if not _is_half_born(pid)}
            if sum(resident.values()) > self.peak_bytes:
                self.peak_bytes, self.at_peak = sum(resident.values()), resident


def descendants(pid: int) -> list[int]:
    """The process itself, its children, theirs, and so on."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it ended between two looks
        return []
    return [pid, *(below for child in children for below in descendants(child))]


def _resident_bytes(pid: int) -> int:
    """The process's proportional share (PSS): a library's page that three processes map is in memory once, not thrice."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _is_half_born(pid: int) -> bool:
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return True
    return _program(pid) in ("", _program(parent))


def _program(pid: int) -> str:
    """The command line, without the interpreter."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words[1:]).decode(errors="replace").strip()


def peak_while_uploading(server: RunningServer, folder: Path, *, clients: int, bytes_each: int) -> MemoryWatch:
    """Each client sends a file of its own to a repo of its own, all at once, with the real client."""
    assert server.process is not None
    files = [_incompressible(folder / f"{number}.bin", bytes_each) for number in range(clients)]
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    for file in files:
        api.create_repo(f"alice/memory-{file.stem}")

    def send(file: Path) -> None:
        api.upload_file(path_or_fileobj=file, path_in_repo=file.name, repo_id=f"alice/memory-{file.stem}")

    with MemoryWatch(server.process.pid) as watch, ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, files))
    for file in files:
        (stored,) = api.get_paths_info(f"alice/memory-{file.stem}", file.name)
        assert (stored.size, stored.lfs.sha256) == (bytes_each, _sha256(file))
    return watch


def _incompressible(file: Path, size: int) -> Path:
    with file.open("wb") as opened:
        for _ in range(size // MiB):
            opened.write(os.urandom(MiB))
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
