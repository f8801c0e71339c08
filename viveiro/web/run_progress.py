"""How far a run is, as pages show it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from viveiro.jobs.types import Job
from viveiro.locale import Sentence
from viveiro.training.curves import Curves, Diagnosis, Needs, diagnose
from viveiro.training.service import Run, RunState
from viveiro.web import words

GROWTH: Final = (Sentence("Read"), Sentence("Prepare"), Sentence("Adapt"), Sentence("Evaluate"), Sentence("Publish"))
_STEP_OF_STAGE: Final = {
    **dict.fromkeys(("reading", "duplicates", "near_duplicates", "checking", "writing", "starting"), 0),
    **dict.fromkeys(("preflight", "features"), 1),
    **dict.fromkeys(("head", "training", "validating"), 2),
    "evaluating": 3,
    "publishing": 4,
}

Standing = Literal["done", "now", "failed", "ahead"]


@dataclass(frozen=True, slots=True)
class Step:
    name: Sentence
    standing: Standing


@dataclass(frozen=True, slots=True)
class Progress:
    """What the part that browsers ask for again and again is drawn from.

    Attributes:
        address: where the next one comes from; None once nothing will change any more.
        doing: a stage's words, while there is one.
        error: why it failed.
    """

    state: str
    word: str
    steps: tuple[Step, ...]
    address: str | None
    doing: str | None = None
    done: int | None = None
    of: int | None = None
    epoch: float | None = None
    texts_per_second: float | None = None
    left: str | None = None
    error: str | None = None
    needs: Needs | None = None
    needs_time: str = ""
    diagnosis: Diagnosis | None = None

    @property
    def is_final(self) -> bool:
        return self.address is None

    @property
    def percent(self) -> int:
        return int(100 * (self.done or 0) / self.of) if self.of else 0


def progress_of_run(run: Run, job: Job | None, curves: Curves) -> Progress:
    """`job`: what still knows at which stage a run failed; None once it is forgotten."""
    stage = run.stage if run.stage is not None or job is None else job.progress
    return _progress(
        run.state,
        stage or {},
        address=None if run.state.is_final else f"/runs/{run.id}/progress",
        error=run.error,
        needs=curves.needs,
        diagnosis=diagnose(curves, has_ended=run.state.is_final),
    )


def progress_of_import(job: Job) -> Progress:
    """Of the job that imports the data and then starts the run, which will have the job's id."""
    state = RunState(job.state.value)
    if job.cancel_requested and not state.is_final:
        state = RunState.STOPPING
    elif state is RunState.SUCCEEDED:  # its run is about to be there
        state = RunState.RUNNING
    address = None if state.is_final else f"/runs/{job.id}/progress?was=import"
    return _progress(state, job.progress or {}, address=address, error=job.error)


def _progress(
    state: RunState,
    stage: Mapping[str, Any],
    *,
    address: str | None,
    error: str | None,
    needs: Needs | None = None,
    diagnosis: Diagnosis | None = None,
) -> Progress:
    is_at_work = not state.is_final and state is not RunState.QUEUED
    told = stage if is_at_work else {}
    return Progress(
        state=state.value,
        word=words.state(state.value),
        steps=growth(state, stage.get("stage")),
        address=address,
        doing=words.stage(told["stage"]) if "stage" in told else None,
        done=told.get("done"),
        of=told.get("of") if "done" in told else None,
        epoch=told.get("epoch"),
        texts_per_second=told.get("samples_per_second"),
        left=words.duration(told["seconds_left"]) if told.get("seconds_left") is not None else None,
        error=error if state is RunState.FAILED else None,
        needs=needs,
        needs_time=words.duration(needs.seconds) if needs is not None else "",
        diagnosis=diagnosis,
    )


def growth(state: RunState, stage: str | None) -> tuple[Step, ...]:
    """read → prepare → adapt → evaluate → publish, and how each of them stands."""
    if state is RunState.SUCCEEDED:
        return tuple(Step(name, "done") for name in GROWTH)
    if state is RunState.QUEUED or (stage is None and state.is_final):
        return tuple(Step(name, "ahead") for name in GROWTH)
    current = _STEP_OF_STAGE.get(stage or "", 0)
    return tuple(Step(name, _standing(place, current, state)) for place, name in enumerate(GROWTH))


def _standing(place: int, current: int, state: RunState) -> Standing:
    if place != current:
        return "done" if place < current else "ahead"
    return "failed" if state in (RunState.FAILED, RunState.CANCELLED) else "now"
