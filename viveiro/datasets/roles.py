"""Which column is the text and which the label. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from viveiro.datasets.types import MAX_CLASSES, ColumnProfile, ColumnType, Roles
from viveiro.errors import OneColumnTwice, UnknownColumn, UnusableData

_LABEL_NAMES: Final = [
    *(
        "label",
        "labels",
        "category",
        "categories",
        "class",
        "classes",
        "tags",
        "tag",
        "genre",
        "genres",
        "target",
        "intent",
        "sentiment",
        "topic",
        "type",
        "y",
    ),
    *(
        "rotulo",
        "rótulo",
        "rotulos",
        "rótulos",
        "categoria",
        "categorias",
        "classe",
        "classes",
        "alvo",
        "intencao",
        "intenção",
        "sentimento",
        "tipo",
    ),
]
_TEXT_NAMES: Final = {
    *("text", "texts", "sentence", "content", "message", "review", "comment", "description", "document"),
    *("utterance", "question", "body", "tweet", "texto", "textos", "frase", "conteudo", "conteúdo", "mensagem"),
    *("comentario", "comentário", "descricao", "descrição", "documento", "pergunta"),
}
_NUMBER: Final = re.compile(r"-?\d+([.,]\d+)?")
_LONGEST_NAME: Final = 100
"""In characters: so long are questions of a form, and hardly anything else that names a column."""
_SHORTEST_TEXT: Final = 12
"""Mean characters under which a column of free strings is taken for codes."""
_VARIED: Final = 0.3
"""Share of different values up to which a column is taken for codes, such as content_type's."""


def choose_roles(
    profiles: Sequence[ColumnProfile],
    *,
    text: str | None = None,
    label: str | None = None,
    separator: str | None = None,
    unlabelled: bool = False,
) -> Roles:
    """What the owner said, and guesses for the rest.

    Raises:
        UnknownColumn: a named column does not exist.
        OneColumnTwice: text and label are the same.
        UnusableData: the named label has too many values to be one.
    """
    names = [profile.name for profile in profiles]
    for named in (text, label):
        if named is not None and named not in names:
            raise UnknownColumn(named, names)
    if label is not None and label == text:
        raise OneColumnTwice(label)
    if label is not None:
        if separator is None:
            _require_classes(next(profile for profile in profiles if profile.name == label))
    elif not unlabelled:
        label = _guess_label([profile for profile in profiles if profile.name != text])
    texts = _guess_texts([profile for profile in profiles if profile.name not in (label, text)])
    first = texts[:1] if text is None else []
    others = [profile for profile in texts[len(first) :] if _is_varied(profile)]
    guessed = [profile.name for profile in (*first, *others)]
    return Roles(tuple(guessed if text is None else (text, *guessed)), label)


def is_header(names: Sequence[str], label: str | None, classes: Sequence[str]) -> bool:
    """Whether the first line of a table names its columns, as far as these names tell. Else it looks like one more row."""
    if any(name.lower() in _TEXT_NAMES or name.lower() in _LABEL_NAMES for name in names):
        return True
    named = [name for name in names if name != "column_1"]
    if named == [str(position) for position in range(len(named))]:
        return True  # as pandas writes columns without names, its index before them
    is_number = any(_NUMBER.fullmatch(name) for name in names)
    return not is_number and label not in classes and max(map(len, names)) <= _LONGEST_NAME


def _guess_label(profiles: Sequence[ColumnProfile]) -> str | None:
    """By name first; else the column of fewest values that repeat."""
    candidates = [profile for profile in profiles if 0 < profile.distinct <= MAX_CLASSES or profile.separator]
    for name in _LABEL_NAMES:
        for profile in candidates:
            if name in _words(profile.name) and (profile.distinct_share < 1 or profile.name.lower() == name):
                return profile.name
    repeating = [
        profile
        for profile in candidates
        if profile.distinct >= 2 and profile.distinct_share <= 0.2 and not profile.dates and _is_name_like(profile)
    ]
    return min(repeating, key=lambda profile: profile.distinct).name if repeating else None


def _guess_texts(profiles: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """Every column of text or named as one, the likeliest first: by name, then by length."""
    strings = [profile for profile in profiles if profile.type is ColumnType.STRING and not profile.dates]
    texts = [profile for profile in strings if _named_as_text(profile) or (_is_long(profile) and _is_varied(profile))]
    return sorted(texts, key=_text_rank)


def _text_rank(profile: ColumnProfile) -> tuple[int, float]:
    """A name that only holds the word, as content_type does, says less than what the values look like."""
    if not _named_as_text(profile):
        return 1, -profile.mean_length
    is_likely = profile.name.lower() in _TEXT_NAMES or _is_long(profile) or _is_varied(profile)
    return 0 if is_likely else 2, -profile.mean_length


def _named_as_text(profile: ColumnProfile) -> bool:
    return not _TEXT_NAMES.isdisjoint(_words(profile.name))


def _is_long(profile: ColumnProfile) -> bool:
    return profile.mean_length >= _SHORTEST_TEXT


def _is_varied(profile: ColumnProfile) -> bool:
    return profile.distinct_share > _VARIED


def _is_name_like(profile: ColumnProfile) -> bool:
    return profile.type is ColumnType.STRING and profile.mean_length < 60


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if word]


def _require_classes(profile: ColumnProfile) -> None:
    if profile.distinct > MAX_CLASSES and profile.separator is None:
        raise UnusableData(
            "Column {column!r} has over {limit} different values, so it is no label. Name another (--label-column …), or say "
            "what stands between the labels of a row (--label-separator …).",
            column=profile.name,
            limit=MAX_CLASSES,
        )
