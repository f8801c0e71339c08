"""Whole folders into and out of the hub: once, whatever happens meanwhile."""

import threading
from pathlib import Path

import pytest

from tests.unit.hub.house import House, KiB
from viveiro.errors import Forbidden, LeaseLost, UserNotFound
from viveiro.hub.folders import Publication, Publisher, check_may_publish, check_out
from viveiro.hub.types import AddFile
from viveiro.types import RepoId, RepoKind, RepoRef

PUBLICATION = Publication("Adapt a base", "Viveiro-Run: 1", "Data: alice/tickets")
REF = RepoRef(RepoKind.MODEL, RepoId("alice", "triage"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    (folder / "head").mkdir(parents=True)
    (folder / "README.md").write_text("# Triage")
    (folder / "config.json").write_text("{}")
    (folder / "head" / "model.safetensors").write_bytes(b"\0" * 100)
    (folder / "big.json").write_bytes(b"x" * 100 * KiB)
    return folder


@pytest.fixture
def publisher(house: House) -> Publisher:
    return Publisher(house.hub, house.alice)


class TestPublish:
    def test_a_folder_becomes_one_commit(self, publisher: Publisher, house: House, folder: Path) -> None:
        sha = publisher.publish(folder, REF, PUBLICATION)
        repo = house.hub.get_repo(house.alice, REF)
        assert house.hub.resolve(repo, "main") == sha
        assert house.history(repo) == ["Adapt a base", "initial commit"]
        assert house.paths(repo) == ["README.md", "big.json", "config.json", "head/model.safetensors"]
        assert house.read(repo, "head/model.safetensors") == b"\0" * 100

    def test_large_and_binary_files_go_through_lfs(self, publisher: Publisher, house: House, folder: Path) -> None:
        sha = publisher.publish(folder, REF, PUBLICATION)
        repo = house.hub.get_repo(house.alice, REF)
        large = {entry.path for entry in house.hub.list_tree(repo, sha, recursive=True) if entry.lfs}
        assert large == {"big.json", "head/model.safetensors"}

    def test_a_second_attempt_finds_the_first_ones_commit(
        self, publisher: Publisher, house: House, folder: Path
    ) -> None:
        first = publisher.publish(folder, REF, PUBLICATION)
        repo = house.hub.get_repo(house.alice, REF)
        house.write(repo, {"notes.md": b"someone else's"})
        (folder / "config.json").write_text('{"another": "result"}')
        assert publisher.publish(folder, REF, PUBLICATION) == publisher.published(REF, PUBLICATION) == first
        assert house.history(repo).count("Adapt a base") == 1

    def test_attempts_at_the_same_time_make_one_commit(self, publisher: Publisher, house: House, folder: Path) -> None:
        publisher.ensure_repo(REF, visibility=house.model("alice/other").visibility)
        shas: list[str] = []
        attempts = [
            threading.Thread(target=lambda: shas.append(publisher.publish(folder, REF, PUBLICATION))) for _ in range(4)
        ]
        for attempt in attempts:
            attempt.start()
        for attempt in attempts:
            attempt.join()
        repo = house.hub.get_repo(house.alice, REF)
        assert len(shas) == 4
        assert len(set(shas)) == 1
        assert house.history(repo) == ["Adapt a base", "initial commit"]

    def test_an_attempt_that_lost_its_job_publishes_nothing(
        self, publisher: Publisher, house: House, folder: Path
    ) -> None:
        def lost(_session: object) -> None:
            raise LeaseLost("1", 1)

        with pytest.raises(LeaseLost):
            publisher.publish(folder, REF, PUBLICATION, guard=lost)
        assert house.history(house.hub.get_repo(house.alice, REF)) == ["initial commit"]

    def test_stale_files_go_and_others_stay(self, publisher: Publisher, house: House, folder: Path) -> None:
        repo = house.model(str(REF.repo_id))
        house.write(repo, {"old/head.json": b"{}", "notes.md": b"mine", "config.json": b"old"})
        publisher.publish(folder, REF, PUBLICATION, stale=lambda path: path.startswith("old/"))
        assert house.paths(repo) == ["README.md", "big.json", "config.json", "head/model.safetensors", "notes.md"]
        assert house.read(repo, "config.json") == b"{}"

    def test_links_out_of_the_folder_are_not_followed(
        self, publisher: Publisher, house: House, folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text("secret")
        (folder / "link.txt").symlink_to(tmp_path / "secret")
        publisher.publish(folder, REF, PUBLICATION)
        assert "link.txt" not in house.paths(house.hub.get_repo(house.alice, REF))


class TestCheckMayPublish:
    def test_ones_own_namespace_whether_the_repo_exists_or_not(self, house: House) -> None:
        check_may_publish(house.hub, house.alice, REF)
        house.model(str(REF.repo_id))
        check_may_publish(house.hub, house.alice, REF)

    def test_someone_elses_is_refused(self, house: House) -> None:
        with pytest.raises(Forbidden):
            check_may_publish(house.hub, house.bob, REF)

    def test_a_namespace_of_nobody_is_missing(self, house: House) -> None:
        with pytest.raises(UserNotFound):
            check_may_publish(house.hub, house.alice, RepoRef(RepoKind.MODEL, RepoId("nobody", "x")))


class TestCheckOut:
    def test_the_files_of_a_revision_as_a_folder(
        self, publisher: Publisher, house: House, folder: Path, tmp_path: Path
    ) -> None:
        sha = publisher.publish(folder, REF, PUBLICATION)
        repo = house.hub.get_repo(house.alice, REF)
        house.commit(repo, AddFile("config.json", b"later"))
        made = check_out(house.hub, repo, sha, tmp_path / "cache" / sha)
        assert (made / "config.json").read_text() == "{}"
        assert (made / "head" / "model.safetensors").read_bytes() == b"\0" * 100
        assert check_out(house.hub, repo, sha, tmp_path / "cache" / sha) == made
        assert [path.name for path in made.parent.iterdir()] == [sha]
