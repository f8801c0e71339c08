"""What this machine can compute with."""

import platform
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def set_threads(count: int) -> None:
    """How many cores one operator may use, in this process."""
    torch.set_num_threads(max(1, count))


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself. Where it does not, bfloat16 is slower than float32, not faster."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


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
