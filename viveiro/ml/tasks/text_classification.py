"""Text classification: each text gets one label of a fixed set."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from viveiro.ml.artefact import Artefact, Decision, read_artefact
from viveiro.ml.baselines import majority, tfidf
from viveiro.ml.bases import is_for_other_senses, is_sequence_classifier
from viveiro.ml.data import LabelSpace, TooFewRows, check_texts, text_key
from viveiro.ml.metrics import (
    Evaluation,
    boldest_errors,
    evaluate_classifier,
    evaluate_multilabel,
    length_slices,
    paired_difference,
)
from viveiro.ml.task import Column, Comparison, Estimate, Table, Trained, Workplace, tasks
from viveiro.ml.texts import Texts, prepared, texts_of
from viveiro.types import LARGEST_SEED

if TYPE_CHECKING:
    from viveiro.ml.methods import HeadSettings, LabelledTexts, TrainingSettings

FEWEST_ROWS: Final = 8
USED_BY_FULL_ALONE: Final = ("learning_rate", "epochs", "batch_size", "warmup", "decay", "patience", "precision")
EVEN_ODDS: Final = 0.5
MOST_CLASSES: Final = 1000
SHORTEST_TEXT: Final = 12
"""Mean characters under which a column of strings holds codes or names rather than texts."""


class TextClassification:
    # 1. What it is

    name: ClassVar[str] = "text-classification"
    title: ClassVar[Mapping[str, str]] = {
        "en": "Text classification: one label of your set for each text",
        "pt-BR": "Classificação de textos: um rótulo do seu conjunto para cada texto",
    }
    families: ClassVar[tuple[str, ...]] = ("sentence-transformers", "encoder", "sequence-classifier")

    def recognises(self, config: Mapping[str, Any], files: Collection[str]) -> bool:
        """One of ours, which keeps its labels in the config of an encoder, or a classifier of transformers."""
        if is_for_other_senses(config):
            return False
        return is_sequence_classifier(config) or (
            "viveiro.json" in files and "modules.json" in files and bool(config.get("id2label"))
        )

    # 2. Columns

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "text",
            "text",
            ("text", "texto", "sentence", "content", "message", "mensagem", "description", "descricao", "question"),
        ),
        Column(
            "label", "label", ("label", "labels", "class", "classe", "category", "categoria", "intent", "target", "tag")
        ),
    )

    def guess_columns(self, table: Table) -> dict[str, str]:
        """By name where one is usual, else by values: the text is the longest column, the label the most repetitive one."""
        guessed = {column.role: name for column in self.columns if (name := _by_name(column, table)) is not None}
        if "text" not in guessed:
            lengths = {name: _mean_length(values) for name, values in table.items() if name not in guessed.values()}
            if lengths and (longest := max(lengths, key=lengths.__getitem__)) and lengths[longest] >= SHORTEST_TEXT:
                guessed["text"] = longest
        if "label" not in guessed:
            shares = {name: _distinct_share(values) for name, values in table.items() if name not in guessed.values()}
            repetitive = {name: share for name, share in shares.items() if 0 < share <= 0.5}
            if repetitive:
                guessed["label"] = min(repetitive, key=repetitive.__getitem__)
        return guessed

    # 3. Inputs and outputs

    class Parameters(BaseModel):
        model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

        top_k: int | None = Field(default=None, ge=1, le=2**31 - 1)
        """How many labels to answer with, likeliest first. Unset: all of them."""
        function_to_apply: Decision | None = None
        """How outputs become scores. Unset: as the model was trained."""

    class Request(BaseModel):
        model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

        inputs: Texts
        """The text, or a list of texts."""
        parameters_: "TextClassification.Parameters | None" = Field(default=None, alias="parameters")
        """Options for all of the texts."""

        @property
        def parameters(self) -> dict[str, Any]:
            return self.parameters_.model_dump(exclude_none=True) if self.parameters_ else {}

    def inputs_of(self, request: Request) -> tuple[list[str], bool]:
        # Clients of this task read the first of a list of answers, even for one text.
        texts, _ = texts_of(request.inputs)
        return texts, False

    # 4. Prepare

    def prepare(self, texts: Sequence[str]) -> list[str]:
        return prepared(texts)

    # 5. Train

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

        method: Literal["frozen", "full"] = "frozen"
        """frozen: the base stays as it is, its features are computed once, and a linear head learns from them.
        full: then all its layers are trained together with that head: minutes instead of seconds, and often better."""
        strength: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
        """C, the inverse of the head's L2 penalty, on features of unit variance. auto: the value with the least validation loss."""
        learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = "auto"
        """Peak AdamW learning rate of full. auto: from the size of the base and of a batch."""
        epochs: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
        """Most times that full goes through the rows. auto: as many as make enough steps, between 2 and 12."""
        batch_size: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
        """Rows in one step of full. auto: 32, and 16 where there are under 1,000 rows."""
        warmup: float = Field(default=0.1, ge=0, lt=1)
        """Share of full's steps in which the learning rate rises to its peak."""
        decay: Literal["linear", "cosine"] = "linear"
        """How full's learning rate falls to zero after that."""
        patience: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
        """Epochs without a higher macro-F1 on the validation rows after which full ends. auto: 3 where you say how many
        epochs, else it goes through them all. Kept is the latest epoch within a standard error of the highest."""
        precision: Literal["auto", "float32", "bfloat16"] = "auto"
        """Of the products in full; weights stay in float32. auto: bfloat16 where the machine computes in it."""
        max_length: Annotated[int, Field(ge=8, le=8192)] | Literal["auto"] = "auto"
        """Tokens after which a text is cut. auto: the base's own limit. Short texts cost no more for a high limit."""
        class_weights: Literal["none", "balanced"] = "none"
        """balanced: rare classes weigh as much as common ones, which raises their recall and lowers the precision of the rest."""
        seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
        """Of everything random. The same description and the same seed give the same model."""

        @property
        def head(self) -> "HeadSettings":
            from viveiro.ml.methods import HeadSettings

            return HeadSettings(self.strength, self.class_weights)

        @property
        def training(self) -> "TrainingSettings":
            from viveiro.ml.methods import TrainingSettings

            return TrainingSettings(**self.model_dump(include=set(USED_BY_FULL_ALONE) | {"seed"}))

    def estimate(self, train: Table, validation: Table, params: Params, workplace: Workplace) -> Estimate:
        from viveiro.ml.device import training_device
        from viveiro.ml.estimates import counting_bytes, estimate_frozen, estimate_full

        rows, artefact = self._ready(train, validation, params, workplace)
        if params.method == "frozen":
            estimate = estimate_frozen(rows, artefact, workplace)
        else:
            estimate = estimate_full(rows, artefact, params.head, params.training, workplace)
        memory = estimate.memory_bytes
        if training_device().type == "cpu":
            memory = max(memory, counting_bytes(rows.texts))
        return replace(estimate, memory_bytes=memory, resolved=_resolved(params, artefact, estimate.resolved))

    def train(self, train: Table, validation: Table, params: Params, workplace: Workplace) -> Trained:
        from viveiro.ml.methods import adapt_frozen, adapt_full

        rows, artefact = self._ready(train, validation, params, workplace)
        if params.method == "frozen":
            adapted = adapt_frozen(rows, artefact, params.head, workplace)
        else:
            adapted = adapt_full(rows, artefact, params.head, params.training, workplace)
        resolved = _resolved(params, artefact, adapted.resolved)
        return Trained(workplace.artefact, resolved, artefact.labels, adapted.history)

    def _ready(
        self, train: Table, validation: Table, params: Params, workplace: Workplace
    ) -> "tuple[LabelledTexts, Artefact]":
        """Rows that can be learnt from, and the artefact to make. Raises what is wrong with the rows."""
        from viveiro.ml.methods import LabelledTexts
        from viveiro.ml.networks import longest_input

        if len(train["text"]) < FEWEST_ROWS:
            raise TooFewRows(len(train["text"]), FEWEST_ROWS)
        space = LabelSpace.fit(train["label"])
        texts = [*train["text"], *validation["text"]]
        check_texts(texts)
        truth = space.encode([*train["label"], *validation["label"]])
        rows = LabelledTexts(self.prepare(texts), truth, len(train["text"]), space.names)
        longest = longest_input(workplace.base)
        limit = longest if params.max_length == "auto" else min(params.max_length, longest)
        return rows, Artefact(self.name, space.names, params.method, limit, rows.decision, workplace.origin)

    # 6. Metrics

    primary: ClassVar[str] = "f1_macro"

    def evaluate(self, artefact: Path, train: Table, test: Table, *, seed: int = 0) -> Comparison:
        """Through the artefact as it will be served. The baselines learn from the same training rows."""
        from viveiro.ml.embedding import SentenceEncoder

        record = read_artefact(artefact, self.name)
        space = LabelSpace(record.labels)
        truth, known = space.encode(test["label"]), space.encode(train["label"])
        texts = self.prepare(test["text"])
        scores = scores_of(SentenceEncoder(artefact, max_length=record.max_length).encode(texts), record.decision)
        adapted, predicted = _evaluated(truth, scores, record, seed)
        rivals = {
            "majority": majority(known, truth, space.names, seed=seed),
            "tfidf": tfidf(self.prepare(train["text"]), known, texts, truth, space.names, seed=seed),
        }
        predictions = _predictions(test["label"], predicted, scores, space.names)
        right = (truth == predicted).reshape(len(texts), -1).all(1)
        return Comparison(
            adapted=adapted,
            baselines={name: evaluation for name, (evaluation, _) in rivals.items()},
            gain={
                name: paired_difference(truth, predicted, called, len(space.names), metric=self.primary, seed=seed)
                for name, (_, called) in rivals.items()
            },
            primary=self.primary,
            predictions=predictions,
            slices=length_slices(np.array([len(text) for text in texts]), right, seed=seed),
            errors=boldest_errors(predictions),
        )

    # 7. Predict

    def answers(self, outputs: np.ndarray, artefact: Artefact, parameters: Mapping[str, Any]) -> list[Any]:
        """[{"label", "score"}, …] for each text, likeliest first.

        Where a text has any number of labels, those that reach their thresholds, which may be none; `top_k` asks for the
        likeliest ones whether they do or not.
        """
        scores = scores_of(outputs, parameters.get("function_to_apply") or artefact.decision)
        top = parameters.get("top_k") or scores.shape[1]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        labels = artefact.labels or tuple(f"LABEL_{number}" for number in range(scores.shape[1]))
        least = np.full(len(labels), -np.inf)
        if artefact.decision == "sigmoid" and artefact.thresholds and not parameters:
            least = np.asarray(artefact.thresholds)
        return [
            [{"label": labels[n], "score": float(row[n])} for n in numbers if row[n] >= least[n]]
            for row, numbers in zip(scores, order, strict=True)
        ]


