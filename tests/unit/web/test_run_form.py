"""What the form that starts a run means."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from viveiro.errors import InvalidInput
from viveiro.types import Visibility
from viveiro.web.run_form import (
    Problems,
    RunForm,
    methods_of,
    minutes_of,
    read_form,
    settings_of,
    trainable_tasks,
    visibility_of,
    wanted_run,
)


class TestReadForm:
    def test_what_is_no_field_is_passed_over(self) -> None:
        form = read_form({"data": " acai/tickets ", "param-epochs": "3", "param-seed": "", "params": "x", "evil": "y"})
        assert form == RunForm(data="acai/tickets", params={"epochs": "3"})

    @pytest.mark.parametrize("name", ["Ticket text ", " text", " ", "x" * 1000])
    def test_a_column_is_named_as_its_file_names_it(self, name: str) -> None:
        assert read_form({"text_column": name, "label_column": "label"}).columns == {"text": name, "label": "label"}

    def test_its_address_draws_it_again(self) -> None:
        form = RunForm(upload="a" * 24, text_column="texto", base="acai/base", params={"method": "full"})
        assert read_form(form.address()) == form


class TestWantedRun:
    def test_is_on_the_dataset_with_its_columns(self) -> None:
        form = RunForm(
            data="acai/tickets@main",
            task="text-classification",
            text_column="a",
            label_column="b",
            budget_minutes="1,5",
        )
        wanted = wanted_run(form, Problems())
        assert (wanted.data, wanted.columns, wanted.budget_minutes) == (form.data, {"text": "a", "label": "b"}, 1.5)

    def test_of_an_upload_the_import_notes_the_columns(self) -> None:
        form = RunForm(upload="a" * 24, text_column="a", label_column="b", dataset_namespace="acai", dataset_name="x")
        wanted = wanted_run(form, Problems())
        assert (wanted.data, wanted.columns) == ("acai/x", {})
        assert form.options("x.csv").text_column == "a"

    def test_every_problem_is_found_at_its_field(self) -> None:
        problems = Problems()
        wanted_run(RunForm(data="a/b", text_column="x", label_column="x", budget_minutes="soon"), problems)
        assert set(problems.found) == {"columns", "budget_minutes"}
        assert problems.status == 400

    @pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "ten", "1e999"])
    def test_what_is_no_number_of_minutes(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="no number of minutes"):
            minutes_of(text)

    @pytest.mark.parametrize("said", ["", "private", "everyone"])
    def test_only_public_is_public(self, said: str) -> None:
        assert visibility_of(RunForm(visibility=said)) is Visibility.PRIVATE
        assert visibility_of(RunForm(visibility="public")) is Visibility.PUBLIC


class Params(BaseModel, use_attribute_docstrings=True):
    method: Literal["quick", "slow"] = "slow"
    rate: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """How fast."""
    decay: Literal["linear", "cosine"] = "cosine"
    shuffle: bool = True
    limit: int | None = None


class DrawnTask:
    Params = Params


class TestSettings:
    def test_are_drawn_from_their_types(self) -> None:
        drawn = {setting.name: setting for setting in settings_of(DrawnTask())}  # type: ignore[arg-type]
        assert "method" not in drawn
        assert (drawn["rate"].choices, drawn["rate"].default, drawn["rate"].description) == ((), "auto", "How fast.")
        assert (drawn["decay"].choices, drawn["decay"].default) == (("linear", "cosine"), "cosine")
        assert (drawn["shuffle"].choices, drawn["shuffle"].default) == (("true", "false"), "true")
        assert (drawn["limit"].choices, drawn["limit"].default) == ((), "")

    def test_the_usual_method_comes_first(self) -> None:
        assert methods_of(DrawnTask()) == ("slow", "quick")  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", list(trainable_tasks()))
    def test_what_every_task_draws_is_what_it_takes(self, name: str) -> None:
        task = trainable_tasks()[name]
        drawn = settings_of(task)
        assert [setting.name for setting in drawn if not setting.description] == []
        given = {setting.name: setting.default for setting in drawn if setting.default}
        assert task.Params.model_validate(given) == task.Params()
