"""A run while it goes on: where it is, what it learns, how long it still takes. On stderr, so that stdout stays data."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final

import typer

from viveiro.cli.following import INTERRUPTED, WAITING, say_detached
from viveiro.cli.output import say
from viveiro.client import Client, Refused, RunFailed, ServerUnreachable
from viveiro.jobs.stages import STAGES
from viveiro.locale import Sentence, number, translate

if TYPE_CHECKING:
    from rich.console import Group

WIDTH: Final = 36
"""Of a curve, in characters."""
BARS: Final = "▁▂▃▄▅▆▇█"
PATIENT_EPOCHS: Final = 2
"""One bad epoch is noise; so many in a row are over-fitting."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the validation rows said after it."""

    epoch: float
    loss: float
    f1_macro: float
    best: bool
    """Its weights are kept, or were until a later epoch's."""


@dataclass
class RunView:
    """All that is known of a run so far. Points may come twice, from an attempt that was killed: the later one counts."""

    run: Mapping[str, Any] = field(default_factory=dict)
    estimate: Mapping[str, Any] | None = None
    losses: dict[int, float] = field(default_factory=dict)
    """Of the training rows, by step."""
    steps: int = 0
    """Of the training that is drawn: a short one on all rows at the end, which is not validated, is left out."""
    epochs: dict[float, Epoch] = field(default_factory=dict)
    seen: int = 0
    spinner: Any = None
    """rich's, kept from one drawing to the next: it turns by the time since it was made."""

    def update(self, run: Mapping[str, Any], points: Iterable[Mapping[str, Any]] = ()) -> None:
        self.run = run
        for point in points:
            self.seen, fields = point["seq"], point["fields"]
            match fields.get("stage"):
                case "estimated":
                    self.estimate = fields
                case "training" if fields.get("loss") is not None and fields["of"] >= self.steps:
                    self.steps = fields["of"]
                    self.losses[fields["done"]] = fields["loss"]
                case "validated" if fields.get("loss") is not None:
                    epoch, score, best = fields["epoch"], fields["f1_macro"], fields["best"]
                    self.epochs[epoch] = Epoch(epoch, fields["loss"], score, best)

    @property
    def stage(self) -> Mapping[str, Any]:
        return self.run.get("stage") or {}

    @property
    def title(self) -> str:
        if self.run.get("state") == "queued" or not self.stage:
            return translate(WAITING)
        return translate(STAGES.get(self.stage["stage"], self.stage["stage"]))

    def curves(self) -> list[str]:
        """A line for each curve that has two points, and one for what they mean."""
        training = [self.losses[step] for step in sorted(self.losses)]
        epochs = sorted(self.epochs.values(), key=lambda epoch: epoch.epoch)
        validation = [epoch.loss for epoch in epochs]
        scores = [epoch.f1_macro for epoch in epochs]
        both = [*training, *validation]
        lines = [
            _curve(Sentence("training loss"), training, both),
            _curve(Sentence("validation loss"), validation, both),
            _curve(Sentence("validation macro-F1"), scores, scores),
            _best(epochs),
            _over_fitting(epochs),
        ]
        return [line for line in lines if line]

    def __rich__(self) -> "Group":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 1))
        done, of = self.stage.get("done") or 0, self.stage.get("of")
        bar = ProgressBar(total=of, completed=done, width=24) if of else Text("")
        self.spinner = self.spinner or Spinner("dots")
        head.add_row(self.spinner, Text(self.title), bar, Text(self.pace()))
        return Group(head, *(Text(f"  {line}") for line in self.curves()))

    def pace(self) -> str:
        """How far, how fast, how long still; what of it is known."""
        stage = self.stage
        parts = [f"{stage['done']}/{stage['of']}"] if stage.get("of") and "done" in stage else []
        if rate := stage.get("samples_per_second"):
            parts.append(translate("{rate} texts/s", rate=number(rate)))
        if (left := stage.get("seconds_left")) is not None:
            parts.append(translate("{time} left", time=duration(left)))
        elif stage.get("stage") == "preflight" and self.estimate:
            parts.append(needs(self.estimate))
        return "  ".join(parts)


