"""What the worker does for the hub: counts, repacking, sweeping."""

import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.unit.hub.house import House
from viveiro.db import utc_now
from viveiro.hub import jobs, queries
from viveiro.hub.fsck import check_hub
from viveiro.hub.git import create_bare_repository, needs_repacking, repack, repository_path
from viveiro.hub.tables import BlobRow
from viveiro.hub.types import AddFile, AddLfsFile
from viveiro.jobs.kinds import kinds
from viveiro.jobs.schedules import schedules

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


class TestCounts:
    def test_downloads_are_those_of_the_last_thirty_days(self, house: House) -> None:
        repo = house.model()
        days = {NOW.date() - timedelta(days=age): 10**number for number, age in enumerate((0, 29, 30, 31))}
        with house.database.write() as session:
            queries.add_downloads(session, {(repo.pk, day): count for day, count in days.items()})
        jobs.count_recent(house.database, NOW)
        assert (house.again(repo).downloads, house.again(repo).downloads_all_time) == (111, 1111)

    def test_what_is_noticed_now_trends_above_what_was(self, house: House) -> None:
        old, new, quiet = house.model("alice/old"), house.model("alice/new"), house.model("alice/quiet")
        with house.database.write() as session:
            queries.add_downloads(session, {(old.pk, NOW.date() - timedelta(days=25)): 50, (new.pk, NOW.date()): 10})
        jobs.count_recent(house.database, NOW)
        scores = [house.again(repo).trending_score for repo in (new, old, quiet)]
        assert scores[0] > scores[1] > scores[2] == 0

    def test_a_like_weighs_more_than_a_download(self, house: House) -> None:
        liked, loaded = house.model("alice/liked"), house.model("alice/loaded")
        house.hub.like(house.bob, liked)
        with house.database.write() as session:
            queries.add_downloads(session, {(loaded.pk, utc_now().date()): 1})
        jobs.count_recent(house.database, utc_now())
        assert house.again(liked).trending_score > house.again(loaded).trending_score

    def test_fall_again_when_nobody_comes_any_more(self, house: House) -> None:
        repo = house.model()
        with house.database.write() as session:
            queries.add_downloads(session, {(repo.pk, NOW.date()): 5})
        jobs.count_recent(house.database, NOW)
        jobs.count_recent(house.database, NOW + timedelta(days=40))
        now = house.again(repo)
        assert (now.downloads, now.trending_score, now.downloads_all_time) == (0, 0, 5)

    def test_and_sweeping_are_scheduled(self) -> None:
        assert {"hub-count", "hub-sweep"} <= set(schedules)
        assert {"hub-count", "hub-sweep", "hub-repack"} <= set(kinds)


class TestSweeping:
    def test_takes_content_that_no_repo_was_given(self, house: House) -> None:
        gone, kept = house.model("alice/gone"), house.model("alice/kept")
        both, only = house.store(b"\0both", gone, kept), house.store(b"\0only", gone)
        house.commit(kept, AddLfsFile("a.bin", both))
        house.hub.delete_repo(house.alice, gone.ref)
        assert jobs.sweep_contents(house.hub, utc_now() - timedelta(days=1)) == 0  # somebody may be about to use it
        assert jobs.sweep_contents(house.hub, utc_now() + timedelta(days=1)) == 1
        assert (house.blobs.size(both), house.blobs.size(only)) == (5, None)
        with house.database.read() as session:
            assert session.scalars(select(BlobRow.sha256)).all() == [both]
        assert list(check_hub(house.hub)) == [house.again(kept)]

    def test_takes_folders_that_nobody_owns_when_they_are_old_enough(self, house: House) -> None:
        kept = house.model()
        orphan = repository_path(house.settings.repos_dir, "ab" * 16)
        create_bare_repository(orphan)
        house.hub.reconcile()
        assert orphan.exists()  # a repo that is just being made looks the same
        hours_ago = orphan.stat().st_mtime - timedelta(hours=2).total_seconds()
        for path in (orphan, house.hub.repo_path(kept)):
            os.utime(path, (hours_ago, hours_ago))
        house.hub.reconcile()
        assert house.hub.folders() == [house.hub.repo_path(kept)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestRepacking:
    def test_is_needed_after_many_small_files_and_keeps_every_one(self, house: House) -> None:
        repo = house.model()
        path = house.hub.repo_path(repo)
        assert not needs_repacking(path)
        house.write(repo, {f"{number}.txt": b"%d" % number for number in range(2100)})
        assert needs_repacking(path)
        assert repack(path)
        assert not needs_repacking(path)
        assert len(house.paths(repo)) == 2100
        assert house.git(repo, "fsck", "--strict") == ""

    def test_keeps_what_a_commit_under_way_has_written(self, house: House) -> None:
        repo = house.model()
        builder = house.hub.begin_commit(house.alice, repo, "main")
        builder.add(AddFile("a.txt", b"1"))
        assert repack(house.hub.repo_path(repo))
        builder.finish("add a")
        assert house.read(repo, "a.txt") == b"1"

    def test_goes_on_beside_readers_and_writers(self, house: House) -> None:
        repo = house.model()
        ended = threading.Event()

        def keep_repacking() -> None:
            while not ended.is_set():
                repack(house.hub.repo_path(repo))

        packing = threading.Thread(target=keep_repacking)
        packing.start()
        for number in range(60):
            house.write(repo, {f"{number}.txt": b"%d" % number})
            assert house.read(repo, f"{number // 2}.txt") == b"%d" % (number // 2)
        ended.set()
        packing.join()
        assert len(house.history(repo)) == 61
        assert house.git(repo, "fsck", "--strict", "--no-dangling") == ""
