"""The form that starts a run: what was typed, what it means, and the fields that a task's own parameters draw. Pure."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from viveiro.datasets.types import ImportOptions
from viveiro.errors import InvalidInput, ViveiroError
from viveiro.ml.tasks import TrainableTask, tasks
from viveiro.training.description import RunDescription
from viveiro.types import Visibility

PARAMETER: Final = "param-"
"""Before the names of the task's parameters, which are the task's to choose."""
METHOD: Final = "method"
"""The parameter that is drawn as cards; the others are drawn from their types."""
LONGEST_VALUE: Final = 500
COLUMNS: Final = ("text_column", "label_column")
"""Chosen from what the page offered, not typed."""


@dataclass(frozen=True, slots=True)
class RunForm:
    """As it was typed, so that it can be shown again. An empty text: nothing was said."""

    upload: str = ""
    data: str = ""
    task: str = ""
    text_column: str = ""
    label_column: str = ""
    whole_labels: str = ""
    base: str = ""
    budget_minutes: str = ""
    dataset_namespace: str = ""
    dataset_name: str = ""
    model_namespace: str = ""
    model_name: str = ""
    visibility: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_data(self) -> bool:
        return bool(self.upload or self.data)

    @property
    def dataset(self) -> str:
        return f"{self.dataset_namespace}/{self.dataset_name}"

    @property
    def model(self) -> str:
        return f"{self.model_namespace}/{self.model_name}"

    @property
    def columns(self) -> dict[str, str]:
        """By role, those that were named. Raises InvalidInput."""
        if self.text_column and self.text_column == self.label_column:
            raise InvalidInput(
                "Column {column} cannot be both the text and the label. Choose another for one of them.",
                column=self.text_column,
            )
        named = {"text": self.text_column, "label": self.label_column}
        return {role: name for role, name in named.items() if name}

    def options(self, file_name: str) -> ImportOptions:
        """For the import of the upload."""
        return ImportOptions(
            file_name=file_name,
            text_column=self.columns.get("text"),
            label_column=self.columns.get("label"),
            label_separator="" if self.whole_labels else None,
        )

    def address(self) -> dict[str, str]:
        """What an address has to hold to draw the form again."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "params"}
        named = {f"{PARAMETER}{name}": value for name, value in self.params.items()}
        return {name: value for name, value in {**plain, **named}.items() if value}


def read_form(sent: Mapping[str, Any]) -> RunForm:
    """From an address or a body. What is no field of the form is passed over."""
    texts = {name: _read(name, value) for name, value in sent.items() if isinstance(value, str)}
    known = {each.name: texts[each.name] for each in fields(RunForm) if each.name in texts and each.name != "params"}
    params = {name.removeprefix(PARAMETER): text for name, text in texts.items() if name.startswith(PARAMETER)}
    return RunForm(**known, params={name: text for name, text in params.items() if text})


def _read(name: str, value: str) -> str:
    """A column is named as its file names it, with blanks at its ends and however long; what people type is trimmed."""
    return value if name in COLUMNS else value.strip()[:LONGEST_VALUE]


def trainable_tasks() -> dict[str, TrainableTask]:
    return {name: task for name in tasks if isinstance(task := tasks[name], TrainableTask)}


class Problems:
    """What is wrong with the form, by the field it belongs to; the first of each. "" is the form as a whole."""

    def __init__(self) -> None:
        self.found: dict[str, ViveiroError] = {}

    def __bool__(self) -> bool:
        return bool(self.found)

    @contextmanager
    def about(self, place: str) -> Iterator[None]:
        try:
            yield
        except ViveiroError as error:
            self.found.setdefault(place, error)

    @property
    def first(self) -> ViveiroError:
        return next(iter(self.found.values()))

    @property
    def status(self) -> int:
        """Of the answer that shows them."""
        return self.first.status if self else 200


def wanted_run(form: RunForm, problems: Problems) -> RunDescription:
    """What the form describes, as far as it can be meant. What cannot is among the problems."""
    columns: dict[str, str] = {}
    budget = None
    with problems.about("columns"):
        columns = form.columns
    with problems.about("budget_minutes"):
        budget = minutes_of(form.budget_minutes)
    return RunDescription(
        task=form.task,
        data=form.data or form.dataset,
        columns={} if form.upload else columns,  # an import notes its columns itself
        base=form.base or None,
        params=dict(form.params),
        publish=form.model,
        visibility=visibility_of(form),
        budget_minutes=budget,
    )


def visibility_of(form: RunForm) -> Visibility:
    """Private unless public was chosen: what was shown once cannot be taken back."""
    return Visibility.PUBLIC if form.visibility == "public" else Visibility.PRIVATE


def minutes_of(text: str) -> float | None:
    """With a point or a comma. Raises InvalidInput."""
    if not text:
        return None
    try:
        minutes = float(text.replace(",", "."))
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise InvalidInput(
            "{text!r} is no number of minutes. Write one above 0, such as 10, or leave it empty.", text=text
        )
    return minutes


# Fields drawn from a task's parameters --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter: `choices` where it is one of a few words, else something is typed. `default` is what is not said."""

    name: str
    description: str
    default: str
    choices: tuple[str, ...]

    @property
    def field(self) -> str:
        return f"{PARAMETER}{self.name}"


def settings_of(task: TrainableTask) -> tuple[Setting, ...]:
    return tuple(
        Setting(name, info.description or "", _text(info.default), _choices(info.annotation))
        for name, info in task.Params.model_fields.items()
        if name != METHOD
    )


def methods_of(task: TrainableTask) -> tuple[str, ...]:
    """The default first."""
    info = task.Params.model_fields.get(METHOD)
    return () if info is None else tuple(sorted(_choices(info.annotation), key=lambda name: name != info.default))


def _choices(annotation: Any) -> tuple[str, ...]:
    """Empty where more than a few words can be meant."""
    if annotation is bool:
        return ("true", "false")
    options = [option for option in _options(annotation) if option is not NoneType]
    if all(get_origin(option) is Literal for option in options):
        return tuple(str(value) for option in options for value in get_args(option))
    return ()


def _options(annotation: Any) -> Iterator[Any]:
    """What a union is of, without what is annotated to it."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
