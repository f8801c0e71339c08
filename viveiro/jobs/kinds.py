"""What the queue can run: each domain registers its handlers from its own `jobs.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from viveiro.errors import (
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotOffered,
    Unprocessable,
)
from viveiro.jobs.slots import DEFAULT_SLOTS, SLOT_NAMES
from viveiro.jobs.types import Isolation, Slots
from viveiro.registry import Registry

Handler = TypeVar("Handler", bound=Callable[..., Any])

HOPELESS: Final = (Forbidden, InvalidInput, NotAuthenticated, NotFound, NotOffered, Unprocessable)
"""Errors that the same arguments would only meet again."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """`handler(job: JobContext, **arguments)` answers a JSON value, which becomes the job's result."""

    name: str
    handler: Callable[..., Any]
    slots: Slots
    max_attempts: int
    isolation: Isolation
    retry_on: tuple[type[Exception], ...]

    def may_retry(self, error: Exception) -> bool:
        return isinstance(error, self.retry_on) and not isinstance(error, HOPELESS)


kinds: Registry[JobKind] = Registry("job kind")


def job_kind(
    name: str,
    *,
    slots: Mapping[str, int] | None = None,
    max_attempts: int = 3,
    isolation: str = Isolation.PROCESS,
    retry_on: tuple[type[Exception], ...] = (Exception,),
) -> Callable[[Handler], Handler]:
    """Register the decorated function. It must not mind running twice: a worker may die at any point.

    Args:
        slots: what it occupies while it runs. Default: one CPU slot in a process, one place among the worker's threads.
        max_attempts: starts that may fail, or be lost with their worker, before the job is failed.
        retry_on: errors worth another attempt. HOPELESS ones never are.
    """
    where = Isolation(isolation)
    wanted = dict(DEFAULT_SLOTS[where] if slots is None else slots)
    check_slots(wanted)

    def register(handler: Handler) -> Handler:
        kinds.register(name)(JobKind(name, handler, wanted, max_attempts, where, retry_on))
        return handler

    return register


def check_slots(slots: Slots) -> None:
    unknown = set(slots) - SLOT_NAMES
    if unknown:
        raise InvalidInput(
            "No slot is called {unknown}. Known: {known}.",
            unknown=", ".join(sorted(unknown)),
            known=", ".join(sorted(SLOT_NAMES)),
        )
