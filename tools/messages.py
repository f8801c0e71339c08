"""`make messages`: gather the sentences that people read from the code, and bring the catalogue up to date with them.

Found by reading the syntax, because templates stand where they are needed: in the constructors of errors, in calls of
the functions below (in pages too), and in what commands say of themselves. What is new waits in the catalogue with an empty msgstr.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path
from string import Formatter
from typing import IO, Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

import viveiro
from viveiro.errors import ViveiroError
from viveiro.locale import ENGLISH, LANGUAGES
from viveiro.locale.catalogue import DOMAIN, po_file

PACKAGE: Final = Path(viveiro.__file__).parent
FUNCTIONS: Final = {
    "Sentence": 0,
    "translate": 0,
    "_": 0,
    "rich": 0,
    "say": 0,
    "ask_before": 0,
    "Finding": 2,
    "Registry": 0,
}
"""Whoever is called with a template, and which of its arguments that is."""
DECLARATIONS: Final = ("help", "metavar")
"""Keywords by which commands explain themselves."""

Found = tuple[int, None, str, list[str]]
"""What Babel wants from an extractor: line, function, message, comments."""


def main() -> int:
    """Write the catalogues; 1 when sentences wait for a translation."""
    missing = 0
    for language in set(LANGUAGES.values()) - {ENGLISH}:
        catalog = updated(language)
        with po_file(language).open("wb") as file:
            write_po(file, catalog, width=120, sort_by_file=True, include_lineno=False)
        waiting = [message.id for message in catalog if message.id and (not message.string or message.fuzzy)]
        sys.stdout.write("".join(f"{language}: {text!r}\n" for text in waiting))
        missing += len(waiting)
    return 1 if missing else 0


def updated(language: str) -> Catalog:
    """The language's catalogue with exactly the sentences of the code."""
    with po_file(language).open("rb") as file:
        known = read_po(file, locale=language.replace("-", "_"), domain=DOMAIN)
    catalog = Catalog(locale=known.locale, domain=DOMAIN, header_comment=known.header_comment, fuzzy=False)
    catalog.mime_headers = known.mime_headers  # whose dates a new sentence does not change
    for text, files in sorted(extracted().items()):
        before = known.get(text)
        catalog.add(text, before.string if before else "", locations=[(file, 0) for file in sorted(files)])
    return catalog


def extracted() -> dict[str, set[str]]:
    """Every sentence of the package, with the files that say it."""
    found: dict[str, set[str]] = {}
    methods = [("**.py", f"{__name__}:sentences"), ("**.html", f"{__name__}:sentences_of_pages")]
    for file, _, text, _, _ in extract_from_dir(PACKAGE, method_map=methods):
        found.setdefault(str(text), set()).add(f"viveiro/{file}")
    return found


def sentences(file: IO[bytes], _keywords: object, _comments: object, options: object) -> Iterator[Found]:
    """An extraction method for Babel."""
    tree = ast.parse(file.read())
    for place in templates(tree):
        for text in filter(has_words, _literals(place)):
            yield place.lineno, None, text, []
    for function in _commands(tree):
        if docstring := ast.get_docstring(function):
            yield function.lineno, None, cleandoc(docstring), []


def sentences_of_pages(file: IO[bytes], _keywords: object, _comments: object, options: object) -> Iterator[Found]:
    """The same for Jinja's templates, where `_` and `rich` are called."""
    tree = Environment(autoescape=True).parse(file.read().decode())
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in FUNCTIONS and call.args:
            for text in filter(has_words, _literals_of_page(call.args[0])):
                yield call.lineno, None, text, []


def _literals_of_page(place: nodes.Expr) -> Iterator[str]:
    match place:
        case nodes.Const(value=str(text)):
            yield text
        case nodes.CondExpr(expr1=one, expr2=other) if other is not None:
            yield from _literals_of_page(one)
            yield from _literals_of_page(other)


def templates(tree: ast.AST) -> Iterator[ast.expr]:
    """Every expression that stands where a template is expected."""
    for node in ast.walk(tree):
        yield from _places(node)


def has_words(template: str) -> bool:
    """`{error}` and `{place}: {why}` need no translation."""
    return any(character.isalpha() for literal, *_ in Formatter().parse(template) for character in literal)


def _places(node: ast.AST) -> Iterator[ast.expr]:
    """Where a node of this kind keeps a template."""
    match node:
        case ast.Call(func=ast.Subscript(value=function) | function, args=arguments, keywords=keywords):
            at = _position(function)
            if at is not None and len(arguments) > at:
                yield arguments[at]
            yield from (keyword.value for keyword in keywords if keyword.arg in DECLARATIONS)
        case ast.FunctionDef(name="__init__", args=ast.arguments(args=names, defaults=defaults)):
            named = zip(reversed(names), reversed(defaults), strict=False)
            yield from (default for name, default in named if name.arg == "template")
        case ast.ClassDef(name="Settings" | "Params", body=body):
            yield from (statement.value for statement in body[1:] if isinstance(statement, ast.Expr))


def _position(function: ast.expr) -> int | None:
    """At which of its arguments a function takes a template, if it does."""
    match function:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name) if name in FUNCTIONS:
            return FUNCTIONS[name]
        case ast.Name(id=name) if name in templated_errors():
            return 0
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"):
            return 0
        case ast.Attribute(value=ast.Name(id=name), attr="__init__") if name in templated_errors():
            return 1
        case _:
            return None


def _literals(place: ast.expr) -> Iterator[str]:
    match place:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from _literals(one)
            yield from _literals(other)


def _commands(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Functions whose docstring is the help of a command: decorated, or handed to `app.command()`."""
    handed = {name for node in ast.walk(tree) for name in _handed_over(node)}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and (
            node.name in handed or any(_is_registration(decorator) for decorator in node.decorator_list)
        ):
            yield node


def _is_registration(call: ast.AST) -> bool:
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="app" | "members"), attr="command" | "callback")):
            return True
        case _:
            return False


def _handed_over(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.For(target=ast.Name(id=loop), iter=ast.Tuple(elts=items), body=[ast.Expr(value=ast.Call(func=call))]):
            return [item.id for item in items if isinstance(item, ast.Name) and loop and _is_registration(call)]
        case ast.Call(func=call, args=[ast.Name(id=name)]) if _is_registration(call):
            return [name]
        case _:
            return []


@cache
def templated_errors() -> frozenset[str]:
    """Names of errors that are made of a template, as NotFound is and RepoNotFound is not."""
    classes = {node.name: node for node in _classes()}
    return frozenset(name for name in classes if _takes_template(name, classes))


def _takes_template(name: str, classes: dict[str, ast.ClassDef]) -> bool:
    if name == ViveiroError.__name__:
        return True
    if name not in classes:
        return False
    for statement in classes[name].body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return len(statement.args.args) > 1 and statement.args.args[1].arg == "template"
    return any(isinstance(base, ast.Name) and _takes_template(base.id, classes) for base in classes[name].bases)


def _classes() -> Iterator[ast.ClassDef]:
    for path in PACKAGE.rglob("*.py"):
        nodes: Iterable[Any] = ast.walk(ast.parse(path.read_bytes()))
        yield from (node for node in nodes if isinstance(node, ast.ClassDef))


if __name__ == "__main__":
    sys.exit(main())
