"""Training all layers beside the recipes that others use: `python benchmarks/finetune.py`, or `--quick` for a look.

| claim, on the texts of banking77, one thread, at our learning rate and schedule | at least |
| --- | --- |
| rows a second of `full` to `transformers.Trainer` with `padding="max_length"` at 512 and batches of 8, as tutorials have it | 40× |
| rows a second of `full` in float32 to `Trainer` with dynamic padding | 1.7× |
| the same in bfloat16, where the processor has it | 2.5× |
| how much sooner `frozen` ends than `Trainer` with dynamic padding, both from the base's folder | 15× |
| accuracy, ours minus the peer's: low end of a paired bootstrap 95 % interval over the test rows of all seeds | -0.01 |

Rates: a fixed number of steps, the first left out, each side in turn; medians over rounds. Dynamic padding has our batch
size. Seconds are of processor time, which with one thread is what an idle machine would show on the wall: a busy one
takes turns, and its wall clock measures the neighbours. Accuracy: the peer learns from all rows but the test's, as ours
does in the end. Base: the starter.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from benchmarks.quality import SHARED, imported_rows
from tests.unit.ml.tiny import starter_folder
from viveiro.datasets.types import LabelledRows
from viveiro.ml.artefact import Artefact, add_head, lay_out_encoder
from viveiro.ml.batching import shuffled_batches
from viveiro.ml.data import LabelSpace
from viveiro.ml.device import has_bfloat16
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.methods import REFERENCE_WEIGHTS, LabelledTexts, TrainingSettings, open_learner, resolve_recipe
from viveiro.ml.tasks import TrainableTask, Workplace, tasks
from viveiro.ml.trainer import Recipe
from viveiro.ml.trainer import Trainer as OurTrainer

BANKING = SHARED / "banking77" / "train.csv"
LONGEST = 512
TUTORIAL_BATCH = 8
BASE = starter_folder()
RESAMPLES = 2000
TASK = tasks["text-classification"]
assert isinstance(TASK, TrainableTask)


@dataclass(frozen=True)
class Plan:
    rounds: int
    steps: int
    padded_steps: int
    seeds: tuple[int, ...]
    rows: int | None


FULL = Plan(rounds=3, steps=40, padded_steps=4, seeds=(0, 1, 2), rows=None)
QUICK = Plan(rounds=1, steps=8, padded_steps=1, seeds=(0,), rows=320)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows and steps: shows that it runs, proves nothing")
    parser.add_argument("--only", choices=["rates", "accuracy"])
    chosen = parser.parse_args()
    plan = QUICK if chosen.quick else FULL
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="viveiro-bench-") as folder:
        if chosen.only != "accuracy":
            rates(plan, Path(folder))
        if chosen.only != "rates":
            accuracies(plan, Path(folder))


def rates(plan: Plan, folder: Path) -> None:
    """Rows a second of each way to train, in turn."""
    rows = _few(imported_rows(BANKING, 0, folder / "rates"), plan.rows)
    ways: dict[str, Callable[[], float]] = {
        "Trainer, padded to 512": lambda: _peer_rate(rows, plan.padded_steps, folder, padded=True),
        "Trainer, dynamic padding": lambda: _peer_rate(rows, plan.steps, folder, padded=False),
        "full, float32": lambda: _our_rate(rows, plan.steps, folder, "float32"),
    }
    if has_bfloat16():
        ways["full, bfloat16"] = lambda: _our_rate(rows, plan.steps, folder, "bfloat16")
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(plan.rounds):
        for name, measure in ways.items():
            measured[name].append(measure())
    medians = {name: statistics.median(values) for name, values in measured.items()}
    for name, value in medians.items():
        print(f"{name}: {value:.2f} rows a second, median of {plan.rounds}")
    fastest = list(medians)[-1]
    _claim(f"{fastest} to Trainer padded to 512", medians[fastest] / medians["Trainer, padded to 512"], 40)
    _claim("full, float32 to Trainer dynamic", medians["full, float32"] / medians["Trainer, dynamic padding"], 1.7)
    if has_bfloat16():
        _claim("full, bfloat16 to Trainer dynamic", medians[fastest] / medians["Trainer, dynamic padding"], 2.5)


def accuracies(plan: Plan, folder: Path) -> None:
    """Whole trainings on the same rows: what they reach, and when."""
    right: dict[str, list[np.ndarray]] = {"Trainer": [], "frozen": [], "full": []}
    seconds: dict[str, list[float]] = {name: [] for name in right}
    for seed in plan.seeds:
        rows = _few(imported_rows(BANKING, seed, folder / f"accuracy-{seed}"), plan.rows)
        ways = {"frozen": _ours, "full": _ours, "Trainer": _peer}
        for name, way in ways.items():
            hits, spent = way(rows, name, seed, folder / f"{name}-{seed}")
            right[name].append(hits)
            seconds[name].append(spent)
            print(f"seed {seed}, {name}: accuracy {hits.mean():.4f} after {spent:.0f} s", flush=True)
    sooner = [theirs / ours for theirs, ours in zip(seconds["Trainer"], seconds["frozen"], strict=True)]
    _claim("frozen ends sooner than Trainer dynamic", statistics.median(sooner), 15)
    for name in ("frozen", "full"):
        difference, low, high = _paired(np.concatenate(right[name]), np.concatenate(right["Trainer"]))
        print(f"{name} minus Trainer, accuracy: {difference:+.4f} ({low:+.4f} to {high:+.4f}), claim: low ≥ -0.01")


def _claim(what: str, ratio: float, least: float) -> None:
    print(f"{what}: {ratio:.1f}× (claim ≥ {least}×: {'holds' if ratio >= least else 'does not hold'})", flush=True)


def _few(rows: LabelledRows, most: int | None) -> LabelledRows:
    if most is None:
        return rows
    names = sorted(set(rows.train["label"]))[: max(2, most // 40)]
    parts = {split: _of_classes(getattr(rows, split), names) for split in ("train", "validation", "test")}
    return LabelledRows(**parts, left_out=0)


def _of_classes(table: dict[str, Any], names: list[str]) -> dict[str, Any]:
    kept = [number for number, label in enumerate(table["label"]) if label in names]
    return {role: [values[number] for number in kept] for role, values in table.items()}


# Ours


def _our_rate(rows: LabelledRows, steps: int, folder: Path, precision: Any) -> float:
    space = LabelSpace.fit(rows.train["label"])
    texts = LabelledTexts(
        TASK.prepare(rows.train["text"]), space.encode(rows.train["label"]), len(rows.train["text"]), space.names
    )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target, artefact = Path(scratch), Artefact(TASK.name, space.names, "full", 256)
        lay_out_encoder(BASE, target, 256)
        classes, dimension = len(space.names), SentenceEncoder(target).dimension
        add_head(target, np.zeros((classes, dimension), np.float32), np.zeros(classes, np.float32), artefact)
        learner, recipe, _ = open_learner(target, texts, "none", TrainingSettings(precision=precision), artefact)
        trainer = OurTrainer(learner, recipe, lambda _fields: None)
        batches = shuffled_batches(learner.lengths, recipe.batch_size, 0, 0)[: steps + 1]
        trainer.rehearse(batches[0])
        started = time.process_time()
        for batch in batches[1:]:
            trainer.rehearse(batch)
        spent = time.process_time() - started
    return sum(len(batch) for batch in batches[1:]) / spent


def _ours(rows: LabelledRows, method: str, seed: int, folder: Path) -> tuple[np.ndarray, float]:
    """Which test rows it gets right, and the seconds from nothing to an artefact."""
    workplace = Workplace(BASE, folder / "model", folder / "cache")
    started = time.process_time()
    trained = TASK.train(rows.train, rows.validation, TASK.Params(method=method, seed=seed), workplace)
    spent = time.process_time() - started
    logits = SentenceEncoder(trained.artefact).encode(TASK.prepare(rows.test["text"]))
    return logits.argmax(1) == LabelSpace(trained.labels).encode(rows.test["label"]), spent


def _recipe(rows: int) -> Recipe:
    """What "auto" comes to for the starter and so many rows."""
    return resolve_recipe(TrainingSettings(), rows, int(REFERENCE_WEIGHTS))


# The peer's


class StepClock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_arguments: Any, **_keywords: Any) -> None:
        self.ends.append(time.process_time())


def _peer_rate(rows: LabelledRows, steps: int, folder: Path, *, padded: bool) -> float:
    clock = StepClock()
    trainer = _peer_trainer(rows.train, 0, folder, padded=padded, max_steps=steps + 1, callbacks=[clock])
    trainer.train()
    return steps * trainer.args.per_device_train_batch_size / (clock.ends[-1] - clock.ends[0])


def _peer(rows: LabelledRows, _method: str, seed: int, folder: Path) -> tuple[np.ndarray, float]:
    started = time.process_time()
    trainer = _peer_trainer(rows.known, seed, folder, padded=False)
    trainer.train()
    spent = time.process_time() - started
    space = LabelSpace.fit(rows.known["label"])
    outputs = trainer.predict(_examples(rows.test, space, padded=False)).predictions
    return outputs.argmax(1) == space.encode(rows.test["label"]), spent


def _peer_trainer(
    table: dict[str, Any], seed: int, folder: Path, *, padded: bool, max_steps: int = -1, callbacks: Any = None
) -> Trainer:
    recipe, space = _recipe(len(table["text"])), LabelSpace.fit(table["label"])
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=len(space.names))
    arguments = TrainingArguments(
        output_dir=str(folder / "peer"),
        learning_rate=recipe.learning_rate,
        num_train_epochs=recipe.epochs,
        max_steps=max_steps,
        per_device_train_batch_size=TUTORIAL_BATCH if padded else recipe.batch_size,
        warmup_steps=recipe.warmup,
        lr_scheduler_type=recipe.decay,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip_norm,
        seed=seed,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    collator = None if padded else DataCollatorWithPadding(AutoTokenizer.from_pretrained(BASE))
    return Trainer(model, arguments, collator, _examples(table, space, padded=padded), callbacks=callbacks)


def _examples(table: dict[str, Any], space: LabelSpace, *, padded: bool) -> list[dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    encoded = tokenizer(table["text"], truncation=True, max_length=LONGEST, padding="max_length" if padded else False)
    labels = space.encode(table["label"])
    return [{name: encoded[name][row] for name in encoded} | {"labels": int(label)} for row, label in enumerate(labels)]


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Difference in accuracy with its 95 % interval over resampled rows."""
    differences = first.astype(float) - second
    drawn = list(_means(differences))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)


def _means(values: np.ndarray) -> Iterator[float]:
    generator = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield float(values[generator.integers(0, len(values), len(values))].mean())


if __name__ == "__main__":
    main()
