"""A folder, sent as a tar: class folders of text files, or table files.

Nothing is unpacked under a name that a stranger chose. Texts are read where they lie in the archive, tables are copied out
under numbers. The archive is not compressed, so it holds no more than was sent.
"""

import tarfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
import pyarrow as pa

from viveiro.datasets.encodings import guess_encoding, marked_encoding
from viveiro.datasets.layouts import Parts, class_folders, is_table, is_text, table_splits
from viveiro.datasets.sources.stream import BATCH_BYTES, BATCH_ROWS, TRAIN, Batch, Numbers, Place, Source
from viveiro.datasets.types import SPLITS, Dropped, DropReason
from viveiro.errors import UnreadableFile
from viveiro.hub.paths import check_path

MOST_FILES: Final = 500_000
LONGEST_HEADER: Final = 2**20
"""Bytes of one header of the archive: a longer one would have to be held in memory."""
LONGEST_FILE: Final = 4 * 2**20
"""Bytes of a text file: more characters than a text may have, whatever the encoding."""
COPY_BYTES: Final = 2**20
TEXT, LABEL = "text", "label"


@dataclass(frozen=True, slots=True)
class Member:
    path: str
    start: int
    size: int
    split: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """What an archive holds that rows can be read from."""

    archive: Path
    name: str
    texts: tuple[Member, ...]
    tables: tuple[Member, ...]
    ignored: tuple[str, ...]


def read_folder(archive: Path, name: str) -> Folder:
    """List the files. Class folders win over tables that lie beside them.

    Raises:
        InvalidPath: a file's path leads out of the folder.
        UnreadableFile: it is no tar, holds something that is no plain file, too many files, or nothing to read.
    """
    members = list(_members(archive, name))
    texts = [member for member in members if is_text(_parts(member))]
    places = class_folders([_parts(member) for member in texts])
    placed = [
        Member(member.path, member.start, member.size, place.split, place.label)
        for member, place in zip(texts, places, strict=True)
        if place is not None
    ]
    tables = [] if placed else [member for member in members if is_table(_parts(member))]
    if not placed and not tables:
        raise UnreadableFile(
            "{name} holds neither class folders (label/text.txt, or train/label/text.txt) nor tables (train.csv, "
            "test.csv, also JSON Lines and Parquet). Arrange it so, then import it again.",
            name=name,
        )
    used = {member.path for member in (*placed, *tables)}
    ignored = tuple(member.path for member in members if member.path not in used)
    return Folder(archive, name, tuple(sorted(placed, key=_split_order)), tuple(tables), ignored)


def open_class_folders(folder: Folder) -> Source:
    """One row for each file: its text, and the folder as the label."""
    reader = _TextReader(folder)
    return Source(
        schema=pa.schema([(TEXT, pa.string()), (LABEL, pa.string())]),
        textual=True,
        batches=reader.batches,
        dropped=reader.dropped,
        size=sum(member.size for member in folder.texts),
        position=lambda: reader.position,
        place=lambda number: (folder.texts[number - 1].path, 1),
        ignored=folder.ignored,
        roles={TEXT: TEXT, LABEL: LABEL},
    )


def open_tables(folder: Folder, work: Path, open_table: Callable[[Path, str], Source]) -> Source:
    """The rows of all tables, one after the other. They must have the same columns."""
    reader = _TablesReader(folder, work, open_table)
    sources = reader.sources
    return Source(
        schema=reader.schema,
        textual=all(source.textual for source in sources),
        batches=reader.batches,
        dropped=reader.dropped,
        encoding=next((source.encoding for source in sources if source.encoding), None),
        renamed={new: old for source in sources for new, old in source.renamed.items()},
        size=sum(source.size for source in sources),
        position=lambda: sum(source.position() for source in sources),
        findings=lambda: [finding for source in sources for finding in source.findings()],
        place=reader.place,
        ignored=folder.ignored,
    )


class _TextReader:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.dropped = Dropped()
        self.position = 0

    def batches(self) -> Iterator[Batch]:
        with self._folder.archive.open("rb") as archive:
            for split, first, members in _batches_of(self._folder.texts):
                numbers, texts, labels = [], [], []
                for number, member in enumerate(members, start=first + 1):
                    if member.size > LONGEST_FILE:
                        self.dropped.add(1, DropReason.TOO_LONG, file=member.path)
                        continue
                    numbers.append(number)
                    texts.append(_text(archive, member))
                    labels.append(member.label)
                self.position += sum(member.size for member in members)
                rows = pa.record_batch([pa.array(texts, pa.string()), pa.array(labels, pa.string())], [TEXT, LABEL])
                yield Batch(np.array(numbers, dtype=np.int64), rows, split)


