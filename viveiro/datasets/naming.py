"""What a dataset is called that is made of a file."""

import re
import unicodedata
from pathlib import Path, PurePath
from typing import Final

LONGEST_NAME: Final = 60
TELLING_NOTHING: Final = ("data", "dataset", "dados", "table", "train", "validation", "test")
"""Names of files that say nothing of what is in them."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")


def name_of_file(file_name: str) -> str:
    """A repo's name that looks like the file's: `Chamados 2025 (v2).csv` is chamados-2025-v2."""
    stem = PurePath(file_name).name.partition(".")[0]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_NAMES.sub("-", plain)[:LONGEST_NAME].strip("-") or "dataset"


def name_of_path(path: Path) -> str:
    """As `name_of_file`, after its folder where it has one of many files' name: `sms_spam/train.csv` is sms-spam-train."""
    path = path.resolve()
    name = name_of_file(path.name)
    return name_of_file(f"{path.parent.name} {name}") if name in TELLING_NOTHING and path.parent.name else name
