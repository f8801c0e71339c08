"""Label spaces, and when two texts are the same. Pure."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viveiro.errors import Unprocessable


class TooFewRows(Unprocessable):
    def __init__(self, rows: int, needed: int) -> None:
        super().__init__(
            "There are {rows} usable rows, and at least {needed} are needed. Collect more examples: 20 of each class is a start.",
            rows=rows,
            needed=needed,
        )


class OneClassOnly(Unprocessable):
    def __init__(self, label: str) -> None:
        super().__init__(
            "Every row has the same label, {label!r}: there is nothing to tell apart. "
            "Add rows of another class, or choose the label column with --label-column.",
            label=label[:100],
        )


class UnknownLabel(Unprocessable):
    def __init__(self, label: str) -> None:
        super().__init__(
            "The label {label!r} does not occur in the training split. Add training rows of it, or remove its rows.",
            label=label[:100],
        )


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """Names of the classes in the order of a model's outputs. Fitted on the training split alone."""

    names: tuple[str, ...]

    @classmethod
    def fit(cls, labels: Sequence[str]) -> "LabelSpace":
        names = tuple(sorted(set(labels)))
        if len(names) == 1:
            raise OneClassOnly(names[0])
        return cls(names)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """int64 (len(labels),). Raises UnknownLabel for a label that training never saw."""
        index = {name: number for number, name in enumerate(self.names)}
        for label in labels:
            if label not in index:
                raise UnknownLabel(label)
        return np.array([index[label] for label in labels], dtype=np.int64)


def text_key(text: str) -> str:
    """Equal for texts that differ only in case, spacing and Unicode form: one of them must not vouch for the other."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
