"""Squashing a branch, and taking large files out of all history."""

import pytest

from tests.unit.hub.house import House, run, sha256
from tests.unit.hub.test_concurrency import POINTS, die, heard_pushes, on_sqlite, state
from viveiro.accounts.types import Viewer
from viveiro.db import utc_now
from viveiro.errors import Forbidden, InvalidInput, NotAuthenticated, RevisionNotFound
from viveiro.hub.fsck import Finding, check_hub
from viveiro.hub.jobs import sweep_contents
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile, Repo

DOOMED, KEPT = b"\0doomed" * 20_000, b"\0kept" * 20_000
AT_EVERY_STEP = [*POINTS, "before:viveiro.hub.queries.take_back", "after:viveiro.hub.queries.take_back"]


@pytest.fixture
def repo(house: House) -> Repo:
    """main holds a doomed file and a kept one; `old` and the tag v1 remember the doomed one under another name too."""
    repo = house.model()
    doomed, kept = house.store(DOOMED, repo), house.store(KEPT, repo)
    house.commit(repo, AddLfsFile("doomed.bin", doomed), AddLfsFile("kept.bin", kept), AddFile("notes.txt", b"1"))
    house.commit(repo, AddLfsFile("folder/again.bin", doomed), AddFile("notes.txt", b"2"))
    house.hub.create_tag(house.alice, repo, "v1", "main", "first")
    house.hub.create_branch(house.alice, repo, "old")
    house.commit(repo, DeleteFile("folder/again.bin"), AddFile("notes.txt", b"3"))
    return repo


def is_sound(house: House, repo: Repo) -> bool:
    problems = [found for found in check_hub(house.hub) if isinstance(found, Finding) and found.fault.is_problem]
    return problems == [] and house.git(repo, "fsck", "--strict", "--no-dangling") == ""


def delete(house: House, repo: Repo, *paths: str, rewrite_history: bool = True) -> None:
    ids = [file.id for file in house.hub.lfs_files(repo) if file.path in paths]
    house.hub.delete_lfs_files(house.alice, repo, ids, rewrite_history=rewrite_history)


class TestSquashing:
    def test_leaves_one_commit_with_the_same_files(self, house: House, repo: Repo) -> None:
        tree = house.git(repo, "rev-parse", "main^{tree}")
        made = house.hub.squash(house.alice, repo, "main", "All in one\n\nas agreed")
        assert house.history(repo) == ["All in one as agreed"]
        assert (made.parents, house.git(repo, "rev-parse", "main^{tree}")) == ((), tree)
        assert house.again(repo).head_sha == made.oid
        assert is_sound(house, repo)

    def test_leaves_other_refs_alone(self, house: House, repo: Repo) -> None:
        before = house.history(repo, "old")
        house.hub.squash(house.alice, repo, "main", "All in one")
        assert house.history(repo, "old") == before == house.history(repo, "v1")

    @pytest.mark.parametrize("revision", ["v1", "nowhere", "refs/tags/v1"])
    def test_is_for_branches(self, house: House, repo: Repo, revision: str) -> None:
        with pytest.raises(RevisionNotFound):
            house.hub.squash(house.alice, repo, revision, "All in one")

    def test_takes_the_right_to_write(self, house: House, repo: Repo) -> None:
        with pytest.raises(Forbidden):
            house.hub.squash(house.bob, repo, "main", "All in one")
        with pytest.raises(NotAuthenticated):
            house.hub.squash(Viewer(), repo, "main", "All in one")


class TestListingLfsFiles:
    def test_all_history_is_searched_and_each_file_named_once(self, house: House, repo: Repo) -> None:
        files = {file.path: file for file in house.hub.lfs_files(repo)}
        assert files.keys() == {"doomed.bin", "kept.bin"}  # folder/again.bin is the same object as doomed.bin
        assert (files["doomed.bin"].sha256, files["doomed.bin"].size) == (sha256(DOOMED), len(DOOMED))
        assert files["doomed.bin"].ref == "refs/heads/main"

    def test_what_only_a_branch_holds_is_under_its_name(self, house: House, repo: Repo) -> None:
        house.commit(repo, AddLfsFile("own.bin", house.store(b"\0own", repo)), revision="old")
        refs = {file.path: file.ref for file in house.hub.lfs_files(repo)}
        assert refs["own.bin"] == "refs/heads/old"

    def test_an_upload_without_a_commit_is_there_without_a_ref(self, house: House, repo: Repo) -> None:
        stray = house.store(b"\0stray", repo)
        assert [(file.id, file.ref) for file in house.hub.lfs_files(repo)][-1] == (stray, None)


