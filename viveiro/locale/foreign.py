"""Sentences that libraries say in English, recognised by their form, so that they can be said in the reader's language.

pydantic, starlette, typer and the operating system have formatted theirs before anybody can translate them. What is not
listed here is quoted as it is.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Final

from viveiro.locale.sentences import Sentence

PYDANTIC: Final = (
    Sentence("Field required"),
    Sentence("Extra inputs are not permitted"),
    Sentence("Invalid JSON: {error}"),
    Sentence("JSON decode error"),
    Sentence("Value error, {error}"),
    Sentence("Input should be null"),
    Sentence("Input should be a valid string"),
    Sentence("Input should be a valid integer"),
    Sentence("Input should be a valid integer, unable to parse string as an integer"),
    Sentence("Input should be a valid integer, got a number with a fractional part"),
    Sentence("Unable to parse input string as an integer, exceeded maximum size"),
    Sentence("Input should be a valid number"),
    Sentence("Input should be a valid number, unable to parse string as a number"),
    Sentence("Input should be a finite number"),
    Sentence("Input should be a valid boolean"),
    Sentence("Input should be a valid boolean, unable to interpret input"),
    Sentence("Input should be a valid list"),
    Sentence("Input should be a valid array"),
    Sentence("Input should be a valid dictionary"),
    Sentence("Input should be an object"),
    Sentence("Input should be a valid dictionary or object to extract fields from"),
    Sentence("Input should be a valid dictionary or instance of {name}"),
    Sentence("Input should be a valid datetime, {error}"),
    Sentence("Input should be a valid datetime or date, {error}"),
    Sentence("Input should be a valid timedelta, {error}"),
    Sentence("Input should be greater than or equal to {ge}"),
    Sentence("Input should be greater than {gt}"),
    Sentence("Input should be less than or equal to {le}"),
    Sentence("Input should be less than {lt}"),
    Sentence("String should have at least {min_length} character"),
    Sentence("String should have at least {min_length} characters"),
    Sentence("String should have at most {max_length} character"),
    Sentence("String should have at most {max_length} characters"),
    Sentence("String should match pattern '{pattern}'"),
    Sentence("List should have at least {min_length} item after validation, not {actual_length}"),
    Sentence("List should have at most {max_length} items after validation, not {actual_length}"),
    Sentence("Input should be {choice} or {last_choice}"),
    Sentence("Input should be {choice}"),
)
STARLETTE: Final = (
    Sentence("Not Found"),
    Sentence("Method Not Allowed"),
    Sentence("There was an error parsing the body"),
)
SYSTEM: Final = (
    Sentence("[Errno {number}] {why}"),
    Sentence("Connection refused"),
    Sentence("Connection reset by peer"),
    Sentence("Server disconnected without sending a response."),
    Sentence("All connection attempts failed"),
    Sentence("timed out"),
    Sentence("Name or service not known"),
    Sentence("Permission denied"),
    Sentence("Read-only file system"),
    Sentence("No such file or directory"),
    Sentence("Not a directory"),
    Sentence("Is a directory"),
    Sentence("File exists"),
    Sentence("No space left on device"),
    Sentence("truncated header"),
    Sentence("unexpected end of data"),
)
TYPER: Final = (
    Sentence("Invalid value for {name}: {why}"),
    Sentence("Missing argument {name}."),
    Sentence("Missing option {name}."),
    Sentence("Missing argument {name}. {hint}"),
    Sentence("Missing option {name}. {hint}"),
    Sentence("Choose from:{names}"),
    Sentence("No such option: {name} (Possible options: {near})"),
    Sentence("No such option: {name}"),
    Sentence("No such command {name}. Did you mean {near}?"),
    Sentence("No such command {name}."),
    Sentence("Got unexpected extra argument(s) ({arguments})"),
    Sentence("Option {name} requires an argument."),
    Sentence("Option {name} does not take a value."),
    Sentence("file {path} does not exist."),
    Sentence("file {path} is a directory."),
    Sentence("{value} is not one of {names}."),
)


def recognised(sentence: str) -> str:
    """A Sentence, where a library's template fits and its parts are recognised too; else what came."""
    for template, matches in _patterns():
        if found := matches(sentence):
            return Sentence(template, **{name: recognised(part) for name, part in found.groupdict().items()})
    return sentence


def problem(place: str, sentence: str) -> Sentence:
    """What a library found wrong, behind the name of what it looked at."""
    return Sentence("{place}: {why}", place=place, why=recognised(sentence))


@cache
def _patterns() -> tuple[tuple[str, Callable[[str], re.Match[str] | None]], ...]:
    return tuple(
        (template, _pattern(template).fullmatch) for template in map(str, PYDANTIC + STARLETTE + SYSTEM + TYPER)
    )


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(_field(part) if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL)


def _field(name: str) -> str:
    """A choice is a literal, quoted or a number: else "Input should be {choice}" would fit everything."""
    return f"(?P<{name}>['0-9].*?)" if "choice" in name else f"(?P<{name}>.+?)"
