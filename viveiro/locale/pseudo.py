"""A language for testers: English with accents, in brackets. What stays plain on a page was never meant for translation.

`en-XA` is the customary tag (Android, ICU). It is chosen by name only, never offered.
"""

import re
from typing import Final

_ACCENTS: Final = str.maketrans("aeiounycAEIOUNYC", "áéíóúñýçÁÉÍÓÚÑÝÇ")
_FIELDS: Final = re.compile(r"(\{[^{}]*\})")


def pseudo(sentence: str) -> str:
    """Its fields stay as they are: they are filled in afterwards."""
    parts = _FIELDS.split(sentence)
    said = "".join(part if at % 2 else part.translate(_ACCENTS) for at, part in enumerate(parts))
    ending = len(said.rstrip())
    return f"⟦{said[:ending]}⟧{said[ending:]}"
