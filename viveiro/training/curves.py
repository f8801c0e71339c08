"""What a run learnt, as curves to draw, and what they mean in plain words. Pure.

Two kinds of points arrive, in one list: losses of the training rows, many in an epoch, and scores of the validation rows,
one an epoch. Both lie on one axis, epochs done, as browsers draw them: a list of x, and for each series a value or None
at each of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile
from typing import Any, Final, Literal, TypeAlias

from viveiro.locale import Sentence

TRAIN_LOSS: Final = "train_loss"
"""Mean over the epoch so far, as the trainer tells it: within an epoch it grows calmer."""
LEARNING_RATE: Final = "learning_rate"
EVAL_LOSS: Final = "eval_loss"
PATIENT_EVALUATIONS: Final = 2
"""One worse evaluation is noise; so many in a row are over-fitting."""
TELLING_EVALUATIONS: Final = PATIENT_EVALUATIONS + 1
STILL_FALLING: Final = 0.02
"""Share by which the last evaluation's loss must be below the one before, to say that more training would help."""
_NOT_SCORES: Final = frozenset({"stage", "epoch", "loss", "best"})

Values: TypeAlias = dict[float, float]
"""By epoch."""
Meaning: TypeAlias = Literal["early", "sound", "overfitting", "underfitting"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What the run was estimated to take, before it trained."""

    seconds: float
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Curves:
    """`train_loss`, `learning_rate`, `eval_loss` and `eval_*` for each validation score, as far as there are any.

    Attributes:
        best_epoch: of the evaluation whose weights are kept, so far.
        last_seq: of the newest point that went into this, 0 without one.
        steps: of the training that is validated. Points of another one are left out.
    """

    series: Mapping[str, Values] = field(default_factory=dict)
    best_epoch: float | None = None
    needs: Needs | None = None
    last_seq: int = 0
    steps: int | None = None

    def decimated(self, most: int) -> "Curves":
        """At most so many values in each series, among them its peaks, its valleys and both its ends."""
        return replace(self, series={name: _thinned(values, most) for name, values in self.series.items()})

    def to_json(self) -> dict[str, Any]:
        """As a browser draws it: every series as long as `x`, None where it has no value."""
        x = sorted(set().union(*self.series.values()))
        return {
            "x": x,
            "series": {name: list(map(values.get, x)) for name, values in self.series.items()},
            "best_epoch": self.best_epoch,
            "last_seq": self.last_seq,
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What curves mean, and a sentence that says it."""

    meaning: Meaning
    sentence: Sentence


def curves_of_points(points: Iterable[tuple[int, Mapping[str, Any]]], before: Curves | None = None) -> Curves:
    """From (seq, fields) of a run's points, in order, and of those `before` them.

    An attempt that was killed leaves points that its successor measures again: the later ones count. The short training
    on all rows that follows the validated one has other steps, and is left out: there is nothing to compare it with.
    """
    before = before or Curves()
    series = {name: dict(values) for name, values in before.series.items()}
    needs, best, steps, last_seq = before.needs, before.best_epoch, before.steps, before.last_seq
    for seq, fields in points:
        last_seq = max(last_seq, seq)
        stage = fields.get("stage")
        if stage == "training":
            steps = steps or fields.get("of")
            if fields.get("of") == steps:
                _put(series, TRAIN_LOSS, fields["epoch"], fields.get("loss"))
                _put(series, LEARNING_RATE, fields["epoch"], fields.get("learning_rate"))
        elif stage == "validated":
            _put(series, EVAL_LOSS, fields["epoch"], fields.get("loss"))
            for name in fields.keys() - _NOT_SCORES:
                _put(series, f"eval_{name}", fields["epoch"], fields[name])
            best = fields["epoch"] if fields.get("best") else best
        elif stage == "estimated":
            needs = Needs(fields["seconds"], fields["memory_bytes"], fields["disk_bytes"])
    return Curves(series, best, needs, last_seq, steps)


def curves_of_history(history: Iterable[Mapping[str, Any]]) -> Curves:
    """From what a run's result keeps for ever, one entry an epoch: for when its points are forgotten."""
    series: dict[str, Values] = {}
    best = None
    for entry in history:
        epoch = entry["epoch"]
        _put(series, TRAIN_LOSS, epoch, entry.get("train_loss"))
        _put(series, EVAL_LOSS, epoch, entry.get("validation_loss"))
        for name in sorted(entry.keys() - {"epoch", "train_loss", "validation_loss", "best"}):
            _put(series, f"eval_{name}", epoch, entry[name])
        best = epoch if entry.get("best") else best
    return Curves(series, best_epoch=best)


def diagnose(curves: Curves, *, has_ended: bool) -> Diagnosis | None:
    """None where nothing was trained epoch by epoch, or nothing was held out to judge it by."""
    losses = sorted(curves.series.get(EVAL_LOSS, {}).items())
    if not losses:
        return None
    if sentence := overfitting(curves):
        return Diagnosis("overfitting", sentence)
    if len(losses) < TELLING_EVALUATIONS:
        return None if has_ended else Diagnosis("early", _too_early(len(losses)))
    (_, before), (last, loss) = losses[-2:]
    if has_ended and curves.best_epoch == last and loss < before * (1 - STILL_FALLING):
        return Diagnosis("underfitting", _underfitting(last))
    return Diagnosis("sound", _sound(curves.best_epoch))


def overfitting(curves: Curves) -> Sentence | None:
    """When the validation loss rose at each of the last evaluations, at least two, while the training loss fell."""
    losses = sorted(curves.series.get(EVAL_LOSS, {}).items())
    rising = list(takewhile(lambda pair: pair[1][1] > pair[0][1], reversed(list(pairwise(losses)))))
    if len(rising) < PATIENT_EVALUATIONS:
        return None
    (turned, _), (since, _) = rising[-1]
    training = sorted(curves.series.get(TRAIN_LOSS, {}).items())
    before, now = _value_at(training, turned), _value_at(training, losses[-1][0])
    if before is not None and now is not None and now >= before:
        return None
    best = turned if curves.best_epoch is None else curves.best_epoch
    return Sentence(
        "Over-fitting since epoch {since}: on the rows that it learns from the loss falls, on the validation rows it rises. "
        "Epoch {best} was the best, and the best weights are what is kept.",
        since=f"{since:g}",
        best=f"{best:g}",
    )


def extremes(values: Sequence[float], most: int) -> list[int]:
    """Places of at most so many values (2 or more) that draw the same picture: the ends, and of each bucket of
    neighbours the lowest and the highest, so that no peak is lost as it would be by means or by every n-th."""
    if len(values) <= most:
        return list(range(len(values)))
    kept = {0, len(values) - 1}
    buckets = (most - 2) // 2
    inner = len(values) - 2
    edges = [1 + inner * number // buckets for number in range(buckets + 1)] if buckets else []
    for start, stop in pairwise(edges):
        kept.add(min(range(start, stop), key=values.__getitem__))
        kept.add(max(range(start, stop), key=values.__getitem__))
    return sorted(kept)


def _thinned(values: Values, most: int) -> Values:
    if len(values) <= most:
        return values
    ordered = sorted(values.items())
    return dict(ordered[place] for place in extremes([value for _, value in ordered], most))


def _put(series: dict[str, Values], name: str, epoch: float, value: Any) -> None:
    if isinstance(value, int | float) and math.isfinite(value):
        series.setdefault(name, {})[float(epoch)] = value


def _value_at(ordered: Sequence[tuple[float, float]], epoch: float) -> float | None:
    """The last one at or before an epoch."""
    return next((value for at, value in reversed(ordered) if at <= epoch), None)


def _too_early(count: int) -> Sentence:
    return Sentence(
        "Too early to say how it learns: evaluations on the validation rows so far: {count}, and it takes {needed}.",
        count=count,
        needed=TELLING_EVALUATIONS,
    )


def _underfitting(last: float) -> Sentence:
    return Sentence(
        "Under-fitting: on the validation rows the loss still fell at the last epoch, {last}. More epochs or a higher "
        "learning rate may give a better model.",
        last=f"{last:g}",
    )


def _sound(best: float | None) -> Sentence:
    if best is None:
        return Sentence("No sign of over-fitting.")
    return Sentence("No sign of over-fitting. The best epoch so far: {best}.", best=f"{best:g}")
