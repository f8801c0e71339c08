"""Jobs that recur. One row per schedule, whatever the number of workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from viveiro.jobs import queries
from viveiro.jobs.service import enqueue
from viveiro.registry import Registry


@dataclass(frozen=True, slots=True)
class Schedule:
    name: str
    kind: str
    every: timedelta
    arguments: Mapping[str, Any]


schedules: Registry[Schedule] = Registry("schedule")


def schedule(name: str, kind: str, *, every: timedelta, arguments: Mapping[str, Any] | None = None) -> None:
    """Have a job of this kind enqueued every so often, the first time one interval after a worker first knew of it."""
    schedules.register(name)(Schedule(name, kind, every, arguments or {}))


def following(due: datetime, every: timedelta, now: datetime) -> datetime:
    """The first due time after `now`, on the rhythm that `due` set. Times missed while no worker ran are not made up for."""
    missed = max(0, (now - due) // every)
    return due + every * (missed + 1)


def synchronize(session: Session, now: datetime) -> None:
    """Make the rows match what the program declares."""
    known = queries.schedule_names(session)
    for name in schedules:
        if name not in known:
            queries.add_schedule(session, name, now + schedules[name].every)
    queries.delete_schedules(session, known - set(schedules))


def fire_due(session: Session, now: datetime) -> list[str]:
    """Enqueue what is due, each due time once. The ids of the jobs."""
    fired = []
    for row in queries.due_schedules(session, now):
        if row.name in schedules:
            entry = schedules[row.name]
            key = f"schedule:{row.name}:{row.next_at.isoformat()}"
            fired.append(enqueue(session, entry.kind, entry.arguments, idempotency_key=key))
            row.next_at = following(row.next_at, entry.every, now)
    return fired
