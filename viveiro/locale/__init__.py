"""What people read, in their language: written in English at its place in the code, and in Portuguese in the catalogue.

    raise NotFound("No user is called {name}. To see them: viveiro users list", name=name)
    say("Deleted {repo}.", repo=repo)
    InvalidPath(path, Sentence("it is empty"))  # a field that is itself a sentence

Templates stand there literally, never as f-strings: `make messages` gathers them by reading the code.
"""

from viveiro.locale.figures import language_name, moment, number, since
from viveiro.locale.foreign import problem, recognised
from viveiro.locale.languages import ENGLISH, LANGUAGES, current_language, language_of_header, offered, speaking
from viveiro.locale.sentences import Sentence, restored, stored
from viveiro.locale.translation import translate, translator

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "Sentence",
    "current_language",
    "language_name",
    "language_of_header",
    "moment",
    "number",
    "offered",
    "problem",
    "recognised",
    "restored",
    "since",
    "speaking",
    "stored",
    "translate",
    "translator",
]
