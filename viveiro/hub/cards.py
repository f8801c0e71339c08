"""The metadata at the top of a repo's README.md. Pure.

Cards are written by strangers, so the YAML is read with limits: its size, its depth, and how large it grows when aliases
are written out. What comes out is plain JSON that both databases can hold.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from viveiro.errors import Unprocessable
from viveiro.locale import Sentence
from viveiro.types import RepoKind

CARD: Final = "README.md"
MAX_CARD_BYTES: Final = 2 * 2**20
MAX_METADATA_CHARS: Final = 2**20
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000
_MAX_INTEGER: Final = 2**63
_NO_METADATA: Final = Sentence("empty or missing yaml metadata in repo card")

_FRONT_MATTER: Final = re.compile(r"\ufeff?\s*---[ \t]*\r?\n(?P<metadata>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CardReport:
    """What is wrong with a card, in sentences. Errors keep a commit from being made, warnings do not."""

    metadata: Mapping[str, Any]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class MalformedCard(Unprocessable):
    pass


class _CardLoader(yaml.CSafeLoader):
    """YAML 1.2's idea of plain words: `no` is Norwegian, `2024-05-01` and `12:30` are texts, not other types."""


_CardLoader.yaml_implicit_resolvers = {}
for _tag, _expression, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    _CardLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_expression})$"), _first)


def read_card(content: bytes) -> dict[str, Any]:
    """The metadata of a README.md; empty when it has none, or none that can be understood."""
    try:
        return parse_metadata(_metadata_of(content[:MAX_CARD_BYTES].decode("utf-8", "replace")) or "")
    except MalformedCard:
        return {}


def body_of(content: bytes) -> str:
    """The text below the metadata."""
    text = content[:MAX_CARD_BYTES].decode("utf-8", "replace")
    match = _FRONT_MATTER.match(text)
    return text[match.end() :] if match else text


def first_card(**metadata: str) -> str:
    """What a new repo's README.md says, so that the repo is known by it before its author writes one."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in metadata.items()]
    return "\n".join(["---", *lines, "---", ""])


def check_card(text: str, kind: RepoKind) -> CardReport:
    """What `POST /api/validate-yaml` tells a client before it commits a README.md."""
    if len(text) > MAX_CARD_BYTES:
        return CardReport({}, errors=(Sentence("The card is longer than {most} MiB.", most=MAX_CARD_BYTES // 2**20),))
    metadata = _metadata_of(text)
    if metadata is None or not metadata.strip():
        return CardReport({}, warnings=(_NO_METADATA,))
    try:
        card = parse_metadata(metadata)
    except MalformedCard as error:
        return CardReport({}, errors=(error.sentence,))
    return CardReport(card, tuple(_wrong_types(card)), tuple(_missing(card, kind)))


def parse_metadata(text: str) -> dict[str, Any]:
    """YAML as JSON.

    Raises:
        MalformedCard: it is not YAML, not a mapping, or larger than any honest card.
    """
    if len(text) > MAX_METADATA_CHARS:
        raise MalformedCard("The metadata is longer than {most} characters.", most=MAX_METADATA_CHARS)
    try:
        _check_depth(text)
        loaded = yaml.load(text, _CardLoader)  # noqa: S506 - a subclass of CSafeLoader
    except yaml.MarkedYAMLError as error:
        raise MalformedCard(
            "The metadata is not valid YAML, at line {line}: {why}.",
            line=error.problem_mark.line + 1 if error.problem_mark else "?",
            why=error.problem or error.context,
        ) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # also impossible numbers and unhashable keys
        raise MalformedCard("The metadata is not valid YAML: {why}.", why=str(error)) from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise MalformedCard("The metadata is not a mapping. Write lines of the form `license: apache-2.0`.")
    return plain(loaded)


def plain(mapping: dict[Any, Any]) -> dict[str, Any]:
    """As JSON that any database holds. Raises MalformedCard when it is larger than any honest card."""
    return _Plain().mapping(mapping)


def _metadata_of(text: str) -> str | None:
    match = _FRONT_MATTER.match(text)
    return match["metadata"] if match else None


def _check_depth(text: str) -> None:
    """Read the events only: building the tree of a hundred thousand brackets would overflow the C stack."""
    depth = 0
    for event in yaml.parse(text, _CardLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise MalformedCard("The metadata is nested more than {most} levels deep.", most=MAX_DEPTH)


class _Plain:
    """Turns what YAML made into JSON, counting: aliases of aliases grow to more than any memory holds."""

    def __init__(self) -> None:
        self._values = 0

    def mapping(self, mapping: dict[Any, Any], depth: int = 0) -> dict[str, Any]:
        return {_plain_text(str(key)): self.value(item, depth + 1) for key, item in mapping.items()}

    def value(self, value: Any, depth: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise MalformedCard("The metadata is too large when its aliases are written out.")
        if isinstance(value, dict):
            return self.mapping(value, depth)
        if isinstance(value, list | tuple | set):
            return [self.value(item, depth + 1) for item in value]
        return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _MAX_INTEGER else _plain_text(str(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no word for the others
    return _plain_text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _plain_text(text: str) -> str:
    """PostgreSQL holds no NUL, and UTF-8 no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


_TEXT_OR_LIST: Final = (
    "language",
    "license",
    "datasets",
    "metrics",
    "base_model",
    "task_categories",
    "size_categories",
)
_TEXTS: Final = ("library_name", "pipeline_tag", "pretty_name", "license_name", "license_link", "sdk")


def _wrong_types(card: Mapping[str, Any]) -> Iterator[str]:
    for key in _TEXTS:
        if card.get(key) is not None and not isinstance(card[key], str):
            yield Sentence('"{key}" must be a string', key=key)
    for key in _TEXT_OR_LIST:
        if card.get(key) is not None and not isinstance(card[key], str) and not _is_list_of_texts(card[key]):
            yield Sentence('"{key}" must be a string or a list of strings', key=key)
    if card.get("tags") is not None and not _is_list_of_texts(card["tags"]):
        yield Sentence('"tags" must be a list of strings')
    if card.get("model-index") is not None and not _is_model_index(card["model-index"]):
        yield Sentence('"model-index" must be a list of models, each with a "name" and "results"')


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_model_index(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(model, dict) and isinstance(model.get("name"), str) and isinstance(model.get("results"), list)
        for model in value
    )


def _missing(card: Mapping[str, Any], kind: RepoKind) -> Iterator[str]:
    if not card:
        yield _NO_METADATA
    if kind is RepoKind.SPACE and "sdk" not in card:
        yield Sentence('missing "sdk": a Space needs one of gradio, streamlit, docker, static')
