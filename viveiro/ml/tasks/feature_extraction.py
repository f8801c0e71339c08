"""Feature extraction: a text becomes a vector that stands for its meaning."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from viveiro.ml.artefact import Artefact
from viveiro.ml.bases import is_for_other_senses, is_sequence_classifier
from viveiro.ml.task import tasks
from viveiro.ml.texts import Texts, prepared, texts_of


class FeatureExtraction:
    """Vectors of an encoder, pooled and normalised as its folder says."""

    name: ClassVar[str] = "feature-extraction"
    title: ClassVar[Mapping[str, str]] = {
        "en": "Feature extraction: a vector for each text, for search and comparison",
        "pt-BR": "Extração de características: um vetor para cada texto, para busca e comparação",
    }
    families: ClassVar[tuple[str, ...]] = ("sentence-transformers", "encoder")

    class Request(BaseModel):
        """The task's parameters travel beside `inputs`."""

        model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

        inputs: Texts
        """The text, or a list of texts."""
        normalize: bool | None = None
        """Scale every vector to length 1. Unset: as the model does."""
        truncate: Literal[True] | None = None
        """Texts beyond the model's limit are always cut."""
        truncation_direction: Literal["right"] | None = None
        """Which end is cut. Only the right one is offered."""

        @property
        def parameters(self) -> dict[str, Any]:
            return {"normalize": self.normalize}

    def recognises(self, config: Mapping[str, Any], files: Collection[str]) -> bool:
        has_encoder = "modules.json" in files or "model_type" in config
        return (
            has_encoder
            and not is_sequence_classifier(config)
            and "viveiro.json" not in files
            and not is_for_other_senses(config)
        )

    def prepare(self, texts: Sequence[str]) -> list[str]:
        return prepared(texts)

    def inputs_of(self, request: Request) -> tuple[list[str], bool]:
        return texts_of(request.inputs)

    def answers(self, outputs: np.ndarray, artefact: Artefact, parameters: Mapping[str, Any]) -> list[Any]:
        """One float32 row for each text."""
        if parameters.get("normalize"):
            outputs = outputs / np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-12)
        return list(outputs)


tasks.register(FeatureExtraction.name)(FeatureExtraction())
