"""Texts as they come in requests and tables: what every task on texts does with them first. Pure."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from viveiro.errors import InvalidInput, TooLarge

LONGEST_TEXT: Final = 100_000
"""In characters. Models read a few hundred words and ignore the rest; this much more is a mistake, and slow to tokenise."""
MOST_TEXTS: Final = 1024

Texts: TypeAlias = (
    Annotated[str, Field(strict=True)]
    | Annotated[list[Annotated[str, Field(strict=True)]], Field(max_length=MOST_TEXTS)]
)
"""`inputs` of a request: one text, or several."""


class EmptyText(InvalidInput):
    def __init__(self, place: str) -> None:
        super().__init__("{place} is empty. Send at least one word.", place=place)


class TextTooLong(TooLarge):
    def __init__(self, place: str, length: int) -> None:
        super().__init__(
            "{place} has {length} characters, and at most {most} are accepted. Send the part that matters, or split it.",
            place=place,
            length=length,
            most=LONGEST_TEXT,
        )


def prepared(texts: Sequence[str]) -> list[str]:
    """One Unicode form and single spaces: nothing that a tokenizer of words would tell apart.

    What lies beyond LONGEST_TEXT is cut before any of that: no model reads so far, and a 10 MB row would cost its size
    several times over.
    """
    return [" ".join(unicodedata.normalize("NFC", text[:LONGEST_TEXT]).split()) for text in texts]


def texts_of(inputs: str | list[str]) -> tuple[list[str], bool]:
    """Prepared texts of a request, and whether it was one bare text. Raises EmptyText, TextTooLong."""
    is_bare = isinstance(inputs, str)
    given = [inputs] if isinstance(inputs, str) else inputs
    if not given:
        raise EmptyText("`inputs`")
    for number, text in enumerate(given):
        if len(text) > LONGEST_TEXT:
            raise TextTooLong(_place(is_bare, number), len(text))
    ready = prepared(given)
    for number, text in enumerate(ready):
        if not text:
            raise EmptyText(_place(is_bare, number))
    return ready, is_bare


def _place(is_bare: bool, number: int) -> str:
    return "`inputs`" if is_bare else f"`inputs[{number}]`"
