"""Who was let in a moment ago, so that many requests in a row cost one look into the database."""

import time
from collections.abc import Callable
from typing import Final, TypeAlias

from viveiro.serving.types import Endpoint

SECONDS: Final = 1.0
"""A revoked access token, or a right that was taken away, opens a model at most this much longer."""
MOST: Final = 4096

Key: TypeAlias = tuple[str, str]
"""The Authorization header as it came, and the model as it was asked for: only the same request is let in again."""


class Admissions:
    """Only for the event loop's thread. What was refused is never remembered."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[float, Endpoint]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: Key) -> Endpoint | None:
        until, endpoint = self._known.get(key, (0.0, None))
        return endpoint if self._clock() < until else None

    def remember(self, key: Key, endpoint: Endpoint, asked: float) -> None:
        """`asked`: the moment, by `now()`, before the database was looked into."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = (asked + SECONDS, endpoint)

    def now(self) -> float:
        return self._clock()

    def forget_all(self) -> None:
        """Endpoints have changed: nobody may be led to one that was."""
        self._known.clear()
