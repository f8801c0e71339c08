import pytest
from hypothesis import given
from hypothesis import strategies as st

from viveiro.ml.batching import near
from viveiro.serving.scheduler import BATCH_TOKENS, COMPANIONS_AMONG_EARLIEST, Scheduler, Work
from viveiro.serving.types import QueueFull, TooManyTokens


def work(cost, arrived=0.0, deadline=100.0):
    return Work(cost, arrived, deadline, None)


def scheduler(*works, most_tokens=10_000):
    scheduler = Scheduler(most_tokens)
    scheduler.add(works)
    return scheduler


class WatchedWork(Work):
    """Counts how often one of its kind is looked at."""

    looks = 0

    def __getattribute__(self, name):
        WatchedWork.looks += 1
        return super().__getattribute__(name)


def looks_in_a_turn(waiting):
    queue = Scheduler(most_tokens=waiting * 70)
    queue.add([WatchedWork(40 + place % 30, 0.0, 100.0, None) for place in range(waiting)])
    WatchedWork.looks = 0
    queue.next_turn(now=1.0)
    return WatchedWork.looks


class TestScheduler:
    """What waits runs as soon as the model is free: near-equal lengths together, short before long, for a while."""

    def test_a_lone_text_waits_for_no_company(self):
        assert [w.cost for w in scheduler(work(9)).next_turn(now=0).batch] == [9]

    def test_near_equal_lengths_share_a_turn_and_others_do_not(self):
        queue = scheduler(work(50), work(8), work(9), work(52))
        assert [w.cost for w in queue.next_turn(now=0).batch] == [8, 9]
        assert [w.cost for w in queue.next_turn(now=0).batch] == [50, 52]

    def test_a_long_text_is_not_starved_by_newcomers(self):
        queue = scheduler(work(256, arrived=0.0), work(5, arrived=0.5))
        assert queue.next_turn(now=0.5).batch[0].cost == 256

    def test_short_goes_first_among_those_that_came_together(self):
        queue = scheduler(work(256, arrived=0.0), work(5, arrived=0.01))
        assert queue.next_turn(now=0.01).batch[0].cost == 5

    def test_a_newcomer_joins_no_turn_over_the_heads_of_a_long_queue(self):
        queue = scheduler(
            work(9), *(work(200, arrived=0.1) for _ in range(COMPANIONS_AMONG_EARLIEST)), work(8, arrived=0.2)
        )
        assert [w.cost for w in queue.next_turn(now=0.2).batch] == [9]

    def test_in_a_shorter_queue_it_does(self):
        queue = scheduler(
            work(9), *(work(200, arrived=0.1) for _ in range(COMPANIONS_AMONG_EARLIEST - 2)), work(8, arrived=0.2)
        )
        assert [w.cost for w in queue.next_turn(now=0.2).batch] == [9, 8]

    def test_texts_that_came_together_share_turns_however_many_they_are(self):
        queue = scheduler(work(9), *(work(200) for _ in range(COMPANIONS_AMONG_EARLIEST)), work(8))
        assert [w.cost for w in queue.next_turn(now=0.2).batch] == [8, 9]

    def test_what_is_too_late_does_not_run(self):
        queue = scheduler(work(5, deadline=1.0), work(6, deadline=9.0))
        turn = queue.next_turn(now=2.0)
        assert ([w.cost for w in turn.batch], [w.cost for w in turn.expired]) == ([6], [5])

    def test_a_request_that_does_not_fit_the_queue_is_refused_whole(self):
        queue = scheduler(work(60), most_tokens=100)
        with pytest.raises(QueueFull):
            queue.add([work(30), work(30)])
        assert (len(queue), queue.tokens) == (1, 60)

    def test_one_that_would_not_fit_the_empty_queue_is_not_told_to_wait(self):
        queue = scheduler(most_tokens=100)
        with pytest.raises(TooManyTokens):
            queue.add([work(60), work(60)])
        queue.add([work(100)])

    def test_room_comes_back_when_work_is_taken(self):
        queue = scheduler(work(100), most_tokens=100)
        queue.next_turn(now=0)
        queue.add([work(100)])
        assert queue.tokens == 100

    def test_a_turn_looks_at_no_more_texts_because_more_wait(self):
        few, many = (looks_in_a_turn(waiting) for waiting in (1_000, 10_000))
        assert many == few

    @given(st.lists(st.integers(1, 1000), max_size=50))
    def test_everything_runs_once_in_batches_that_waste_little(self, costs):
        queue = scheduler(*map(work, costs), most_tokens=100_000)
        ran = []
        while batch := queue.next_turn(now=0).batch:
            assert len(batch) == 1 or max(w.cost for w in batch) * len(batch) <= BATCH_TOKENS
            assert all(near(batch[0].cost, w.cost) for w in batch)
            ran += [w.cost for w in batch]
        assert sorted(ran) == sorted(costs)
        assert queue.tokens == 0