class TestDeletingLfsFiles:
    def test_takes_them_out_of_every_commit_of_every_ref(self, house: House, repo: Repo) -> None:
        titles = {revision: house.history(repo, revision) for revision in ("main", "old", "v1")}
        delete(house, repo, "doomed.bin")
        for revision in ("main", "old", "v1"):
            assert house.paths(repo, revision) == ["kept.bin", "notes.txt"]
            assert house.history(repo, revision) == titles[revision]
        assert house.read(repo, "notes.txt", "old") == b"2"
        assert house.git(repo, "for-each-ref", "--format=%(contents:subject)", "refs/tags/v1").strip() == "first"
        assert house.again(repo).head_sha == house.hub.resolve(repo, "main")
        assert is_sound(house, repo)

    def test_authors_and_dates_stay(self, house: House, repo: Repo) -> None:
        told = "--format=%an %ae %ad %cn %cd %s"
        before = house.git(repo, "log", told, "old")
        delete(house, repo, "doomed.bin")
        assert house.git(repo, "log", told, "old") == before

    def test_the_content_goes_with_the_next_sweep(self, house: House, repo: Repo) -> None:
        delete(house, repo, "doomed.bin")
        sweep_contents(house.hub, utc_now())
        assert house.blobs.size(sha256(DOOMED)) is None
        assert house.blobs.size(sha256(KEPT)) == len(KEPT)

    def test_content_that_another_file_of_the_repo_has_stays(self, house: House, repo: Repo) -> None:
        """Two pointers of different text for one content: the other came by git, with a line more."""
        folder = str(house.hub.repo_path(repo))
        pointer = house.git(repo, "cat-file", "blob", "main:doomed.bin").replace(
            "\noid", f"\next-0-x sha256:{'0' * 64}\noid"
        )
        twin = run("git", "-C", folder, "hash-object", "-w", "--stdin", stdin=pointer).strip()
        listed = house.git(repo, "ls-tree", "main") + f"100644 blob {twin}\ttwin.bin\n"
        tree = run("git", "-C", folder, "mktree", stdin=listed).strip()
        house.git(repo, "update-ref", "refs/heads/main", house.commit_tree(repo, tree))
        delete(house, repo, "doomed.bin")
        assert house.read(repo, "twin.bin") == DOOMED

    def test_content_that_another_repo_has_stays_there(self, house: House, repo: Repo) -> None:
        other = house.model("alice/other")
        house.commit(other, AddLfsFile("copy.bin", house.store(DOOMED, other)))
        delete(house, repo, "doomed.bin")
        sweep_contents(house.hub, utc_now())
        assert house.read(other, "copy.bin") == DOOMED

    def test_without_rewriting_only_what_no_commit_names_may_go(self, house: House, repo: Repo) -> None:
        stray = house.store(b"\0stray", repo)
        house.hub.delete_lfs_files(house.alice, repo, [stray], rewrite_history=False)
        assert stray not in house.hub.granted_sizes(repo, [stray])
        with pytest.raises(InvalidInput, match="rewriteHistory"):
            delete(house, repo, "doomed.bin", rewrite_history=False)
        assert house.read(repo, "doomed.bin") == DOOMED

    def test_asking_again_changes_nothing(self, house: House, repo: Repo) -> None:
        ids = [file.id for file in house.hub.lfs_files(repo) if file.path == "doomed.bin"]
        for _ in range(2):
            house.hub.delete_lfs_files(house.alice, repo, ids, rewrite_history=True)
        assert is_sound(house, repo)

    def test_another_repos_content_is_out_of_reach(self, house: House, repo: Repo) -> None:
        other = house.model("alice/other")
        house.commit(other, AddLfsFile("theirs.bin", house.store(b"\0theirs", other)))
        house.hub.delete_lfs_files(house.alice, repo, [sha256(b"\0theirs")], rewrite_history=True)
        assert house.read(other, "theirs.bin") == b"\0theirs"

    def test_takes_the_right_to_write(self, house: House, repo: Repo) -> None:
        with pytest.raises(Forbidden):
            house.hub.delete_lfs_files(house.bob, repo, [], rewrite_history=True)


class TestAWriterKilled:
    """At whatever step: what was done is whole, and asking again finishes it."""

    @on_sqlite
    @pytest.mark.parametrize("point", POINTS)
    def test_while_squashing(self, house: House, repo: Repo, database_url: str, point: str) -> None:
        before = state(house, repo)["refs/heads/main"]
        die(house, database_url, point, "squash")
        house.hub.reconcile()
        after = state(house, repo)["refs/heads/main"]
        assert len(house.history(repo)) == (4 if after == before else 1)
        assert after == before or heard_pushes(house)[-1] == (before, after)
        assert house.again(repo).head_sha == after
        assert is_sound(house, repo)

    @on_sqlite
    @pytest.mark.parametrize("point", AT_EVERY_STEP)
    def test_while_deleting_lfs_files(self, house: House, repo: Repo, database_url: str, point: str) -> None:
        die(house, database_url, point, "delete_lfs_files")
        house.hub.reconcile()
        assert is_sound(house, repo)
        assert house.read(repo, "kept.bin", "old") == KEPT
        ids = [file.id for file in house.hub.lfs_files(repo) if file.sha256 == sha256(DOOMED)]
        house.hub.delete_lfs_files(house.alice, repo, ids, rewrite_history=True)
        assert [file.path for file in house.hub.lfs_files(repo)] == ["kept.bin"]
        assert all(house.paths(repo, revision) == ["kept.bin", "notes.txt"] for revision in ("main", "old", "v1"))
        assert is_sound(house, repo)
