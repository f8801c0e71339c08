"""What fsck finds, names and mends."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.unit.hub.house import House, sha256
from viveiro.hub import queries
from viveiro.hub.fsck import Fault, Finding, check_hub, rebuild_index
from viveiro.hub.git import create_bare_repository, repository_path
from viveiro.hub.tables import BlobRow, RepoBlobRow
from viveiro.hub.types import AddFile, AddLfsFile, Repo, RepoIndex


def findings(house: House, *, repair: bool = False, deep: bool = False) -> list[Finding]:
    return [found for found in check_hub(house.hub, repair=repair, deep=deep) if isinstance(found, Finding)]


def faults(house: House, *, repair: bool = False, deep: bool = False) -> list[Fault]:
    return [finding.fault for finding in findings(house, repair=repair, deep=deep)]


def object_file(house: House, repo: Repo, oid: str) -> Path:
    return house.hub.repo_path(repo) / "objects" / oid[:2] / oid[2:]


@pytest.fixture
def repo(house: House) -> Repo:
    repo = house.model()
    weights = house.store(b"\0weights", repo)
    house.commit(
        repo,
        AddFile("README.md", b"---\nlicense: mit\nlanguage: pt\n---\n# Seeds"),
        AddFile("data/train.csv", b"a,b\n"),
        AddLfsFile("model.safetensors", weights),
    )
    house.hub.create_tag(house.alice, repo, "v1", "main", "first")
    return house.again(repo)


class TestASoundHub:
    def test_has_no_findings(self, house: House, repo: Repo) -> None:
        house.model("alice/second")
        assert findings(house, deep=True) == []

    def test_is_counted_repo_by_repo(self, house: House, repo: Repo) -> None:
        assert [found for found in check_hub(house.hub) if isinstance(found, Repo)] == [repo]


class TestWhatIsLost:
    def test_a_missing_file_is_named(self, house: House, repo: Repo) -> None:
        oid = house.hub.entry(repo, house.hub.resolve(repo, "main"), "data/train.csv").oid
        object_file(house, repo, oid).unlink()
        [finding] = findings(house)
        assert finding == Finding(
            Fault.MISSING_OBJECT, "Git does not have it.", "alice/seeds", "refs/heads/main", "data/train.csv", oid
        )

    def test_a_missing_commit_is_named(self, house: House, repo: Repo) -> None:
        head = house.hub.resolve(repo, "main")
        object_file(house, repo, head).unlink()
        found = findings(house)
        assert (found[0].fault, found[0].oid, found[0].path) == (Fault.MISSING_OBJECT, head, None)

    def test_a_damaged_file_is_named(self, house: House, repo: Repo) -> None:
        entry = house.hub.entry(repo, house.hub.resolve(repo, "main"), "data/train.csv")
        file = object_file(house, repo, entry.oid)
        file.chmod(0o600)
        file.write_bytes(b"rust")
        [finding] = findings(house)
        assert (finding.fault, finding.path, finding.oid) == (Fault.DAMAGED_OBJECT, "data/train.csv", entry.oid)

    def test_a_damaged_pack_is_noticed(self, house: House, repo: Repo) -> None:
        house.git(repo, "repack", "-a", "-d", "-q")
        [pack] = (house.hub.repo_path(repo) / "objects" / "pack").glob("*.pack")
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 0xFF
        pack.write_bytes(content)
        assert Fault.DAMAGED_OBJECT in faults(house)

    def test_missing_content_is_named(self, house: House, repo: Repo) -> None:
        oid = sha256(b"\0weights")
        house.blobs.delete(oid)
        named = findings(house)[0]
        assert (named.fault, named.repo, named.path, named.oid) == (
            Fault.MISSING_CONTENT,
            "alice/seeds",
            "model.safetensors",
            oid,
        )

    def test_content_cut_short_is_named(self, house: House, repo: Repo) -> None:
        path = house.blobs.path(sha256(b"\0weights"))
        assert path is not None
        path.write_bytes(b"\0wei")
        assert findings(house)[0].fault is Fault.DAMAGED_CONTENT

    def test_content_of_the_right_length_and_wrong_bytes_takes_a_deep_look(self, house: House, repo: Repo) -> None:
        path = house.blobs.path(sha256(b"\0weights"))
        assert path is not None
        path.write_bytes(b"\0WEIGHTS")
        assert faults(house) == []
        assert faults(house, deep=True) == [Fault.DAMAGED_CONTENT]

    def test_a_missing_repository_is_named(self, house: House, repo: Repo) -> None:
        house.hub.repo_path(repo).rename(house.settings.data_dir / "elsewhere")
        assert [(finding.fault, finding.repo) for finding in findings(house)] == [
            (Fault.MISSING_REPOSITORY, "alice/seeds")
        ]

    def test_cannot_be_repaired_and_is_said_again(self, house: House, repo: Repo) -> None:
        house.blobs.delete(sha256(b"\0weights"))
        before = faults(house)
        assert faults(house, repair=True) == before
        assert faults(house) == before


class TestTheIndex:
    def test_is_rebuilt_from_git(self, house: House, repo: Repo) -> None:
        with house.database.write() as session:
            queries.write_index(
                session, repo.pk, RepoIndex("0" * 40, card={"license": "gpl"}, tags=("wrong",)), modified=None
            )
        assert faults(house) == [Fault.STALE_INDEX]
        assert faults(house, repair=True) == [Fault.STALE_INDEX]
        assert faults(house) == []
        assert house.again(repo) == repo

    def test_follows_a_ref_that_was_moved_behind_its_back(self, house: House, repo: Repo) -> None:
        house.git(repo, "update-ref", "refs/heads/main", house.commit_tree(repo, "main^{tree}"))
        assert rebuild_index(house.hub) == []
        assert house.again(repo).head_sha == house.hub.resolve(repo, "main")

    def test_learns_again_which_content_a_repo_may_use(self, house: House, repo: Repo) -> None:
        with house.database.write() as session:
            session.execute(delete(RepoBlobRow))
            session.execute(delete(BlobRow))
        oid = sha256(b"\0weights")
        assert house.hub.granted_sizes(repo, [oid]) == {}
        assert Fault.UNKNOWN_CONTENT in faults(house)
        assert rebuild_index(house.hub) == []
        assert house.hub.granted_sizes(repo, [oid]) == {oid: 8}
        assert faults(house) == []


class TestLeftOvers:
    """What a killed process leaves is no problem, and tidied up on request."""

    def test_an_upload_that_nobody_was_given(self, house: House) -> None:
        house.store(b"\0orphan")
        assert faults(house) == [Fault.LEFTOVER_CONTENT]
        assert not Fault.LEFTOVER_CONTENT.is_problem
        findings(house, repair=True)
        assert faults(house) == []

    def test_a_repository_that_no_repo_owns(self, house: House) -> None:
        path = repository_path(house.settings.repos_dir, "ab" * 16)
        create_bare_repository(path)
        assert faults(house, repair=True) == [Fault.LEFTOVER_FOLDER]
        hours_ago = path.stat().st_mtime - timedelta(hours=2).total_seconds()
        os.utime(path, (hours_ago, hours_ago))
        findings(house, repair=True)
        assert faults(house) == []
        assert house.hub.folders() == []
