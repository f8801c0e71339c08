"""What a model does next. Pure: the clock is an argument.

Work-conserving: whenever the model is free and something waits, something runs. There is no time window, which was never
faster and, with one client, three times slower. Only near-equal lengths share a batch, and short work goes a little
before long work, until the long work has waited for it. Nor does a text join a turn over the heads of a long queue.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice
from operator import itemgetter
from typing import Any, Final, TypeAlias

from viveiro.ml.batching import near_equal_companions, near_lengths
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


_Waiting: TypeAlias = tuple[float, int, Work]
"""Its rank, its place in the queue and itself. The least is next: a rank is a cost less AGEING for each second waited, but
for the time now, which is the same for all."""


class Scheduler:
    """A queue bounded in tokens, which texts join in the order of their arrival. Not for several threads at once.

    A turn costs about the same however many wait: of each cost, only the earliest can be next, and the earliest few can
    join a batch.
    """

    def __init__(self, most_tokens: int, batch_tokens: int = BATCH_TOKENS) -> None:
        self._most_tokens = most_tokens
        self._batch_tokens = batch_tokens
        self._places = count()
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._by_cost: defaultdict[int, deque[_Waiting]] = defaultdict(deque)
        self._deadlines: list[tuple[float, int]] = []
        """A heap, with places that nobody has any more."""
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
        for work in works:
            place = next(self._places)
            self._waiting[place] = waiting = (work.cost + AGEING * work.arrived, place, work)
            self._by_cost[work.cost].append(waiting)
            heappush(self._deadlines, (work.deadline, place))
        self.tokens += cost

    def next_turn(self, now: float) -> Turn:
        expired = [self._remove(late) for late in self._late(now)]
        batch: list[Work] = []
        if self._waiting:
            *_, (_, _, last) = islice(self._waiting.values(), COMPANIONS_AMONG_EARLIEST)
            lead = self._remove(min([works[0] for works in self._by_cost.values()]))
            batch = [lead, *map(self._remove, self._companions(lead, last.arrived))]
        if not self._waiting:
            self._deadlines.clear()
        return Turn(batch, expired)

    def _late(self, now: float) -> list[_Waiting]:
        places = []
        while self._deadlines and self._deadlines[0][0] <= now:
            places.append(heappop(self._deadlines)[1])
        return [self._waiting[place] for place in sorted(places) if place in self._waiting]

    def _companions(self, lead: Work, newest: float) -> list[_Waiting]:
        """Of those that came by `newest`, in the order of the queue."""
        most = self._batch_tokens // lead.cost - 1
        others: list[_Waiting] = []
        for cost in near_lengths(lead.cost) if most > 0 else ():
            if works := self._by_cost.get(cost):
                others += [waiting for waiting in islice(works, most) if waiting[2].arrived <= newest]
        others.sort(key=itemgetter(1))
        companions = near_equal_companions(lead.cost, [work.cost for _, _, work in others], self._batch_tokens)
        return [others[position] for position in companions]

    def _remove(self, waiting: _Waiting) -> Work:
        _, place, work = waiting
        del self._waiting[place]
        self._by_cost[work.cost].remove(waiting)  # quick: but for some that are late, it is the first
        if not self._by_cost[work.cost]:
            del self._by_cost[work.cost]
        self.tokens -= work.cost
        return work