def follow_run(client: Client, run: Mapping[str, Any]) -> dict[str, Any]:
    """Show a run until it has ended well; the run.

    Raises:
        RunFailed: it failed or was cancelled.
        typer.Exit: an interrupt from the keyboard. The run goes on.
    """
    from rich.console import Console
    from rich.live import Live

    console, view, path = Console(stderr=True), RunView(), f"/api/v1/runs/{run['run_id']}"
    lines = None if console.is_terminal else _Lines()
    try:
        with nullcontext() if lines else Live(view, console=console, transient=True, refresh_per_second=8):
            for found in client.changes(path):
                view.update(found, new_points(client, path, view.seen))
                if lines:
                    lines.tell(view)
    except KeyboardInterrupt:
        say_detached(client, f"viveiro runs follow {run['run_id']}")
        raise typer.Exit(INTERRUPTED) from None
    for line in view.curves():
        typer.echo(f"  {line}", err=True)
    if found["state"] != "succeeded":
        raise RunFailed(found)
    return found


def new_points(client: Client, path: str, after: int) -> list[dict[str, Any]]:
    """None from a server that is gone for a moment: they come with the next look, which says so if it is gone for good."""
    with suppress(ServerUnreachable, Refused):
        return list(client.items_after(f"{path}/points", after))
    return []


class _Lines:
    """For a log instead of a terminal: a line a stage."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, view: RunView) -> None:
        if view.estimate:
            self._once("needs", Sentence("It will need {needs}.", needs=needs(view.estimate)))
        if view.stage:
            self._once(view.stage["stage"], Sentence("{stage} …", stage=view.title))

    def _once(self, key: str, sentence: Sentence) -> None:
        if key not in self._told:
            self._told.add(key)
            say(sentence)


def needs(estimate: Mapping[str, Any]) -> str:
    return translate(
        "about {time}, {memory} of memory, {disk} of disk",
        time=duration(estimate["seconds"]),
        memory=size(estimate["memory_bytes"]),
        disk=size(estimate["disk_bytes"]),
    )


def duration(seconds: float) -> str:
    """In the two largest units that it has."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(count: float) -> str:
    return f"{number(count / 2**30, 1)} GiB" if count >= 2**30 else f"{number(count / 2**20)} MiB"


def sparkline(values: Sequence[float], low: float, high: float, width: int = WIDTH) -> str:
    """Means of as many neighbours as it takes to fit into `width` characters, from `low` at the foot to `high`."""
    groups = min(width, len(values))
    edges = [len(values) * place // groups for place in range(groups + 1)]
    means = [sum(values[start:stop]) / (stop - start) for start, stop in pairwise(edges)]
    span = (high - low) or 1
    return "".join(BARS[min(len(BARS) - 1, max(0, int((mean - low) / span * len(BARS))))] for mean in means)


def over_fits_since(epochs: Sequence[Epoch]) -> float | None:
    """The first of the last epochs in which the validation loss only rose, when there are enough of them."""
    steps = reversed(list(pairwise(epochs)))
    rising = [after for _, after in takewhile(lambda step: step[1].loss > step[0].loss, steps)]
    return rising[-1].epoch if len(rising) >= PATIENT_EPOCHS else None


def _curve(title: Sentence, values: Sequence[float], scale: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    return f"{translate(title):<20} {sparkline(values, min(scale), max(scale))} {number(values[-1], 3)}"


def _best(epochs: Sequence[Epoch]) -> str:
    best = next((epoch for epoch in reversed(epochs) if epoch.best), None)
    if best is None:
        return ""
    return translate(
        "best: epoch {epoch}, macro-F1 {score} on the validation rows",
        epoch=f"{best.epoch:g}",
        score=number(best.f1_macro, 3),
    )


def _over_fitting(epochs: Sequence[Epoch]) -> str:
    since = over_fits_since(epochs)
    if since is None:
        return ""
    return translate(
        "over-fitting since epoch {epoch}: the validation loss rises. The best epoch is what is kept.",
        epoch=f"{since:g}",
    )
