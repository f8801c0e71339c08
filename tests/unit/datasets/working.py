"""Jobs of the datasets' domain, worked on in the test's own process."""

import threading
from datetime import timedelta

from tests.unit.hub.house import House
from viveiro.app import register_everything
from viveiro.jobs import leases
from viveiro.jobs.context import JobContext
from viveiro.jobs.types import Job

register_everything()

SLOTS = {"cpu": 4, "gpu": 0, "thread": 4}


def claimed(house: House, kind: str) -> tuple[Job, JobContext]:
    """The job that is first in turn, as a worker has it."""
    with house.database.write() as session:
        job = leases.claim(session, "worker", kinds=[kind], free=SLOTS, total=SLOTS, lease=timedelta(minutes=5))
    assert job is not None
    return job, JobContext(job, house.settings, house.database, lambda _message: None, threading.Event())
