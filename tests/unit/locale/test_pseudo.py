import pytest

from viveiro.locale import offered, speaking, translate
from viveiro.locale.pseudo import pseudo


class TestTheLanguageForTesters:
    """What stays plain on a page was never meant for translation."""

    def test_shows_where_a_sentence_begins_and_ends(self):
        assert pseudo("Sign in") == "⟦Sígñ íñ⟧"

    def test_leaves_fields_to_be_filled_in(self):
        assert pseudo("No run {run_id}, or {n:.1f} {x!r}.") == "⟦Ñó rúñ {run_id}, ór {n:.1f} {x!r}.⟧"

    def test_leaves_braces_that_are_text(self):
        assert pseudo('Send {{"inputs": 1}}').format() == '⟦Séñd {"íñpúts": 1}⟧'.replace("íñpúts", "inputs")

    @pytest.mark.parametrize("ending", ["", " ", "\n", " \n"])
    def test_keeps_the_space_that_the_next_word_needs(self, ending):
        assert pseudo(f"Password:{ending}") == f"⟦Pásswórd:⟧{ending}"

    def test_is_spoken_by_who_asks_for_it_by_name(self):
        with speaking("en-XA"):
            assert translate("Deleted {repo}.", repo="alice/aeiou") == "⟦Délétéd alice/aeiou.⟧"

    def test_is_offered_to_nobody_else(self):
        assert offered("en-XA") == "en-XA"
        assert offered("en-xa") == "en"
