"""Text classification: each text gets one label of a fixed set."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from viveiro.ml.artefact import Artefact, Decision, add_head, lay_out_encoder, making, read_artefact
from viveiro.ml.data import LabelSpace, TooFewRows, text_key
from viveiro.ml.task import Column, Comparison, Table, Trained, Workplace, tasks
from viveiro.ml.texts import Texts, prepared, texts_of

FEWEST_ROWS: Final = 8
DEFAULT_STRENGTH: Final = 0.1
"""C where there are no validation rows to choose it by."""
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
        classifies = any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or ())
        return classifies or (
            "viveiro.json" in files and "modules.json" in files and len(config.get("id2label") or ()) > 1
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

        top_k: int | None = Field(default=None, ge=1)
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

        method: Literal["frozen"] = "frozen"
        """frozen: the base stays as it is, its features are computed once, and a linear head learns from them."""
        strength: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
        """C, the inverse of the head's L2 penalty, on features of unit variance. auto: the value with the least validation loss."""
        max_length: Annotated[int, Field(ge=8, le=8192)] | Literal["auto"] = "auto"
        """Tokens after which a text is cut. auto: the base's own limit. Short texts cost no more for a high limit."""
        class_weights: Literal["none", "balanced"] = "none"
        """balanced: rare classes weigh as much as common ones, which raises their recall and lowers the precision of the rest."""
        seed: int = Field(default=0, ge=0)
        """Of everything random. The same description and the same seed give the same model."""

    def train(self, train: Table, validation: Table, params: Params, workplace: Workplace) -> Trained:
        """The head's penalty is chosen on the validation rows; then it is fitted once more on all rows but the test's."""
        from viveiro.ml.heads import fit_head
        from viveiro.ml.networks import longest_input

        space = self._label_space(train)
        longest = longest_input(workplace.base)
        limit = longest if params.max_length == "auto" else min(params.max_length, longest)
        texts = [*self.prepare(train["text"]), *self.prepare(validation["text"])]
        labels = space.encode([*train["label"], *validation["label"]])
        with making(workplace.artefact) as folder:
            lay_out_encoder(workplace.base, folder, limit)
            features = self._features(texts, folder, workplace)
            workplace.report({"stage": "head", "rows": len(texts), "classes": len(space.names)})
            strength = self._strength(features, labels, len(train["text"]), params)
            head = fit_head(features, labels, len(space.names), strength, params.class_weights)
            artefact = Artefact(self.name, space.names, params.method, limit, "softmax", workplace.origin)
            add_head(folder, head.weight, head.bias, artefact)
        resolved = {**params.model_dump(), "strength": strength, "max_length": limit}
        return Trained(workplace.artefact, resolved, space.names)

    def _label_space(self, train: Table) -> LabelSpace:
        if len(train["text"]) < FEWEST_ROWS:
            raise TooFewRows(len(train["text"]), FEWEST_ROWS)
        return LabelSpace.fit(train["label"])

    def _features(self, texts: Sequence[str], encoder: Path, workplace: Workplace) -> np.ndarray:
        from viveiro.ml.features import FeatureCache

        cache = FeatureCache(workplace.cache, encoder)
        return cache.features(texts, lambda done, of: workplace.report({"stage": "features", "done": done, "of": of}))

    def _strength(self, features: np.ndarray, labels: np.ndarray, train_rows: int, params: Params) -> float:
        from viveiro.ml.heads import choose_strength

        if params.strength != "auto":
            return params.strength
        if train_rows == len(labels):
            return DEFAULT_STRENGTH
        held_out = (features[train_rows:], labels[train_rows:])
        classes = int(labels.max()) + 1
        return choose_strength(features[:train_rows], labels[:train_rows], held_out, classes, params.class_weights)

    # 6. Metrics

    primary: ClassVar[str] = "f1_macro"

    def evaluate(self, artefact: Path, train: Table, test: Table, *, seed: int = 0) -> Comparison:
        """Through the artefact as it will be served. The baselines learn from the same training rows."""
        from viveiro.ml.baselines import majority, tfidf
        from viveiro.ml.embedding import SentenceEncoder
        from viveiro.ml.metrics import evaluate_classifier, paired_difference

        record = read_artefact(artefact, self.name)
        space = LabelSpace(record.labels)
        truth, known = space.encode(test["label"]), space.encode(train["label"])
        scores = scores_of(
            SentenceEncoder(artefact, max_length=record.max_length).encode(self.prepare(test["text"])), record.decision
        )
        predicted = scores.argmax(1)
        counted, by_words = tfidf(
            self.prepare(train["text"]), known, self.prepare(test["text"]), truth, space.names, seed=seed
        )
        commonest = np.full(len(truth), np.bincount(known).argmax())
        rivals = {"majority": commonest, "tfidf": by_words}
        return Comparison(
            adapted=evaluate_classifier(truth, predicted, space.names, scores=scores, seed=seed),
            baselines={"majority": majority(known, truth, space.names, seed=seed), "tfidf": counted},
            gain={
                name: paired_difference(truth, predicted, rival, len(space.names), seed=seed)
                for name, rival in rivals.items()
            },
            primary=self.primary,
            predictions=[
                {"label": label, "predicted": space.names[winner], "score": float(row[winner])}
                for label, winner, row in zip(test["label"], predicted, scores, strict=True)
            ],
        )

    # 7. Predict

    def answers(self, outputs: np.ndarray, artefact: Artefact, parameters: Mapping[str, Any]) -> list[Any]:
        """[{"label", "score"}, …] for each text, likeliest first."""
        scores = scores_of(outputs, parameters.get("function_to_apply") or artefact.decision)
        top = parameters.get("top_k") or scores.shape[1]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        labels = artefact.labels or tuple(f"LABEL_{number}" for number in range(scores.shape[1]))
        return [
            [{"label": labels[number], "score": float(row[number])} for number in numbers]
            for row, numbers in zip(scores, order, strict=True)
        ]


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
