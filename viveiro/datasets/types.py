"""What a table of examples is made of, as values. No I/O."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

SPLITS: Final = ("train", "validation", "test")
FRACTIONS: Final = (0.7, 0.1, 0.2)
"""What share of the rows each split gets."""
MAX_CLASSES: Final = 1000
"""A column with more distinct values than this is not a label."""


class ColumnRole(StrEnum):
    """What a column is for, as far as its name and values tell."""

    TEXT = "text"
    LABEL = "label"
    IDENTIFIER = "identifier"
    DATE = "date"
    NUMBER = "number"
    OTHER = "other"


class ColumnType(StrEnum):
    """What every filled value of a column can be read as."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class DropReason(StrEnum):
    """Why a row of the file is not in the dataset."""

    MALFORMED = "malformed"
    EMPTY_TEXT = "empty_text"
    EMPTY_LABEL = "empty_label"
    TOO_LONG = "too_long"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """`row` counts the rows of data from 1, blank lines aside: the header is row 0."""

    row: int
    reason: DropReason
    detail: str = ""


@dataclass
class Dropped:
    """Every dropped row counted, and the first few kept as examples."""

    counts: Counter[DropReason] = field(default_factory=Counter)
    examples: list[DroppedRow] = field(default_factory=list)
    examples_per_reason: int = 20

    def add(self, row: int, reason: DropReason, detail: str = "") -> None:
        self.counts[reason] += 1
        if self.counts[reason] <= self.examples_per_reason:
            self.examples.append(DroppedRow(row, reason, detail[:200]))

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": {str(reason): count for reason, count in sorted(self.counts.items())},
            "examples": [asdict(row) for row in sorted(self.examples, key=lambda row: row.row)],
        }


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is known of a column after reading it once.

    `distinct` stops counting at MAX_CLASSES + 1; `distinct_share` is its share of the filled values seen until then.
    """

    name: str
    type: ColumnType
    rows: int
    filled: int
    distinct: int
    distinct_share: float
    mean_length: float
    """In characters, over the filled values."""
    longest: int
    dates: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns hold texts, the first being the one to learn from, and which the label."""

    texts: tuple[str, ...]
    label: str | None

    def of(self, profile: ColumnProfile) -> ColumnRole:
        if profile.name == self.label:
            return ColumnRole.LABEL
        if profile.name in self.texts:
            return ColumnRole.TEXT
        if profile.dates:
            return ColumnRole.DATE
        if profile.type in (ColumnType.INTEGER, ColumnType.NUMBER):
            return ColumnRole.IDENTIFIER if profile.name.lower().endswith("id") else ColumnRole.NUMBER
        return ColumnRole.IDENTIFIER if profile.filled and profile.distinct_share == 1 else ColumnRole.OTHER


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the data that its owner should know. An `error` makes it useless for its task."""

    severity: Literal["error", "warning", "info"]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `viveiro datasets check` says."""

    dataset: str
    revision: str
    rows: dict[str, int]
    columns: list[dict[str, Any]]
    """Of each: name, type, empty values."""
    text_column: str | None
    label_column: str | None
    classes: dict[str, dict[str, int]]
    """Rows of each class in each split, the commonest class first."""
    text_lengths: dict[str, float]
    """Characters: mean, median, longest."""
    duplicates: int
    """Rows whose text and label an earlier row has."""
    contradictions: int
    """Rows whose text an earlier row has with another label."""
    shared_across_splits: int
    """Rows of validation and test whose text is also in an earlier split: a score on them flatters."""
    dropped: dict[str, Any]
    """What the import left out and why; empty for a dataset that was not imported here."""
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
