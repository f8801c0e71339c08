"""Real workers, real processes, killed in earnest; on both databases."""

import os
import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.unit.jobs.conftest import is_alive, parent_of, wait_for
from tests.unit.jobs.workshop import BellRang
from viveiro.jobs import presence
from viveiro.jobs.logs import log_path, older_log_path
from viveiro.jobs.outbox import publish
from viveiro.jobs.processes import THREAD_SPINS
from viveiro.jobs.types import JobState

CUT_ALL_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


def log_of(queue, job_id):
    return log_path(queue.settings, job_id).read_text()


class TestOrdinaryJobs:
    def test_succeed_with_result_progress_metrics_and_log(self, queue):
        greet = queue.enqueue("greet", {"name": "açaí"})
        in_thread = queue.enqueue("greet-in-thread", {"name": "thread"})
        talk = queue.enqueue("talk", {"times": 300})
        worker = queue.start_worker()

        assert queue.wait(greet).result == {"hello": "açaí", "attempt": 1}
        assert log_of(queue, greet) == "Hello, açaí\n"
        assert queue.wait(in_thread).result == {"hello": "thread", "pid": worker.pid}
        assert queue.wait(talk).progress == {"step": 300}
        said = [event for event in queue.events(talk) if event.type in ("progress", "metrics")]
        metrics = [event.data for event in said if event.type == "metrics"]
        assert [point["step"] for point in metrics] == list(range(300))
        assert metrics[0]["loss"] is None  # it was NaN
        assert 1 <= len(said) - len(metrics) < 100  # of 300

    def test_fail_and_are_tried_again(self, queue):
        retried = queue.enqueue("fail-until", {"succeeds": 2})
        exhausted = queue.enqueue("fail-until", {"succeeds": 9})
        hopeless = queue.enqueue("fail-hopelessly")
        queue.start_worker()

        assert queue.wait(retried).result == 2
        assert queue.job(retried).error is None
        assert queue.wait(exhausted).state is JobState.FAILED
        assert (queue.job(exhausted).attempt, queue.job(exhausted).error) == (3, "RuntimeError: not yet: 3")
        assert (queue.wait(hopeless).attempt, queue.job(hopeless).error) == (1, "There is no column text.")
        assert "Traceback" in log_of(queue, hopeless)
        assert "Traceback" in log_of(queue, exhausted)

    def test_occupy_their_slots_while_they_run(self, queue, tmp_path):
        diary = tmp_path / "diary"
        jobs = [queue.enqueue("hold-slots", {"diary": str(diary)}) for _ in range(3)]
        queue.start_worker(worker_cpu_slots=1)
        assert {queue.wait(job_id).state for job_id in jobs} == {JobState.SUCCEEDED}
        assert diary.read_text() == "begin\nend\n" * 3  # never two together

    @pytest.mark.parametrize(("chosen", "found"), [(None, THREAD_SPINS), ("7", "7")])
    def test_give_way_to_their_neighbours_unless_the_operator_says_otherwise(self, queue, monkeypatch, chosen, found):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        if chosen:
            monkeypatch.setenv("GOMP_SPINCOUNT", chosen)
        looked = queue.enqueue("look-around", {"variable": "GOMP_SPINCOUNT"})
        queue.start_worker()
        assert queue.wait(looked).result == found


class TestLog:
    def test_that_cannot_be_rolled_over_costs_no_job_its_attempt(self, queue):
        job_id = queue.enqueue("work-long", {"seconds": 3})
        older_log_path(queue.settings, job_id).mkdir(parents=True)  # as little can be copied there as onto a full disk
        worker = queue.start_worker(job_log_bytes=10)
        queue.pids(job_id)
        log_path(queue.settings, job_id).write_text("more than ten bytes")
        assert queue.wait(job_id).state is JobState.SUCCEEDED
        assert (queue.job(job_id).attempt, worker.poll()) == (1, None)

    def test_that_was_deleted_is_missing_from_the_error_alone(self, queue):
        job_id = queue.enqueue("work-long")
        worker = queue.start_worker()
        process, _ = queue.pids(job_id)
        log_path(queue.settings, job_id).unlink()
        os.kill(process, signal.SIGSEGV)
        assert queue.wait(job_id).result == {"resumed_from": "attempt 1"}
        assert worker.poll() is None


class TestCrashes:
    def test_are_failures_that_name_the_cause(self, queue):
        crashed = queue.enqueue("segfault")
        silent = queue.enqueue("leave-without-a-word")
        unharmed = queue.enqueue("greet", {"name": "you"})
        queue.start_worker()

        assert queue.wait(crashed).state is JobState.FAILED
        assert "killed by SIGSEGV" in queue.job(crashed).error
        assert "in segfault" in queue.job(crashed).error  # the last lines of the log: Python says where it was
        assert "status 7 and without a result" in queue.wait(silent).error
        assert queue.job(silent).error.endswith("goodbye")
        assert queue.wait(unharmed).state is JobState.SUCCEEDED

    def test_a_killed_process_is_started_again_and_finds_its_checkpoint(self, queue):
        job_id = queue.enqueue("work-long")
        queue.start_worker()
        process, helper = queue.pids(job_id)
        os.kill(process, signal.SIGKILL)
        assert queue.wait(job_id).result == {"resumed_from": "attempt 1"}
        wait_for(lambda: not is_alive(helper))

    def test_a_job_whose_leash_is_killed_dies_with_all_it_started_and_is_started_again(self, queue):
        job_id = queue.enqueue("work-long")
        queue.start_worker()
        process, helper = queue.pids(job_id)
        os.kill(parent_of(process), signal.SIGKILL)
        assert queue.wait(job_id).result == {"resumed_from": "attempt 1"}
        wait_for(lambda: not is_alive(process) and not is_alive(helper))

    def test_what_a_job_leaves_running_ends_with_it(self, queue):
        job_id = queue.enqueue("leave-a-helper-behind")
        queue.start_worker()
        helper = queue.wait(job_id).result["helper"]
        wait_for(lambda: not is_alive(helper))


