"""A run is a job: it may die anywhere, and ends once."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from tests.unit.training.conftest import BASE, Killed, Nursery, dies_at, model_of
from viveiro.accounts.types import ANONYMOUS, Grant, TokenRole, TokenScope, Viewer
from viveiro.datasets.service import dataset_ref
from viveiro.errors import InvalidInput
from viveiro.hub.cards import read_card
from viveiro.hub.folders import Publication
from viveiro.hub.moving import move_repo
from viveiro.hub.types import AddFile
from viveiro.jobs import leases
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, JobState, Outcome
from viveiro.training.service import (
    Run,
    RunNotFound,
    RunState,
    cancel_run,
    get_run,
    list_runs,
    run_points,
    settle_runs,
)
from viveiro.training.tables import RunRow
from viveiro.training.types import UnfitBase, state_of
from viveiro.types import Action, RepoId


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


class TestATestOfOtherClasses:
    def test_is_found_before_training_and_told_in_the_card(self, nursery: Nursery, tmp_path: Path) -> None:
        for split, labels in (("train", ["pump", "oil"] * 15), ("test", ["pump", "oil", "belt"] * 3)):
            texts = [f"{label} {split} {number}" for number, label in enumerate(labels)]
            pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / f"{split}.parquet")
        nursery.publisher.publish(tmp_path, dataset_ref("alice/parts"), Publication("Upload", "Test: parts"))
        run = nursery.start(data="alice/parts", publish="alice/parts-model")
        nursery.work(run)
        result = nursery.run(run).result
        assert result is not None
        assert result["rows"]["test"] == 6
        card = nursery.read(model_of(nursery, "alice/parts-model"), "README.md").decode()
        assert "3 rows of validation and test have a class that no training row has" in card


class TestABaseThatDoesNotFit:
    def test_is_told_before_anything_is_learnt(self, nursery: Nursery) -> None:
        repo = nursery.hub.get_repo(nursery.alice, BASE)
        config = {**json.loads(nursery.read(repo, "config.json")), "hidden_size": 64}
        nursery.commit(repo, AddFile("config.json", json.dumps(config).encode()))
        run = nursery.start()
        with pytest.raises(UnfitBase, match=r"alice/encoder@.* cannot be adapted to text-classification: its weights"):
            nursery.work(run)


class TestARunWhoseReposMove:
    def test_reads_and_publishes_where_they_are_now(self, nursery: Nursery) -> None:
        model = nursery.model("alice/triage")
        run = nursery.start(publish="alice/triage")
        for ref, name in ((dataset_ref("alice/tickets"), "complaints"), (BASE, "reader"), (model.ref, "sorter")):
            move_repo(nursery.hub, nursery.alice, ref, RepoId("alice", name))
        nursery.work(run)
        assert nursery.run(run).state is RunState.SUCCEEDED
        assert "model.safetensors" in nursery.paths(model_of(nursery, "alice/sorter"))
        assert nursery.hub.get_repo(nursery.alice, model.ref, follow=True).pk == model.pk

    def test_may_not_publish_onto_its_base_by_a_former_name(self, nursery: Nursery) -> None:
        move_repo(nursery.hub, nursery.alice, BASE, RepoId("alice", "reader"))
        with pytest.raises(InvalidInput, match="would replace the base"):
            nursery.start(base="alice/reader", publish=str(BASE.repo_id))


class TestKilled:
    def test_the_next_attempt_publishes_once(self, nursery: Nursery) -> None:
        run = nursery.start()
        with pytest.raises(Killed):
            nursery.work(run, dies_at("publishing"))
        nursery.take_over(run)
        nursery.work(run)
        assert nursery.run(run).state is RunState.SUCCEEDED
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


class TestCancel:
    def test_a_queued_run_ends_at_once(self, nursery: Nursery) -> None:
        run = nursery.start()
        with nursery.database.write() as session:
            assert cancel_run(session, nursery.alice, run.id).state is RunState.CANCELLED

    def test_a_stranger_cannot_even_see_it(self, nursery: Nursery) -> None:
        run = nursery.start()
        for viewer in (nursery.bob, ANONYMOUS):
            with nursery.database.write() as session, pytest.raises(RunNotFound):
                cancel_run(session, viewer, run.id)
        with nursery.database.read() as session:
            assert list_runs(session, nursery.bob) == []
            assert [found.id for found in list_runs(session, nursery.root)] == [run.id]
            assert get_run(session, nursery.root, run.id).id == run.id


class TestAccessToken:
    @pytest.mark.parametrize("role", TokenRole)
    @pytest.mark.parametrize("owner", ["alice", "root"])
    def test_lists_the_runs_that_it_may_get(self, owner: str, role: TokenRole, nursery: Nursery) -> None:
        run = nursery.start()
        scope = TokenScope(1, "app", role, (Grant("alice", frozenset({Action.READ})),))
        viewer = replace(getattr(nursery, owner), scope=scope)
        with nursery.database.read() as session:
            assert bool(list_runs(session, viewer)) == gets(session, viewer, run.id)
            assert gets(session, viewer, run.id) == (role in {TokenRole.READ, TokenRole.WRITE})


def gets(session: Session, viewer: Viewer, run_id: str) -> bool:
    with contextlib.suppress(RunNotFound):
        return get_run(session, viewer, run_id).id == run_id
    return False


class TestState:
    @pytest.mark.parametrize(
        ("job_state", "cancel_requested", "stage", "state"),
        [
            (JobState.QUEUED, False, None, RunState.QUEUED),
            (JobState.RUNNING, False, None, RunState.PREFLIGHT),
            (JobState.RUNNING, False, "preflight", RunState.PREFLIGHT),
            (JobState.RUNNING, False, "training", RunState.RUNNING),
            (JobState.RUNNING, True, "training", RunState.STOPPING),
            (JobState.FAILED, False, "preflight", RunState.FAILED),
            (JobState.CANCELLED, True, "training", RunState.CANCELLED),
            (JobState.SUCCEEDED, False, "publishing", RunState.SUCCEEDED),
        ],
    )
    def test_it_follows_the_jobs(
        self, job_state: JobState, cancel_requested: bool, stage: str | None, state: RunState
    ) -> None:
        assert state_of(job_state, cancel_requested=cancel_requested, stage=stage) is state

    def test_how_a_run_ended_outlives_its_job(self, nursery: Nursery) -> None:
        run = nursery.start()
        job = nursery.claim(run)
        nursery.settle(job, Outcome(Ending.FAILED, error="The disk is full.", may_retry=False))
        with nursery.database.write() as session:
            assert [settled.id for settled in settle_runs(session)] == [run.id]
            session.delete(session.get_one(JobRow, run.job_id))
        with nursery.database.write() as session:
            assert settle_runs(session) == []
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


class TestPoints:
    def test_they_are_told_to_whoever_may_see_the_run(self, nursery: Nursery) -> None:
        run = nursery.start()
        job = nursery.claim(run)
        point = {"type": "metrics", "data": {"stage": "validated", "epoch": 1, "loss": 0.5}}
        with nursery.database.write() as session:
            leases.report(session, job.id, job.attempt, [{"type": "progress", "data": {"stage": "training"}}, point])
        with nursery.database.read() as session:
            (told,) = run_points(session, nursery.alice, run.id)
            assert told.fields == point["data"]
            assert run_points(session, nursery.alice, run.id, after=told.seq) == []
            with pytest.raises(RunNotFound):
                run_points(session, nursery.bob, run.id)
