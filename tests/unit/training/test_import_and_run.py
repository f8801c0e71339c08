"""A file is imported and a run started on it, by the server alone, however often the job is killed."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.datasets.tables import csv_text
from tests.unit.training.conftest import BASE, SLOTS, Killed, Nursery, Report, dies_at
from viveiro.accounts.types import Viewer
from viveiro.datasets.incoming import UploadNotFound
from viveiro.datasets.service import dataset_ref, note_upload, receive_file
from viveiro.datasets.types import ImportOptions
from viveiro.errors import Forbidden, InvalidInput, JobCancelled, LeaseLost, RepoNotFound
from viveiro.jobs import leases
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import kinds
from viveiro.jobs.service import cancel_job, get_job
from viveiro.jobs.types import Ending, Job, JobState, Outcome
from viveiro.training.description import Revision
from viveiro.training.service import RunDescription, RunState, list_runs, load_run, start_import_and_run
from viveiro.types import RepoId, Visibility

KIND = "import-and-run"
DATA = dataset_ref("alice/letters")
TABLE = csv_text([(f"{word} number {number}", word) for number in range(30) for word in ("pump", "invoice")])


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Fencing is tested on both databases where it lives."""
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


@pytest.fixture
def upload_id(nursery: Nursery) -> str:
    with receive_file(nursery.settings, len(TABLE)) as incoming:
        incoming.file.write(TABLE.encode())
    assert nursery.alice.user_id is not None
    note_upload(nursery.settings, incoming.upload_id, nursery.alice.user_id, "letters.csv")
    return incoming.upload_id


def start(nursery: Nursery, upload_id: str, viewer: Viewer | None = None, **fields: Any) -> str:
    wanted = {"task": "text-classification", "data": str(DATA.repo_id), "base": str(BASE.repo_id), **fields}
    description = RunDescription.model_validate(wanted)
    options = ImportOptions("letters.csv")
    return start_import_and_run(
        nursery.hub, viewer or nursery.alice, DATA, upload_id, options, Visibility.PRIVATE, description
    )


def claim(nursery: Nursery) -> Job:
    with nursery.database.write() as session:
        job = leases.claim(session, "worker", kinds=[KIND], free=SLOTS, total=SLOTS, lease=timedelta(minutes=5))
    assert job is not None
    return job


def attempt(nursery: Nursery, job: Job, report: Report = lambda _message: None) -> Any:
    context = JobContext(job, nursery.settings, nursery.database, report, threading.Event())
    return kinds[KIND].handler(context, **job.arguments)


def history(nursery: Nursery) -> list[str]:
    return nursery.history(nursery.hub.get_repo(nursery.alice, DATA))


def run_ids(nursery: Nursery) -> list[str]:
    with nursery.database.read() as session:
        return [run.id for run in list_runs(session, nursery.alice)]


class TestSuccess:
    def test_the_run_is_on_the_very_revision_that_was_imported(self, nursery: Nursery, upload_id: str) -> None:
        job_id = start(nursery, upload_id, params={"seed": 3})
        job = claim(nursery)
        result = attempt(nursery, job)
        nursery.settle(job, Outcome(Ending.RETURNED, result=result))
        with nursery.database.read() as session:
            kept, run = get_job(session, job_id).result, load_run(session, job_id)
        assert kept["dataset"] == "alice/letters"
        assert kept["run_id"] == run.id
        assert run.description.data_revision == Revision(RepoId("alice", "letters"), kept["revision"])
        assert (run.description.columns, run.description.seed) == ({"text": "text", "label": "label"}, 3)
        assert run.state is RunState.QUEUED
        assert list(nursery.settings.incoming_dir.iterdir()) == []

    def test_and_it_runs(self, nursery: Nursery, upload_id: str) -> None:
        start(nursery, upload_id)
        attempt(nursery, claim(nursery))
        with nursery.database.read() as session:
            (run,) = list_runs(session, nursery.alice)
        nursery.work(run)
        assert nursery.run(run).state is RunState.SUCCEEDED


