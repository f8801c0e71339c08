"""A run is a job: it may die anywhere, and ends once."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.training.conftest import BASE, Killed, Nursery
from viveiro.accounts.types import ANONYMOUS
from viveiro.errors import JobCancelled
from viveiro.hub.cards import read_card
from viveiro.hub.types import Repo
from viveiro.jobs import leases
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, JobState, Outcome
from viveiro.training.service import Run, RunNotFound, RunState, cancel_run, get_run, list_runs, settle_runs
from viveiro.training.tables import RunRow
from viveiro.training.types import state_of
from viveiro.types import RepoId, RepoKind, RepoRef


def model_of(nursery: Nursery, name: str = "alice/tickets-encoder") -> Repo:
    return nursery.hub.get_repo(nursery.alice, RepoRef(RepoKind.MODEL, RepoId.parse(name)))


def dies_at(stage: str) -> Any:
    """A report that kills the attempt when it comes to this stage."""

    def report(message: Mapping[str, Any]) -> None:
        if message["data"].get("stage") == stage:
            raise Killed

    return report


class TestSuccess:
    @pytest.fixture
    def finished(self, nursery: Nursery) -> Run:
        run = nursery.start()
        nursery.work(run)
        return nursery.run(run)

    def test_the_run_knows_its_model_and_how_good_it_is(self, finished: Run, nursery: Nursery) -> None:
        assert finished.state is RunState.SUCCEEDED
        assert finished.result is not None
        assert finished.result["model"] == "alice/tickets-encoder"
        assert finished.result["revision"] == nursery.hub.resolve(model_of(nursery), "main")
        for scores in (finished.result["metrics"], *finished.result["baselines"].values()):
            assert scores["accuracy"]["low"] <= scores["accuracy"]["value"] <= scores["accuracy"]["high"]

    def test_it_published_one_commit_with_all_that_a_model_needs(self, finished: Run, nursery: Nursery) -> None:
        repo = model_of(nursery)
        assert len(nursery.history(repo)) == 2
        assert {
            "README.md",
            "LICENSE",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "viveiro_run.json",
        } <= set(nursery.paths(repo))

    def test_the_card_says_what_the_model_is_made_of(self, finished: Run, nursery: Nursery) -> None:
        content = nursery.read(model_of(nursery), "README.md")
        card = read_card(content)
        assert (card["license"], card["language"]) == ("cc-by-4.0", "pt")  # the base's
        assert (card["pipeline_tag"], card["base_model"]) == ("text-classification", "alice/encoder")
        assert card["datasets"] == ["alice/tickets"]
        assert finished.description.data_revision.revision in content.decode()
        assert {metric["type"] for metric in card["model-index"][0]["results"][0]["metrics"]} >= {"accuracy", "f1"}

    def test_the_record_holds_every_setting_with_its_auto_resolved(self, finished: Run, nursery: Nursery) -> None:
        record = json.loads(nursery.read(model_of(nursery), "viveiro_run.json"))
        assert "auto" not in record["description"]["params"].values()
        assert record["run_id"] == finished.id

    def test_the_jobs_folder_is_empty_again(self, finished: Run, nursery: Nursery) -> None:
        assert not (nursery.settings.runs_dir / finished.job_id).exists()


class TestKilled:
    @pytest.mark.parametrize("stage", ["features", "evaluating", "publishing"])
    def test_at_any_stage_the_next_attempt_ends_with_the_same_result(self, stage: str, nursery: Nursery) -> None:
        undisturbed = nursery.start(publish="alice/undisturbed")
        nursery.work(undisturbed)
        run = nursery.start()
        with pytest.raises(Killed):
            nursery.work(run, dies_at(stage))
        with nursery.database.read() as session:
            job = session.get_one(JobRow, run.job_id)
        assert job.state == JobState.RUNNING
        self.take_over(nursery, run)
        nursery.work(run)
        first, second = nursery.run(undisturbed).result, nursery.run(run).result
        assert first is not None
        assert second is not None
        assert first["metrics"] == second["metrics"]
        assert len(nursery.history(model_of(nursery))) == 2

    def test_between_publishing_and_writing_it_down_nothing_is_published_twice(self, nursery: Nursery) -> None:
        run = nursery.start()
        nursery.work(run)
        result = nursery.run(run).result
        with nursery.database.write() as session:  # as if the last transaction had not happened
            session.get_one(RunRow, run.id).result = None
            job = session.get_one(JobRow, run.job_id)
            job.state, job.run_at = JobState.QUEUED, job.created_at
        nursery.work(run, dies_at("reading"))  # it does not even begin anew
        assert nursery.run(run).result == result
        assert len(nursery.history(model_of(nursery))) == 2

    def take_over(self, nursery: Nursery, run: Run) -> None:
        with nursery.database.write() as session:
            row = session.get_one(JobRow, run.job_id)
            assert row.lease_until is not None
            row.lease_until -= timedelta(hours=1)
        with nursery.database.write() as session:
            leases.take_over(session)


class TestCancel:
    def test_a_queued_run_ends_at_once(self, nursery: Nursery) -> None:
        run = nursery.start()
        with nursery.database.write() as session:
            assert cancel_run(session, nursery.alice, run.id).state is RunState.CANCELLED

    def test_a_running_one_publishes_nothing_even_if_it_gets_that_far(self, nursery: Nursery) -> None:
        run = nursery.start()

        def cancels(message: Mapping[str, Any]) -> None:
            if message["data"].get("stage") == "publishing":
                with nursery.database.write() as session:
                    assert cancel_run(session, nursery.alice, run.id).state is RunState.STOPPING

        with pytest.raises(JobCancelled):
            nursery.work(run, cancels)
        assert nursery.history(model_of(nursery)) == ["initial commit"]

    def test_a_stranger_cannot_even_see_it(self, nursery: Nursery) -> None:
        run = nursery.start()
        for viewer in (nursery.bob, ANONYMOUS):
            with nursery.database.write() as session, pytest.raises(RunNotFound):
                cancel_run(session, viewer, run.id)
        with nursery.database.read() as session:
            assert list_runs(session, nursery.bob) == []
            assert [found.id for found in list_runs(session, nursery.root)] == [run.id]
            assert get_run(session, nursery.root, run.id).id == run.id


class TestState:
    @pytest.mark.parametrize(
        ("job_state", "cancel_requested", "has_progress", "state"),
        [
            (JobState.QUEUED, False, False, RunState.QUEUED),
            (JobState.RUNNING, False, False, RunState.PREFLIGHT),
            (JobState.RUNNING, False, True, RunState.RUNNING),
            (JobState.RUNNING, True, True, RunState.STOPPING),
            (JobState.FAILED, False, True, RunState.FAILED),
            (JobState.CANCELLED, True, True, RunState.CANCELLED),
            (JobState.SUCCEEDED, False, True, RunState.SUCCEEDED),
        ],
    )
    def test_it_follows_the_jobs(
        self, job_state: JobState, cancel_requested: bool, has_progress: bool, state: RunState
    ) -> None:
        assert state_of(job_state, cancel_requested=cancel_requested, has_progress=has_progress) is state

    def test_how_a_run_ended_outlives_its_job(self, nursery: Nursery) -> None:
        run = nursery.start()
        job = nursery.claim(run)
        nursery.settle(job, Outcome(Ending.FAILED, error="The disk is full.", may_retry=False))
        with nursery.database.write() as session:
            assert settle_runs(session) == 1
            session.delete(session.get_one(JobRow, run.job_id))
        with nursery.database.write() as session:
            assert settle_runs(session) == 0
        found = nursery.run(run)
        assert (found.state, found.error) == (RunState.FAILED, "The disk is full.")
        assert found.finished_at is not None


class TestWhereABaselineWins:
    def test_the_card_says_so(self, nursery: Nursery) -> None:
        """TF-IDF tells these words apart at once: it can be met, not beaten."""
        run = nursery.start()
        nursery.work(run)
        result = nursery.run(run).result
        assert result is not None
        card = nursery.read(model_of(nursery), "README.md").decode()
        assert result["beats_baselines"] is False
        assert "**This model does not beat" in card
        assert BASE.repo_id.name in card
