"""One description of a run: what a command line, a YAML file, a program and a form all come down to."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viveiro.datasets.service import trainable
from viveiro.errors import InvalidInput
from viveiro.ml.tasks import TrainableTask
from viveiro.types import Visibility


class RunDescription(BaseModel):
    """Enough to run again. Stored resolved: revisions are commits, columns are named, nothing is left to guess."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    task: str
    """The pipeline tag of a task that models are adapted to, such as text-classification."""
    data: str
    """The dataset: ORG/NAME, or ORG/NAME@revision."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column plays which role of the task, as in {"text": "message", "label": "category"}. What is not named is guessed."""
    base: str | None = None
    """The model to start from: ORG/NAME, or ORG/NAME@revision. Unset: the starter."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The task's parameters, such as method and seed. What is not given has its default."""
    publish: str | None = None
    """Repo that the model is committed to. Unset: named after the dataset and the base."""
    visibility: Visibility = Visibility.PUBLIC
    """Of that repo, if it has to be made."""


def parse_params(task: TrainableTask, given: dict[str, Any]) -> BaseModel:
    """The task's parameters with every default filled in. Raises InvalidInput with each problem and its place."""
    try:
        return task.Params.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(_problem(task, detail) for detail in error.errors())
        raise InvalidInput("These settings do not fit {task}: {problems}.", task=task.name, problems=problems) from error
