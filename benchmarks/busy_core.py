"""Training while a neighbour keeps one core busy: `python benchmarks/busy_core.py`, or `--steps 10` for a look.

A step of `full` on the worked example's tickets, with as many threads as there are cores, alone and beside a process that
computes without end. Once as GNU's OpenMP has it, whose threads spin for milliseconds before they sleep, and once as a
job's process has it (`THREAD_SPINS`). Base: the starter. Medians over steps, each in a process of its own.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from viveiro.jobs.processes import THREAD_SPINS

TICKETS = Path(__file__).resolve().parents[1] / "examples" / "maintenance" / "tickets.csv"
BATCH = 16
LONGEST = 256
FIRST_STEPS = 2
"""Of each process, left out: they compile."""
MOST_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help="of each measurement, as far as a minute goes")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.train:
        print(statistics.median(step_seconds(chosen.steps)))
        return
    print("| threads wait | alone, ms a step | beside a busy core, ms a step | times |")
    print("|---|---|---|---|")
    for name, spins in {"as GNU has it": None, "as a job has it": THREAD_SPINS}.items():
        alone = _measured(spins, chosen.steps)
        with busy_neighbour():
            beside = _measured(spins, chosen.steps)
        print(f"| {name} | {alone * 1000:.0f} | {beside * 1000:.0f} | {beside / alone:.1f} |", flush=True)


def _measured(spins: str | None, steps: int) -> float:
    """Seconds of a step, in a process that reads the variable when it starts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    if spins is not None:
        environment["GOMP_SPINCOUNT"] = spins
    command = [sys.executable, __file__, "--train", "--steps", str(steps)]
    # Its own session, as a job has: a scheduler that shares cores among sessions then sees two.
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, start_new_session=True)
    return float(done.stdout)


@contextmanager
def busy_neighbour() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


def step_seconds(steps: int) -> list[float]:
    from tests.unit.ml.tiny import starter_folder
    from viveiro.ml.artefact import Artefact, add_head, lay_out_encoder
    from viveiro.ml.batching import shuffled_batches
    from viveiro.ml.data import LabelSpace
    from viveiro.ml.methods import LabelledTexts, TrainingSettings, open_learner
    from viveiro.ml.networks import open_network
    from viveiro.ml.trainer import Trainer

    with TICKETS.open(encoding="utf-8", newline="") as file:
        texts, categories = zip(*((row["text_en"], row["category"]) for row in csv.DictReader(file)), strict=True)
    space = LabelSpace.fit(categories)
    rows = LabelledTexts(list(texts), space.encode(categories), len(texts), space.names)
    artefact = Artefact("text-classification", space.names, "full", LONGEST)
    with tempfile.TemporaryDirectory(prefix="viveiro-bench-") as scratch:
        folder = Path(scratch)
        lay_out_encoder(starter_folder(), folder, LONGEST)
        shape = len(space.names), open_network(folder).dimension
        add_head(folder, np.zeros(shape, np.float32), np.zeros(shape[0], np.float32), artefact)
        learner, recipe, _ = open_learner(folder, rows, "none", TrainingSettings(batch_size=BATCH), artefact)
        trainer = Trainer(learner, recipe, lambda _fields: None)
        batches = shuffled_batches(learner.lengths, BATCH, recipe.seed, 0)
        seconds: list[float] = []
        while len(seconds) < FIRST_STEPS + steps and sum(seconds) < MOST_SECONDS:
            seconds.append(trainer.rehearse(batches[len(seconds) % len(batches)]))
    return seconds[FIRST_STEPS:]


if __name__ == "__main__":
    main()
