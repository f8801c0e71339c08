"""One description of a run: what a command line, a YAML file, a program and a form all come down to."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viveiro.errors import InvalidInput
from viveiro.ml.tasks import TrainableTask
from viveiro.types import RepoId, Visibility


@dataclass(frozen=True, slots=True)
class Revision:
    """`ORG/NAME@revision`, as people and cards name data and bases. Without a revision, main's head is meant."""

    repo_id: RepoId
    revision: str

    @classmethod
    def parse(cls, text: str) -> Self:
        name, _, revision = text.partition("@")
        return cls(RepoId.parse(name), revision or "main")

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.revision}"


class RunDescription(BaseModel):
    """Enough to run again. Stored resolved: revisions are commits, columns are named."""

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
    visibility: Visibility | None = None
    """Of that repo, if it has to be made. Unset: private when the dataset or the base is."""

    @property
    def data_revision(self) -> Revision:
        return Revision.parse(self.data)

    @property
    def base_revision(self) -> Revision | None:
        return None if self.base is None else Revision.parse(self.base)


def parse_params(task: TrainableTask, given: Mapping[str, Any]) -> BaseModel:
    """The task's parameters with every default filled in. Raises InvalidInput with each problem and its place."""
    try:
        return task.Params.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(_problem(task, detail) for detail in error.errors())
        raise InvalidInput(
            "These settings do not fit {task}: {problems}.", task=task.name, problems=problems
        ) from error


def _problem(task: TrainableTask, detail: Mapping[str, Any]) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else "settings"
    if detail["type"] != "extra_forbidden":
        return f"{name}: {detail['msg']}"
    near = get_close_matches(name, task.Params.model_fields, n=1)
    known = f"did you mean {near[0]}?" if near else f"there are {', '.join(task.Params.model_fields)}"
    return f"{name}: no such setting, {known}"
