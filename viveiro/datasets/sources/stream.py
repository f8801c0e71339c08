"""What every form of file is read as."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from viveiro.datasets.encodings import Encoding
from viveiro.datasets.types import Dropped, Finding

BLOCK_BYTES: Final = 16 * 2**20
"""A row longer than this is taken for an unclosed quote or a file without line ends."""
BATCH_ROWS: Final = 8192
BATCH_BYTES: Final = 16 * 2**20
TRAIN: Final = 0

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Place = tuple[str, int]
"""A file of a folder ("" where there is one file only), and the row in it, counted from 1."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`numbers` identify the rows for `Source.place`. `split` is a position in SPLITS, where the file itself says it."""

    numbers: Numbers
    rows: pa.RecordBatch
    split: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A table still in its file.

    `batches` fills `dropped` with the rows that could not be read at all. `textual` says that everything is a string
    only because the format knows nothing else, so types are to be guessed.
    """

    schema: pa.Schema
    textual: bool
    batches: Callable[[], Iterator[Batch]]
    dropped: Dropped = field(default_factory=Dropped)
    encoding: Encoding | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    """New names of columns that had none of their own, and what the header says."""
    size: int = 0
    """Bytes."""
    position: Callable[[], int] = lambda: 0
    """Bytes read so far."""
    findings: Callable[[], list[Finding]] = list
    """About how the file is written, as far as it has been read."""
    place: Callable[[int], Place] = lambda number: ("", number)
    ignored: tuple[str, ...] = ()
    """Files of a folder that hold no rows."""
    roles: dict[str, str] = field(default_factory=dict)
    """Columns by role, where the form itself decides them."""