class TestKilled:
    @pytest.mark.parametrize("stage", ["reading", "writing", "publishing", "starting"])
    def test_before_the_run_is_there_the_next_attempt_does_the_rest(
        self, stage: str, nursery: Nursery, upload_id: str
    ) -> None:
        start(nursery, upload_id)
        job = claim(nursery)
        with pytest.raises(Killed):
            attempt(nursery, job, dies_at(stage))
        assert run_ids(nursery) == []
        nursery.lose(job)
        attempt(nursery, claim(nursery))
        assert run_ids(nursery) == [job.id]
        assert history(nursery) == ["Import letters.csv", "initial commit"]

    def test_after_everything_the_next_attempt_does_nothing_again(self, nursery: Nursery, upload_id: str) -> None:
        start(nursery, upload_id)
        job = claim(nursery)
        result = attempt(nursery, job)
        nursery.lose(job)
        again = claim(nursery)
        assert attempt(nursery, again) == result
        assert run_ids(nursery) == [job.id]
        assert history(nursery) == ["Import letters.csv", "initial commit"]

    def test_even_when_the_base_is_gone_by_then(self, nursery: Nursery, upload_id: str) -> None:
        start(nursery, upload_id)
        job = claim(nursery)
        result = attempt(nursery, job)
        nursery.lose(job)
        nursery.hub.delete_repo(nursery.alice, BASE)
        assert attempt(nursery, claim(nursery)) == result

    def test_an_attempt_that_was_taken_over_starts_no_run(self, nursery: Nursery, upload_id: str) -> None:
        start(nursery, upload_id)
        old = claim(nursery)
        with pytest.raises(Killed):
            attempt(nursery, old, dies_at("publishing"))
        nursery.lose(old)
        new = claim(nursery)
        with pytest.raises(LeaseLost):
            attempt(nursery, old)
        assert run_ids(nursery) == []
        attempt(nursery, new)
        assert run_ids(nursery) == [new.id]


class TestCancelled:
    def test_before_it_publishes_there_is_neither_rows_nor_run(self, nursery: Nursery, upload_id: str) -> None:
        job_id = start(nursery, upload_id)
        job = claim(nursery)

        def cancels(message: Mapping[str, Any]) -> None:
            with nursery.database.write() as session:
                cancel_job(session, job_id)

        with pytest.raises(JobCancelled):
            attempt(nursery, job, cancels)
        nursery.settle(job, Outcome(Ending.FAILED, error="cancelled"))
        with nursery.database.read() as session:
            assert get_job(session, job_id).state is JobState.CANCELLED
        assert run_ids(nursery) == []
        assert history(nursery) == ["initial commit"]


class TestRefusedAtOnce:
    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"task": "text-clasification"}, InvalidInput),
            ({"params": {"epoch": 3}}, InvalidInput),
            ({"columns": {"texto": "text"}}, InvalidInput),
            ({"base": "alice/nothing"}, RepoNotFound),
            ({"publish": str(BASE.repo_id)}, InvalidInput),
            ({"publish": "bob/model"}, Forbidden),
        ],
        ids=lambda value: str(value),
    )
    def test_what_could_only_fail_after_the_import(
        self, fields: dict[str, Any], error: type[Exception], nursery: Nursery, upload_id: str
    ) -> None:
        with pytest.raises(error):
            start(nursery, upload_id, **fields)

    def test_somebody_elses_upload(self, nursery: Nursery, upload_id: str) -> None:
        with pytest.raises(UploadNotFound):
            start(nursery, upload_id, nursery.bob)

    def test_somebody_elses_dataset(self, nursery: Nursery) -> None:
        with receive_file(nursery.settings, None) as incoming:
            incoming.file.write(TABLE.encode())
        assert nursery.bob.user_id is not None
        note_upload(nursery.settings, incoming.upload_id, nursery.bob.user_id, "letters.csv")
        with pytest.raises(Forbidden):
            start(nursery, incoming.upload_id, nursery.bob)


class TestRefusedLater:
    def test_the_rows_stay_when_no_run_can_be_made_of_them(self, nursery: Nursery, upload_id: str) -> None:
        start(nursery, upload_id, columns={"text": "text", "label": "text"})
        with pytest.raises(InvalidInput):
            attempt(nursery, claim(nursery))
        assert run_ids(nursery) == []
        assert history(nursery) == ["Import letters.csv", "initial commit"]
