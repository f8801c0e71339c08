import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from viveiro.errors import InvalidPath, NotFound
from viveiro.locale import Sentence, restored, speaking, stored, translate

GONE = Sentence("{path} does not exist in {repo_id} at revision {revision}.", path="a{b}", repo_id="x/y", revision=1)


class TestSentence:
    """It is its English text, and can still be said in another language."""

    def test_is_a_text(self):
        assert GONE == "a{b} does not exist in x/y at revision 1."
        assert json.dumps({"error": GONE}) == '{"error": "a{b} does not exist in x/y at revision 1."}'

    def test_is_said_in_the_readers_language(self):
        with speaking("pt-BR"):
            assert translate(GONE) == "a{b} não existe em x/y na revisão 1."

    def test_says_the_sentences_inside_it_in_that_language_too(self):
        outer = Sentence("{path!r} cannot be a path in a repo: {why}.", path="", why=Sentence("it is empty"))
        with speaking("pt-BR"):
            assert translate(outer) == "'' não pode ser um caminho em um repositório: está vazio."

    def test_joins_several_sentences_in_one_field(self):
        problems = [Sentence("it is empty"), "a/b"]
        outer = Sentence("The request is not valid. {problems}", problems=problems)
        assert outer == "The request is not valid. it is empty; a/b"
        with speaking("pt-BR"):
            assert translate(outer) == "O pedido não é válido. está vazio; a/b"

    def test_without_fields_keeps_its_braces(self):
        assert Sentence("{not a field}") == "{not a field}"

    def test_is_said_as_it_is_where_nobody_translated_it(self):
        with speaking("pt-BR"):
            assert translate("Only here: {name}", name=1) == "Only here: 1"

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda sentence: pickle.loads(pickle.dumps(sentence))])  # noqa: S301
    def test_survives_being_copied(self, copied):
        assert (copied(GONE), copied(GONE).template, copied(GONE).fields) == (GONE, GONE.template, GONE.fields)


class TestStoring:
    """What is kept as JSON can be told in every language later."""

    @pytest.mark.parametrize(
        "sentence",
        [
            GONE,
            Sentence("Nested: {why}", why=GONE),
            Sentence("Several: {why}", why=[GONE, "plain"]),
            Sentence("Figures: {a} {b:.1f} {c} {d}", a=1, b=0.25, c=None, d=True),
            Sentence("Quoted: {text!r}", text="it's"),
        ],
    )
    def test_brings_back_the_same_sentence(self, sentence):
        back = restored(json.loads(json.dumps(stored(sentence))))
        assert (back, back.template) == (sentence, sentence.template)

    def test_keeps_numpys_numbers_as_numbers(self):
        assert restored(stored(Sentence("{rate:.1f}", rate=np.float32(0.25)))) == "0.2"

    def test_keeps_what_is_no_json_as_its_text(self):
        assert restored(stored(Sentence("In {folder}", folder=Path("/d")))) == "In /d"

    @pytest.mark.parametrize("plain", ["ValueError: oi", None])
    def test_leaves_plain_texts_alone(self, plain):
        assert restored(stored(plain)) == plain


class TestErrors:
    def test_are_english_to_programs_and_logs(self):
        with speaking("pt-BR"):
            assert str(NotFound("Part {number} of this upload has not arrived.", number=3)) == (
                "Part 3 of this upload has not arrived."
            )

    def test_are_told_in_the_readers_language(self):
        error = InvalidPath("/x", Sentence("it starts with '/'"))
        with speaking("pt-BR"):
            assert error.translated() == "'/x' não pode ser um caminho em um repositório: começa com '/'."
