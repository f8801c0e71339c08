"""Code in colours: Pygments' hundreds of kinds of token, told by the five classes of `viveiro.css`. Pure.

Only languages that repos of models and data hold are known. What strangers call the language of a code block never
chooses among all the lexers there are.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from markupsafe import Markup, escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, String

MAX_CHARS: Final = 200_000
"""Longer code stays plain: colours would take longer than the page."""

_LEXERS: Final = {
    "bash": "bash sh shell zsh console shell-session",
    "c": "c h",
    "cpp": "cpp c++ cc hpp cuda cu",
    "css": "css",
    "diff": "diff patch",
    "docker": "docker dockerfile",
    "go": "go golang",
    "html": "html htm",
    "ini": "ini cfg conf properties",
    "java": "java",
    "javascript": "javascript js jsx mjs",
    "jinja": "jinja jinja2",
    "json": "json jsonl ipynb geojson webmanifest",
    "julia": "julia jl",
    "make": "make makefile",
    "markdown": "markdown md",
    "python": "python py python3 pyi pycon",
    "r": "r splus",
    "rust": "rust rs",
    "sql": "sql",
    "toml": "toml",
    "typescript": "typescript ts tsx",
    "xml": "xml svg xsl",
    "yaml": "yaml yml",
}
_LEXER_OF: Final = {alias: lexer for lexer, aliases in _LEXERS.items() for alias in aliases.split()}
_CLASSES: Final = (
    (Comment.Preproc, "keyword"),
    (Comment, "comment"),
    (Keyword.Constant, "number"),
    (Keyword, "keyword"),
    (Operator.Word, "keyword"),
    (String, "string"),
    (Number, "number"),
    (Literal, "string"),
    *((kind, "name") for kind in (Name.Function, Name.Class, Name.Builtin, Name.Tag, Name.Attribute, Name.Decorator)),
)


def language_of_path(path: str) -> str:
    """What `highlight` may be told about a file. Empty for unknown ones."""
    name = PurePosixPath(path).name.lower()
    return _LEXER_OF.get(PurePosixPath(name).suffix.removeprefix("."), "") or _LEXER_OF.get(name, "")


def highlight(code: str, language: str) -> Markup:
    """The same text, escaped, with spans of class `hl-…`. Plain when the language is unknown or the code long."""
    return Markup("").join(_span(kind, text) for kind, text in _pieces(code, language))


def highlight_lines(code: str, language: str) -> list[Markup]:
    """Line by line: a comment over three lines is three spans."""
    lines: list[list[Markup]] = [[]]
    for kind, text in _pieces(code, language):
        first, *others = text.split("\n")
        lines[-1].append(_span(kind, first))
        lines += [[_span(kind, other)] for other in others]
    if not any(lines[-1]):  # what follows the last line's end is no line
        lines.pop()
    return [Markup("").join(line) for line in lines]


def _pieces(code: str, language: str) -> Iterator[tuple[str, str]]:
    """Class and text; the texts together are the code."""
    lexer = _LEXER_OF.get(language.lower())
    if lexer is None or len(code) > MAX_CHARS:
        yield "", code
        return
    for token, text in _lexer(lexer).get_tokens(code):
        yield next((name for kind, name in _CLASSES if token in kind), ""), text


@cache
def _lexer(name: str) -> Lexer:
    # As it is: by default, Pygments drops empty lines at both ends and adds a line's end.
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


def _span(kind: str, text: str) -> Markup:
    return Markup('<span class="hl-{}">{}</span>').format(kind, text) if kind and text else escape(text)
