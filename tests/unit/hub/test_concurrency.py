"""Many writers at once, and writers that die: nothing that was acknowledged is lost, and nothing is left half done."""

import contextlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.unit.hub.crash import KILLED, NEVER, NEW, SEEDS
from tests.unit.hub.house import House
from viveiro.errors import AlreadyExists, Conflict, RepoNotFound, StaleParent
from viveiro.hub.fsck import Finding, check_hub
from viveiro.hub.types import AddFile, Repo
from viveiro.jobs.tables import JobRow

THREADS, COMMITS = 16, 200
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def heard_pushes(house: House, ref: str = "refs/heads/main") -> list[tuple[str | None, str | None]]:
    """(old, new) of every event about a ref that reached the outbox, in order."""
    with house.database.read() as session:
        rows = session.scalars(select(JobRow).where(JobRow.kind == "test-heard-push").order_by(JobRow.created_at)).all()
    return [(row.arguments["old_sha"], row.arguments["new_sha"]) for row in rows if row.arguments["ref"] == ref]


class TestSixteenThreads:
    def test_commit_to_one_branch_and_every_commit_is_in_its_linear_history(self, house: House) -> None:
        repo = house.model()

        def commit(number: int) -> str:
            return house.commit(repo, AddFile(f"{number % 7}/{number}.txt", b"%d" % number), summary=f"{number}").oid

        with ThreadPoolExecutor(THREADS) as pool:
            made = list(pool.map(commit, range(COMMITS)))
        assert len(set(made)) == COMMITS
        history_of_main = house.git(repo, "rev-list", "--parents", "main").splitlines()
        assert all(len(line.split()) <= 2 for line in history_of_main)
        assert {line.split()[0] for line in history_of_main} >= set(made)
        assert len(history_of_main) == COMMITS + 1
        assert len(house.paths(repo)) == COMMITS
        assert list(check_hub(house.hub)) == [house.again(repo)]

    def test_insist_on_their_parent_and_each_is_made_or_told_so(self, house: House) -> None:
        repo = house.model()

        def commit(number: int) -> str | None:
            parent = house.hub.resolve(repo, "main")
            try:
                return house.commit(repo, AddFile(f"{number}", b"1"), parent=parent).oid
            except (StaleParent, Conflict):
                return None

        with ThreadPoolExecutor(THREADS) as pool:
            made = [oid for oid in pool.map(commit, range(50)) if oid]
        assert made
        assert set(house.git(repo, "rev-list", "main").split()) >= set(made)
        assert len(house.history(repo)) == len(made) + 1

    def test_create_one_repo_and_one_of_them_does(self, house: House) -> None:
        def create(_: int) -> bool:
            try:
                house.hub.create_repo(house.alice, SEEDS)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(create, range(THREADS))) == 1
        assert len(house.hub.folders()) == 1

    def test_create_one_branch_and_one_of_them_does(self, house: House) -> None:
        repo = house.model()

        def create(_: int) -> bool:
            try:
                house.hub.create_branch(house.alice, repo, "next")
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(create, range(THREADS))) == 1


class TestTwoProcesses:
    def test_commit_to_one_branch_and_every_commit_is_in_its_history(self, house: House, database_url: str) -> None:
        repo = house.model()
        common = [sys.executable, "-m", "tests.unit.hub.crash", database_url, str(house.settings.data_dir), NEVER]
        writers = [subprocess.Popen([*common, deed]) for deed in ("twenty_commits", "twenty_more")]
        assert [writer.wait() for writer in writers] == [0, 0]
        assert len(house.paths(repo)) == 40
        assert len(house.history(repo)) == 41
        assert list(check_hub(house.hub)) == [house.again(repo)]


POINTS = [
    "before:viveiro.hub.queries.add_pending",
    "after:viveiro.hub.ledger.Ledger.announce",
    "before:viveiro.hub.refs.compare_and_swap",
    "after:viveiro.hub.refs.compare_and_swap",
    "before:viveiro.hub.queries.delete_pending",
    "after:viveiro.hub.queries.delete_pending",
    "after:viveiro.hub.ledger.publish",
    "after:viveiro.hub.ledger.Ledger._settle",
]


AROUND_THE_REF = [POINTS[1], POINTS[3], POINTS[5]]


