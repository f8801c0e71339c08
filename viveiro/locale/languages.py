"""Which language somebody reads: the sender of a request, or the one at this terminal."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

ENGLISH: Final = "en"
LANGUAGES: Final = {ENGLISH: ENGLISH, "pt": "pt-BR"}
"""By the first part of what a caller asks for: whoever reads pt-PT is nearer to pt-BR than to English."""
PSEUDO: Final = "en-XA"
_VARIABLES: Final = ("VIVEIRO_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

_reader: ContextVar[str | None] = ContextVar("reader", default=None)


def current_language() -> str:
    """Of the request that is being answered; outside of one, of whoever started this process."""
    return _reader.get() or language_of_environment(os.environ)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within it, what is translated is said in this language: in this task or thread, and in no other."""
    before = _reader.set(language)
    try:
        yield
    finally:
        _reader.reset(before)


def language_of_environment(environment: Mapping[str, str]) -> str:
    """As the locale's messages, unless VIVEIRO_LANGUAGE says otherwise: the first variable that is set counts."""
    wanted = next((value for name in _VARIABLES if (value := environment.get(name))), "")
    return offered(wanted) or ENGLISH


def language_of_header(accept_language: str) -> str:
    """The offered language that stands highest in an Accept-Language header. English is for all who ask for neither."""
    ranked = sorted(map(_ranked, accept_language.split(",")), key=lambda pair: -pair[1])
    return next((known for tag, weight in ranked if weight > 0 and (known := offered(tag))), ENGLISH)


def offered(tag: str) -> str | None:
    """`pt_BR.UTF-8`, `pt-br` and `pt` mean one language. None for one that nobody has translated to."""
    if tag.strip() == PSEUDO:
        return PSEUDO
    return LANGUAGES.get(tag.strip().lower().replace("-", "_").partition("_")[0].partition(".")[0])


def _ranked(item: str) -> tuple[str, float]:
    tag, _, parameter = item.partition(";")
    name, _, weight = parameter.partition("=")
    if name.strip() != "q":
        return tag, 1.0
    try:
        return tag, float(weight)
    except ValueError:
        return tag, 0.0
