"""Events, from the transaction that made them true to whoever registered to hear of them: at least once each.

Publishing only inserts jobs, one per listener, so an event of a transaction that is undone was never told. Whoever
publishes must have imported the listeners: `app.py` does, for every process.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from viveiro.events import Event
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.service import enqueue
from viveiro.jobs.types import Isolation

AnyEvent = TypeVar("AnyEvent", bound=Event)
Listener = Callable[[JobContext, AnyEvent], Any]

_listeners: defaultdict[type[Event], list[str]] = defaultdict(list)


def listener(
    event_type: type[AnyEvent], *, name: str, isolation: str = Isolation.THREAD, max_attempts: int = 5
) -> Callable[[Listener[AnyEvent]], Listener[AnyEvent]]:
    """Register the decorated function as a job kind of this name, fed with each such event.

    It may hear the same event twice, and events in another order than they arose.
    """

    def register(function: Listener[AnyEvent]) -> Listener[AnyEvent]:
        def handle(job: JobContext, **fields: Any) -> Any:
            return function(job, event_type.from_json(fields))

        job_kind(name, isolation=isolation, max_attempts=max_attempts)(handle)
        _listeners[event_type].append(name)
        return function

    return register


def publish(session: Session, event: Event) -> list[str]:
    """Tell every listener, if and when this transaction commits. The ids of the jobs that will."""
    return [enqueue(session, name, event.to_json()) for name in _listeners[type(event)]]
