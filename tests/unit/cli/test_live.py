"""What a run looks like while it goes on."""

from typing import Any

import pytest
from rich.console import Console

from viveiro.cli.live import BARS, Epoch, RunView, duration, needs, over_fits_since, size, sparkline

NEEDS = {"stage": "estimated", "seconds": 95, "memory_bytes": 3 * 2**30, "disk_bytes": 300 * 2**20}


def point(seq: int, **fields: Any) -> dict[str, Any]:
    return {"seq": seq, "fields": fields}


def epochs(*losses: float) -> list[Epoch]:
    return [Epoch(number, loss, 0.5, True) for number, loss in enumerate(losses, start=1)]


class TestSparkline:
    def test_the_lowest_is_at_the_foot_and_the_highest_at_the_top(self) -> None:
        assert sparkline([0, 1, 2], 0, 2) == BARS[0] + BARS[4] + BARS[-1]

    def test_a_long_curve_is_its_neighbours_means(self) -> None:
        assert sparkline([0, 0, 8, 8], 0, 8, width=2) == BARS[0] + BARS[-1]
        assert len(sparkline(list(range(1000)), 0, 999)) == len(sparkline(list(range(36)), 0, 35)) == 36

    def test_a_flat_curve_is_flat(self) -> None:
        assert sparkline([3, 3, 3], 3, 3) == BARS[0] * 3


class TestOverFitting:
    @pytest.mark.parametrize(
        ("losses", "since"),
        [
            ((0.9, 0.5, 0.4), None),
            ((0.9, 0.5, 0.6), None),  # one bad epoch is noise
            ((0.9, 0.5, 0.6, 0.7), 3),
            ((0.9, 0.5, 0.6, 0.7, 0.65), None),
            ((0.5,), None),
            ((), None),
        ],
    )
    def test_it_begins_where_the_validation_loss_only_rises(
        self, losses: tuple[float, ...], since: float | None
    ) -> None:
        assert over_fits_since(epochs(*losses)) == since


class TestRunView:
    def view(self, *points: dict[str, Any], **stage: Any) -> RunView:
        view = RunView()
        view.update({"state": "running", "stage": stage}, points)
        return view

    def test_curves_the_best_epoch_and_over_fitting_are_named(self) -> None:
        steps = [point(number, stage="training", done=number, of=8, loss=1 / number) for number in range(1, 9)]
        scores = [
            point(10 + number, stage="validated", epoch=number, loss=loss, f1_macro=f1_macro, best=best)
            for number, (loss, f1_macro, best) in enumerate(
                [(0.9, 0.5, True), (0.5, 0.82, True), (0.6, 0.81, True), (0.7, 0.7, False)], start=1
            )
        ]
        text = "\n".join(self.view(*steps, *scores, stage="training").curves())
        assert "training loss" in text
        assert "validation loss" in text
        assert "best: epoch 3, macro-F1 0.810" in text
        assert "over-fitting since epoch 3" in text

    def test_points_of_an_attempt_that_was_killed_are_replaced(self) -> None:
        view = self.view(*(point(step, stage="training", done=step, of=9, loss=10.0 - step) for step in (1, 2)))
        view.update({}, [point(7, stage="training", done=1, of=9, loss=1.0)])
        assert view.losses == {1: 1.0, 2: 8.0}
        assert view.seen == 7

    def test_a_last_epoch_on_all_rows_is_not_drawn_over_the_others(self) -> None:
        view = self.view(point(1, stage="training", done=5, of=9, loss=2.0))
        view.update({}, [point(2, stage="training", done=1, of=3, loss=7.0)])
        assert view.losses == {5: 2.0}

    def test_how_far_how_fast_and_how_long_still(self) -> None:
        stage = {"stage": "training", "done": 120, "of": 480, "samples_per_second": 1312.4, "seconds_left": 41.2}
        assert self.view(**stage).pace() == "120/480  1,312 texts/s  41 s left"

    def test_before_it_trains_it_says_what_it_will_need(self) -> None:
        assert self.view(point(1, **NEEDS), stage="preflight").pace() == needs(NEEDS)
        assert needs(NEEDS) == "about 1 min 35 s, 3.0 GiB of memory, 300 MiB of disk"

    @pytest.mark.parametrize("stage", [{}, {"stage": "reading"}, {"stage": "features", "done": 1, "of": 2}])
    def test_it_can_be_drawn_at_any_time(self, stage: dict[str, Any]) -> None:
        console = Console(width=100, record=True, quiet=True)
        console.print(self.view(**stage))


class TestFigures:
    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(0.2, "1 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7260, "2 h 01 min")],
    )
    def test_durations(self, seconds: float, said: str) -> None:
        assert duration(seconds) == said

    def test_sizes(self) -> None:
        assert (size(5 * 2**20), size(3 * 2**29)) == ("5 MiB", "1.5 GiB")
