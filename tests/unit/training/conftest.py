"""An installation with a dataset and a base model, and a worker that can be told to die."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.datasets.tables import csv_text, import_bytes
from tests.unit.hub.house import House
from tests.unit.ml.tiny import make_encoder
from viveiro.app import register_everything
from viveiro.datasets.service import dataset_ref
from viveiro.db import Database
from viveiro.hub.folders import Publication, Publisher
from viveiro.hub.types import Repo
from viveiro.jobs import leases
from viveiro.jobs.context import JobContext, JobStopped
from viveiro.jobs.kinds import kinds
from viveiro.jobs.service import enqueue, get_job
from viveiro.jobs.tables import JobRow
from viveiro.jobs.types import Ending, Job, Outcome
from viveiro.training.service import Run, RunDescription, load_run, start_run
from viveiro.types import RepoId, RepoKind, RepoRef

register_everything()

BASE = RepoRef(RepoKind.MODEL, RepoId("alice", "encoder"))
SLOTS = {"cpu": 4, "gpu": 0, "thread": 4}
Report = Callable[[Mapping[str, Any]], None]


class Killed(BaseException):
    """What the process feels when it is killed: nothing after this line runs."""


class Nursery(House):
    """Alice has 60 labelled texts and an encoder of 3 layers."""

    def __init__(self, database: Database, folder: Path, dataset: Path, encoder: Path) -> None:
        super().__init__(database, folder)
        self.publisher = Publisher(self.hub, self.alice)
        self.publisher.publish(dataset, dataset_ref("alice/tickets"), Publication("Import", "Test: dataset"))
        self.publisher.publish(encoder, BASE, Publication("Import", "Test: encoder"))

    def start(self, **fields: Any) -> Run:
        wanted = {"task": "text-classification", "data": "alice/tickets", "base": str(BASE.repo_id), **fields}
        return start_run(self.hub, self.alice, RunDescription.model_validate(wanted))

    def run(self, run: Run) -> Run:
        with self.database.read() as session:
            return load_run(session, run.id)

    def claim(self, run: Run) -> Job:
        with self.database.write() as session:
            job = leases.claim(
                session, "worker", kinds=["train-run"], free=SLOTS, total=SLOTS, lease=timedelta(minutes=5)
            )
        assert job is not None
        assert job.id == run.job_id
        return job

    def work(self, run: Run, report: Report = lambda _message: None) -> Any:
        """One attempt in this process, settled as the worker settles it. Killed in `report`, it is not settled at all."""
        job = self.claim(run)
        result = self.attempt(job, run, report)
        self.settle(job, Outcome(Ending.RETURNED, result=result))
        return result

    def attempt(self, job: Job, run: Run, report: Report = lambda _message: None) -> Any:
        context = JobContext(job, self.settings, self.database, report, threading.Event())
        return kinds["train-run"].handler(context, run_id=run.id)

    def work_next(self, kind: str, **arguments: Any) -> Any:
        """What the first job of this kind answers, done in this process."""
        with self.database.write() as session:
            job = leases.claim(session, "worker", kinds=[kind], free=SLOTS, total=SLOTS, lease=timedelta(minutes=5))
        assert job is not None
        context = JobContext(job, self.settings, self.database, lambda _message: None, threading.Event())
        return kinds[kind].handler(context, **arguments)

    def keep_house(self) -> None:
        """What is done for runs every few minutes."""
        self._housekeeping("runs-settle")

    def sweep_features(self) -> Any:
        return self._housekeeping("features-sweep")

    def _housekeeping(self, kind: str) -> Any:
        with self.database.write() as session:
            enqueue(session, kind, {})
        return self.work_next(kind)

    def job(self, run: Run) -> Job:
        with self.database.read() as session:
            return get_job(session, run.job_id)

    def settle(self, job: Job, outcome: Outcome) -> None:
        with self.database.write() as session:
            leases.finish(session, job.id, job.attempt, outcome, timedelta(0))

    def take_over(self, run: Run) -> None:
        """As another worker does when it has not heard of this one for too long."""
        with self.database.write() as session:
            row = session.get_one(JobRow, run.job_id)
            assert row.lease_until is not None
            row.lease_until -= timedelta(hours=1)
        with self.database.write() as session:
            leases.take_over(session)

    def lose(self, job: Job) -> None:
        """The worker is gone, and another may take the job over at once."""
        self.settle(job, Outcome(Ending.LOST))


FEW_EPOCHS: dict[str, dict[str, Any]] = {"frozen": {}, "full": {"epochs": 3}}


def dies_at(stage: str) -> Any:
    """A report that kills the attempt in the middle of this stage."""
    return raises_at(stage, Killed)


def stops_at(stage: str) -> Any:
    """The same by SIGTERM, as a worker stops a cancelled job."""
    return raises_at(stage, JobStopped)


def raises_at(stage: str, error: type[BaseException]) -> Any:
    def report(message: Mapping[str, Any]) -> None:
        fields = message["data"]
        if fields.get("stage") == stage and 2 * fields.get("done", fields.get("of", 0)) >= fields.get("of", 0):
            raise error

    return report


def model_of(nursery: Nursery, name: str = "alice/tickets-encoder") -> Repo:
    return nursery.hub.get_repo(nursery.alice, RepoRef(RepoKind.MODEL, RepoId.parse(name)))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_encoder(tmp_path_factory.mktemp("base") / "encoder")
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\nlanguage: pt\n---\n# Encoder\n")
    (folder / "LICENSE").write_text("the licence")
    return folder


@pytest.fixture(scope="session")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [(f"{word} number {number}", word) for number in range(30) for word in ("pump", "invoice")]
    return import_bytes(csv_text(rows).encode(), tmp_path_factory.mktemp("tickets"))[1]


@pytest.fixture
def nursery(database: Database, tmp_path: Path, tickets: Path, encoder: Path) -> Iterator[Nursery]:
    nursery = Nursery(database, tmp_path / "data", tickets, encoder)
    yield nursery
    nursery.hub.close()
