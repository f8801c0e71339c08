"""The training loop of every task that adapts all layers of a network.

The loop knows rows, steps and epochs; what a row is and what a loss means, a `Learner` knows. Every random choice follows
from the seed and from generator states that travel in the checkpoint, so a killed run ends with the weights, to the last
bit, of one that nobody disturbed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import Any, Final, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from viveiro.errors import Unprocessable, ViveiroError
from viveiro.ml.batching import length_sorted_batches, shuffled_batches
from viveiro.ml.checkpoints import Checkpoint, Checkpoints, Tensors

Decay = Literal["linear", "cosine"]
Report = Callable[[Mapping[str, Any]], None]

MICRO_BATCH_TOKENS: Final = 8192
"""A batch of more tokens is computed in parts whose gradients add up: long texts cost time, not memory."""
BETAS: Final = (0.9, 0.999)


class TrainingDiverged(Unprocessable):
    def __init__(self, step: int, learning_rate: float) -> None:
        super().__init__(
            "Training diverged at step {step}: the loss is no longer a number. The learning rate {learning_rate:g} is too "
            "high for this base and these rows. Try --set learning_rate={lower:g}",
            step=step,
            learning_rate=learning_rate,
            lower=learning_rate / 4,
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train, with nothing left to decide."""

    learning_rate: float
    epochs: int
    batch_size: int
    seed: int
    warmup: float = 0.1
    """Share of all steps in which the learning rate rises to its peak."""
    decay: Decay = "linear"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    patience: int = 3
    """Epochs without a higher validation score after which it ends."""


@dataclass(frozen=True, slots=True)
class Score:
    """On the validation rows. A higher `value` is better; `noise` is its standard error."""

    metric: str
    value: float
    loss: float
    noise: float

    def reaches(self, highest: "Score | None") -> bool:
        """As far as so many rows can tell."""
        return highest is None or self.value + self.noise >= highest.value


class Learner(Protocol):
    """What the loop trains."""

    @property
    def network(self) -> nn.Module: ...

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each training row."""
        ...

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """As an optimiser takes them, each with its peak `lr`."""
        ...

    def loss(self, rows: np.ndarray) -> Tensor:
        """Mean over these training rows."""
        ...

    def validate(self, report: Report) -> Score | None:
        """None where there are no validation rows."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far training is. Replaced whole, so that a signal never finds half of a change."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    rows: int = 0
    seconds: float = 0.0
    """Spent by all attempts."""
    history: tuple[Mapping[str, Any], ...] = ()
    highest: Score | None = None
    stale_epochs: int = 0
    """Since the highest score."""

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Position":
        highest = Score(**state["highest"]) if state["highest"] else None
        return cls(**{**state, "history": tuple(state["history"]), "highest": highest})


