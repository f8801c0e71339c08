"""Label spaces, and when two texts are the same. Pure."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


class MissingValues(Unprocessable):
    def __init__(self, role: str, rows: Sequence[int]) -> None:
        super().__init__(
            "{count} rows have no usable {role}, the first of them row {first}. Fill them in or remove them, then start again.",
            count=len(rows),
            role=role,
            first=rows[0] + 1,
        )


class MixedLabels(Unprocessable):
    def __init__(self) -> None:
        super().__init__(
            "Some rows hold one label and others a list of labels. Write every label as a list for several labels per "
            "text, or every one as a single value."
        )


class NoLabels(Unprocessable):
    def __init__(self) -> None:
        super().__init__(
            "No row has any label: there is nothing to learn. Choose the label column with --label-column."
        )


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """Names of the classes in the order of a model's outputs. Fitted on the training split alone.

    `many` means that a text has any number of labels, written as a list, instead of exactly one.
    """

    names: tuple[str, ...]
    many: bool = False

    @classmethod
    def fit(cls, labels: Sequence[Any]) -> "LabelSpace":
        """Raises MissingValues, MixedLabels, NoLabels, OneClassOnly."""
        many = holds_lists(labels)
        _check_filled(labels)
        names = tuple(sorted({name for row in labels for name in row} if many else set(labels)))
        if not names:
            raise NoLabels
        if len(names) == 1 and not (many and any(not row for row in labels)):
            raise OneClassOnly(names[0])
        return cls(names, many)

    def encode(self, labels: Sequence[Any]) -> np.ndarray:
        """int64 (rows,), or bool (rows, classes) where rows hold lists. Raises UnknownLabel for what training never saw."""
        many = holds_lists(labels) or (self.many and not len(labels))
        _check_filled(labels)
        index = {name: number for number, name in enumerate(self.names)}
        for label in (name for row in labels for name in row) if many else labels:
            if label not in index:
                raise UnknownLabel(label)
        if not many:
            return np.array([index[label] for label in labels], dtype=np.int64)
        truth = np.zeros((len(labels), len(self.names)), bool)
        for number, row in enumerate(labels):
            truth[number, [index[name] for name in row]] = True
        return truth


def holds_lists(labels: Sequence[Any]) -> bool:
    """Whether each row holds a list of labels instead of one. Raises MixedLabels."""
    lists = sum(isinstance(label, list | tuple) for label in labels)
    if lists and any(isinstance(label, str) for label in labels):
        raise MixedLabels
    return lists > 0


def _check_filled(labels: Sequence[Any]) -> None:
    """Raises MissingValues: None, NaN and other things that name nothing are no labels."""
    missing = [number for number, label in enumerate(labels) if not _names_something(label)]
    if missing:
        raise MissingValues("label", missing)


def _names_something(label: Any) -> bool:
    if isinstance(label, list | tuple):
        return all(isinstance(name, str) and name for name in label)
    return isinstance(label, str) and bool(label)


def check_texts(texts: Sequence[Any]) -> None:
    """Raises MissingValues where a text is absent, blank or no text at all."""
    missing = [number for number, text in enumerate(texts) if not (isinstance(text, str) and text.strip())]
    if missing:
        raise MissingValues("text", missing)


def text_key(text: str) -> str:
    """Equal for texts that differ only in case, spacing and Unicode form: one of them must not vouch for the other."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
