"""What the names of files and folders say: which split, which label. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

SPLIT_WORDS: Final = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""How `datasets` reads file and folder names."""
TEXT_SUFFIXES: Final = (".txt", ".text", ".md")
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet")
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextPlace:
    """A text file of a class folder. `split` is None where no folder names one."""

    split: str | None
    label: str


def split_of(path: str) -> str:
    """The split that a file belongs to by its name or its folder's; train when they say nothing."""
    return named_split(path) or "train"


def named_split(path: str) -> str | None:
    file = PurePosixPath(path)
    for part in (file.stem, *reversed(file.parts[:-1])):
        for word in part.lower().replace("_", "-").replace(".", "-").split("-"):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return None


def is_text(parts: Parts) -> bool:
    return not _is_hidden(parts) and parts[-1].lower().endswith(TEXT_SUFFIXES)


def is_table(parts: Parts) -> bool:
    return not _is_hidden(parts) and parts[-1].lower().endswith(TABLE_SUFFIXES)


def class_folders(texts: Sequence[Parts]) -> list[TextPlace | None]:
    """For each text file, where it belongs: `label/file`, `split/label/file`, both also below one common folder.

    None for a file that belongs nowhere. As soon as one file lies in `split/label/`, the others must.
    """
    trimmed = list(_below_common_folder(texts))
    with_splits = [_in_split(parts) for parts in trimmed]
    if any(place is not None for place in with_splits):
        return list(with_splits)
    places = [TextPlace(None, parts[0]) if len(parts) > 1 else None for parts in trimmed]
    labels = {place.label.lower() for place in places if place is not None}
    return [None] * len(places) if labels <= SPLIT_WORDS.keys() else list(places)


def table_splits(paths: Sequence[str]) -> list[str | None]:
    """For each table, its split; None for all of them unless there is training data and something to judge by."""
    named = [named_split(path) for path in paths]
    found = {split or "train" for split in named}
    if "train" not in found or len(found) < 2:
        return [None] * len(paths)
    return [split or "train" for split in named]


def _in_split(parts: Parts) -> TextPlace | None:
    split = SPLIT_WORDS.get(parts[0].lower())
    return TextPlace(split, parts[1]) if split is not None and len(parts) > 2 else None


def _below_common_folder(paths: Sequence[Parts]) -> Iterator[Parts]:
    depth = 0
    while _is_common(paths, depth):
        depth += 1
    return (path[min(depth, len(path) - 1) :] for path in paths)


def _is_common(paths: Sequence[Parts], depth: int) -> bool:
    """Whether one folder holds all folders of that depth. A file beside them, or in it beside several, is a README."""
    inside = [path for path in paths if len(path) > depth + 1]
    folders = {path[depth] for path in inside}
    if len(folders) != 1 or folders.pop().lower() in SPLIT_WORDS:
        return False
    below = [path for path in inside if len(path) > depth + 2]
    return below == inside or len({path[depth + 1] for path in below}) > 1


def _is_hidden(parts: Parts) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in parts)
