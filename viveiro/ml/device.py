"""What this machine can compute with."""

import platform
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import torch

Precision = Literal["float32", "bfloat16"]

CLEAR_REFERENCES: Final = Path("/proc/self/clear_refs")
RESET_HIGH_WATER_MARK: Final = "5"
PROCESS_STATUS: Final = Path("/proc/self/status")


def set_threads(count: int) -> None:
    """How many cores one operator may use, in this process."""
    torch.set_num_threads(max(1, count))


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself. Where it does not, bfloat16 is slower than float32, not faster."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def training_device() -> torch.device:
    """The first GPU where there is one. It trains a small encoder some ten times as fast as a processor."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def training_precision(device: torch.device) -> Precision:
    """bfloat16 where the device multiplies it itself: Ampere and later, and processors with AVX512-BF16 or AMX."""
    native = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else has_bfloat16()
    return "bfloat16" if native else "float32"


def peak_memory(work: Callable[[], object], device: torch.device) -> int:
    """Most bytes that this process holds on the device, from its start to the end of `work`.

    Where Linux lets the high-water mark be reset, what came before `work` does not count.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return int(torch.cuda.max_memory_allocated(device))
    with suppress(OSError):
        CLEAR_REFERENCES.write_text(RESET_HIGH_WATER_MARK)
    work()
    try:
        lines = PROCESS_STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def describe() -> str:
    """One line for `viveiro doctor`."""
    capability = torch.backends.cpu.get_cpu_capability()
    formats = "bfloat16 and float32" if has_bfloat16() else "float32"
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    accelerators = ", ".join(gpus) or "no GPU"
    threads = torch.get_num_threads()
    return (
        f"torch {torch.__version__} on {platform.machine()} {capability}, {threads} threads, {formats}, {accelerators}"
    )
