from datetime import UTC, datetime

import pytest

from viveiro.locale import language_name, moment, number, speaking


@pytest.mark.parametrize(
    ("language", "value", "decimals", "written"),
    [
        ("en", 0.8734, 3, "0.873"),
        ("pt-BR", 0.8734, 3, "0,873"),
        ("en", 13083, 0, "13,083"),
        ("pt-BR", 13083, 0, "13.083"),
        ("pt-BR", -0.5, 1, "-0,5"),
    ],
)
def test_a_number(language, value, decimals, written):
    with speaking(language):
        assert number(value, decimals) == written


@pytest.mark.parametrize(("language", "written"), [("en", "%Y-%m-%d %H:%M"), ("pt-BR", "%d/%m/%Y %H:%M")])
def test_a_moment_is_told_in_this_machines_time(language, written):
    at = datetime(2026, 11, 22, 21, 5, tzinfo=UTC)
    with speaking(language):
        assert moment(at) == at.astimezone().strftime(written)


@pytest.mark.parametrize(
    ("language", "code", "named"),
    [
        ("en", "pt", "Portuguese"),
        ("pt-BR", "en", "Inglês"),
        ("en", "zh-Hans", "Simplified Chinese"),
        ("en", "code", "code"),
    ],
)
def test_a_language_has_a_name_in_each(language, code, named):
    with speaking(language):
        assert language_name(code) == named
