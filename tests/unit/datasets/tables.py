"""Small tables for the tests of this folder."""

from pathlib import Path

from viveiro.datasets.importing import ImportReport, import_table
from viveiro.datasets.types import ImportOptions

WORDS = ("pump", "valve", "belt", "spindle", "panel", "filter", "sensor", "hose", "bearing", "motor")


def rows(count: int = 30, classes: int = 2) -> list[tuple[str, str]]:
    """Different texts; classes take turns."""
    return [
        (f"the {WORDS[number % 10]} number {number} makes a noise", f"class-{number % classes}")
        for number in range(count)
    ]


def csv_text(rows: list[tuple[str, str]], *, delimiter: str = ",", header: str = "text{}label") -> str:
    lines = [header.format(delimiter), *(f"{text}{delimiter}{label}" for text, label in rows)]
    return "\n".join(lines) + "\n"


def import_bytes(
    content: bytes,
    tmp_path: Path,
    *,
    name: str = "table.csv",
    text: str | None = None,
    label: str | None = None,
    separator: str | None = None,
    seed: int = 0,
    unlabelled: bool = False,
) -> tuple[ImportReport, Path]:
    """What becomes of a file with this content: the report, and the folder."""
    file, work, folder = tmp_path / "incoming", tmp_path / "work", tmp_path / "dataset"
    file.write_bytes(content)
    work.mkdir()
    folder.mkdir()
    options = ImportOptions(name, text, label, separator, unlabelled, seed)
    return import_table(file, options, work, folder, lambda _fields: None), folder
