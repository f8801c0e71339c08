"""Which column of a dataset plays which role of a task."""

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from viveiro.errors import InvalidInput, OneColumnTwice
from viveiro.ml.tasks import Column, TrainableTask, tasks

if TYPE_CHECKING:
    from viveiro.datasets.reading import OpenDataset

SAMPLE_BATCHES: Final = 2


def choose_columns(dataset: "OpenDataset", task_name: str, named: Mapping[str, str]) -> dict[str, str]:
    """Role → column: as named, else as the import found, else a ClassLabel for the label, else as the task guesses.

    A role for which nothing offers itself is left out.

    Raises:
        UnknownColumn: a named column does not exist.
        OneColumnTwice: one is named for two roles.
    """
    task = trainable(task_name)
    dataset.require(*named.values())
    for name in named.values():
        if list(named.values()).count(name) > 1:
            raise OneColumnTwice(name)
    guesses = {**task.guess_columns(_sample(dataset)), **_recorded(dataset, task)}
    free = {role: name for role, name in guesses.items() if name not in named.values()}
    chosen = {column.role: named.get(column.role) or free.get(column.role) for column in task.columns}
    return {role: name for role, name in chosen.items() if name is not None}


def trainable(task_name: str) -> TrainableTask:
    task = tasks[task_name]
    if not isinstance(task, TrainableTask):
        raise InvalidInput(
            "Models for {task} are used as they are: no run adapts one. Tasks with runs: {known}.",
            task=task_name,
            known=", ".join(name for name in tasks if isinstance(tasks[name], TrainableTask)),
        )
    return task


def _recorded(dataset: "OpenDataset", task: TrainableTask) -> dict[str, str]:
    return {column.role: name for column in task.columns if (name := _recorded_column(dataset, column)) is not None}


def _recorded_column(dataset: "OpenDataset", column: Column) -> str | None:
    report = dataset.import_report
    if column.kind == "text":
        recorded = next(iter(report.get("text_columns") or ()), None)
    else:
        recorded = report.get("label_column") or (next(iter(dataset.classes)) if len(dataset.classes) == 1 else None)
    return recorded if recorded in dataset.columns else None


def _sample(dataset: "OpenDataset") -> dict[str, list[Any]]:
    """The first rows of the first split, column by column."""
    split = next(iter(dataset.files))
    batches = list(islice(dataset.batches(split, dataset.columns), SAMPLE_BATCHES))
    return {name: [value for batch in batches for value in batch.column(name).to_pylist()] for name in dataset.columns}
