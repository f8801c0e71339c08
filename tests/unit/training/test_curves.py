"""Curves are drawn from what a run told, and named for what they mean."""

from collections.abc import Iterator
from math import nan, sin
from typing import Any

import pytest

from tests.unit.training.conftest import Nursery
from viveiro.training.curves import (
    Curves,
    Needs,
    Values,
    curves_of_history,
    curves_of_points,
    diagnose,
    extremes,
    overfitting,
)
from viveiro.training.service import run_curves

Point = tuple[int, dict[str, Any]]


def training(seq: int, epoch: float, loss: float | None, *, of: int = 100) -> Point:
    return seq, {"stage": "training", "done": 1, "of": of, "epoch": epoch, "loss": loss, "learning_rate": 1e-4}


def validated(seq: int, epoch: int, loss: float, f1_macro: float, *, best: bool) -> Point:
    return seq, {"stage": "validated", "epoch": epoch, "loss": loss, "f1_macro": f1_macro, "best": best}


def losses(train: list[float], evaluation: list[float], best: int | None = None) -> Curves:
    """One value of each an epoch, from the first on."""
    return Curves({"train_loss": by_epoch(train), "eval_loss": by_epoch(evaluation)}, best)


def by_epoch(values: list[float]) -> Values:
    return {float(epoch): value for epoch, value in enumerate(values, start=1)}


class TestPoints:
    def test_losses_and_scores_share_one_axis(self) -> None:
        told = curves_of_points(
            [
                (1, {"stage": "estimated", "seconds": 9.5, "memory_bytes": 2, "disk_bytes": 3}),
                training(2, 0.5, 1.5),
                training(3, 1.0, 1.25),
                validated(4, 1, 1.1, 0.8, best=True),
            ]
        )
        assert told.needs == Needs(9.5, 2, 3)
        assert told.to_json() == {
            "x": [0.5, 1.0],
            "series": {
                "train_loss": [1.5, 1.25],
                "learning_rate": [1e-4, 1e-4],
                "eval_loss": [None, 1.1],
                "eval_f1_macro": [None, 0.8],
            },
            "best_epoch": 1,
            "last_seq": 4,
        }

    def test_before_anything_is_measured_there_is_nothing_to_draw(self) -> None:
        assert curves_of_points([]).to_json() == {"x": [], "series": {}, "best_epoch": None, "last_seq": 0}

    def test_what_an_attempt_measured_again_replaces_the_killed_ones_points(self) -> None:
        told = curves_of_points([training(2, 0.5, 9.0), training(3, 1.0, 8.0), training(7, 0.5, 1.0)])
        assert told.series["train_loss"] == {0.5: 1.0, 1.0: 8.0}

    def test_the_last_epoch_on_all_rows_is_not_drawn_over_the_first(self) -> None:
        told = curves_of_points([training(2, 1.0, 2.0), training(3, 1.0, 0.1, of=7)])
        assert told.series["train_loss"] == {1.0: 2.0}

    @pytest.mark.parametrize("loss", [None, nan])
    def test_a_loss_that_is_no_number_leaves_a_gap(self, loss: float | None) -> None:
        assert "train_loss" not in curves_of_points([training(2, 1.0, loss)]).series

    def test_the_kept_history_of_a_run_draws_the_same_epochs(self) -> None:
        told = curves_of_history(
            [
                {"epoch": 0, "validation_loss": 2.0, "f1_macro": 0.1, "best": True},
                {"epoch": 1, "train_loss": 1.5, "validation_loss": 1.0, "f1_macro": 0.6, "best": True},
                {"epoch": 2, "train_loss": 1.0, "validation_loss": 0.9, "f1_macro": 0.59, "best": True},
                {"epoch": 3, "train_loss": 0.9, "validation_loss": 1.1, "f1_macro": 0.4, "best": False},
            ]
        )
        assert told.to_json()["series"]["train_loss"] == [None, 1.5, 1.0, 0.9]
        assert told.series["eval_f1_macro"] == {0: 0.1, 1: 0.6, 2: 0.59, 3: 0.4}
        assert told.best_epoch == 2


class TestDecimation:
    def test_a_short_curve_stays_whole(self) -> None:
        assert extremes([3, 1, 2], 3) == [0, 1, 2]

    @pytest.mark.parametrize("most", [2, 3, 4, 5, 10, 999, 1000])
    def test_no_more_values_than_wanted_with_both_ends_among_them(self, most: int) -> None:
        kept = extremes([sin(place) for place in range(1000)], most)
        assert len(kept) <= most
        assert (kept[0], kept[-1]) == (0, 999)
        assert kept == sorted(set(kept))

    @pytest.mark.parametrize("spike", [0, 1, 499, 998, 999])
    @pytest.mark.parametrize("height", [-50.0, 50.0])
    def test_a_spike_of_one_step_is_never_lost(self, spike: int, height: float) -> None:
        values = [sin(place / 100) for place in range(1000)]
        values[spike] = height
        assert spike in extremes(values, 20)

    def test_every_series_is_thinned_for_itself(self) -> None:
        many: Values = {place / 1000: float(place % 7) for place in range(10_000)}
        drawn = Curves({"train_loss": many, "eval_loss": {1.0: 0.5, 2.0: 0.4}}).decimated(100).to_json()
        assert sum(value is not None for value in drawn["series"]["train_loss"]) <= 100
        assert [value for value in drawn["series"]["eval_loss"] if value is not None] == [0.5, 0.4]
        assert len(drawn["x"]) == len(drawn["series"]["eval_loss"]) == len(drawn["series"]["train_loss"])


