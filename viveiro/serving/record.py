"""What a model host has done since it started, for `viveiro endpoints info`."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

REMEMBERED: Final = 1000
"""Requests whose times the percentiles are taken of."""


class Record:
    """Only for the event loop's thread."""

    def __init__(self) -> None:
        self.engine = ""
        self.last_used = time.monotonic()
        self._requests = 0
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around one request. What fails counts as a request and has no time."""
        started = self.last_used = time.monotonic()
        self._requests += 1
        try:
            yield
            self._seconds.append(time.monotonic() - started)
        finally:
            self.last_used = time.monotonic()

    def to_json(self) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "requests": self._requests,
            "p50_ms": self._percentile(50),
            "p95_ms": self._percentile(95),
            "memory_bytes": memory_bytes(),
        }

    def _percentile(self, share: int) -> float | None:
        if not self._seconds:
            return None
        return round(float(np.percentile(self._seconds, share)) * 1000, 1)


def memory_bytes() -> int:
    """What this process holds in memory now; where the system does not tell, the most it ever held."""
    import resource

    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text(encoding="utf-8").split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
