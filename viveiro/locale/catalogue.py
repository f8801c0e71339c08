"""The catalogue of one language, read from its .po file: there is no compiled copy that could be stale or missing."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
DOMAIN: Final = "viveiro"


def po_file(language: str) -> Path:
    """Where gettext's tools look for it: `pt_BR/LC_MESSAGES/viveiro.po`."""
    return FOLDER / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def catalogue(language: str) -> "Catalogue":
    """An empty one for a language that has no file, as English."""
    try:
        lines = po_file(language).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    return Catalogue(lines)


class Catalogue(NullTranslations):
    """What gettext and Jinja call translations. A sentence that it does not hold is answered as it came."""

    def __init__(self, lines: Iterable[str]) -> None:
        super().__init__()
        self._sentences = dict(_entries(lines))

    def gettext(self, message: str) -> str:
        return self._sentences.get(message) or message


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of msgid and msgstr. As in gettext's own compiler, what is marked fuzzy is left out."""
    entry: dict[str, str] = {}
    keyword, is_fuzzy = "", False
    for line in (*lines, ""):
        if line.startswith("#"):
            is_fuzzy = is_fuzzy or (line.startswith("#,") and "fuzzy" in line)
        elif not line:
            if entry.get("msgid") and not is_fuzzy:
                yield entry["msgid"], entry.get("msgstr", "")
            entry, is_fuzzy = {}, False
        else:
            word, _, text = line.partition(' "') if line.startswith("msg") else (keyword, "", line[1:])
            keyword = word
            entry[keyword] = entry.get(keyword, "") + json.loads(f'"{text}')  # its escapes are JSON's
