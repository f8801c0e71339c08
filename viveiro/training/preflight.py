"""Will a run fit this machine? Asked before it trains, so that it is refused after seconds and not after hours."""

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from viveiro import __version__
from viveiro.ml.tasks import Estimate
from viveiro.training.types import NotEnoughDisk, NotEnoughMemory, NotEnoughTime

_MEMORY: Final = Path("/proc/meminfo")
_SELF: Final = Path("/proc/self/statm")
_GROUP: Final = Path("/sys/fs/cgroup")
_PROCESSOR: Final = Path("/proc/cpuinfo")
_PACKAGES: Final = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")


@dataclass(frozen=True, slots=True)
class Room:
    """What is free for a run. `memory_bytes` is None where the system does not say."""

    memory_bytes: int | None
    disk_bytes: int
    folder: Path
    seconds: float

    @classmethod
    def of_machine(cls, folder: Path, seconds: float) -> Self:
        free = free_memory()
        # An estimate counts all of this process, and what that has already is not free any more.
        return cls(free if free is None else free + _own_memory(), shutil.disk_usage(folder).free, folder, seconds)


def check_room(estimate: Estimate, room: Room) -> None:
    """Raises NotEnoughMemory, NotEnoughDisk or NotEnoughTime, with the figures and what to do."""
    if room.memory_bytes is not None and estimate.memory_bytes > room.memory_bytes:
        raise NotEnoughMemory(estimate.memory_bytes, room.memory_bytes)
    if estimate.disk_bytes > room.disk_bytes:
        raise NotEnoughDisk(estimate.disk_bytes, room.disk_bytes, room.folder)
    if estimate.seconds > room.seconds:
        raise NotEnoughTime(estimate.seconds, room.seconds)


def free_memory(memory: Path = _MEMORY, group: Path = _GROUP) -> int | None:
    """Of the machine, or of the container that this process is in, whichever is less."""
    known = [found for found in (_free_in_machine(memory), _free_in_group(group)) if found is not None]
    return min(known, default=None)


def environment() -> dict[str, Any]:
    """What a result may depend on besides its description."""
    from viveiro.ml.device import has_bfloat16

    return {
        "viveiro": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "bfloat16": has_bfloat16(),
    }


def _own_memory() -> int:
    return int(_SELF.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if _SELF.exists() else 0


def _free_in_machine(memory: Path) -> int | None:
    if not memory.exists():
        return None
    fields = dict(line.split(":", 1) for line in memory.read_text(encoding="utf-8").splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def _free_in_group(group: Path) -> int | None:
    """What cached files take can be had back, so it counts as free."""
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        statistics: Mapping[str, str] = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        return None
    return None if limit == "max" else int(limit) - used + int(statistics.get("inactive_file", 0))


def _processor() -> str:
    if _PROCESSOR.exists():
        for line in _PROCESSOR.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
