"""Splits and label spaces. Pure: sequences in, indices out."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
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
class Split:
    """Row numbers. No normalised text occurs in two of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


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


def stratified_split(
    texts: Sequence[str], labels: Sequence[str], *, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> Split:
    """Every class in every split in proportion, as far as its rows go; rows with the same text stay together.

    A class with one distinct text goes to training, where it can do some good. The order of rows in a split is theirs in
    the table, so the same rows in the same order with the same seed split the same way.
    """
    generator = np.random.default_rng(seed)
    groups = _groups_by_class(texts, labels)
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for label in sorted(groups):
        members = list(groups[label].values())
        order = generator.permutation(len(members))
        for_test, for_validation = _shares(len(members), validation, test)
        for place, number in enumerate(order):
            name = "test" if place < for_test else "validation" if place < for_test + for_validation else "train"
            parts[name].extend(members[number])
    return Split(*(np.array(sorted(parts[name]), dtype=np.int64) for name in ("train", "validation", "test")))


def _groups_by_class(texts: Sequence[str], labels: Sequence[str]) -> Mapping[str, Mapping[str, list[int]]]:
    """Rows by class and text. A text with several labels counts for its commonest one, as a whole."""
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(text_key(text), []).append(row)
    groups: dict[str, dict[str, list[int]]] = {}
    for key, members in rows.items():
        votes = Counter(labels[row] for row in members)
        label = min(votes, key=lambda name: (-votes[name], name))
        groups.setdefault(label, {})[key] = members
    return groups


def _shares(count: int, validation: float, test: float) -> tuple[int, int]:
    """How many of a class's texts go to test and to validation; what cannot be shared out goes to training."""
    for_test = min(round(count * test), count - 1)
    for_validation = min(round(count * validation), count - 1 - for_test)
    if test > 0 and for_test == 0 and count >= 3:
        for_test = 1
    return for_test, for_validation
