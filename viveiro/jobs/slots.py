"""Countable resources: how many a worker has, and which jobs still fit."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from viveiro.jobs.types import Isolation, Slots
from viveiro.settings import Settings

SLOT_NAMES: Final = frozenset({"cpu", "gpu", "thread"})
DEFAULT_SLOTS: Final[dict[Isolation, dict[str, int]]] = {Isolation.PROCESS: {"cpu": 1}, Isolation.THREAD: {"thread": 1}}
WORKER_THREADS: Final = 4

_GPU_DEVICE: Final = re.compile(r"nvidia\d+")


def capacity(settings: Settings) -> dict[str, int]:
    """What a worker on this machine has to give."""
    return {"cpu": settings.worker_cpu_slots, "gpu": len(visible_gpus()), "thread": WORKER_THREADS}


def visible_gpus(environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES, found without loading CUDA: the worker must stay small."""
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name and name != "-1"]
    # Counted, not read off: inside a container the device file may be nvidia3, and CUDA still calls it 0.
    count = sum(1 for device in devices.glob("nvidia*") if _GPU_DEVICE.fullmatch(device.name))
    return [str(index) for index in range(count)]


def remaining(total: Slots, used: Iterable[Slots]) -> dict[str, int]:
    """Never below zero: a worker restarted with fewer slots may run more than it would take now."""
    used = list(used)
    return {name: max(0, count - sum(slots.get(name, 0) for slots in used)) for name, count in total.items()}


def suffices(free: Slots, wanted: Slots) -> bool:
    return all(free.get(name, 0) >= count for name, count in wanted.items())
