"""What a task is: the interface that `tasks/` fills in, one file each, and everything else is derived from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from pydantic import BaseModel

from viveiro.ml.artefact import Artefact
from viveiro.ml.metrics import Evaluation, Interval
from viveiro.registry import Registry

Table: TypeAlias = Mapping[str, Sequence[Any]]
"""Columns of equal length by role: {"text": […], "label": […]}."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a dataset must offer. `usual_names` are tried in this order, in any case."""

    role: str
    kind: Literal["text", "label"]
    usual_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a run lends to its task while it trains.

    Attributes:
        base: folder of the base model, read only.
        artefact: folder to make. It appears whole or not at all.
        cache: folder for what is expensive and can be used again. It survives a kill, and other runs may share it.
        report: told of progress, as fields. It may raise, to stop the run.
        origin: repo and revision of the base and the data, for the artefact's records.
        checkpoints: folder that survives a kill. Training saves there and goes on from there; None for neither.
        checkpoint_seconds: between two saves.
        budget_seconds: training ends by then with the best it has; None for no limit.
    """

    base: Path
    artefact: Path
    cache: Path
    report: Callable[[Mapping[str, Any]], None] = lambda _fields: None
    origin: Mapping[str, Any] = field(default_factory=dict)
    checkpoints: Path | None = None
    checkpoint_seconds: float = 60.0
    budget_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished artefact, and every parameter that its method used, with its `auto` resolved.

    `history` has one entry an epoch: epoch, train_loss and, with validation rows, validation_loss and the metric.
    """

    artefact: Path
    resolved: dict[str, Any]
    labels: tuple[str, ...]
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will need, measured on this machine with its own rows: a step of it, not a table of old figures.

    Attributes:
        seconds: of training; evaluation comes on top.
        memory_bytes: most that the process will hold at once, on the GPU if it trains there.
        disk_bytes: of artefact, checkpoints and cache together.
        resolved: the parameters as they will be used, as far as they can be known before.
    """

    seconds: float
    memory_bytes: int
    disk_bytes: int
    resolved: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The adapted model, reloaded from its artefact, on rows it never saw, beside its baselines on the same rows."""

    adapted: Evaluation
    baselines: Mapping[str, Evaluation]
    gain: Mapping[str, Interval]
    """Adapted minus baseline in the primary metric, paired by row. Beaten where the interval lies above 0."""
    primary: str
    predictions: Sequence[Mapping[str, Any]]
    """One per test row: label, predicted, score."""
    slices: Sequence[Mapping[str, Any]] = ()
    """Parts of the test rows, each with its own accuracy."""
    errors: Sequence[Mapping[str, Any]] = ()
    """The wrong answers of the highest score: row, label, predicted, score; no texts."""

    @property
    def best_baseline(self) -> str:
        return max(self.baselines, key=lambda name: self.baselines[name].metrics[self.primary].value)

    @property
    def beats_baselines(self) -> bool:
        return all(
            self.adapted.metrics[self.primary].value > e.metrics[self.primary].value for e in self.baselines.values()
        )


class Task(Protocol):
    """What every task can do: recognise its models, and answer requests with them."""

    name: ClassVar[str]
    """The pipeline tag."""
    title: ClassVar[Mapping[str, str]]
    """A line for people, by language: en, pt-BR."""
    families: ClassVar[tuple[str, ...]]
    """Kinds of models that serve it."""

    @property
    def Request(self) -> type[BaseModel]:  # noqa: N802 - a class, nested in the task
        """One request, in the Hugging Face task format."""
        ...

    def recognises(self, config: Mapping[str, Any], files: Collection[str]) -> bool:
        """Whether a model repo with this config.json and these files can be served for the task."""
        ...

    def prepare(self, texts: Sequence[str]) -> list[str]:
        """Model inputs. The same function in training, evaluation and serving, so that they cannot disagree."""
        ...

    def inputs_of(self, request: Any) -> tuple[list[str], bool]:
        """Prepared inputs of a request, and whether it was one bare text."""
        ...

    def answers(self, outputs: np.ndarray, artefact: Artefact, parameters: Mapping[str, Any]) -> list[Any]:
        """One answer for each row of `outputs`: (inputs, dimension)."""
        ...


@runtime_checkable
class TrainableTask(Task, Protocol):
    """A task that a base model can be adapted to."""

    columns: ClassVar[tuple[Column, ...]]

    @property
    def Params(self) -> type[BaseModel]:  # noqa: N802 - a class, nested in the task
        """What a run can be told, every field with a default."""
        ...

    def guess_columns(self, table: Table) -> dict[str, str]:
        """Role → column name, from names and a sample of values. A role that nothing fits is left out."""
        ...

    def estimate(self, train: Table, validation: Table, params: Any, workplace: Workplace) -> Estimate:
        """Writes nothing that stays, and raises what `train` would raise of the rows."""
        ...

    def train(self, train: Table, validation: Table, params: Any, workplace: Workplace) -> Trained: ...

    def evaluate(self, artefact: Path, train: Table, test: Table, *, seed: int = 0) -> Comparison: ...


tasks: Registry[Task] = Registry("task")