class TestCancelling:
    def test_stops_the_process_which_may_tidy_up(self, queue):
        job_id = queue.enqueue("work-long")
        in_thread = queue.enqueue("wait-for-stop")
        queue.start_worker()
        pids = queue.pids(job_id)
        queue.wait(in_thread, JobState.RUNNING)
        queue.cancel(job_id)
        queue.cancel(in_thread)
        assert queue.wait(job_id).state is JobState.CANCELLED
        assert (queue.folder(job_id) / "tidied-up").exists()
        wait_for(lambda: not any(map(is_alive, pids)))
        assert queue.wait(in_thread).state is JobState.CANCELLED

    def test_kills_a_process_that_ignores_it(self, queue):
        job_id = queue.enqueue("ignore-sigterm")
        queue.start_worker(job_kill_after=timedelta(seconds=0.3))
        (process,) = queue.pids(job_id)
        queue.cancel(job_id)
        assert queue.wait(job_id).state is JobState.CANCELLED
        wait_for(lambda: not is_alive(process))


class TestDeathOfTheWorker:
    def test_nothing_of_its_jobs_outlives_it_and_another_worker_resumes_them(self, queue):
        job_id = queue.enqueue("work-long")
        first = queue.start_worker()
        pids = queue.pids(job_id)
        first.kill()
        first.wait()
        wait_for(lambda: not any(map(is_alive, pids)))
        assert not (queue.folder(job_id) / "tidied-up").exists()  # SIGKILL left no time for it

        queue.start_worker()
        job = queue.wait(job_id)
        assert (job.result, job.attempt) == ({"resumed_from": "attempt 1"}, 2)

    def test_its_jobs_go_on_at_once_where_the_kernel_knows_that_it_is_dead(self, queue):
        patient = {"job_lease": timedelta(hours=1)}
        job_id = queue.enqueue("work-long")
        first = queue.start_worker(**patient)
        queue.pids(job_id)
        first.kill()
        first.wait()
        wait_for(lambda: presence.gone_workers(queue.settings))
        queue.start_worker(**patient)
        assert queue.wait(job_id).attempt == 2
        assert presence.gone_workers(queue.settings) == []

    def test_a_living_workers_jobs_are_left_to_it(self, queue):
        job_id = queue.enqueue("work-long")
        first = queue.start_worker(job_lease=timedelta(hours=1))
        queue.pids(job_id)
        second = queue.start_worker()
        other_id = queue.enqueue("greet", {"name": "Ana"}, slots={"cpu": 1})
        queue.wait(other_id)
        assert queue.job(job_id).attempt == 1
        assert (first.poll(), second.poll()) == (None, None)

    def test_an_event_that_its_listener_died_of_is_told_again(self, queue):
        with queue.database.write() as session:
            (job_id,) = publish(session, BellRang("north"))
        first = queue.start_worker()
        first.wait()  # the listener kills it
        queue.start_worker()
        assert queue.wait(job_id).result == "north"
        assert (queue.folder(job_id) / "heard").read_text() == "north\n" * 2

    def test_a_worker_that_was_silent_for_too_long_kills_what_it_no_longer_holds(self, queue):
        job_id = queue.enqueue("work-long")
        frozen = queue.start_worker()
        pids = queue.pids(job_id)
        frozen.send_signal(signal.SIGSTOP)
        queue.start_worker()
        assert queue.wait(job_id).result == {"resumed_from": "attempt 1"}
        assert all(map(is_alive, pids))
        frozen.send_signal(signal.SIGCONT)
        wait_for(lambda: not any(map(is_alive, pids)))
        assert frozen.poll() is None
        assert queue.job(job_id).attempt == 2


class TestDatabaseThatComesBack:
    @pytest.fixture
    def database_url(self, postgres_url):
        return postgres_url

    def test_costs_no_attempt(self, queue):
        job_id = queue.enqueue("work-long", {"seconds": 2})
        queue.start_worker()
        queue.pids(job_id)
        for _ in range(10):
            with queue.database.write() as session:
                session.execute(text(CUT_ALL_OTHERS))
            time.sleep(0.1)
        job = queue.wait(job_id)
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)


class TestLeaving:
    """SIGTERM to the worker: a restart of the server must cost no attempt."""

    def test_gives_running_jobs_back(self, queue):
        job_id = queue.enqueue("work-long")
        in_thread = queue.enqueue("wait-for-stop")
        worker = queue.start_worker()
        pids = queue.pids(job_id)
        queue.wait(in_thread, JobState.RUNNING)
        worker.terminate()
        assert worker.wait(30) == 0
        wait_for(lambda: not any(map(is_alive, pids)))
        for given_back in (queue.job(job_id), queue.job(in_thread)):
            assert (given_back.state, given_back.failures, given_back.worker) == (JobState.QUEUED, 0, None)

    def test_asked_again_kills_what_does_not_stop(self, queue):
        job_id = queue.enqueue("ignore-sigterm")
        worker = queue.start_worker(job_kill_after=timedelta(minutes=5))
        (process,) = queue.pids(job_id)
        wait_for(lambda: worker.terminate() or worker.poll() is not None)
        wait_for(lambda: not is_alive(process))
        assert queue.job(job_id).state is JobState.QUEUED
