import threading

import pytest

from viveiro.locale import current_language, language_of_header, speaking
from viveiro.locale.languages import language_of_environment


class TestAcceptLanguage:
    @pytest.mark.parametrize(
        ("header", "language"),
        [
            ("pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7", "pt-BR"),
            ("en-US,en;q=0.9,pt-BR;q=0.8", "en"),
            ("en;q=0.5, pt;q=0.8", "pt-BR"),
            ("pt-PT", "pt-BR"),  # nearer than English
            ("PT-br", "pt-BR"),
            ("fr, pt;q=0.2", "pt-BR"),
            ("fr", "en"),
            ("pt;q=0", "en"),
            ("*", "en"),
            ("pt-BR, *;q=0.9", "pt-BR"),  # as git writes it
            ("", "en"),
            (",;q=,;;==", "en"),
            ("pt;q=oops, en;q=0.1", "en"),
            ("pt;q=nan", "en"),
        ],
    )
    def test_the_highest_language_that_is_offered_wins(self, header, language):
        assert language_of_header(header) == language


class TestEnvironment:
    @pytest.mark.parametrize(
        ("environment", "language"),
        [
            ({"LANG": "pt_BR.UTF-8"}, "pt-BR"),
            ({"LANG": "pt_BR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
            ({"LANG": "C.UTF-8", "LC_MESSAGES": "pt_BR"}, "pt-BR"),
            ({"LANG": "en_US.UTF-8", "VIVEIRO_LANGUAGE": "pt-BR"}, "pt-BR"),
            ({"LANG": "pt_BR.UTF-8", "VIVEIRO_LANGUAGE": "en"}, "en"),
            ({"LANG": "pt_BR.UTF-8", "LC_ALL": ""}, "pt-BR"),  # empty is unset
            ({"LANG": "de_DE.UTF-8"}, "en"),
            ({}, "en"),
        ],
    )
    def test_the_first_variable_that_is_set_counts(self, environment, language):
        assert language_of_environment(environment) == language


class TestSpeaking:
    def test_ends_with_its_block(self, monkeypatch):
        monkeypatch.setenv("VIVEIRO_LANGUAGE", "en")
        with speaking("pt-BR"):
            assert current_language() == "pt-BR"
        assert current_language() == "en"

    def test_concerns_nobody_else(self, monkeypatch):
        monkeypatch.setenv("VIVEIRO_LANGUAGE", "en")
        heard = []
        with speaking("pt-BR"):
            thread = threading.Thread(target=lambda: heard.append(current_language()))
            thread.start()
            thread.join()
        assert heard == ["en"]
