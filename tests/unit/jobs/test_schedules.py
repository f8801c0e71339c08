"""Jobs that recur."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from viveiro.db import utc_now
from viveiro.jobs import queries, service
from viveiro.jobs.schedules import fire_due, following, schedule, schedules, synchronize
from viveiro.jobs.tables import ScheduleRow

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

schedule("ring-hourly", "greet", every=HOUR, arguments={"name": "hour"})


class TestFollowing:
    """Due times keep the rhythm of the first one."""

    @pytest.mark.parametrize(
        ("now", "next_at"),
        [
            (NOON, NOON + HOUR),
            (NOON + HOUR / 2, NOON + HOUR),
            (NOON + HOUR, NOON + 2 * HOUR),
            (NOON + 100.5 * HOUR, NOON + 101 * HOUR),  # what was missed is not made up for
        ],
    )
    def test_rule(self, now, next_at):
        assert following(NOON, HOUR, now) == next_at


class TestSchedules:
    def make_due(self, queue):
        with queue.database.write() as session:
            synchronize(session, utc_now())
            session.get(ScheduleRow, "ring-hourly").next_at = utc_now() - timedelta(seconds=1)

    def fire(self, queue):
        with queue.database.write() as session:
            return fire_due(session, utc_now())

    def test_a_new_schedule_is_first_due_after_its_interval(self, queue):
        with queue.database.write() as session:
            synchronize(session, utc_now())
            synchronize(session, utc_now())  # every worker does, at each start
        assert self.fire(queue) == []

    def test_a_due_time_fires_once(self, queue):
        self.make_due(queue)
        (job_id,) = self.fire(queue)
        assert self.fire(queue) == []
        assert (queue.job(job_id).kind, queue.job(job_id).arguments) == ("greet", {"name": "hour"})

    def test_a_due_time_fires_once_with_several_workers_at_it(self, queue):
        self.make_due(queue)
        fired = []
        threads = [threading.Thread(target=lambda: fired.extend(self.fire(queue))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(fired) == 1
        with queue.database.read() as session:
            assert [job.id for job in service.list_jobs(session, kind="greet")] == fired

    def test_a_schedule_that_the_program_no_longer_declares_is_forgotten(self, queue):
        with queue.database.write() as session:
            queries.add_schedule(session, "of-last-year", NOON)
            synchronize(session, utc_now())
        with queue.database.read() as session:
            assert queries.schedule_names(session) == set(schedules)
