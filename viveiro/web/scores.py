"""What a run's record says of its model, as pages show it. Pure.

The record of a run comes from its row, or from `viveiro_run.json` in a repo, into which anyone who may write can put
anything: it is parsed here, and one that does not fit is none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, FiniteFloat, ValidationError

from viveiro.locale import Sentence, number
from viveiro.training.description import RunDescription
from viveiro.training.wording import COMPARED, LOWER_IS_BETTER
from viveiro.web import words

WEAKEST_SHOWN: Final = 5
MOST_CLASSES_UNFOLDED: Final = 20
MOST_CLASSES_IN_MATRIX: Final = 30
SHADES: Final = 9
"""`heat-1` … `heat-9`; 0 is an empty cell."""
UNIT_METRICS: Final = frozenset(words.METRICS) - {"log_loss", "train_loss", "eval_loss", "learning_rate"}
"""Between 0 and 1, so that they can be drawn as a bar."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Score(_Part):
    """A value with its 95 % interval. Without an interval where nothing was resampled, without a value where none is defined."""

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @property
    def told(self) -> str:
        return "–" if self.value is None else number(self.value, 3)

    @property
    def interval(self) -> str:
        """Empty where there is none."""
        if self.value is None or self.low is None or self.high is None:
            return ""
        return f"{number(self.low, 3)}–{number(self.high, 3)}"

    def __str__(self) -> str:
        return f"{self.told} ({self.interval})" if self.interval else self.told


Scores: TypeAlias = Mapping[str, Score]


class ClassScores(_Part):
    label: str
    precision: FiniteFloat
    recall: FiniteFloat
    f1: FiniteFloat
    rows: int
    f1_low: FiniteFloat | None = None
    f1_high: FiniteFloat | None = None
    threshold: FiniteFloat | None = None

    @property
    def score(self) -> Score:
        return Score(value=self.f1 if self.rows else None, low=self.f1_low, high=self.f1_high)


class Confused(_Part):
    label: str
    predicted: str
    rows: int


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Answer = Annotated[list[str], BeforeValidator(_as_list)]


class BoldError(_Part):
    """A wrong answer of a high score, by its row in the test split."""

    row: int
    label: Answer
    predicted: Answer
    score: FiniteFloat


class Record(_Part):
    """Of a run that succeeded. See `training/adapting.py` for where it is made."""

    description: RunDescription
    labels: list[str]
    rows: dict[str, int]
    metrics: dict[str, Score]
    baselines: dict[str, dict[str, Score]]
    gain: dict[str, Score]
    primary: str
    beats_baselines: bool
    best_baseline: str
    run_id: str = ""
    per_class: list[ClassScores] = []
    confusion: list[list[int]] | None = None
    confused: list[Confused] | None = None
    errors: list[BoldError] | None = None
    seconds: dict[str, FiniteFloat] = {}
    environment: dict[str, str | int | float | bool | None] = {}
    curves: dict[str, Any] = {}

    @property
    def is_multilabel(self) -> bool:
        return "hamming_loss" in self.metrics


def read_record(found: Mapping[str, Any] | None) -> Record | None:
    """None where there is no record, or one that says too little to show."""
    try:
        record = Record.model_validate(found)
    except ValidationError:
        return None
    is_whole = record.primary in record.metrics and record.best_baseline in record.baselines.keys() & record.gain.keys()
    return record if is_whole else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence to read if only one is read."""

    kind: Literal["success", "warning", "error"]
    sentence: Sentence


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of the model, beside the best baseline's."""

    name: str
    score: Score
    rival: float | None
    is_unit: bool
    lower_is_better: bool


@dataclass(frozen=True, slots=True)
class Rival:
    """A baseline, in the columns of the model's lines. `gain` is the model's over it."""

    name: str
    scores: tuple[Score | None, ...]
    gain: Score | None

    @property
    def gain_told(self) -> str:
        return "–" if self.gain is None else _signed(self.gain.value)

    @property
    def gain_interval(self) -> str:
        return "" if self.gain is None else f"{_signed(self.gain.low)} – {_signed(self.gain.high)}"


