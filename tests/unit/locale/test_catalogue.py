"""The Portuguese catalogue says everything that the code says, and nothing else."""

import ast
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from tools.messages import PACKAGE, extracted, has_words, sentences, templates
from viveiro.locale.catalogue import Catalogue, catalogue, po_file

LANGUAGE = "pt-BR"


@pytest.fixture(scope="module")
def said():
    """Every sentence that the code holds."""
    return set(extracted())


@pytest.fixture(scope="module")
def messages():
    """The catalogue as gettext's own tools read it."""
    with po_file(LANGUAGE).open("rb") as file:
        return {message.id: message for message in read_po(file) if message.id}


def placeholders(template):
    """With conversions and formats: `{name!r}` must not become `{name}`."""
    parts = Formatter().parse(template)
    return {(name, conversion, form) for _, name, form, conversion in parts if name is not None}


def _end(text):
    return text[len(text.rstrip()) :]


class TestPortuguese:
    """After a change of sentences: `make messages`, then write what it lists."""

    def test_has_every_sentence(self, said, messages):
        assert sorted(text for text in said if text not in messages or not messages[text].string) == []

    def test_has_none_that_nobody_says(self, said, messages):
        assert sorted(messages.keys() - said) == []

    def test_guesses_nothing(self, messages):
        assert [text for text, message in messages.items() if message.fuzzy] == []

    def test_has_the_same_placeholders(self, messages):
        said = {text: str(message.string) for text, message in messages.items() if message.string}
        assert [text for text in said if placeholders(text) != placeholders(said[text])] == []

    def test_keeps_the_space_or_line_end_that_the_next_word_needs(self, messages):
        said = {text: str(message.string) for text, message in messages.items() if message.string}
        assert [text for text in said if _end(text) != _end(said[text])] == []


class TestTemplates:
    """Only what stands literally in the code can be gathered and translated."""

    def test_are_never_put_together_on_the_spot(self):
        computed = [
            f"{path.relative_to(PACKAGE)}:{place.lineno}"
            for path in sorted(PACKAGE.rglob("*.py"))
            for place in templates(ast.parse(path.read_bytes()))
            if isinstance(place, ast.JoinedStr | ast.BinOp)
        ]
        assert computed == []

    @pytest.mark.parametrize(
        ("code", "found"),
        [
            ('raise NotFound("Gone: {name}.", name=name)', ["Gone: {name}."]),
            ('raise RepoNotFound("alice/x", kind)', []),  # its template stands in its class
            (
                'class Gone(NotFound):\n    def __init__(self):\n        super().__init__("It is gone.")',
                ["It is gone."],
            ),
            ('NotFound.__init__(self, "It is gone.")', ["It is gone."]),
            ('say("One." if one else "Many.")', ["One.", "Many."]),
            ('Sentence("{place}: {why}", place=place, why=why)', []),  # no words
            ('typer.Option(help="How many.")', ["How many."]),
            ('@app.command()\ndef info():\n    """One job."""', ["One job."]),
            ('def info():\n    """One job."""', []),
            ('app.command(hidden=True)(demo)\ndef demo():\n    """All of it."""', ["All of it."]),
        ],
    )
    def test_are_found_where_people_are_told_something(self, code, found, tmp_path):
        path = tmp_path / "module.py"
        path.write_text(code)
        with path.open("rb") as file:
            assert [text for _, _, text, _ in sentences(file, [], [], {})] == found

    def test_without_words_need_no_translation(self):
        assert has_words("No {name}.")
        assert not has_words("{place}: {why}")


class TestReading:
    """The .po file is read as it is, without a compiled copy."""

    def test_gives_what_gettexts_own_tools_read(self, messages):
        ours = catalogue(LANGUAGE)
        assert {text: ours.gettext(text) for text in messages} == {
            text: message.string or text for text, message in messages.items()
        }

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            (['msgid "one"', 'msgstr "um"'], "um"),
            (['msgid ""', '"o"', '"ne"', 'msgstr ""', '"u"', '"m"'], "um"),
            (["#, fuzzy", 'msgid "one"', 'msgstr "um"'], "one"),
            (['msgid "one"', 'msgstr ""'], "one"),
            (['#~ msgid "one"', '#~ msgstr "um"'], "one"),
            (['msgid "one"', r'msgstr "\"um\"\n"'], '"um"\n'),
        ],
    )
    def test_knows_the_format(self, entry, said):
        assert Catalogue(["", *entry, ""]).gettext("one") == said

    def test_answers_a_sentence_that_it_does_not_hold_as_it_came(self):
        assert catalogue(LANGUAGE).gettext("never said") == "never said"

    def test_is_empty_for_a_language_without_a_file(self):
        assert catalogue("tlh").gettext("Not Found") == "Not Found"
