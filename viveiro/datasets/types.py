"""What a table of examples is made of, as values. No I/O, and nothing imported that weighs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, Self, TypeAlias

from viveiro.locale import Sentence, restored, stored

SPLITS: Final = ("train", "validation", "test")
FRACTIONS: Final = (0.7, 0.1, 0.2)
"""What share of the rows each split gets."""
MAX_CLASSES: Final = 1000
"""A column with more distinct values than this is not a label."""
REPORT_FILE: Final = "viveiro_import.json"
"""What an import leaves in its repo about itself."""
LARGEST_REPORT: Final = 8 * 2**20
"""Of a longer file only so much is read, and what is cut is no JSON."""
FEWEST_ROWS_PER_CLASS: Final = 3
"""One each for training, validation and test."""

Severity: TypeAlias = Literal["error", "warning", "info"]
Progress: TypeAlias = Callable[[Mapping[str, Any]], None]
Table: TypeAlias = dict[str, list[Any]]
"""Columns by role, as a task wants them. A label is a string; where rows have several, a list of strings."""


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
    LIST = "list"
    """Of strings: several labels, or anything else that a row has several of."""


class ColumnKind(StrEnum):
    """What a column of a dataset looks like to people, however it is stored."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    CLASS_LABEL = "class_label"
    CLASS_LABELS = "class_labels"
    """Several of them a row."""
    LIST = "list"
    BINARY = "binary"
    OBJECT = "object"

    @property
    def sentence(self) -> Sentence:
        return _KINDS[self]


_KINDS: Final = {
    ColumnKind.TEXT: Sentence("text"),
    ColumnKind.INTEGER: Sentence("whole number"),
    ColumnKind.NUMBER: Sentence("number"),
    ColumnKind.BOOLEAN: Sentence("yes or no"),
    ColumnKind.DATE: Sentence("date"),
    ColumnKind.CLASS_LABEL: Sentence("class label"),
    ColumnKind.CLASS_LABELS: Sentence("class labels"),
    ColumnKind.LIST: Sentence("list"),
    ColumnKind.BINARY: Sentence("binary"),
    ColumnKind.OBJECT: Sentence("object"),
}


class DropReason(StrEnum):
    """Why a row of the file is not in the dataset."""

    MALFORMED = "malformed"
    EMPTY_TEXT = "empty_text"
    EMPTY_LABEL = "empty_label"
    TOO_LONG = "too_long"
    DUPLICATE = "duplicate"
    IN_ANOTHER_SPLIT = "in_another_split"
    """The file has splits of its own, and the row's text is also in one that is kept for judging."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the owner said about a file. None: guess."""

    file_name: str
    text_column: str | None = None
    label_column: str | None = None
    label_separator: str | None = None
    """Stands between the labels of a row that has several."""
    unlabelled: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LabelledRows:
    train: Table
    validation: Table
    test: Table
    left_out: int
    """Rows without text or label."""
    findings: "tuple[Finding, ...]" = ()
    """Of how these rows came about."""

    @property
    def known(self) -> Table:
        """All that the model may have learnt from: what its baselines may learn from too."""
        return {role: [*self.train[role], *self.validation[role]] for role in self.train}

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(getattr(self, split)["text"]) for split in SPLITS}


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """`row` counts the rows of data from 1, blank lines aside: the header is row 0. `file` is set where there are several."""

    row: int
    reason: DropReason
    detail: str = ""
    file: str = ""


@dataclass
class Dropped:
    """Every dropped row counted, and the first few kept as examples."""

    counts: Counter[DropReason] = field(default_factory=Counter)
    examples: list[DroppedRow] = field(default_factory=list)
    examples_per_reason: int = 20

    def add(self, row: int, reason: DropReason, detail: str = "", file: str = "") -> None:
        self.counts[reason] += 1
        if self.counts[reason] <= self.examples_per_reason:
            self.examples.append(DroppedRow(row, reason, detail[:200], file))

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": {str(reason): count for reason, count in sorted(self.counts.items())},
            "examples": [asdict(row) for row in sorted(self.examples, key=lambda row: (row.file, row.row))],
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
    separator: str | None = None
    """What evidently stands between several labels in one cell."""


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


@dataclass(frozen=True, slots=True, init=False)
class Finding:
    """Something in the data that its owner should know, and what to do about it. An `error` makes it useless for its task."""

    severity: Severity
    code: str
    sentence: Sentence

    def __init__(self, severity: Severity, code: str, template: str, /, **fields: object) -> None:
        object.__setattr__(self, "severity", severity)
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "sentence", Sentence(template, **fields))

    def to_json(self) -> dict[str, Any]:
        """`message` is in English; a reader of another language has template and fields."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": str(self.sentence),
            **stored(self.sentence),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        fields = {name: restored(value) for name, value in data["fields"].items()}
        return cls(data["severity"], data["code"], data["template"], **fields)


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Rows whose text is almost that of an earlier row."""

    threshold: float
    """Jaccard similarity of their character 5-grams, as MinHash estimates it, from which two texts count."""
    compared: int
    distinct: int
    """Distinct texts of the dataset: more than were `compared` where a sample had to do."""
    rows: int = 0
    across_splits: int = 0
    """Of these, the ones that stand in a later split than their near twin."""
    examples: Sequence[Mapping[str, Any]] = ()
    """Each: similarity, and of both rows their split, row and text."""


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """How long texts are in the tokens of the model that would read them."""

    base: str
    limit: int
    """Tokens that the model reads: the rest of a text is cut off."""
    counted: int
    mean: float
    median: float
    p95: float
    longest: int
    over: int
    """Texts of the counted ones that are longer than the limit."""
    histogram: Sequence[Mapping[str, int]]
    """Each: texts of at most `up_to` tokens, and more than the one before."""


