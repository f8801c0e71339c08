import math

import numpy as np
import pytest
import torch
from torch import nn

from viveiro.ml.checkpoints import Checkpoints
from viveiro.ml.trainer import Recipe, Score, Trainer, TrainingDiverged, rate_factor

ROWS = 60
SCORES = (0.3, 0.5, 0.7, 0.6)
"""Before the first epoch, and after each of three."""


class Clouds:
    """A learner: two clouds of points, and a network with dropout, so that every step draws random numbers."""

    def __init__(self, *, scores=None, noise=0.0, rows=ROWS):
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
        self.lengths = np.random.default_rng(0).integers(3, 30, rows)
        self.seen = []
        self.validated = []
        self._labels = torch.arange(rows) % 2
        self._points = torch.randn(rows, 4) + 2 * self._labels[:, None]
        self._scores = scores
        self._noise = noise

    def parameter_groups(self, learning_rate):
        return [{"params": list(self.network.parameters()), "lr": learning_rate}]

    def loss(self, rows):
        self.seen.append(rows)
        return nn.functional.cross_entropy(self.network(self._points[rows]), self._labels[rows])

    def validate(self, report):
        if self._scores is None:
            return None
        self.validated.append(self.weights())
        return Score("f1_macro", self._scores.pop(0), 1.0, self._noise)

    def weights(self):
        return torch.cat([weight.detach().flatten() for weight in self.network.parameters()])


def ignore(fields):
    pass


def recipe(**changes):
    return Recipe(**{"learning_rate": 0.01, "epochs": 3, "batch_size": 8, "seed": 0, **changes})


class Stopped(BaseException):
    """As the worker stops an attempt: not an Exception."""


def stop_at(step):
    def report(fields):
        if fields["stage"] == "training" and fields["done"] == step:
            raise Stopped

    return report


class TestTheLearningRate:
    """It rises over the warm-up and is gone when the last step is done."""

    @pytest.mark.parametrize(
        ("step", "decay", "expected"),
        [
            (0, "linear", 0.1),
            (9, "linear", 1.0),
            (10, "linear", 1.0),
            (55, "linear", 0.5),
            (99, "linear", 1 / 90),
            (55, "cosine", 0.5),
            (100, "cosine", 0.0),
        ],
    )
    def test_rule(self, step, decay, expected):
        assert rate_factor(step, 100, 0.1, decay) == pytest.approx(expected, abs=1e-12)

    def test_without_warmup_the_first_step_is_the_largest(self):
        assert rate_factor(0, 10, 0.0, "linear") == 1


class TestEpochs:
    def test_every_row_is_seen_once_in_each_epoch(self):
        learner = Clouds()
        Trainer(learner, recipe(), ignore).run()
        assert np.bincount(np.concatenate(learner.seen)).tolist() == [3] * ROWS

    def test_the_longest_batch_comes_first(self):
        learner = Clouds()
        Trainer(learner, recipe(), ignore).run()
        sizes = [len(rows) * learner.lengths[rows].max() for rows in learner.seen]
        assert sizes[0] == max(sizes)

    def test_another_seed_gives_another_order(self):
        orders = []
        for seed in (0, 1):
            learner = Clouds()
            Trainer(learner, recipe(seed=seed), ignore).run()
            orders.append(np.concatenate(learner.seen).tolist())
        assert orders[0] != orders[1]

    def test_the_loss_falls(self):
        history = Trainer(Clouds(), recipe(epochs=8), ignore).run()
        assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]

    def test_without_validation_rows_all_epochs_are_trained(self):
        history = Trainer(Clouds(), recipe(patience=1), ignore).run()
        assert [sorted(entry) for entry in history] == [["epoch", "train_loss"]] * 3


class TestEarlyStopping:
    """It ends when the highest validation score is long past, with the weights of its best epoch."""

    def test_it_waits_as_many_epochs_as_it_has_patience(self):
        history = Trainer(Clouds(scores=[0.3, 0.5, 0.6, 0.6, 0.4, 0.9]), recipe(epochs=5, patience=2), ignore).run()
        assert [entry["f1_macro"] for entry in history] == [0.3, 0.5, 0.6, 0.6, 0.4]

    def test_weights_that_only_became_worse_are_those_it_started_with(self):
        learner = Clouds(scores=[0.9, 0.8, 0.7])
        start = learner.weights()
        Trainer(learner, recipe(patience=2), ignore).run()
        assert torch.equal(learner.weights(), start)

    def test_the_best_epochs_weights_are_kept(self):
        learner = Clouds(scores=[0.2, 0.8, 0.9, 0.7])
        history = Trainer(learner, recipe(), ignore).run()
        assert torch.equal(learner.weights(), learner.validated[2])
        assert [entry["best"] for entry in history] == [True, True, True, False]

    @pytest.mark.parametrize(
        ("scores", "kept"),
        [
            ([0.2, 0.80, 0.79, 0.78], 3),  # all as good as the highest
            ([0.2, 0.80, 0.79, 0.76], 2),  # the last one is not
            ([0.2, 0.80, 0.78, 0.77], 2),  # what is compared is the highest, not the one before
        ],
    )
    def test_of_scores_that_their_rows_cannot_tell_apart_the_latest_is_best(self, scores, kept):
        learner = Clouds(scores=scores, noise=0.025)
        Trainer(learner, recipe(), ignore).run()
        assert torch.equal(learner.weights(), learner.validated[kept])

    def test_its_patience_is_for_a_higher_score_and_not_for_one_as_good(self):
        scores = [0.2, 0.80, 0.79, 0.79, 0.9]
        history = Trainer(Clouds(scores=scores, noise=0.025), recipe(epochs=4, patience=2), ignore).run()
        assert [entry["epoch"] for entry in history] == [0, 1, 2, 3]


