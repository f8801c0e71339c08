"""A run that dies, as a program: python -m tests.unit.ml.killed_run BASE FOLDER."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.unit.ml.training_rows import table
from viveiro.ml.tasks import Trained, Workplace, tasks

STEP_OF_DEATH: Final = 8
"""In the second of the epochs, which have 5 steps."""
FULL: Final = {"method": "full", "epochs": 2, "batch_size": 18, "learning_rate": 3e-3, "patience": 9, "strength": 0.1}


def train_here(
    base: Path, folder: Path, report: Callable[[Mapping[str, Any]], None] = lambda fields: None, **params: Any
) -> tuple[Trained, list[int]]:
    """The result, and the steps that this process took."""
    steps: list[int] = []

    def listen(fields: Mapping[str, Any]) -> None:
        if fields["stage"] == "training":
            steps.append(fields["done"])
        report(fields)

    workplace = Workplace(
        base,
        folder / "model",
        folder / "cache",
        listen,
        checkpoints=folder / "checkpoints",
        checkpoint_seconds=0,
    )
    task = tasks["text-classification"]
    return task.train(table(30, 0), table(8, 1), task.Params(**(params or FULL)), workplace), steps


def die(fields: Mapping[str, Any]) -> None:
    if fields["stage"] == "training" and fields["done"] == STEP_OF_DEATH:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    train_here(Path(sys.argv[1]), Path(sys.argv[2]), die)