class _TablesReader:
    """The tables, copied out of the archive. Columns that are not of one type in all of them become text."""

    def __init__(self, folder: Folder, work: Path, open_table: Callable[[Path, str], Source]) -> None:
        self._names = [member.path for member in folder.tables]
        self._splits = table_splits(self._names)
        self.sources = [
            open_table(_copy(folder.archive, member, work / f"table-{position}"), member.path)
            for position, member in enumerate(folder.tables)
        ]
        self.dropped = Dropped()
        self._starts: list[int] = []
        self.schema = self._common_schema()

    def batches(self) -> Iterator[Batch]:
        start = 0
        for name, split, source in zip(self._names, self._splits, self.sources, strict=True):
            self._starts.append(start)
            for batch in source.batches():
                rows = pa.record_batch([self._column(batch.rows, field) for field in self.schema], schema=self.schema)
                numbers: Numbers = batch.numbers + self._starts[-1]
                start = max(start, int(numbers.max(initial=start)))
                yield Batch(numbers, rows, None if split is None else SPLITS.index(split))
            self._take_over(source.dropped, name)
            start += source.dropped.counts[DropReason.MALFORMED]

    def place(self, number: int) -> Place:
        position = bisect_right(self._starts, number - 1) - 1
        return self._names[position], number - self._starts[position]

    def _take_over(self, dropped: Dropped, name: str) -> None:
        for row in dropped.examples:
            self.dropped.add(row.row, row.reason, row.detail, name)
        for reason, count in dropped.counts.items():
            self.dropped.counts[reason] += count - sum(row.reason is reason for row in dropped.examples)

    def _common_schema(self) -> pa.Schema:
        first = self.sources[0].schema
        for name, source in zip(self._names, self.sources, strict=True):
            if set(source.schema.names) != set(first.names):
                raise UnreadableFile(
                    "{name} has other columns than {first}: {columns}, not {wanted}. Give all tables of a folder the same "
                    "columns, or leave this one out.",
                    name=name,
                    first=self._names[0],
                    columns=", ".join(source.schema.names)[:500],
                    wanted=", ".join(first.names)[:500],
                )
        return pa.schema([(field.name, self._common_type(field)) for field in first])

    def _common_type(self, field: pa.Field) -> pa.DataType:
        kinds = {source.schema.field(field.name).type for source in self.sources}
        if len(kinds) > 1 and any(map(pa.types.is_list, kinds)):
            raise UnreadableFile(
                "Column {column!r} holds lists in some tables and single values in others. Write it in one way.",
                column=field.name,
            )
        return field.type if len(kinds) == 1 else pa.string()

    def _column(self, rows: pa.RecordBatch, field: pa.Field) -> pa.Array:
        return rows.column(field.name).cast(field.type)


class _BoundedFile:
    """What `tarfile` reads headers through. A header longer than any of ours is an attack on the memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > LONGEST_HEADER:
            raise tarfile.ReadError("a header is too long")
        return self._file.read(size)


def _members(archive: Path, name: str) -> Iterator[Member]:
    count = 0
    with archive.open("rb") as file:
        try:
            with tarfile.open(fileobj=cast(BinaryIO, _BoundedFile(file)), mode="r:") as tar:
                while (entry := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # else every header stays in memory
                    count += 1
                    _check_entry(entry, count, name)
                    if entry.isreg():
                        yield Member(check_path(entry.name.removeprefix("./")), entry.offset_data, entry.size)
        except (tarfile.TarError, UnicodeError, ValueError) as error:
            raise UnreadableFile("{name} is a damaged tar archive: {why}.", name=name, why=str(error)) from error


def _check_entry(entry: tarfile.TarInfo, count: int, name: str) -> None:
    if count > MOST_FILES:
        raise UnreadableFile(
            "{name} holds more than {most} files. Put the texts into one table: a CSV or JSON Lines file.",
            name=name,
            most=MOST_FILES,
        )
    if not (entry.isreg() or entry.isdir()) or entry.issparse():
        raise UnreadableFile(
            "{path} in {name} is a link or a device, not a plain file. Leave it out.", path=entry.name[:300], name=name
        )


def _batches_of(members: Sequence[Member]) -> Iterator[tuple[int | None, int, Sequence[Member]]]:
    """Runs of files of one split, as many as fit into a batch: the split's position, the first one's index, the files."""
    first, size = 0, 0
    for index, member in enumerate(members):
        is_full = index - first == BATCH_ROWS or size + member.size > BATCH_BYTES
        if index > first and (is_full or member.split != members[first].split):
            yield _position(members[first].split), first, members[first:index]
            first, size = index, 0
        size += min(member.size, LONGEST_FILE)
    yield _position(members[first].split), first, members[first:]


def _position(split: str | None) -> int | None:
    return None if split is None else SPLITS.index(split)


def _text(archive: BinaryIO, member: Member) -> str:
    archive.seek(member.start)
    content = archive.read(member.size)
    encoding = marked_encoding(content) or guess_encoding([content]).name
    return content.decode(encoding, "replace").removeprefix("\ufeff").replace("\0", "\ufffd")


def _copy(archive: Path, member: Member, target: Path) -> Path:
    with archive.open("rb") as source, target.open("wb") as file:
        source.seek(member.start)
        left = member.size
        while left and (chunk := source.read(min(left, COPY_BYTES))):
            file.write(chunk)
            left -= len(chunk)
    return target


def _parts(member: Member) -> Parts:
    return tuple(member.path.split("/"))


def _split_order(member: Member) -> tuple[int, str]:
    return (TRAIN if member.split is None else SPLITS.index(member.split)), member.path