class TestResuming:
    """A run that was stopped anywhere ends with the weights, to the last bit, of one that nobody disturbed."""

    @pytest.mark.parametrize("scores", [SCORES, (0.3, 0.7, 0.65, 0.61)])
    @pytest.mark.parametrize("step", [1, 5, 8, 16, 20])  # 8 and 16 are the last of their epochs
    def test_stopped_at_any_step_it_ends_the_same(self, step, scores, tmp_path):
        undisturbed = Clouds(scores=list(scores), noise=0.05)
        history = Trainer(undisturbed, recipe(), ignore).run()
        stopped = Clouds(scores=list(scores), noise=0.05)
        with pytest.raises(Stopped):
            Trainer(stopped, recipe(), stop_at(step), checkpoints=Checkpoints(tmp_path, "run")).run()
        again = Clouds(scores=list(scores[1 + (step - 1) // 8 :]), noise=0.05)
        resumed = Trainer(again, recipe(), ignore, checkpoints=Checkpoints(tmp_path, "run")).run()
        assert torch.equal(again.weights(), undisturbed.weights())
        assert resumed == history

    def test_it_takes_up_where_it_was_and_not_at_the_beginning(self, tmp_path):
        with pytest.raises(Stopped):
            Trainer(Clouds(), recipe(), stop_at(20), checkpoints=Checkpoints(tmp_path, "run")).run()
        again = Clouds()
        Trainer(again, recipe(), ignore, checkpoints=Checkpoints(tmp_path, "run")).run()
        assert len(again.seen) == 4

    def test_a_finished_run_is_not_trained_again(self, tmp_path):
        first, again = Clouds(scores=list(SCORES)), Clouds(scores=[])
        Trainer(first, recipe(), ignore, checkpoints=Checkpoints(tmp_path, "run")).run()
        Trainer(again, recipe(), ignore, checkpoints=Checkpoints(tmp_path, "run")).run()
        assert again.seen == []
        assert torch.equal(again.weights(), first.weights())

    def test_it_saves_whenever_the_time_has_come(self, tmp_path):
        saved = []

        def look(fields):
            saved.append(sorted(int(path.name) for path in tmp_path.iterdir()))

        checkpoints = Checkpoints(tmp_path, "run")
        Trainer(Clouds(), recipe(epochs=1), look, checkpoints=checkpoints, checkpoint_seconds=0).run()
        assert saved[:4] == [[], [1], [1, 2], [2, 3]]


class TestWhatGoesWrong:
    def test_a_loss_that_is_no_number_names_the_learning_rate(self):
        with pytest.raises(TrainingDiverged, match=r"learning rate 1e\+25 is too high.*--set learning_rate=2\.5e\+24"):
            Trainer(Clouds(), recipe(learning_rate=1e25, warmup=0.0), ignore).run()

    def test_what_diverged_is_not_saved(self, tmp_path):
        checkpoints = Checkpoints(tmp_path, "run")
        with pytest.raises(TrainingDiverged):
            Trainer(Clouds(), recipe(learning_rate=1e25, warmup=0.0), ignore, checkpoints=checkpoints).run()
        assert checkpoints.newest() is None

    def test_a_budget_ends_it_with_what_it_has(self):
        learner = Clouds(scores=[0.5])
        history = Trainer(learner, recipe(), ignore, budget_seconds=0.0).run()
        assert (history[-1]["epoch"], learner.seen) == (0, [])

    def test_a_batch_of_many_tokens_is_computed_in_parts(self):
        whole, parts = Clouds(rows=8), Clouds(rows=8)
        for learner in (whole, parts):
            learner.network[2].p = 0.0
        parts.lengths = parts.lengths * 1000
        for learner in (whole, parts):
            Trainer(learner, recipe(epochs=1, warmup=0.0), ignore).run()
        assert len(parts.seen) > len(whole.seen) == 1
        assert torch.allclose(whole.weights(), parts.weights(), atol=1e-4)


class TestProgress:
    def test_each_step_tells_how_far_it_is(self):
        told = []
        Trainer(Clouds(scores=[0.3, 0.5, 0.6, 0.7]), recipe(), told.append).run()
        steps = [fields for fields in told if fields["stage"] == "training"]
        assert [fields["done"] for fields in steps] == list(range(1, 25))
        assert {fields["of"] for fields in steps} == {24}
        assert all(math.isfinite(fields["seconds_left"]) and fields["samples_per_second"] > 0 for fields in steps)
        assert [fields["best"] for fields in told if fields["stage"] == "validated"] == [True] * 4
