"""A push is scanned by a job, once for each content, and the tree says what was found."""

import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

import viveiro.hub.safety_jobs  # noqa: F401 - registers what is done here
from tests.unit.hub.house import House, KiB
from tests.unit.hub.test_pickles import Bomb, zipped
from viveiro.api.hub.answers import security_status
from viveiro.events import RevisionPushed
from viveiro.hub import queries
from viveiro.hub.pickle_imports import PickleImport
from viveiro.hub.pickles import Scan
from viveiro.hub.safety import SCANNER, scan_file
from viveiro.hub.types import AddFile, AddLfsFile, FileSafety, Repo, SafetyStatus
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import kinds
from viveiro.jobs.queries import to_job
from viveiro.jobs.service import enqueue, list_jobs
from viveiro.jobs.tables import JobRow
from viveiro.types import RepoKind

HARMLESS = pickle.dumps({"a": [1, 2]})


@pytest.fixture
def work(house: House) -> Callable[..., Any]:
    """Do the job of this kind here and now; its result."""

    def do(kind: str, **arguments: Any) -> Any:
        with house.database.write() as session:
            job_id = enqueue(session, kind, arguments)
        with house.database.read() as session:
            row = session.get(JobRow, job_id)
            assert row is not None
            job = to_job(row)
        context = JobContext(job, house.settings, house.database, lambda _message: None, threading.Event())
        return kinds[kind].handler(context, **arguments)

    return do


def statuses(house: House, repo: Repo) -> dict[str, str]:
    entries = house.hub.list_tree(repo, house.hub.resolve(repo, "main"), recursive=True, expand=True)
    return {it.path: it.safety.status.value for it in entries if it.safety is not None}


class TestAPush:
    def test_is_scanned(self, house: House, work: Callable[..., Any]) -> None:
        repo = house.model()
        commit = house.write(repo, {"evil.pkl": pickle.dumps(Bomb()), "deep/good.pt": HARMLESS, "notes.md": b"# Hi"})
        assert statuses(house, repo) == {
            ".gitattributes": "safe",
            "evil.pkl": "queued",
            "deep/good.pt": "queued",
            "notes.md": "safe",
        }
        assert work("hub-scan", repo_pk=repo.pk, revision=commit.oid) == {"scanned": 2}
        assert statuses(house, repo) == {
            ".gitattributes": "safe",
            "evil.pkl": "unsafe",
            "deep/good.pt": "safe",
            "notes.md": "safe",
        }

    def test_of_large_files_too(self, house: House, work: Callable[..., Any]) -> None:
        repo = house.model()
        content = zipped({"archive/data/0": os.urandom(100 * KiB), "archive/data.pkl": pickle.dumps(Bomb())})
        commit = house.commit(repo, AddLfsFile("pytorch_model.bin", house.store(content, repo)))
        work("hub-scan", repo_pk=repo.pk, revision=commit.oid)
        assert statuses(house, repo)["pytorch_model.bin"] == "unsafe"

    def test_starts_a_scan_only_when_there_is_something_to_scan(self, house: House, work: Callable[..., Any]) -> None:
        repo = house.model()

        def push(files: dict[str, bytes]) -> str | None:
            event = RevisionPushed(repo.pk, "refs/heads/main", None, house.write(repo, files).oid, None)
            found: str | None = work("hub-find-pickles", **event.to_json())
            return found

        assert push({"notes.md": b"# Hi"}) is None
        first = push({"evil.pkl": HARMLESS})
        with house.database.read() as session:
            (job,) = [job for job in list_jobs(session) if job.id == first]
        assert work("hub-scan", **job.arguments) == {"scanned": 1}
        assert push({"copy.pkl": HARMLESS}) is None

    def test_of_a_repo_that_is_gone_is_nothing_to_do(self, house: House, work: Callable[..., Any]) -> None:
        assert (
            work("hub-find-pickles", **RevisionPushed(999, "refs/heads/main", None, "0" * 40, None).to_json()) is None
        )
        assert work("hub-scan", repo_pk=999, revision="0" * 40) == {"scanned": 0}


class TestAllThereIs:
    def test_can_be_scanned_again(self, house: House, work: Callable[..., Any]) -> None:
        one, other = house.model(), house.repo(RepoKind.DATASET, "alice/rows")
        house.write(one, {"a.pkl": HARMLESS})
        house.write(other, {"b.pkl": HARMLESS + b"x"})
        house.hub.create_branch(house.alice, one, "work")
        house.write(one, {"c.pkl": HARMLESS + b"y"}, revision="work")
        assert work("hub-scan") == {"scanned": 3}
        assert work("hub-scan") == {"scanned": 0}
        assert work("hub-scan", again=True) == {"scanned": 3}
        assert work("hub-scan", repo_pk=other.pk, again=True) == {"scanned": 1}

    def test_is_looked_at_later_where_the_disk_failed(self, house: House, work: Callable[..., Any]) -> None:
        """The others are told of at once, and of the one nothing is said that is not known."""
        repo = house.model()
        stored = house.store(zipped({"data.pkl": pickle.dumps(Bomb()), "0": os.urandom(100 * KiB)}), repo)
        house.commit(repo, AddLfsFile("big.pt", stored), AddFile("small.pkl", HARMLESS))
        blob = house.blobs.path(stored)
        assert blob is not None
        kept = blob.rename(blob.with_name("elsewhere"))
        blob.mkdir()  # reading it raises what a broken disk does
        with pytest.raises(OSError, match="directory"):
            work("hub-scan", repo_pk=repo.pk)
        assert (statuses(house, repo)["big.pt"], statuses(house, repo)["small.pkl"]) == ("queued", "safe")
        blob.rmdir()
        kept.rename(blob)
        assert work("hub-scan", repo_pk=repo.pk) == {"scanned": 1}
        assert statuses(house, repo)["big.pt"] == "unsafe"

    def test_is_scanned_anew_by_a_better_scanner(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a.pkl": HARMLESS})
        entry = house.hub.entry(repo, house.hub.resolve(repo, "main"), "a.pkl")
        with house.database.write() as session:
            queries.keep_scan(session, entry.oid, SCANNER - 1, Scan())
        assert statuses(house, repo)["a.pkl"] == "queued"
        with house.database.write() as session:
            queries.keep_scan(session, entry.oid, SCANNER, scan_file(house.hub.ledger.open(repo), house.blobs, entry))
        assert statuses(house, repo)["a.pkl"] == "safe"


class TestTheWire:
    def test_says_what_was_found(self) -> None:
        found = Scan((PickleImport("os", "system"), PickleImport("torch", "FloatStorage")))
        assert security_status(FileSafety.of(found)) == {
            "status": "unsafe",
            "avScan": None,
            "pickleImportScan": {
                "status": "unsafe",
                "pickleImports": [
                    {"module": "os", "name": "system", "safety": "dangerous"},
                    {"module": "torch", "name": "FloatStorage", "safety": "innocuous"},
                ],
            },
        }

    def test_says_nothing_of_pickles_where_there_are_none(self) -> None:
        assert security_status(FileSafety(SafetyStatus.SAFE)) == {
            "status": "safe",
            "avScan": None,
            "pickleImportScan": None,
        }
