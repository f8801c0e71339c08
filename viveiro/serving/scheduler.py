"""What a model does next. Pure: the clock is an argument.

Work-conserving: whenever the model is free and something waits, something runs. There is no time window, which was never
faster and, with one client, three times slower. Only near-equal lengths share a batch, and short work goes a little
before long work, until the long work has waited for it. Nor does a text join a turn over the heads of a long queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from viveiro.ml.batching import near_equal_companions
from viveiro.serving.types import QueueFull, TooManyTokens

BATCH_TOKENS: Final = 512
"""All that batching gains on a processor is gained by then; at half of it, but a twentieth."""
AGEING: Final = 16000.0
"""Tokens of head start for each second waited: after a sixty-fourth of one, the longest text goes before any newcomer. At
a sixteenth of this, with 8 clients and turns of 256 tokens, the median fell by a quarter and the slowest hundredth
waited half as long again."""
COMPANIONS_AMONG_EARLIEST: Final = 24
"""Waiting texts that may join a turn, besides those that came together with the last of them: each newcomer that joins
makes all whom it overtakes wait longer. With 64 clients the slowest hundredth waited a tenth less, at the same rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One text. Times are in seconds on one clock."""

    cost: int
    arrived: float
    deadline: float
    payload: Any


@dataclass(frozen=True, slots=True)
class Turn:
    """What to run now, and what nobody waits for any more."""

    batch: list[Work]
    expired: list[Work]


class Scheduler:
    """A queue bounded in tokens. Not for several threads at once."""

    def __init__(self, most_tokens: int, batch_tokens: int = BATCH_TOKENS) -> None:
        self._most_tokens = most_tokens
        self._batch_tokens = batch_tokens
        self._waiting: list[Work] = []
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, works: Sequence[Work]) -> None:
        """All or none. Raises QueueFull, or TooManyTokens for what does not fit the empty queue either."""
        cost = sum(work.cost for work in works)
        if cost > self._most_tokens:
            raise TooManyTokens
        if self.tokens + cost > self._most_tokens:
            raise QueueFull
        self._waiting.extend(works)
        self.tokens += cost

    def next_turn(self, now: float) -> Turn:
        expired = [work for work in self._waiting if work.deadline <= now]
        waiting = [work for work in self._waiting if work.deadline > now]
        batch: list[Work] = []
        if waiting:
            lead = min(waiting, key=lambda work: work.cost - AGEING * (now - work.arrived))
            newest = waiting[:COMPANIONS_AMONG_EARLIEST][-1].arrived
            others = [work for work in waiting if work is not lead and work.arrived <= newest]
            companions = near_equal_companions(lead.cost, [work.cost for work in others], self._batch_tokens)
            batch = [lead, *(others[position] for position in companions)]
        chosen = set(map(id, batch))
        self._waiting = [work for work in waiting if id(work) not in chosen]
        self.tokens = sum(work.cost for work in self._waiting)
        return Turn(batch, expired)
