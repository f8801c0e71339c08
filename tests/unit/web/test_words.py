"""Whatever the platform knows has a name for people, in both languages."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import viveiro
from viveiro.jobs.types import JobState
from viveiro.locale import Sentence, speaking, translate
from viveiro.ml.tasks import tasks
from viveiro.training.service import RunState
from viveiro.training.wording import BASELINE_NAMES, METRIC_NAMES
from viveiro.web import words

ALL: list[Mapping[str, Sentence]] = [
    *(words.STATES, words.ENDPOINT_STATES, words.JOB_KINDS, words.STAGES, words.METRICS),
    *(words.BASELINES, words.METHODS, words.SPLITS, words.ROLES, words.TASKS),
]
THE_SAME_IN_BOTH = {"micro-F1", "macro-F1"}


class TestNothingIsNameless:
    @pytest.mark.parametrize("state", [*RunState, *JobState])
    def test_state(self, state: str) -> None:
        assert state in words.STATES

    def test_job_kinds(self) -> None:
        # In a process of its own: tests register kinds too.
        told = "from viveiro.app import register_everything; from viveiro.jobs.kinds import kinds; register_everything(); print(*kinds)"
        registered = subprocess.run(
            [sys.executable, "-c", told], capture_output=True, text=True, check=True
        ).stdout.split()
        assert registered
        assert set(registered) - words.JOB_KINDS.keys() == set()

    def test_tasks_that_models_are_served_for(self) -> None:
        assert set(tasks) - words.TASKS.keys() == set()

    def test_metrics_and_baselines_of_a_record(self) -> None:
        assert METRIC_NAMES.keys() - words.METRICS.keys() == set()
        assert BASELINE_NAMES.keys() - words.BASELINES.keys() == set()

    def test_stages_that_jobs_tell(self) -> None:
        sources = "".join(path.read_text() for path in Path(viveiro.__file__).parent.rglob("*.py"))
        told = set(re.findall(r'\{"stage": "(\w+)"', sources)) - {"estimated", "validated"}  # points, not progress
        assert told - words.STAGES.keys() == set()


def test_every_name_is_said_in_portuguese() -> None:
    with speaking("pt-BR"):
        untold = {str(name) for named in ALL for name in named.values() if translate(name) == str(name)}
    assert untold == THE_SAME_IN_BOTH


def test_an_unknown_name_is_shown_as_it_is() -> None:
    assert words.task("brew-{coffee}") == "brew-{coffee}"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "< 1 s"), (59, "59 s"), (65, "1 min 05 s"), (3600, "1 h 00 min"), (90_061, "25 h 01 min")],
)
def test_durations_have_two_units_at_most(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told