class TestMeaning:
    def test_over_fitting_names_when_it_began_and_what_is_kept(self) -> None:
        found = overfitting(losses([0.9, 0.6, 0.4, 0.2], [0.8, 0.6, 0.7, 0.8], best=2))
        assert found is not None
        assert "since epoch 3" in found
        assert "Epoch 2 was the best, and the best weights are what is kept" in found

    @pytest.mark.parametrize(
        ("train", "evaluation"),
        [
            ([0.9, 0.6, 0.4], [0.8, 0.6, 0.5]),
            ([0.9, 0.6, 0.4], [0.8, 0.6, 0.7]),  # one bad epoch is noise
            ([0.9, 0.6, 0.4, 0.2], [0.6, 0.7, 0.8, 0.75]),  # it has recovered
            ([0.9, 0.6, 0.7, 0.8], [0.8, 0.6, 0.7, 0.8]),  # both rise: that is no over-fitting
            ([0.9], [0.8]),
            ([], []),
        ],
    )
    def test_it_is_not_cried_early(self, train: list[float], evaluation: list[float]) -> None:
        assert overfitting(losses(train, evaluation)) is None

    @pytest.mark.parametrize(
        ("evaluation", "best", "has_ended", "meaning", "words"),
        [
            ([0.8], 1, False, "early", "so far: 1, and it takes 3"),
            ([0.8, 0.6, 0.59], 3, False, "sound", "best epoch so far: 3"),
            ([0.8, 0.6, 0.4], 3, False, "sound", "best epoch so far: 3"),  # it may yet go on
            ([0.8, 0.6, 0.4], 3, True, "underfitting", "still fell at the last epoch, 3"),
            ([0.8, 0.6, 0.599], 3, True, "sound", "No sign"),
            ([0.8, 0.6, 0.7, 0.8], 2, True, "overfitting", "since epoch 3"),
        ],
    )
    def test_each_course_has_its_words(
        self, evaluation: list[float], best: int, has_ended: bool, meaning: str, words: str
    ) -> None:
        falling = [1 / epoch for epoch in range(1, len(evaluation) + 1)]
        found = diagnose(losses(falling, evaluation, best), has_ended=has_ended)
        assert found is not None
        assert found.meaning == meaning
        assert words in found.sentence

    def test_nothing_is_said_of_what_was_not_trained_in_epochs_or_ended_after_one(self) -> None:
        assert diagnose(Curves(), has_ended=False) is None
        assert diagnose(losses([0.9], [0.8]), has_ended=True) is None


class TestARealRun:
    @pytest.fixture
    def database_url(self, tmp_path_factory: pytest.TempPathFactory) -> str:
        """Which database tells is tested elsewhere."""
        return f"sqlite:///{tmp_path_factory.mktemp('curves') / 'viveiro.sqlite3'}"

    @pytest.fixture
    def told(self, nursery: Nursery) -> Iterator[tuple[Curves, Curves]]:
        """What its points draw, and what its result does once they are forgotten."""
        run = nursery.start(params={"method": "full", "epochs": 3})
        points: list[Point] = []
        nursery.work(run, lambda message: points.append((len(points) + 1, dict(message["data"]))))
        with nursery.database.read() as session:
            yield curves_of_points(points), run_curves(session, nursery.run(run))

    def test_its_curves_reach_from_the_first_step_to_the_last_epoch(self, told: tuple[Curves, Curves]) -> None:
        by_points, by_result = told
        assert set(by_points.series) == {"train_loss", "learning_rate", "eval_loss", "eval_f1_macro"}
        assert list(by_points.series["eval_loss"]) == [0, 1, 2, 3]
        assert max(by_points.series["train_loss"]) == 3
        assert by_points.needs is not None
        assert by_points.needs.memory_bytes > 0
        assert by_result.series["eval_loss"] == by_points.series["eval_loss"]
        assert by_result.best_epoch == by_points.best_epoch
        assert by_result.series["train_loss"][3] == by_points.series["train_loss"][3]


class TestStoredPoints:
    def test_what_the_database_kept_is_drawn(self, nursery: Nursery) -> None:
        from viveiro.jobs import leases

        run = nursery.start()
        job = nursery.claim(run)
        fields = [training(0, 0.5, 1.5)[1], validated(0, 1, 1.1, 0.8, best=True)[1], {"stage": "é"}]
        with nursery.database.write() as session:
            leases.report(session, job.id, job.attempt, [{"type": "metrics", "data": each} for each in fields])
        with nursery.database.read() as session:
            told = run_curves(session, nursery.run(run))
        assert told.series["train_loss"] == {0.5: 1.5}
        assert told.series["eval_f1_macro"] == {1: 0.8}
        assert told.last_seq == 5  # behind its beginning: queued, started

    def test_what_comes_later_is_added(self, nursery: Nursery) -> None:
        from viveiro.jobs import leases

        run = nursery.start()
        job = nursery.claim(run)

        def after(*points: Point) -> Curves:
            with nursery.database.write() as session:
                fields = [{"type": "metrics", "data": each} for _, each in points]
                leases.report(session, job.id, job.attempt, fields)
            with nursery.database.read() as session:
                return run_curves(session, nursery.run(run))

        first = after(training(0, 0.5, 1.5), validated(0, 1, 1.1, 0.8, best=True))
        second = after(training(0, 1.5, 1.2), training(0, 0.5, 9.0, of=7), validated(0, 2, 1.0, 0.9, best=True))
        assert first.series["train_loss"] == {0.5: 1.5}
        assert second.series["train_loss"] == {0.5: 1.5, 1.5: 1.2}
        assert second.series["eval_f1_macro"] == {1: 0.8, 2: 0.9}
        assert (first.best_epoch, second.best_epoch) == (1, 2)
        assert after() == second
