"""What a run will need, from a step of it: tables of old figures are wrong on every other machine."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import numpy as np
import torch

from viveiro.ml.artefact import Artefact, add_head, lay_out_encoder
from viveiro.ml.batching import shuffled_batches
from viveiro.ml.device import peak_memory, training_device
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.finetuning import TextLearner
from viveiro.ml.methods import HeadSettings, LabelledTexts, TrainingSettings, open_learner, open_settings
from viveiro.ml.networks import open_network
from viveiro.ml.task import Estimate, Workplace
from viveiro.ml.trainer import Recipe, Trainer

SAMPLED_TEXTS: Final = 128
TIMED_STEPS: Final = 3
FORWARD_SHARE: Final = 0.35
"""Of a training step's time: what reading a batch costs that nothing is learnt from."""
HEAD_SECONDS_PER_WEIGHT: Final = 4e-8
"""To fit one head, for each row and weight of it."""
HEADS_FITTED: Final = 4
"""By frozen, until one has the right penalty."""
CHECKPOINT_COPIES: Final = 5 * 4
"""Two checkpoints of the training, and three of its last epoch while the third is written, each with weights, best
weights and two moments."""
BYTES_PER_WEIGHT: Final = 4
FEATURE_BYTES: Final = 4
COUNTED_BYTES: Final = 110
"""What TF-IDF holds at its fullest, for each character of the texts."""
WITH_TEST_ROWS: Final = 1.25
"""Characters of all rows, for each of those that are learnt from and validated on."""


def estimate_frozen(rows: LabelledTexts, artefact: Artefact, workplace: Workplace) -> Estimate:
    """The encoder reads a sample, spread over all lengths, as it would read everything."""
    with TemporaryDirectory(prefix="viveiro-estimate-") as scratch:
        folder = Path(scratch)
        lay_out_encoder(workplace.base, folder, _limit(artefact))
        encoder = SentenceEncoder(folder, max_length=artefact.max_length)
        sample = _spread_over_lengths(rows.texts)
        seconds: list[float] = []

        def read_sample() -> None:
            started = perf_counter()
            encoder.encode(sample)
            seconds.append(perf_counter() - started)

        memory = peak_memory(read_sample, training_device())
        reading = seconds[0] * len(rows.texts) / len(sample)
        return Estimate(
            seconds=reading + HEADS_FITTED * _head_seconds(rows, encoder.dimension),
            memory_bytes=memory + 3 * _feature_bytes(rows, encoder.dimension),
            disk_bytes=_folder_bytes(folder) + _feature_bytes(rows, encoder.dimension),
            resolved={},
        )


def estimate_full(
    rows: LabelledTexts, artefact: Artefact, head: HeadSettings, settings: TrainingSettings, workplace: Workplace
) -> Estimate:
    """The longest batch says how much memory, a usual one how much time."""
    with TemporaryDirectory(prefix="viveiro-estimate-") as scratch:
        folder = Path(scratch)
        lay_out_encoder(workplace.base, folder, _limit(artefact))
        dimension = open_network(folder).dimension
        classes = len(rows.labels)
        add_head(folder, np.zeros((classes, dimension), np.float32), np.zeros(classes, np.float32), artefact)
        learner, recipe, precision = open_learner(folder, rows, head.class_weights, settings, artefact)
        memory, step_seconds = _rehearse(learner, recipe)
        weights = sum(weight.numel() for weight in learner.network.parameters())
        steps = -(-rows.train_rows // recipe.batch_size)
        validation_share = (len(rows.texts) - rows.train_rows) / rows.train_rows
        epoch = steps * step_seconds * (1 + FORWARD_SHARE * validation_share)
        last_epoch = steps * step_seconds * (1 + validation_share)
        reading = FORWARD_SHARE * last_epoch
        return Estimate(
            seconds=reading + _head_seconds(rows, dimension) + recipe.epochs * epoch + last_epoch,
            memory_bytes=memory + BYTES_PER_WEIGHT * weights,
            disk_bytes=_folder_bytes(folder) + CHECKPOINT_COPIES * BYTES_PER_WEIGHT * weights,
            resolved={"precision": precision, **open_settings(recipe)},
        )


def counting_bytes(texts: Sequence[str]) -> int:
    """Most memory of the baseline that counts words, with what this process holds already.

    It comes last and, where texts are many and long, needs the most: who has not got it should hear so before the training.
    """
    held = peak_memory(lambda: None, torch.device("cpu"))
    return held + round(COUNTED_BYTES * WITH_TEST_ROWS * sum(map(len, texts)))


def _rehearse(learner: TextLearner, recipe: Recipe) -> tuple[int, float]:
    """Peak bytes, and seconds of a usual step."""
    trainer = Trainer(learner, recipe, lambda _fields: None)
    batches = shuffled_batches(learner.lengths, recipe.batch_size, recipe.seed, 0)
    memory = peak_memory(lambda: trainer.rehearse(batches[0]), training_device())
    by_tokens = sorted(batches, key=lambda batch: int(learner.lengths[batch].max()) * len(batch))
    usual = by_tokens[len(by_tokens) // 2]
    return memory, median(trainer.rehearse(usual) for _ in range(TIMED_STEPS))


def _spread_over_lengths(texts: list[str]) -> list[str]:
    ordered = sorted(texts, key=len)
    positions = np.linspace(0, len(ordered) - 1, min(SAMPLED_TEXTS, len(ordered))).round().astype(int)
    return [ordered[position] for position in positions]


def _head_seconds(rows: LabelledTexts, dimension: int) -> float:
    return HEAD_SECONDS_PER_WEIGHT * len(rows.texts) * dimension * len(rows.labels)


def _feature_bytes(rows: LabelledTexts, dimension: int) -> int:
    return FEATURE_BYTES * dimension * len(rows.texts)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _limit(artefact: Artefact) -> int:
    assert artefact.max_length is not None
    return artefact.max_length
