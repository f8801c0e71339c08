"""Sentences that can still be said in another language after they were made."""

from collections.abc import Callable, Mapping
from typing import Any, Self

Translate = Callable[[str], str]
"""From an English template to the reader's; the same one where there is none."""


class Sentence(str):
    """An English text that remembers its template and fields.

    Logs, JSON and comparisons take it for the text it is. A field may be a sentence or an error too, or a list of them; a
    template without fields is taken as it stands, braces included.
    """

    template: str
    fields: dict[str, object]

    def __new__(cls, template: str, /, **fields: object) -> Self:
        sentence = super().__new__(cls, _filled(template, fields, _unchanged))
        sentence.template, sentence.fields = template, fields
        return sentence

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.template,), self.fields

    def translated(self, translate: Translate) -> str:
        return _filled(translate(self.template), self.fields, translate)


def stored(value: object) -> Any:
    """As JSON keeps it. A sentence keeps its template and fields; what is no JSON becomes its text."""
    value = getattr(value, "sentence", value)
    if isinstance(value, Sentence):
        return {"template": value.template, "fields": {name: stored(item) for name, item in value.fields.items()}}
    if isinstance(value, list):
        return [stored(item) for item in value]
    if hasattr(value, "item"):  # a number of numpy's: formats such as {rate:.1f} need one
        return value.item()
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def restored(value: Any) -> Any:
    """The inverse of `stored`."""
    if isinstance(value, dict):
        return Sentence(value["template"], **{name: restored(item) for name, item in value["fields"].items()})
    if isinstance(value, list):
        return [restored(item) for item in value]
    return value


def _unchanged(template: str) -> str:
    return template


def _filled(template: str, fields: Mapping[str, object], translate: Translate) -> str:
    if not fields:
        return template
    return template.format(**{name: _said(value, translate) for name, value in fields.items()})


def _said(value: object, translate: Translate) -> object:
    value = getattr(value, "sentence", value)  # an error, quoted in another one
    if isinstance(value, Sentence):
        return value.translated(translate)
    if isinstance(value, list):
        return "; ".join(str(_said(item, translate)) for item in value)
    return value
