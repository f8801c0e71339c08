"""The commands of the loop: what they make of a line."""

from pathlib import Path

import pytest

from viveiro.cli.demo import MARKER, _fresh_folder
from viveiro.cli.runs import parse_settings
from viveiro.errors import Conflict, InvalidInput


class TestParseSettings:
    @pytest.mark.parametrize(
        ("pair", "value"),
        [
            ("strength=0.1", 0.1),
            ("max_length=128", 128),
            ("strength=auto", "auto"),
            ("flag=true", True),
            ("word = with spaces ", "with spaces"),
            ("formula=a=b", "a=b"),
        ],
    )
    def test_numbers_truths_and_words(self, pair: str, value: object) -> None:
        assert list(parse_settings([pair]).values()) == [value]

    def test_options_that_are_parameters_too_join_them(self) -> None:
        assert parse_settings(["strength=1"], method="frozen", seed=None) == {"method": "frozen", "strength": 1}

    @pytest.mark.parametrize("pair", ["strength", "=1"])
    def test_half_a_setting_is_refused(self, pair: str) -> None:
        with pytest.raises(InvalidInput, match="NAME=VALUE"):
            parse_settings([pair])


class TestDemoFolder:
    def test_a_folder_that_no_demo_made_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "viveiro.sqlite3").touch()
        with pytest.raises(Conflict, match="no demo made it"):
            _fresh_folder(tmp_path)
        assert (tmp_path / "viveiro.sqlite3").exists()

    def test_an_earlier_demos_is_made_anew(self, tmp_path: Path) -> None:
        _fresh_folder(tmp_path / "demo")
        (tmp_path / "demo" / "viveiro.sqlite3").touch()
        _fresh_folder(tmp_path / "demo")
        assert [path.name for path in (tmp_path / "demo").iterdir()] == [MARKER]