def _evaluated(truth: np.ndarray, scores: np.ndarray, record: Artefact, seed: int) -> tuple[Evaluation, np.ndarray]:
    """The evaluation, and what the model called each row: numbers (rows,), or bool (rows, classes)."""
    if truth.ndim == 2:
        thresholds = record.thresholds or (EVEN_ODDS,) * len(record.labels)
        evaluation = evaluate_multilabel(truth, scores, record.labels, thresholds, seed=seed)
        return evaluation, scores >= np.asarray(thresholds)
    predicted = scores.argmax(1)
    threshold = record.thresholds[-1] if record.thresholds else None
    return (
        evaluate_classifier(truth, predicted, record.labels, scores=scores, threshold=threshold, seed=seed),
        predicted,
    )


def _predictions(
    labels: Sequence[Any], predicted: np.ndarray, scores: np.ndarray, names: Sequence[str]
) -> list[dict[str, Any]]:
    """One for each row: label, predicted, and the probability of that answer as a whole."""
    if predicted.ndim == 2:
        whole = np.where(predicted, scores, 1 - scores).prod(1)
        called: list[Any] = [[name for name, given in zip(names, row, strict=True) if given] for row in predicted]
        labels = [sorted(set(row)) for row in labels]
    else:
        whole = scores[np.arange(len(predicted)), predicted]
        called = [names[number] for number in predicted]
    return [
        {"label": label, "predicted": answer, "score": float(score)}
        for label, answer, score in zip(labels, called, whole, strict=True)
    ]