@dataclass(frozen=True, slots=True)
class RunRows:
    """What a run would make of the rows."""

    counts: dict[str, int]
    """Rows to learn from, choose by and test on."""
    trained: int
    """Classes among the rows to learn from."""
    taken: Sequence[str] = ()
    """Splits that are there, but have no row with text and label: their rows come from the training split."""
    untrained: Sequence[str] = ()
    """Classes of the other splits that no training row has."""
    untrained_rows: int = 0
    """Rows that are left out for their sake."""


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
    multi_label: bool
    classes: dict[str, dict[str, int]]
    """Rows of each class in each split, the commonest class first."""
    run: RunRows | None
    """None where text or label is missing."""
    text_lengths: dict[str, float]
    """Characters: mean, median, longest."""
    token_lengths: TokenLengths | None
    duplicates: int
    """Rows whose text and label an earlier row has."""
    contradictions: int
    """Rows whose text an earlier row has with another label."""
    shared_across_splits: int
    """Rows of validation and test whose text is also in an earlier split: a score on them flatters."""
    near_duplicates: NearDuplicates | None
    examples: dict[str, list[dict[str, Any]]]
    """Some rows of each kind of trouble (empty, duplicates, contradictions, leak): split and row, counted from 1."""
    dropped: dict[str, Any]
    """What the import left out and why; empty for a dataset that was not imported here."""
    encoding: dict[str, Any]
    """Of the imported file: its name, and how many characters could not be read in it."""
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "findings": [finding.to_json() for finding in self.findings]}


# What pages show ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownColumn:
    name: str
    kind: ColumnKind
    storage: str
    """Arrow's name for its type, such as int64."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value, as JSON has it. A class label is its name; dates are texts, and so is an object (as JSON)."""

    value: bool | int | float | str | list[str] | None
    is_cut: bool = False
    """Whether `value` is only the beginning."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Some rows of one split."""

    dataset: str
    revision: str
    """The commit."""
    splits: dict[str, int]
    """Rows of each split."""
    split: str
    offset: int
    columns: tuple[ShownColumn, ...]
    hidden_columns: int
    """Columns beyond those that are shown."""
    rows: tuple[tuple[Cell, ...], ...]
    """In the order of `columns`. Empty past the end."""

    @property
    def total(self) -> int:
        return self.splits[self.split]


@dataclass(frozen=True, slots=True)
class Bin:
    """Values from `start` up to `end`, which only the last bin includes."""

    start: float
    end: float
    rows: int


@dataclass(frozen=True, slots=True)
class Distribution:
    least: float
    most: float
    mean: float
    median: float
    bins: tuple[Bin, ...]
    """Of one width. A single one where all values are equal."""


@dataclass(frozen=True, slots=True)
class ValueCount:
    value: str
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What the head of a column says. What does not apply to its kind is None, or empty."""

    name: str
    kind: ColumnKind
    empty: int | None = None
    """Rows without a value; of a text, also blank ones."""
    distinct: int | None = None
    """Different values. None where there are more than MAX_CLASSES."""
    values: tuple[ValueCount, ...] = ()
    """The commonest ones, where values repeat."""
    other: int = 0
    """Rows with any other value (occurrences, where a row has several)."""
    lengths: Distribution | None = None
    """Of texts, in characters; of lists, in items."""
    numbers: Distribution | None = None
    earliest: str | None = None
    latest: str | None = None


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    split: str
    rows: int
    counted: int
    """The first so many rows of the split were looked at."""
    columns: tuple[ColumnStatistics, ...]

    @property
    def sampled(self) -> bool:
        return self.counted < self.rows


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits to be imported."""

    upload_id: str
    owner_id: int
    file_name: str
    """As its owner calls it."""
    size: int


@dataclass(frozen=True, slots=True)
class InspectedColumn:
    name: str
    type: ColumnType
    role: ColumnRole
    empty_share: float
    distinct: int
    """Stops counting at MAX_CLASSES + 1."""
    examples: tuple[str, ...]
    """The first different values, cut where they are long."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an uploaded file looks like, and what an import with the same options would make of it."""

    file_name: str
    format: str
    """csv, json_lines, json, parquet or folder."""
    delimiter: str | None
    encoding: str | None
    rows: int
    is_estimate: bool
    """Whether `rows` is one: the file was not read to its end."""
    counted: int
    """All else is about this many rows at its beginning."""
    columns: tuple[InspectedColumn, ...]
    preview: tuple[tuple[Cell, ...], ...]
    text_column: str | None
    label_column: str | None
    separator: str | None
    """Between the labels of a row that has several."""
    multi_label: bool
    class_count: int
    classes: tuple[ValueCount, ...]
    """The commonest ones."""
    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        """Whether a classifier can be trained on it, as far as this tells."""
        return not any(finding.severity == "error" for finding in self.findings)