def verdict(record: Record) -> Verdict:
    gain = record.gain[record.best_baseline]
    told = {
        "rival": words.baseline(record.best_baseline),
        "gain": _signed(gain.value),
        "metric": words.metric(record.primary),
        "low": _signed(gain.low),
        "high": _signed(gain.high),
    }
    if not record.beats_baselines:
        return Verdict(
            "error",
            Sentence(
                "This model does not beat a simple baseline: {rival} ({gain} {metric}, 95 % interval {low} to {high}). "
                "Use the baseline, or more data.",
                **told,
            ),
        )
    if gain.low is None or gain.low <= 0:
        return Verdict(
            "warning",
            Sentence(
                "On these test rows the model is ahead of a baseline, but not beyond doubt: {rival} ({gain} {metric}, "
                "95 % interval {low} to {high}).",
                **told,
            ),
        )
    return Verdict(
        "success",
        Sentence(
            "The model is better than every baseline. Over the best, {rival}: {gain} {metric}, 95 % interval {low} to {high}.",
            **told,
        ),
    )


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{'+' if value >= 0 else '−'}{number(abs(value), 3)}"


def lines(record: Record, names: Sequence[str] = COMPARED) -> list[Line]:
    """Those of these metrics that the record has."""
    rival = record.baselines[record.best_baseline]
    return [
        Line(
            name=words.metric(name),
            score=record.metrics[name],
            rival=rival[name].value if name in rival else None,
            is_unit=name in UNIT_METRICS,
            lower_is_better=name in LOWER_IS_BETTER,
        )
        for name in names
        if name in record.metrics
    ]


def rivals(record: Record, names: Sequence[str] = COMPARED) -> list[Rival]:
    return [
        Rival(
            words.baseline(name),
            tuple(scores.get(metric) for metric in names if metric in record.metrics),
            record.gain.get(name),
        )
        for name, scores in record.baselines.items()
    ]


def every_metric(record: Record) -> list[str]:
    return [name for name in words.METRICS if name in record.metrics]


def weakest(record: Record) -> list[ClassScores]:
    """Of many classes, those that the model knows least; none where all of them fit in a table."""
    if len(record.per_class) <= MOST_CLASSES_UNFOLDED:
        return []
    return sorted((entry for entry in record.per_class if entry.rows), key=lambda entry: entry.f1)[:WEAKEST_SHOWN]


@dataclass(frozen=True, slots=True)
class Cell:
    """`shade` is the share of its class's rows, from 0 (none) to 9."""

    rows: int
    shade: int
    is_right: bool


def confusion(record: Record) -> list[tuple[str, list[Cell]]]:
    """A row of cells for each class, in the order of `labels`. None of it where there are too many to read."""
    matrix, labels = record.confusion, record.labels
    if not matrix or len(labels) > MOST_CLASSES_IN_MATRIX or any(len(row) != len(labels) for row in matrix):
        return []
    return [(label, list(_cells(place, row))) for place, (label, row) in enumerate(zip(labels, matrix, strict=False))]


def _cells(own: int, row: Sequence[int]) -> Iterator[Cell]:
    total = max(sum(row), 1)
    for place, rows in enumerate(row):
        shade = 0 if rows <= 0 else max(1, min(SHADES, round(SHADES * rows / total)))
        yield Cell(rows, shade, place == own)


def threshold(record: Record) -> Sentence | None:
    """Of a model with two classes: from which score it had better say yes."""
    chosen, of = record.curves.get("threshold"), record.curves.get("of")
    if not isinstance(chosen, int | float) or not isinstance(of, str):
        return None
    return Sentence(
        "It answers with the likelier class. Calling {label} from a score of {threshold} on was best for its F1 on the "
        "validation rows.",
        label=of,
        threshold=number(chosen, 2),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """A score that a card's `model-index` tells, of a model that was made elsewhere."""

    name: str
    value: str
    task: str | None
    dataset: str | None
    split: str | None


MOST_TOLD: Final = 40


def scores_of_card(card: Mapping[str, Any]) -> list[Told]:
    """What strangers wrote: whatever does not have the form of a result is left out."""
    return list(_told(card))[:MOST_TOLD]


def _told(card: Mapping[str, Any]) -> Iterator[Told]:
    for model in _mappings(card.get("model-index")):
        for result in _mappings(model.get("results")):
            task, dataset = _mapping(result.get("task")), _mapping(result.get("dataset"))
            for metric in _mappings(result.get("metrics")):
                value = metric.get("value")
                if isinstance(value, bool) or not isinstance(value, int | float | str):
                    continue
                yield Told(
                    name=str(metric.get("name") or metric.get("type") or "–"),
                    value=value if isinstance(value, str) else number(value, 3),
                    task=_text(task.get("type")),
                    dataset=_text(dataset.get("name")) or _text(dataset.get("type")),
                    split=_text(dataset.get("split")),
                )


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def examples_of_card(card: Mapping[str, Any], most: int) -> tuple[str, ...]:
    """The texts that a card's `widget:` offers to try."""
    texts = (_text(entry.get("text")) for entry in _mappings(card.get("widget")))
    return tuple(text for text in texts if text is not None)[:most]
