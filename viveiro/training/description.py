"""One description of a run: what a command line, a YAML file, a program and a form all come down to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viveiro.errors import InvalidInput
from viveiro.locale import Sentence, problem
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
    """Of that repo, if it has to be made. Unset: private when the dataset or the base is private or gated."""
    budget_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Training stops after so many minutes, and the best model until then is kept. Unset: the installation's limit."""

    @property
    def data_revision(self) -> Revision:
        return Revision.parse(self.data)

    @property
    def base_revision(self) -> Revision | None:
        return None if self.base is None else Revision.parse(self.base)

    @property
    def seed(self) -> int:
        return int(self.params.get("seed", 0))

    def to_yaml(self) -> str:
        """A file that `viveiro runs start --config` makes the same run of."""
        chosen = self.model_dump(mode="json", exclude_defaults=True)
        text: str = yaml.safe_dump(chosen, allow_unicode=True, sort_keys=False)
        return text


def parse_description(given: Mapping[str, Any]) -> RunDescription:
    """Raises InvalidInput with each problem and its place."""
    try:
        return RunDescription.model_validate(given)
    except ValidationError as error:
        problems = _problems(RunDescription, error)
        raise InvalidInput("This describes no run: {problems}.", problems=problems) from error


def read_config(text: str) -> dict[str, Any]:
    """What a run.yaml says, its names checked. It may be half of a description: the command line adds the rest.

    Raises:
        InvalidInput: it is no YAML mapping, or holds a name that means nothing.
    """
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput("This is no YAML: {problem}", problem=" ".join(str(error).split())) from error
    if not isinstance(given, dict):
        raise InvalidInput("A description of a run is made of lines like `task: text-classification`.")
    unknown = [str(name) for name in given if name not in RunDescription.model_fields]
    if unknown:
        problems = [_unknown(name, RunDescription.model_fields) for name in unknown]
        raise InvalidInput("This describes no run: {problems}.", problems=problems)
    for name in ("columns", "params"):
        if not isinstance(given.get(name) or {}, dict):
            raise InvalidInput("This describes no run: {name} is made of lines like `name: value`.", name=name)
    return given


def parse_params(task: TrainableTask, given: Mapping[str, Any]) -> BaseModel:
    """The task's parameters with every default filled in. Raises InvalidInput with each problem and its place."""
    try:
        return task.Params.model_validate(given)
    except ValidationError as error:
        problems = _problems(task.Params, error)
        raise InvalidInput(
            "These settings do not fit {task}: {problems}.", task=task.name, problems=problems
        ) from error


def _problems(schema: type[BaseModel], error: ValidationError) -> list[Sentence]:
    return [_problem(schema, detail) for detail in error.errors()]


def _problem(schema: type[BaseModel], detail: Mapping[str, Any]) -> Sentence:
    name = str(detail["loc"][0]) if detail["loc"] else "settings"
    return _unknown(name, schema.model_fields) if detail["type"] == "extra_forbidden" else problem(name, detail["msg"])


def _unknown(name: str, known: Iterable[str]) -> Sentence:
    near = get_close_matches(name, list(known), n=1)
    if near:
        return Sentence("{name}: no such setting, did you mean {near}?", name=name, near=near[0])
    return Sentence("{name}: no such setting, there are {known}", name=name, known=", ".join(known))
