"""From a sentence to the reader's words."""

from viveiro.locale.catalogue import catalogue
from viveiro.locale.languages import ENGLISH, PSEUDO, current_language
from viveiro.locale.pseudo import pseudo
from viveiro.locale.sentences import Sentence, Translate


def translator(language: str) -> Translate:
    if language == PSEUDO:
        return pseudo
    return str if language == ENGLISH else catalogue(language).gettext


def translate(sentence: str, /, **fields: object) -> str:
    """In the current reader's language: a template and its fields, or a Sentence that was made before."""
    made = sentence if isinstance(sentence, Sentence) else Sentence(sentence, **fields)
    return made.translated(translator(current_language()))
