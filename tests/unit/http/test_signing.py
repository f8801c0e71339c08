"""A link is good for what it says, until it expires, and for nothing once a bit of it has changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viveiro.http.signing import InvalidLink, sign, unsign

KEY = "k" * 32
NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def signed(**fields):
    return sign(KEY, "upload", fields, now=NOW, lifetime=HOUR)


class TestSigning:
    def test_the_fields_come_back(self):
        assert unsign(KEY, "upload", signed(oid="ab", size=2**40, user=None), now=NOW) == {
            "oid": "ab",
            "size": 2**40,
            "user": None,
        }

    def test_it_fits_into_an_address(self):
        assert set(signed(name="ação/Ω")) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")

    def test_it_lasts_as_long_as_it_says(self):
        assert unsign(KEY, "upload", signed(), now=NOW + HOUR - timedelta(seconds=1)) == {}
        with pytest.raises(InvalidLink):
            unsign(KEY, "upload", signed(), now=NOW + HOUR)

    def test_it_serves_no_other_purpose_and_no_other_server(self):
        with pytest.raises(InvalidLink):
            unsign(KEY, "download", signed(), now=NOW)
        with pytest.raises(InvalidLink):
            unsign("another key", "upload", signed(), now=NOW)

    @given(st.text(max_size=200))
    def test_what_was_never_signed_is_refused(self, text):
        with pytest.raises(InvalidLink):
            unsign(KEY, "upload", text, now=NOW)

    @given(st.data())
    def test_any_change_is_noticed(self, data):
        link = signed(size=1)
        position = data.draw(st.integers(0, len(link) - 2))  # the last character carries bits that mean nothing
        other = data.draw(st.characters(codec="ascii").filter(lambda character: character != link[position]))
        with pytest.raises(InvalidLink):
            unsign(KEY, "upload", link[:position] + other + link[position + 1 :], now=NOW)