class Trainer:
    """One training, from its first step or from its last checkpoint.

    The best epoch, whose weights it leaves, is the latest whose validation score reaches the highest: between scores that
    their rows cannot tell apart, the longer training and the smaller last steps decide.
    """

    def __init__(
        self,
        learner: Learner,
        recipe: Recipe,
        report: Report,
        *,
        checkpoints: Checkpoints | None = None,
        checkpoint_seconds: float = 60.0,
        budget_seconds: float | None = None,
    ) -> None:
        self._learner = learner
        self._recipe = recipe
        self._report = report
        self._checkpoints = checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self._budget_seconds = budget_seconds if budget_seconds is not None else math.inf
        self._named = {name: weight for name, weight in learner.network.named_parameters() if weight.requires_grad}
        self._optimiser = torch.optim.AdamW(
            learner.parameter_groups(recipe.learning_rate), betas=BETAS, weight_decay=recipe.weight_decay, fused=True
        )
        self._peaks = [group["lr"] for group in self._optimiser.param_groups]
        self._steps = recipe.epochs * math.ceil(len(learner.lengths) / recipe.batch_size)
        self._at = Position()
        self._best: dict[str, Tensor] = {}
        self._updating = False

    def run(self) -> list[Mapping[str, Any]]:
        """Leave the network with its best weights; the history, one entry an epoch. Raises TrainingDiverged."""
        torch.manual_seed(self._recipe.seed)
        self._random = _random_states()
        self._resume()
        self._resumed_at = replace(self._at)
        self._started = self._saved = monotonic()
        try:
            if not self._at.history:
                self._score_the_start()
            while not self._is_over():
                self._run_epoch()
        except ViveiroError:
            raise
        except BaseException:  # a stop comes as an exception, from `report` or from a signal
            if not self._updating:  # else some weights have moved and others have not: the last checkpoint stands
                self._save()
            raise
        self._save()  # whoever is killed after this, before the model is published, need not train again
        if self._best:
            self._load_weights(self._best)
        self._learner.network.eval()
        return list(self._at.history)

    def rehearse(self, rows: np.ndarray) -> float:
        """Seconds of one step on these rows. It moves the weights: only for a network that is then thrown away."""
        self._learner.network.train()
        started = monotonic()
        self._step(rows)
        return monotonic() - started

    def _is_over(self) -> bool:
        out_of_patience = self._at.stale_epochs >= self._recipe.patience
        return self._at.epoch >= self._recipe.epochs or out_of_patience or self._is_out_of_time()

    def _is_out_of_time(self) -> bool:
        return self._seconds() >= self._budget_seconds

    def _seconds(self) -> float:
        return self._resumed_at.seconds + monotonic() - self._started

    def _run_epoch(self) -> None:
        batches = shuffled_batches(self._learner.lengths, self._recipe.batch_size, self._recipe.seed, self._at.epoch)
        self._learner.network.train()
        for rows in batches[self._at.batch :]:
            self._step(rows)
            self._report(self._progress(len(batches)))
            if monotonic() - self._saved >= self._checkpoint_seconds:
                self._save()
            if self._is_out_of_time():
                break
        self._end_epoch()

    def _step(self, rows: np.ndarray) -> None:
        factor = rate_factor(self._at.step, self._steps, self._recipe.warmup, self._recipe.decay)
        for group, peak in zip(self._optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        self._optimiser.zero_grad(set_to_none=True)
        loss = accumulate_gradients(self._learner, rows)
        norm = float(nn.utils.clip_grad_norm_(self._named.values(), self._recipe.clip_norm))
        if not math.isfinite(loss + norm):
            raise TrainingDiverged(self._at.step + 1, self._recipe.learning_rate)
        self._updating = True
        self._optimiser.step()
        self._random = _random_states()
        self._at = replace(
            self._at,
            step=self._at.step + 1,
            batch=self._at.batch + 1,
            loss_sum=self._at.loss_sum + loss * len(rows),
            rows=self._at.rows + len(rows),
        )
        self._updating = False

    def _score_the_start(self) -> None:
        """Weights that come with a good head may be the best there will be."""
        score = self._learner.validate(self._report)
        if score is not None:
            self._note({"epoch": 0}, score)

    def _end_epoch(self) -> None:
        """Validate, and turn the page."""
        entry = {"epoch": self._at.epoch + 1, "train_loss": self._at.loss_sum / max(1, self._at.rows)}
        score = self._learner.validate(self._report)
        self._note(entry, score, epoch=self._at.epoch + 1, batch=0, loss_sum=0.0, rows=0)

    def _note(self, entry: dict[str, Any], score: Score | None, **position: Any) -> None:
        """Remember the weights if they are the best so far, and move on to a position, at once."""
        if score is None:
            self._at = replace(self._at, history=(*self._at.history, entry), **position)
            return
        highest = self._at.highest
        is_best, is_highest = score.reaches(highest), highest is None or score.value > highest.value
        if is_best:
            self._best = {name: weight.detach().clone() for name, weight in self._named.items()}
        told = {score.metric: score.value, "best": is_best}
        self._at = replace(
            self._at,
            history=(*self._at.history, {**entry, "validation_loss": score.loss, **told}),
            highest=score if is_highest else highest,
            stale_epochs=0 if is_highest else self._at.stale_epochs + 1,
            **position,
        )
        self._report({"stage": "validated", "epoch": self._at.epoch, "loss": score.loss, **told})

    def _progress(self, batches: int) -> dict[str, Any]:
        seconds = max(monotonic() - self._started, 1e-9)
        pace = (self._at.step - self._resumed_at.step) / seconds
        left = (self._steps - self._at.step) / pace
        return {
            "stage": "training",
            "done": self._at.step,
            "of": self._steps,
            "epoch": round(self._at.epoch + self._at.batch / batches, 3),
            "loss": self._at.loss_sum / self._at.rows,
            "learning_rate": self._optimiser.param_groups[0]["lr"],
            "samples_per_second": pace * self._recipe.batch_size,
            "seconds_left": min(left, self._budget_seconds - self._seconds()),
        }

    def _save(self) -> None:
        if self._checkpoints is None or not self._at.step:
            return
        moments = self._optimiser.state_dict()["state"]
        tensors: Tensors = {
            "weights": dict(self._named),
            "best": self._best,
            "moments": {
                f"{number}.{name}": moment for number, each in moments.items() for name, moment in each.items()
            },
            "random": self._random,
        }
        self._checkpoints.save(self._at.step, tensors, asdict(replace(self._at, seconds=self._seconds())))
        self._saved = monotonic()

    def _resume(self) -> None:
        found = self._checkpoints.newest() if self._checkpoints is not None else None
        if found is None:
            return
        self._load_weights(found.tensors["weights"])
        self._best = {name: weight.to(self._named[name].device) for name, weight in found.tensors["best"].items()}
        self._load_moments(found)
        self._random = dict(found.tensors["random"])
        _set_random_states(self._random)
        self._at = Position.from_json(found.state)

    def _load_weights(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self._named.items():
                weight.copy_(weights[name])

    def _load_moments(self, found: Checkpoint) -> None:
        states: dict[int, dict[str, Tensor]] = {}
        for key, moment in found.tensors["moments"].items():
            number, _, name = key.partition(".")
            states.setdefault(int(number), {})[name] = moment
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": states})


def rate_factor(step: int, steps: int, warmup: float, decay: Decay) -> float:
    """Share of the peak learning rate at a step, from 0: it rises over the warm-up and falls to 0 after the last step."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    gone = (step - rising) / max(1, steps - rising)
    return 1 - gone if decay == "linear" else (1 + math.cos(math.pi * gone)) / 2


def accumulate_gradients(learner: Learner, rows: np.ndarray) -> float:
    """Of the mean loss over the rows, in as many parts as MICRO_BATCH_TOKENS makes necessary; the loss."""
    parts, _ = length_sorted_batches(learner.lengths[rows].tolist(), MICRO_BATCH_TOKENS)
    total = 0.0
    for part in parts:
        loss = learner.loss(rows[part]) * (len(part) / len(rows))
        loss.backward()  # type: ignore[no-untyped-call] # torch ships it without types
        total += float(loss.detach())
    return total


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def _set_random_states(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])
