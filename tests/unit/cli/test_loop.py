"""The commands of the loop: what they make of a line."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from viveiro.cli.demo import MARKER, _fresh_folder
from viveiro.cli.runs import describe, parse_settings
from viveiro.errors import Conflict, InvalidInput
from viveiro.training.description import parse_description


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


class TestDescribe:
    """A file, a command line and a program say the same in the same words."""

    FIELDS: ClassVar[dict[str, Any]] = {
        "task": "text-classification",
        "data": "acai/tickets",
        "columns": {"text": "message"},
        "base": "acai/encoder",
        "params": {"method": "full", "learning_rate": 2e-5, "seed": 3},
        "publish": "acai/triage",
        "budget_minutes": 5,
    }

    def test_from_any_of_them_the_description_is_equal(self, tmp_path: Path) -> None:
        program = parse_description(self.FIELDS)
        (tmp_path / "run.yaml").write_text(program.to_yaml())
        assert describe({}, columns={}, params={}, config=tmp_path / "run.yaml") == program
        said = {name: self.FIELDS[name] for name in ("task", "data", "base", "publish", "budget_minutes")}
        params = parse_settings(["learning_rate=2e-5"], method="full", seed=3)
        assert describe(said, columns={"text": "message"}, params=params) == program

    def test_the_command_line_counts_more_than_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "run.yaml").write_text(parse_description(self.FIELDS).to_yaml())
        wanted = describe(
            {"data": "acai/seeds"}, columns={"label": "kind"}, params={"seed": 4}, config=tmp_path / "run.yaml"
        )
        assert wanted.data == "acai/seeds"
        assert wanted.columns == {"text": "message", "label": "kind"}
        assert wanted.params == {"method": "full", "learning_rate": 2e-5, "seed": 4}
        assert wanted.base == "acai/encoder"

    def test_a_file_that_is_not_there_says_how_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"viveiro runs info RUN --yaml > run\.yaml"):
            describe({}, columns={}, params={}, config=tmp_path / "gone.yaml")


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
