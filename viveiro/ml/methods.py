"""The ways to adapt an encoder to labelled texts. Each leaves a classifier in a folder, in one and the same layout."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from viveiro.ml.artefact import Artefact, Decision, add_head, lay_out_encoder, making, write_record
from viveiro.ml.checkpoints import Checkpoints
from viveiro.ml.device import Precision, training_device, training_precision
from viveiro.ml.embedding import fingerprint
from viveiro.ml.features import FeatureCache
from viveiro.ml.finetuning import TextLearner, tokenised
from viveiro.ml.heads import ClassWeights, LinearHead, choose_strength, fit_head
from viveiro.ml.metrics import choose_thresholds
from viveiro.ml.networks import save_network
from viveiro.ml.task import Workplace
from viveiro.ml.trainer import Decay, Recipe, Trainer

DEFAULT_STRENGTH: Final = 0.1
"""C where there are no validation rows to choose it by."""
START_STRENGTH: Final = 0.01
"""Of the head that full starts from: weak, because one that has its rows by heart leaves the layers no gradient."""
REFERENCE_RATE: Final = 2e-4
REFERENCE_WEIGHTS: Final = 10.6e6
"""Of the layers of MiniLM, for which REFERENCE_RATE was chosen."""
RATE_BOUNDS: Final = (5e-6, 1e-3)
USUAL_BATCH: Final = 32
SMALL_BATCH: Final = 16
FEW_ROWS: Final = 1000
STEPS_WANTED: Final = 500
EPOCH_BOUNDS: Final = (2, 12)
"""Fewer barely move the network; more repeat rows that it knows by heart."""
LAST_EPOCH_SPEED: Final = 0.25
USUAL_PATIENCE: Final = 3
CHECKPOINT_FORMAT: Final = 2
"""Another one where a `Position` has other fields: what an older version left is then not resumed."""


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Prepared texts with their truth, int64 (rows,) or bool (rows, classes). The first `train_rows` are learnt from."""

    texts: list[str]
    truth: np.ndarray
    train_rows: int
    labels: tuple[str, ...]

    @property
    def has_validation(self) -> bool:
        return self.train_rows < len(self.texts)

    @property
    def decision(self) -> Decision:
        return "sigmoid" if self.truth.ndim == 2 else "softmax"

    def digest(self) -> str:
        digest = hashlib.sha256(json.dumps([self.texts, self.train_rows, self.labels]).encode())
        digest.update(np.ascontiguousarray(self.truth).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class HeadSettings:
    strength: float | Literal["auto"] = "auto"
    class_weights: ClassWeights = "none"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What `Recipe` says, where "auto" leaves it open."""

    learning_rate: float | Literal["auto"] = "auto"
    epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    precision: Precision | Literal["auto"] = "auto"
    warmup: float = 0.1
    decay: Decay = "linear"
    patience: int | Literal["auto"] = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Adapted:
    """What the artefact does not say: every setting resolved, and one entry an epoch."""

    resolved: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...] = ()


def adapt_frozen(rows: LabelledTexts, artefact: Artefact, head: HeadSettings, workplace: Workplace) -> Adapted:
    """The head's penalty is chosen on the validation rows; then it is fitted once more on all rows but the test's."""
    with making(workplace.artefact) as folder:
        features = _lay_out_and_read(rows, artefact, folder, workplace)
        strength = _strength(features, rows, head)
        thresholds = _thresholds(
            rows, lambda: _fit(features, rows, rows.train_rows, strength, head).logits(features[rows.train_rows :])
        )
        fitted = _fit(features, rows, len(rows.texts), strength, head)
        add_head(folder, fitted.weight, fitted.bias, replace(artefact, thresholds=thresholds))
    return Adapted({"strength": strength})


def adapt_full(
    rows: LabelledTexts, artefact: Artefact, head: HeadSettings, settings: TrainingSettings, workplace: Workplace
) -> Adapted:
    """First the frozen encoder's best head, then all layers with it, at last an epoch of all rows but the test's.

    A random head would send its first, meaningless gradients through layers that knew better. The last epoch, slow, is
    for the rows that until then had to choose when to stop.

    Source: Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution, §4.
    """
    with making(workplace.artefact) as folder:
        features = _lay_out_and_read(rows, artefact, folder, workplace)
        strength = START_STRENGTH if head.strength == "auto" else head.strength
        start = _fit(features, rows, rows.train_rows, strength, head)
        add_head(folder, start.weight, start.bias, artefact)
        learner, recipe, precision = open_learner(folder, rows, head.class_weights, settings, artefact)
        checkpoints = _Places(workplace, [fingerprint(folder), rows.digest(), precision])
        before_last = recipe.epochs / (recipe.epochs + 1)
        history = _train(learner, recipe, checkpoints, workplace, before_last)
        thresholds = _thresholds(rows, lambda: learner.validation_logits(workplace.report))
        if rows.has_validation:
            learner.learn_from_all()
            _train(learner, last_epoch(recipe), checkpoints, workplace, 1 - before_last)
        save_network(learner.finished_network(), folder)
        write_record(folder, replace(artefact, thresholds=thresholds))
    return Adapted({"strength": strength, "precision": precision, **open_settings(recipe)}, history)


def last_epoch(recipe: Recipe) -> Recipe:
    return replace(recipe, epochs=1, learning_rate=recipe.learning_rate * LAST_EPOCH_SPEED)


def open_learner(
    folder: Path, rows: LabelledTexts, class_weights: ClassWeights, settings: TrainingSettings, artefact: Artefact
) -> tuple[TextLearner, Recipe, Precision]:
    """A classifier folder ready to be trained, with nothing left open."""
    assert artefact.max_length is not None
    device = training_device()
    precision = training_precision(device) if settings.precision == "auto" else settings.precision
    examples = tokenised(folder, rows.texts, rows.truth, artefact.max_length)
    learner = TextLearner(
        folder,
        examples.part(0, rows.train_rows),
        examples.part(rows.train_rows, len(rows.texts)),
        device=device,
        precision=precision,
        class_weights=class_weights,
    )
    return learner, resolve_recipe(settings, rows.train_rows, learner.layer_weights), precision


def resolve_recipe(settings: TrainingSettings, rows: int, layer_weights: int) -> Recipe:
    """Every "auto" decided, from the number of rows and of the weights in the base's layers alone.

    Larger networks want smaller steps, and few rows more of them. Banking77, 3,300 rows of 77 classes, on the starter:
    2e-5 leaves macro-F1 at 0.47 after three epochs, 2e-4 reaches 0.92.
    """
    batch_size = settings.batch_size
    if batch_size == "auto":
        batch_size = SMALL_BATCH if rows < FEW_ROWS else USUAL_BATCH
    epochs = settings.epochs
    if epochs == "auto":
        epochs = int(np.clip(round(STEPS_WANTED * batch_size / rows), *EPOCH_BOUNDS))
    patience = settings.patience
    if patience == "auto":  # few epochs, chosen so that the learning rate comes to rest, are no race to be stopped
        patience = epochs if settings.epochs == "auto" else USUAL_PATIENCE
    learning_rate = settings.learning_rate
    if learning_rate == "auto":
        rate = REFERENCE_RATE * (REFERENCE_WEIGHTS / layer_weights) ** (2 / 3) * (batch_size / USUAL_BATCH) ** 0.5
        learning_rate = float(f"{np.clip(rate, *RATE_BOUNDS):.2g}")
    return Recipe(
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        seed=settings.seed,
        warmup=settings.warmup,
        decay=settings.decay,
        patience=patience,
    )


def open_settings(recipe: Recipe) -> dict[str, Any]:
    """Those that may have been "auto"."""
    return {name: getattr(recipe, name) for name in ("learning_rate", "epochs", "batch_size", "patience")}


def _lay_out_and_read(rows: LabelledTexts, artefact: Artefact, folder: Path, workplace: Workplace) -> np.ndarray:
    """Features of all rows by the encoder, which now lies in the folder."""
    assert artefact.max_length is not None
    lay_out_encoder(workplace.base, folder, artefact.max_length)
    features = FeatureCache(workplace.cache, folder).features(
        rows.texts, lambda done, of: workplace.report({"stage": "features", "done": done, "of": of})
    )
    workplace.report({"stage": "head", "rows": len(rows.texts), "classes": len(rows.labels)})
    return features


def _strength(features: np.ndarray, rows: LabelledTexts, head: HeadSettings) -> float:
    if head.strength != "auto":
        return head.strength
    if not rows.has_validation:
        return DEFAULT_STRENGTH
    cut = rows.train_rows
    held_out = (features[cut:], rows.truth[cut:])
    return choose_strength(features[:cut], rows.truth[:cut], held_out, len(rows.labels), head.class_weights)


def _fit(features: np.ndarray, rows: LabelledTexts, count: int, strength: float, head: HeadSettings) -> LinearHead:
    """On the first `count` rows."""
    return fit_head(features[:count], rows.truth[:count], len(rows.labels), strength, head.class_weights)


def _thresholds(rows: LabelledTexts, validation_logits: Callable[[], np.ndarray]) -> tuple[float, ...] | None:
    """One for each label where a text has any number, one for the second of two classes, none for more classes."""
    if not rows.has_validation or (rows.decision == "softmax" and len(rows.labels) > 2):
        return None
    logits, truth = validation_logits().astype(np.float64), rows.truth[rows.train_rows :]
    if rows.decision == "softmax":
        logits, truth = logits[:, 1:] - logits[:, :1], (truth == 1)[:, None]
    return choose_thresholds(truth, 1 / (1 + np.exp(-np.clip(logits, -60, 60))))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where checkpoints of a run's trainings lie, each known by all that decides its result.

    `decisive` stands for base, head, labels, versions of the libraries, and rows; the recipe is the training's own.
    """

    workplace: Workplace
    decisive: list[str]

    def of(self, recipe: Recipe) -> Checkpoints | None:
        if self.workplace.checkpoints is None:
            return None
        key = hashlib.sha256(json.dumps([CHECKPOINT_FORMAT, *self.decisive, asdict(recipe)]).encode()).hexdigest()
        return Checkpoints(self.workplace.checkpoints / key[:16], key)


def _train(
    learner: TextLearner, recipe: Recipe, places: _Places, workplace: Workplace, share: float
) -> tuple[Mapping[str, Any], ...]:
    """Within this share of the budget, if there is one."""
    trainer = Trainer(
        learner,
        recipe,
        workplace.report,
        checkpoints=places.of(recipe),
        checkpoint_seconds=workplace.checkpoint_seconds,
        budget_seconds=None if workplace.budget_seconds is None else workplace.budget_seconds * share,
    )
    return tuple(trainer.run())
