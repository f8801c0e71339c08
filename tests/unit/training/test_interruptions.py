"""Killed or cancelled at every stage, with both methods."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.conftest import FEW_EPOCHS, Killed, Nursery, dies_at, model_of, stops_at
from viveiro.errors import JobCancelled, RepoNotFound
from viveiro.jobs.context import JobStopped
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, JobState, Outcome
from viveiro.training.jobs import features_dir
from viveiro.training.service import Run, RunState, cancel_run
from viveiro.training.tables import RunRow


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What a stage leaves behind does not depend on the database's kind."""
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


class TestKilled:
    @pytest.mark.parametrize(
        ("method", "stage"),
        [
            ("frozen", "preflight"),
            ("frozen", "features"),
            ("frozen", "evaluating"),
            ("frozen", "publishing"),
            ("full", "features"),
            ("full", "training"),
            ("full", "validating"),
            ("full", "evaluating"),
        ],
    )
    def test_at_any_stage_the_next_attempt_ends_with_the_same_result(
        self, method: str, stage: str, nursery: Nursery
    ) -> None:
        undisturbed = nursery.start(publish="alice/undisturbed", params={"method": method, **FEW_EPOCHS[method]})
        nursery.work(undisturbed)
        run = nursery.start(params={"method": method, **FEW_EPOCHS[method]})
        with pytest.raises(Killed):
            nursery.work(run, dies_at(stage))
        with nursery.database.read() as session:
            job = session.get_one(JobRow, run.job_id)
        assert job.state == JobState.RUNNING
        nursery.take_over(run)
        nursery.work(run)
        first, second = nursery.run(undisturbed).result, nursery.run(run).result
        assert first is not None
        assert second is not None
        assert first["metrics"] == second["metrics"]
        assert first["history"] == second["history"]
        assert len(nursery.history(model_of(nursery))) == 2


class TestKeptFeatures:
    def test_the_next_run_finds_them_until_they_are_old(self, nursery: Nursery) -> None:
        nursery.work(nursery.start())
        shards = list(features_dir(nursery.settings).glob("*/*"))
        assert shards
        assert nursery.sweep_features() == {"swept": 0}
        for shard in shards:
            os.utime(shard, (0, 0))
        assert nursery.sweep_features() == {"swept": len(shards)}
        nursery.work(nursery.start(publish="alice/again"))


class TestCancelled:
    @pytest.mark.parametrize("stage", ["reading", "preflight", "features", "training", "evaluating", "publishing"])
    def test_a_running_one_ends_cancelled_and_leaves_nothing_behind(self, stage: str, nursery: Nursery) -> None:
        run = nursery.start(params={"method": "full", **FEW_EPOCHS["full"]})
        with pytest.raises(JobStopped):
            nursery.work(run, stops_at(stage))
        with nursery.database.write() as session:
            assert cancel_run(session, nursery.alice, run.id).state is RunState.STOPPING
        nursery.settle(nursery.job(run), Outcome(Ending.RELEASED))
        assert nursery.run(run).state is RunState.CANCELLED
        self.check_nothing_is_left(nursery, run)

    def test_one_that_gets_to_its_commit_after_all_publishes_nothing(self, nursery: Nursery) -> None:
        run = nursery.start()

        def cancels(message: Mapping[str, Any]) -> None:
            if message["data"].get("stage") == "publishing":
                with nursery.database.write() as session:
                    cancel_run(session, nursery.alice, run.id)

        with pytest.raises(JobCancelled):
            nursery.work(run, cancels)
        nursery.settle(nursery.job(run), Outcome(Ending.FAILED, error="cancelled"))
        assert nursery.run(run).state is RunState.CANCELLED
        self.check_nothing_is_left(nursery, run)

    def test_a_cancel_after_the_commit_is_too_late(self, nursery: Nursery) -> None:
        run = nursery.start()
        nursery.work(run)
        with nursery.database.write() as session:  # as if it had been killed before it wrote that down
            session.get_one(RunRow, run.id).result = None
            row = session.get_one(JobRow, run.job_id)
            row.state, row.run_at = JobState.QUEUED, row.created_at
        job = nursery.claim(run)
        with nursery.database.write() as session:
            cancel_run(session, nursery.alice, run.id)
        result = nursery.attempt(job, run)
        nursery.settle(job, Outcome(Ending.RETURNED, result=result))
        assert nursery.job(run).state is JobState.CANCELLED
        assert nursery.run(run).state is RunState.SUCCEEDED
        assert len(nursery.history(model_of(nursery))) == 2

    def test_a_repo_that_was_there_before_stays(self, nursery: Nursery) -> None:
        nursery.model("alice/tickets-encoder")
        run = nursery.start()

        def cancels(message: Mapping[str, Any]) -> None:
            if message["data"].get("stage") == "publishing":
                with nursery.database.write() as session:
                    cancel_run(session, nursery.alice, run.id)

        with pytest.raises(JobCancelled):
            nursery.work(run, cancels)
        assert nursery.history(model_of(nursery)) == ["initial commit"]

    def check_nothing_is_left(self, nursery: Nursery, run: Run) -> None:
        """No repo, and no checkpoints once the housekeeping has been there."""
        with pytest.raises(RepoNotFound):
            model_of(nursery)
        nursery.keep_house()
        assert not (nursery.settings.runs_dir / run.job_id).exists()
