"""Files and folders as streams of rows, whatever their form: never more of them in memory than one batch."""

from pathlib import Path

from viveiro.datasets.formats import Archive, Csv, FileFormat, JsonArray, JsonLines, TableFormat, sniff
from viveiro.datasets.sources.delimited import open_csv
from viveiro.datasets.sources.folders import Folder, open_class_folders, open_tables, read_folder
from viveiro.datasets.sources.objects import open_json
from viveiro.datasets.sources.parquet import open_parquet
from viveiro.datasets.sources.stream import Batch, Source

__all__ = ["Batch", "Source", "open_form", "open_source"]


def open_source(path: Path, name: str, work: Path | None = None) -> Source:
    """Sniff what arrived and prepare to read it. `name` is the one its owner knows it by.

    Args:
        work: scratch folder; the tables in a folder are unpacked into it.

    Raises:
        UnreadableFile: now, or from `batches` when a later part of the file cannot be read.
    """
    return open_form(path, name, sniff(path, name), work)


def open_form(path: Path, name: str, form: FileFormat, work: Path | None, most_bytes: int | None = None) -> Source:
    """The same, where it is known what arrived.

    Args:
        most_bytes: a form that has to be read before its rows are (JSON) is read no further.
    """
    if not isinstance(form, Archive):
        return _open_table(path, name, form, most_bytes)
    assert work is not None
    folder: Folder = read_folder(path, name)
    return open_class_folders(folder) if folder.texts else open_tables(folder, work, _open_named_table)


def _open_table(path: Path, name: str, form: TableFormat, most_bytes: int | None = None) -> Source:
    match form:
        case Csv():
            return open_csv(path, name, form)
        case JsonLines() | JsonArray():
            return open_json(path, name, form, most_bytes)
        case _:
            return open_parquet(path, name)


def _open_named_table(path: Path, name: str) -> Source:
    form = sniff(path, name)
    if isinstance(form, Archive):
        return open_parquet(path, name)  # says that it is none: folders do not nest
    return _open_table(path, name, form)
