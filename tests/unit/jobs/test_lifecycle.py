"""How jobs move from state to state."""

from datetime import UTC, datetime, timedelta

import pytest

from viveiro.jobs.lifecycle import LONGEST_RETRY_DELAY, delay_before_retry, fold, next_state, settle
from viveiro.jobs.types import Ending, Job, JobEventType, JobState, Outcome

NOW = datetime(2026, 3, 1, tzinfo=UTC)
QUEUED_AT = NOW - timedelta(hours=1)
DELAY = timedelta(seconds=5)


def running(*, failures: int = 0, max_attempts: int = 3, cancel_requested: bool = False) -> Job:
    return Job(
        id="0" * 24,
        kind="greet",
        arguments={},
        state=JobState.RUNNING,
        priority=0,
        attempt=failures + 1,
        failures=failures,
        max_attempts=max_attempts,
        cancel_requested=cancel_requested,
        worker="a worker",
        lease_until=NOW,
        run_at=QUEUED_AT,
        slots={},
        progress=None,
        result=None,
        error=None,
        owner_id=None,
        created_at=QUEUED_AT,
        started_at=QUEUED_AT,
        finished_at=None,
    )


class TestStates:
    """The state is the fold of the events."""

    def test_a_retried_job(self):
        history = ["queued", "started", "progress", "requeued", "started", "metrics", "succeeded"]
        assert fold(JobEventType(event) for event in history) is JobState.SUCCEEDED

    def test_a_job_that_nobody_enqueued_has_none(self):
        assert fold([]) is None

    @pytest.mark.parametrize("state", [state for state in JobState if state.is_final])
    @pytest.mark.parametrize("event", JobEventType)
    def test_nothing_follows_an_end(self, state, event):
        with pytest.raises(ValueError, match="cannot become"):
            next_state(state, event)

    @pytest.mark.parametrize("event", ["progress", "succeeded", "failed", "requeued", "cancel-requested"])
    def test_a_queued_job_can_only_start_or_be_cancelled(self, event):
        with pytest.raises(ValueError, match="cannot become"):
            next_state(JobState.QUEUED, JobEventType(event))


class TestSettlement:
    """What becomes of a job when an attempt has ended."""

    @pytest.mark.parametrize(
        ("ending", "failures", "event", "failures_after"),
        [
            (Ending.RETURNED, 0, "succeeded", 0),
            (Ending.FAILED, 0, "requeued", 1),
            (Ending.FAILED, 2, "failed", 3),  # the third of three attempts
            (Ending.LOST, 1, "requeued", 2),
            (Ending.LOST, 2, "failed", 3),
            (Ending.RELEASED, 2, "requeued", 2),  # costs no attempt, so it never ends a job
        ],
    )
    def test_rule(self, ending, failures, event, failures_after):
        settlement = settle(running(failures=failures), Outcome(ending, error="why"), NOW, DELAY)
        assert (settlement.event, settlement.failures) == (event, failures_after)

    @pytest.mark.parametrize("ending", Ending)
    def test_who_was_asked_to_cancel_is_cancelled_whatever_happened(self, ending):
        settlement = settle(running(failures=2, cancel_requested=True), Outcome(ending, error="why"), NOW, DELAY)
        assert settlement.event is JobEventType.CANCELLED

    def test_what_can_only_fail_again_is_not_tried_again(self):
        settlement = settle(running(), Outcome(Ending.FAILED, error="why", may_retry=False), NOW, DELAY)
        assert settlement.event is JobEventType.FAILED

    def test_a_failed_job_waits(self):
        settlement = settle(running(failures=1), Outcome(Ending.FAILED, error="why"), NOW, DELAY)
        assert settlement.run_at == NOW + 4 * DELAY

    @pytest.mark.parametrize("ending", [Ending.LOST, Ending.RELEASED])
    def test_a_job_that_lost_its_worker_keeps_its_place_in_the_queue(self, ending):
        assert settle(running(), Outcome(ending), NOW, DELAY).run_at == QUEUED_AT


class TestDelayBeforeRetry:
    def test_grows_fourfold(self):
        assert [delay_before_retry(n, DELAY) / DELAY for n in (1, 2, 3)] == [1, 4, 16]

    def test_has_a_limit(self):
        assert delay_before_retry(1000, DELAY) == LONGEST_RETRY_DELAY

    def test_is_never_less_than_the_operator_chose(self):
        assert delay_before_retry(3, timedelta(hours=1)) == timedelta(hours=1)
