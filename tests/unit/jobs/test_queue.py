"""Enqueue, claim, renew, settle, cancel, publish, delete: without any worker process, on both databases."""

import threading
from datetime import timedelta

import pytest

from tests.unit.jobs.workshop import BellRang
from viveiro.db import utc_now
from viveiro.errors import InvalidInput, JobCancelled, JobNotFound, LeaseLost
from viveiro.events import RunFinished
from viveiro.jobs import leases, queries, service
from viveiro.jobs.context import JobContext
from viveiro.jobs.jobs import delete_old_jobs
from viveiro.jobs.logs import log_path, older_log_path
from viveiro.jobs.outbox import publish
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, JobState, Outcome

SOON = timedelta(seconds=5)


def finish(queue, job, outcome):
    with queue.database.write() as session:
        return leases.finish(session, job.id, job.attempt, outcome, SOON)


def take_over(queue):
    with queue.database.write() as session:
        return leases.take_over(session)


def let_lapse(queue, job_id):
    with queue.database.write() as session:
        session.get(JobRow, job_id).lease_until = utc_now() - timedelta(seconds=1)


class TestEnqueue:
    def test_an_unknown_kind_is_refused_with_the_nearest_name(self, queue):
        with pytest.raises(InvalidInput, match="Did you mean 'greet'"):
            queue.enqueue("gret")

    def test_what_json_cannot_hold_is_brought_near(self, queue):
        job_id = queue.enqueue("greet", {"name": "a\0b", "weight": float("nan")})
        assert queue.job(job_id).arguments == {"name": "ab", "weight": None}

    def test_a_transaction_that_is_undone_leaves_no_job(self, queue):
        with queue.database.write() as session:
            job_id = service.enqueue(session, "greet", {})
            session.rollback()
        with pytest.raises(JobNotFound):
            queue.job(job_id)

    def test_the_same_idempotency_key_gives_the_same_job(self, queue):
        first = queue.enqueue("greet", {"name": "a"}, idempotency_key="once")
        assert queue.enqueue("greet", {"name": "b"}, idempotency_key="once") == first
        assert queue.job(first).arguments == {"name": "a"}

    def test_the_same_idempotency_key_at_the_same_moment_gives_one_job(self, queue):
        given = set()
        threads = [
            threading.Thread(target=lambda: given.add(queue.enqueue("greet", idempotency_key="once"))) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(given) == 1

    def test_a_key_that_is_taken_leaves_the_rest_of_the_transaction_alone(self, queue):
        first = queue.enqueue("greet", idempotency_key="once")
        with queue.database.write() as session:
            other = service.enqueue(session, "greet", {"name": "other"})
            assert service.enqueue(session, "greet", {}, idempotency_key="once") == first
        assert queue.job(other).state is JobState.QUEUED


class TestClaim:
    def test_an_empty_queue_gives_nothing(self, queue):
        assert queue.claim() is None

    def test_goes_by_priority_then_by_time(self, queue):
        now = utc_now()
        last = queue.enqueue("greet", run_at=now - timedelta(seconds=1))
        third = queue.enqueue("greet", run_at=now - timedelta(seconds=2))
        first = queue.enqueue("greet", priority=5)
        second = queue.enqueue("greet", priority=1)
        assert [queue.claim().id for _ in range(4)] == [first, second, third, last]

    def test_a_job_of_later_waits(self, queue):
        queue.enqueue("greet", run_at=utc_now() + timedelta(hours=1), priority=9)
        assert queue.claim() is None

    def test_a_kind_that_this_worker_does_not_know_waits_for_one_that_does(self, queue):
        job_id = queue.enqueue("greet")
        with queue.database.write() as session:
            session.get(JobRow, job_id).kind = "of-the-next-version"
        assert queue.claim() is None

    def test_leaves_a_job_that_does_not_fit_and_takes_one_that_does(self, queue):
        queue.enqueue("greet", priority=1)
        small = queue.enqueue("greet-in-thread")
        assert queue.claim(free={"cpu": 0, "gpu": 0, "thread": 1}, cpu=2, gpu=0, thread=4).id == small

    def test_keeps_slots_for_the_job_that_is_first_in_turn(self, queue):
        """Or small jobs would pass a large one for ever."""
        queue.enqueue("greet", slots={"cpu": 2})
        queue.enqueue("greet")
        assert queue.claim(free={"cpu": 1, "gpu": 0, "thread": 4}, cpu=2, gpu=0, thread=4) is None

    def test_keeps_none_for_a_job_that_this_worker_could_never_run(self, queue):
        queue.enqueue("greet", slots={"gpu": 1}, priority=1)
        other = queue.enqueue("greet")
        assert queue.claim(cpu=2, gpu=0, thread=4).id == other

    def test_no_job_is_claimed_twice(self, queue):
        ids = {queue.enqueue("greet") for _ in range(200)}
        claimed = []

        def claim_until_empty():
            while job := queue.claim(threading.current_thread().name, cpu=1000, gpu=0, thread=0):
                claimed.append(job.id)

        threads = [threading.Thread(target=claim_until_empty) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == 200
        assert set(claimed) == ids


class TestFencing:
    """`attempt` numbers the starts; an older one has no say any more."""

    @pytest.fixture
    def taken_over(self, queue):
        """The claim of a worker that fell silent, and the one that followed."""
        queue.enqueue("greet")
        old = queue.claim("silent")
        let_lapse(queue, old.id)
        take_over(queue)
        return old, queue.claim("other")

    def test_the_later_attempt_has_the_next_number(self, taken_over):
        old, new = taken_over
        assert (old.id, old.attempt, new.attempt, new.worker) == (new.id, 1, 2, "other")

    def test_an_old_attempt_cannot_publish(self, queue, taken_over):
        old, new = taken_over

        def publish_from(job):
            with queue.database.write() as session:
                publish(session, BellRang("north"))
                leases.still_mine(session, job.id, job.attempt)

        with pytest.raises(LeaseLost):
            publish_from(old)
        with queue.database.read() as session:
            assert service.list_jobs(session, kind="hear-bell") == []
        publish_from(new)

    def test_an_old_attempt_can_neither_report_nor_end_the_job(self, queue, taken_over):
        old, new = taken_over
        with pytest.raises(LeaseLost), queue.database.write() as session:
            leases.report(session, old.id, old.attempt, [{"type": "progress", "data": {"step": 1}}])
        with pytest.raises(LeaseLost):
            finish(queue, old, Outcome(Ending.RETURNED, result="old"))
        assert finish(queue, new, Outcome(Ending.RETURNED, result="new")).result == "new"

    def test_a_job_ends_once(self, queue):
        queue.enqueue("greet")
        job = queue.claim()
        finish(queue, job, Outcome(Ending.RETURNED))
        with pytest.raises(LeaseLost):
            finish(queue, job, Outcome(Ending.RETURNED))

    def test_a_cancelled_job_cannot_publish(self, queue):
        job_id = queue.enqueue("greet")
        job = queue.claim()
        queue.cancel(job_id)
        with pytest.raises(JobCancelled), queue.database.write() as session:
            leases.still_mine(session, job.id, job.attempt)


class TestLeases:
    def test_a_renewed_lease_does_not_lapse(self, queue):
        job_id = queue.enqueue("greet")
        queue.claim("a worker")
        let_lapse(queue, job_id)
        with queue.database.write() as session:
            leases.renew(session, "a worker", [job_id], timedelta(seconds=30))
        assert take_over(queue) is None

    def test_nobody_can_renew_what_another_holds(self, queue):
        job_id = queue.enqueue("greet")
        queue.claim("a worker")
        let_lapse(queue, job_id)
        with queue.database.write() as session:
            leases.renew(session, "another", [job_id], timedelta(seconds=30))
        assert take_over(queue).id == job_id

    def test_without_attempts_left_a_lost_job_fails_and_says_why(self, queue):
        job_id = queue.enqueue("segfault")  # one attempt
        queue.claim("host:7")
        let_lapse(queue, job_id)
        assert take_over(queue).state is JobState.FAILED
        assert "Worker host:7 was lost in attempt 1" in queue.job(job_id).error

    def test_a_request_to_cancel_survives_the_workers_death(self, queue):
        job_id = queue.enqueue("greet")
        queue.claim()
        queue.cancel(job_id)
        let_lapse(queue, job_id)
        assert take_over(queue).state is JobState.CANCELLED


class TestCancel:
    def test_a_queued_job_is_cancelled_at_once(self, queue):
        job_id = queue.enqueue("greet")
        assert queue.cancel(job_id).state is JobState.CANCELLED
        assert queue.claim() is None

    def test_a_running_job_is_only_asked(self, queue):
        job_id = queue.enqueue("greet")
        queue.claim()
        assert [queue.cancel(job_id).state for _ in range(2)] == [JobState.RUNNING] * 2
        assert [event.type for event in queue.events(job_id)] == ["queued", "started", "cancel-requested"]

    def test_an_ended_job_stays_as_it_is(self, queue):
        job_id = queue.enqueue("greet")
        finish(queue, queue.claim(), Outcome(Ending.RETURNED, result=1))
        assert queue.cancel(job_id).state is JobState.SUCCEEDED

    def test_a_job_that_does_not_exist_is_missing(self, queue):
        with pytest.raises(JobNotFound, match="viveiro jobs list"):
            queue.cancel("f" * 24)


class TestOutbox:
    def test_one_job_per_listener_that_carries_the_event(self, queue):
        with queue.database.write() as session:
            (job_id,) = publish(session, BellRang("north"))
        assert (queue.job(job_id).kind, queue.job(job_id).arguments) == ("hear-bell", {"tower": "north"})

    def test_a_transaction_that_is_undone_tells_nobody(self, queue):
        with queue.database.write() as session:
            publish(session, BellRang("north"))
            session.rollback()
        with queue.database.read() as session:
            assert service.list_jobs(session) == []

    def test_an_event_that_nobody_listens_to_costs_nothing(self, queue):
        with queue.database.write() as session:
            assert publish(session, RunFinished("0" * 24, "succeeded")) == []


class TestListing:
    def test_newest_first_page_by_page(self, queue):
        ids = sorted((queue.enqueue("greet") for _ in range(5)), reverse=True)
        with queue.database.read() as session:
            first = service.list_jobs(session, limit=3)
            second = service.list_jobs(session, limit=3, before=first[-1].id)
        assert [job.id for job in [*first, *second]] == ids

    def test_by_owner_kind_and_state(self, queue):
        mine = queue.enqueue("greet", owner_id=1)
        queue.enqueue("greet", owner_id=2)
        queue.enqueue("talk", owner_id=1)
        queue.cancel(queue.enqueue("greet", owner_id=1))
        with queue.database.read() as session:
            found = service.list_jobs(session, owner_ids=[1], kind="greet", state=JobState.QUEUED)
        assert [job.id for job in found] == [mine]

    def test_events_behind_a_number(self, queue):
        job_id = queue.enqueue("greet")
        queue.claim()
        with queue.database.read() as session:
            assert [event.type for event in service.job_events(session, job_id, after=1)] == ["started"]


class TestRetention:
    @pytest.fixture
    def retention(self, queue):
        job = queue.job(queue.enqueue("jobs-retention"))
        queue.cancel(job.id)
        return JobContext(job, queue.settings, queue.database, print, threading.Event())

    def test_deletes_old_ended_jobs_with_all_that_is_theirs(self, queue, retention):
        old = queue.enqueue("greet")
        finish(queue, queue.claim(), Outcome(Ending.RETURNED))
        checkpoint = JobContext(queue.job(old), queue.settings, queue.database, print, threading.Event()).folder / "it"
        logs = [log_path(queue.settings, old), older_log_path(queue.settings, old)]
        logs[0].parent.mkdir(parents=True)
        for file in (checkpoint, *logs):
            file.touch()
        with queue.database.write() as session:
            session.get(JobRow, old).finished_at = utc_now() - timedelta(days=91)
        assert delete_old_jobs(retention) == {"deleted": 1}
        assert not any(path.exists() for path in (checkpoint.parent, *logs))
        assert queue.events(old) == []
        with pytest.raises(JobNotFound):
            queue.job(old)

    def test_keeps_what_ended_lately_and_what_has_not_ended(self, queue, retention):
        lately, waiting = queue.enqueue("greet", priority=1), queue.enqueue("greet")
        finish(queue, queue.claim(), Outcome(Ending.RETURNED))
        with queue.database.write() as session:
            session.get(JobRow, waiting).created_at = utc_now() - timedelta(days=400)
        assert delete_old_jobs(retention) == {"deleted": 0}
        assert [queue.job(lately).state, queue.job(waiting).state] == [JobState.SUCCEEDED, JobState.QUEUED]


def test_the_state_can_only_change_together_with_the_history(queue):
    """`record` refuses what the life of a job does not allow."""
    job_id = queue.enqueue("greet")
    with queue.database.write() as session:
        row = queries.lock(session, job_id)
        with pytest.raises(ValueError, match="cannot become succeeded"):
            queries.record(session, row, "succeeded", utc_now(), {})
