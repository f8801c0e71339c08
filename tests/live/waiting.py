"""For what another process does in its own time. Nothing is measured here: only a hang fails."""

import contextlib
import time
from collections.abc import Callable

PATIENCE_SECONDS = 60


def wait_until(condition: Callable[[], object]) -> None:
    """Until it holds. A place that does not answer just now is asked again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError):
            if condition():
                return
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.05)