def _resolved(params: TextClassification.Params, artefact: Artefact, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the method uses, with nothing left open."""
    unused = () if params.method == "full" else USED_BY_FULL_ALONE
    return {**params.model_dump(exclude=set(unused)), "max_length": artefact.max_length, **chosen}


def scores_of(outputs: np.ndarray, decision: Decision) -> np.ndarray:
    """float64 (rows, classes)."""
    logits = outputs.astype(np.float64)
    if decision == "none":
        return logits
    if decision == "sigmoid":
        return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    raised = np.exp(logits - logits.max(1, keepdims=True))
    result: np.ndarray = raised / raised.sum(1, keepdims=True)
    return result


def _by_name(column: Column, table: Table) -> str | None:
    folded = {name.strip().casefold(): name for name in table}
    return next((folded[usual] for usual in column.usual_names if usual in folded), None)


def _mean_length(values: Sequence[Any]) -> float:
    texts = [value for value in values if isinstance(value, str)]
    return sum(map(len, texts)) / len(texts) if texts else 0.0


def _distinct_share(values: Sequence[Any]) -> float:
    """0 where the column cannot be a label: nothing filled, one value, or far too many."""
    filled = [str(value) for value in values if value not in (None, "")]
    distinct = len({text_key(value) for value in filled})
    return distinct / len(filled) if filled and 1 < distinct <= MOST_CLASSES else 0.0


tasks.register(TextClassification.name)(TextClassification())