class TestAWriterKilled:
    """At whatever step: the next start finds a hub that fsck calls sound, and the deed done or not done, never half."""

    @pytest.mark.parametrize(
        ("deed", "point", "database_url"),
        [
            *(("commit", point, "sqlite") for point in POINTS),
            *(("commit", point, "postgres") for point in POINTS),
            *((deed, point, "sqlite") for deed in ("branch", "tag", "delete_branch") for point in AROUND_THE_REF),
        ],
        indirect=["database_url"],
    )
    def test_while_moving_a_ref(self, house: House, database_url: str, deed: str, point: str) -> None:
        repo = house.model()
        house.hub.create_branch(house.alice, repo, "old")
        before = state(house, repo)
        die(house, database_url, point, deed)
        house.hub.reconcile()
        after = state(house, repo)
        moved = [ref for ref in before.keys() | after.keys() if before.get(ref) != after.get(ref)]
        assert len(moved) <= 1
        assert all(heard_pushes(house, ref)[-1] == (before.get(ref), after.get(ref)) for ref in moved)
        assert house.again(repo).head_sha == after["refs/heads/main"]
        assert not [found for found in check_hub(house.hub) if isinstance(found, Finding) and found.fault.is_problem]
        assert house.git(repo, "fsck", "--strict", "--no-dangling") == ""

    @on_sqlite
    @pytest.mark.parametrize("point", AROUND_THE_REF)
    def test_the_next_commit_follows_without_waiting_for_a_restart(
        self, house: House, database_url: str, point: str
    ) -> None:
        repo = house.model()
        die(house, database_url, point, "commit")
        house.write(repo, {"next.txt": b"1"})
        told = heard_pushes(house)
        assert house.again(repo).head_sha == house.hub.resolve(repo, "main") == told[-1][1]
        assert [old for old, _ in told] == [None, *(new for _, new in told[:-1])]

    @on_sqlite
    @pytest.mark.parametrize(
        "point",
        [
            "after:viveiro.hub.service.create_bare_repository",
            "before:viveiro.hub.queries.insert_repo",
            "after:viveiro.hub.queries.write_index",
            "before:viveiro.hub.service.Hub.get_repo",
        ],
    )
    def test_while_creating_a_repo(self, house: House, database_url: str, point: str) -> None:
        die(house, database_url, point, "create")
        house.hub.reconcile()
        assert not [found for found in check_hub(house.hub) if isinstance(found, Finding) and found.fault.is_problem]
        with contextlib.suppress(AlreadyExists):
            house.hub.create_repo(house.alice, NEW)
        house.write(house.hub.get_repo(house.alice, NEW), {"a": b"1"})

    @on_sqlite
    @pytest.mark.parametrize(
        "point",
        ["before:viveiro.hub.queries.delete_repo", "after:viveiro.hub.queries.delete_repo", "before:shutil.rmtree"],
    )
    def test_while_deleting_one(self, house: House, database_url: str, point: str) -> None:
        house.write(house.model(), {"a": b"1"})
        die(house, database_url, point, "delete")
        house.hub.reconcile()
        assert not [found for found in check_hub(house.hub) if isinstance(found, Finding) and found.fault.is_problem]
        try:
            assert house.paths(house.hub.get_repo(house.alice, SEEDS)) == ["a"]
        except RepoNotFound:
            house.model()

    @on_sqlite
    @pytest.mark.parametrize(
        ("deed", "point"),
        [("create", "after:pygit2.init_repository"), ("delete", "after:os.unlink"), ("delete", "after:os.rmdir")],
    )
    def test_with_a_folder_half_written(self, house: House, database_url: str, deed: str, point: str) -> None:
        """What is half written does not have the name of a repository, and is swept."""
        house.model()
        die(house, database_url, point, deed)
        [left] = [path for path in house.hub.folders() if path.suffix != ".git"]
        assert len(house.hub.folders()) == (2 if deed == "create" else 1)
        hours_ago = left.stat().st_mtime - timedelta(hours=2).total_seconds()
        os.utime(left, (hours_ago, hours_ago))
        house.hub.reconcile()
        assert not left.exists()


def die(house: House, database_url: str, point: str, deed: str) -> None:
    command = [sys.executable, "-m", "tests.unit.hub.crash", database_url, str(house.settings.data_dir), point, deed]
    assert subprocess.run(command, check=False).returncode == KILLED


def state(house: House, repo: Repo) -> dict[str, str]:
    """Where every ref points."""
    lines = house.git(repo, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split() for line in lines)
