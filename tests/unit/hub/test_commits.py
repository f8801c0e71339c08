"""Commits through the API: what goes in, what is refused, and what git makes of it."""

from collections.abc import Iterator

import pytest

from tests.unit.hub.house import House, KiB, run, sha256
from viveiro.accounts.types import ANONYMOUS
from viveiro.errors import (
    Forbidden,
    InvalidInput,
    InvalidPath,
    NotAuthenticated,
    NothingToDelete,
    RevisionNotFound,
    StaleParent,
    Unprocessable,
)
from viveiro.hub.discussions.service import Discussions
from viveiro.hub.lfs import format_pointer
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile, DeleteFolder, Operation
from viveiro.types import RepoId, RepoKind, RepoRef

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Git does the work; which database keeps the index makes no difference."""


class TestACommit:
    def test_makes_the_files_readable(self, house: House) -> None:
        repo = house.model()
        made = house.write(repo, {"README.md": b"# Seeds", "data/train.csv": b"a,b\n", "empty.txt": b""})
        assert house.hub.resolve(repo, "main") == made.oid
        assert house.paths(repo) == ["README.md", "data/train.csv", "empty.txt"]
        assert house.read(repo, "data/train.csv") == b"a,b\n"
        assert house.read(repo, "empty.txt") == b""
        assert house.again(repo).head_sha == made.oid

    @on_sqlite
    def test_is_sound_to_git_itself(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"b": b"1", "a.txt": b"2", "a/c": b"3", "a-b": b"4", "z/ü/é.txt": b"5"})
        assert house.git(repo, "fsck", "--strict") == ""
        assert house.git(repo, "show", "main:z/ü/é.txt") == "5"

    @on_sqlite
    def test_keeps_summary_and_description_apart(self, house: House) -> None:
        repo = house.model()
        builder = house.hub.begin_commit(house.alice, repo, "main")
        builder.add(AddFile("a", b"1"))
        made = builder.finish("Add\n a ", "Because.\n\nTwice.\n")
        assert (made.title, made.message) == ("Add a", "Because.\n\nTwice.")
        assert made.authors == ("alice",)
        assert house.git(repo, "log", "-1", "--format=%B").strip() == "Add a\n\nBecause.\n\nTwice."

    @on_sqlite
    def test_without_a_summary_is_not_made(self, house: House) -> None:
        repo = house.model()
        with pytest.raises(InvalidInput):
            house.commit(repo, AddFile("a", b"1"), summary=" \n ")

    @on_sqlite
    def test_takes_content_in_chunks(self, house: House) -> None:
        repo = house.model()
        house.commit(repo, AddFile("a", iter([b"one ", b"", b"two"])))
        assert house.read(repo, "a") == b"one two"

    @on_sqlite
    def test_leaves_alone_what_it_does_not_name(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a/b/c": b"1", "a/d": b"2", "e": b"3"})
        house.write(repo, {"a/b/f": b"4"})
        assert house.paths(repo) == ["a/b/c", "a/b/f", "a/d", "e"]

    @on_sqlite
    def test_can_be_nothing_until_it_is_finished(self, house: House) -> None:
        repo = house.model()
        house.hub.begin_commit(house.alice, repo, "main").add(AddFile("a", b"1"))
        assert house.paths(repo) == []

    @on_sqlite
    def test_that_changes_nothing_is_not_made(self, house: House) -> None:
        repo = house.model()
        first = house.write(repo, {"a": b"1"})
        assert house.write(repo, {"a": b"1"}) == first
        assert house.history(repo) == ["change", "initial commit"]

    @on_sqlite
    def test_keeps_a_program_executable(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"run.sh": b"1"})
        commit_tree = house.git(repo, "ls-tree", "main").replace("100644 blob", "100755 blob")
        made = run("git", "-C", str(house.hub.repo_path(repo)), "mktree", stdin=commit_tree).strip()
        house.git(repo, "update-ref", "refs/heads/main", house.commit_tree(repo, made))
        house.write(repo, {"run.sh": b"2"})
        assert house.git(repo, "ls-tree", "main", "run.sh").startswith("100755")

    @on_sqlite
    def test_of_ten_thousand_files_is_one_commit(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {f"part-{number % 100:02}/{number:05}.txt": b"%d" % number for number in range(10_000)})
        assert len(house.paths(repo)) == 10_000
        assert len(house.history(repo)) == 2


@on_sqlite
class TestDeleting:
    def test_a_file(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a/b": b"1", "c": b"2"})
        house.commit(repo, DeleteFile("a/b"))
        assert house.paths(repo) == ["c"]
        assert [entry.path for entry in house.hub.list_tree(repo, house.hub.resolve(repo, "main"))] == [
            ".gitattributes",
            "c",
        ]

    @pytest.mark.parametrize("path", ["a", "a/"])
    def test_a_folder_and_all_that_is_in_it(self, house: House, path: str) -> None:
        repo = house.model()
        house.write(repo, {"a/b/c": b"1", "a/d": b"2", "e": b"3"})
        house.commit(repo, DeleteFolder(path))
        assert house.paths(repo) == ["e"]

    def test_everything(self, house: House) -> None:
        repo = house.model()
        house.commit(repo, DeleteFile(".gitattributes"))
        sha = house.hub.resolve(repo, "main")
        assert house.hub.list_tree(repo, sha) == []
        assert house.hub.lfs_patterns(repo, sha) == ()
        house.write(repo, {"a": b"1"})
        assert house.paths(repo) == ["a"]

    def test_a_folder_and_filling_it_anew(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a/old": b"1", "b": b"2"})
        house.commit(repo, DeleteFolder("a"), AddFile("a/new", b"3"))
        assert house.paths(repo) == ["a/new", "b"]

    def test_a_folder_by_a_client_that_takes_it_for_a_file(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a/x": b"1", "a/y": b"2", "b": b"3"})
        house.commit(repo, DeleteFile("a"))
        assert house.paths(repo) == ["b"]

    def test_a_file_to_make_room_for_a_folder(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a": b"1"})
        house.commit(repo, DeleteFile("a"), AddFile("a/b", b"2"))
        assert house.paths(repo) == ["a/b"]

    @pytest.mark.parametrize(
        "operation",
        [DeleteFile("gone"), DeleteFile("a/gone"), DeleteFolder("a/b"), DeleteFolder("x/y")],
    )
    def test_what_is_not_there_is_refused_in_the_words_clients_look_for(
        self, house: House, operation: Operation
    ) -> None:
        repo = house.model()
        house.write(repo, {"a/b": b"1"})
        with pytest.raises(NothingToDelete, match="A file with this name doesn't exist") as caught:
            house.commit(repo, operation)
        assert caught.value.code == "EntryNotFound"
        assert house.paths(repo) == ["a/b"]


@on_sqlite
class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        "operations",
        [
            [AddFile("a", b"1"), AddFile("a", b"2")],  # which one?
            [AddFile("a", b"1"), DeleteFile("a")],
            [AddFile("a/b", b"1"), DeleteFolder("a")],
            [AddFile("x", b"1"), AddFile("x/y", b"2")],  # a file and a folder at once
            [AddFile("file/below", b"1")],  # below what is a file
            [AddFile("folder", b"1")],  # in place of what is a folder
            [AddFile("FILE", b"1")],  # a twin of what is there
            [AddFile("Folder/b", b"1")],
            [AddFile("x/Readme", b"1"), AddFile("x/README", b"2")],  # twins of each other
            [AddFile("caf\u00e9", b"1"), AddFile("cafe\u0301", b"2")],  # composed and decomposed
            [AddFile("stra\u00dfe", b"1"), AddFile("STRASSE", b"2")],
            [AddLfsFile("a.bin", "not a hash", 1)],
        ],
    )
    def test_is_refused_and_nothing_is_changed(self, house: House, operations: list[Operation]) -> None:
        repo = house.model()
        house.write(repo, {"file": b"1", "folder/a": b"2"})
        with pytest.raises(Unprocessable):
            house.commit(repo, *operations)
        assert house.history(repo) == ["change", "initial commit"]

    def test_a_twin_may_replace_the_one_that_is_deleted(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"readme.md": b"1"})
        house.commit(repo, DeleteFile("readme.md"), AddFile("README.md", b"1"))
        assert house.paths(repo) == ["README.md"]

    @pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a\\b", ".git/config", "a//b", "nul.txt", "x" * 256])
    def test_a_path_that_no_repo_may_hold(self, house: House, path: str) -> None:
        repo = house.model()
        for operation in (AddFile(path, b"1"), AddLfsFile(path, "0" * 64), DeleteFile(path)):
            with pytest.raises(InvalidPath):
                house.commit(repo, operation)

    def test_a_regular_file_as_large_as_the_threshold(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"just.txt": b"x" * (64 * KiB - 1)})
        with pytest.raises(Unprocessable, match=r"large\.txt is too large for a regular file"):
            house.write(repo, {"large.txt": b"x" * 64 * KiB})

    def test_a_regular_file_without_end_is_refused_as_soon_as_it_is_too_large(self, house: House) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * KiB

        with pytest.raises(Unprocessable):
            house.commit(house.model(), AddFile("large.txt", endless()))


def _commit_as_bob(house: House, operation: Operation) -> None:
    mine = house.hub.create_repo(house.bob, RepoRef(RepoKind.MODEL, RepoId("bob", "mine")))
    builder = house.hub.begin_commit(house.bob, mine, "main")
    builder.add(operation)
    builder.finish("steal")


class TestBigFiles:
    def test_are_pointers_in_git_and_whole_to_readers(self, house: House) -> None:
        repo = house.model()
        content = b"\0weights" * 100
        oid = house.store(content, repo)
        house.commit(repo, AddLfsFile("model.safetensors", oid, len(content)))
        entry = house.hub.entry(repo, house.hub.resolve(repo, "main"), "model.safetensors")
        assert entry.lfs is not None
        assert (entry.size, entry.lfs.oid, entry.lfs.size) == (len(content), oid, len(content))
        assert house.hub.read_blob(repo, entry.oid) == format_pointer(oid, len(content))
        assert entry.lfs.pointer_size == len(format_pointer(oid, len(content)))
        assert house.read(repo, "model.safetensors") == content

    def test_count_as_used_storage(self, house: House) -> None:
        repo = house.model()
        oid = house.store(b"x" * 1000, repo)
        house.commit(repo, AddLfsFile("a.bin", oid), AddLfsFile("copy.bin", oid))
        assert house.again(repo).used_storage == 1000

    def test_that_were_not_uploaded_are_refused_by_name(self, house: House) -> None:
        with pytest.raises(Unprocessable, match=r"model\.bin was not uploaded"):
            house.commit(house.model(), AddLfsFile("model.bin", "0" * 64, 5))

    def test_that_are_said_to_have_another_size_are_refused(self, house: House) -> None:
        repo = house.model()
        with pytest.raises(Unprocessable, match="5 bytes"):
            house.commit(repo, AddLfsFile("model.bin", house.store(b"1234", repo), 5))

    def test_are_copied_on_the_server_from_a_repo_that_the_committer_can_read(self, house: House) -> None:
        source, target = house.model("alice/source", private=True), house.model("alice/target")
        oid = house.store(b"\0secret", source)
        house.commit(target, AddLfsFile("copy.bin", oid))
        assert house.read(target, "copy.bin") == b"\0secret"
        assert house.hub.granted_sizes(target, [oid]) == {oid: 7}

    def test_of_a_private_repo_are_not_had_by_knowing_their_hash(self, house: House) -> None:
        oid = house.store(b"\0secret", house.model("alice/private", private=True))
        with pytest.raises(Unprocessable, match="was not uploaded"):
            _commit_as_bob(house, AddLfsFile("stolen.bin", oid))

    def test_of_a_gated_repo_are_not_copied_by_those_it_is_closed_to(self, house: House) -> None:
        gated = house.model("alice/gated")
        oid = house.store(b"\0secret", gated)
        house.hub.update_repo(house.alice, gated.ref, gated="manual")
        assert house.hub.granted_sizes(house.model("alice/other"), [oid]) == {}
        with pytest.raises(Unprocessable, match="was not uploaded"):
            _commit_as_bob(house, AddLfsFile("stolen.bin", oid))

    def test_text_that_poses_as_a_pointer_gives_no_access_either(self, house: House) -> None:
        oid = house.store(b"\0secret", house.model("alice/private", private=True))
        with pytest.raises(Unprocessable, match="was not uploaded"):
            _commit_as_bob(house, AddFile("stolen.bin", format_pointer(oid, 7)))


class TestWhereACommitGoes:
    def test_onto_another_branch(self, house: House) -> None:
        repo = house.model()
        house.hub.create_branch(house.alice, repo, "next")
        for number, revision in enumerate(("next", "refs/heads/next")):
            house.write(repo, {f"{number}": b"1"}, revision=revision)
        assert house.paths(repo, "next") == ["0", "1"]
        assert house.paths(repo) == []
        assert house.again(repo).head_sha == house.hub.resolve(repo, "main")

    @on_sqlite
    def test_onto_a_pull_request(self, house: House) -> None:
        repo = house.model()
        Discussions(house.hub).propose(house.bob, repo, "A proposal", "")
        house.write(repo, {"a": b"1"}, revision="refs/pr/1")
        assert house.paths(repo, "refs/pr/1") == ["a"]

    @on_sqlite
    def test_never_onto_a_tag_a_commit_or_nothing(self, house: House) -> None:
        repo = house.model()
        house.hub.create_tag(house.alice, repo, "v1", "main")
        for revision in ("v1", "refs/tags/v1", house.hub.resolve(repo, "main"), "gone", "refs/pr/9", "HEAD", ""):
            with pytest.raises(RevisionNotFound):
                house.hub.begin_commit(house.alice, repo, revision)

    @on_sqlite
    def test_not_onto_a_branch_that_was_deleted_meanwhile(self, house: House) -> None:
        repo = house.model()
        house.hub.create_branch(house.alice, repo, "next")
        builder = house.hub.begin_commit(house.alice, repo, "next")
        house.hub.delete_branch(house.alice, repo, "next")
        builder.add(AddFile("a", b"1"))
        with pytest.raises(RevisionNotFound):
            builder.finish("too late")

    @on_sqlite
    def test_only_by_those_who_may_write(self, house: House) -> None:
        repo = house.model()
        with pytest.raises(Forbidden):
            house.hub.begin_commit(house.bob, repo, "main")
        with pytest.raises(NotAuthenticated):
            house.hub.begin_commit(ANONYMOUS, repo, "main")


@on_sqlite
class TestTheParent:
    def test_must_be_the_head_when_given(self, house: House) -> None:
        repo = house.model()
        old = house.hub.resolve(repo, "main")
        head = house.commit(repo, AddFile("a", b"1"), parent=old).oid
        with pytest.raises(StaleParent, match="The branch was updated since you opened this page"):
            house.commit(repo, AddFile("b", b"1"), parent=old)
        house.commit(repo, AddFile("b", b"1"), parent=head[:7].upper())
        assert house.paths(repo) == ["a", "b"]

    def test_when_not_given_is_the_head_at_the_end(self, house: House) -> None:
        repo = house.model()
        builder = house.hub.begin_commit(house.alice, repo, "main")
        builder.add(AddFile("mine", b"1"))
        house.write(repo, {"yours": b"2"})
        builder.finish("mine")
        assert house.paths(repo) == ["mine", "yours"]
        assert house.history(repo) == ["mine", "change", "initial commit"]

    def test_a_deletion_that_someone_else_made_first_misses(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a": b"1"})
        builder = house.hub.begin_commit(house.alice, repo, "main")
        builder.add(DeleteFile("a"))
        house.commit(repo, DeleteFile("a"))
        with pytest.raises(NothingToDelete):
            builder.finish("too late")

    def test_moved_by_git_in_the_last_moment_is_followed(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        repo = house.model()
        pushed = house.commit_tree(repo, "main^{tree}", "by git")
        announce = type(house.hub.ledger).announce

        def announce_late(ledger, *arguments):  # type: ignore[no-untyped-def]
            monkeypatch.undo()
            noted = announce(ledger, *arguments)
            house.git(repo, "update-ref", "refs/heads/main", pushed)
            return noted

        monkeypatch.setattr(type(house.hub.ledger), "announce", announce_late)
        house.write(repo, {"a": b"1"})
        assert house.history(repo) == ["change", "by git", "initial commit"]
        assert house.again(repo).head_sha == house.hub.resolve(repo, "main")


class TestAGuard:
    """A job whose lease was lost must not publish any more."""

    def test_that_raises_keeps_the_commit_from_being_made(self, house: House) -> None:
        def lost(session: object) -> None:
            raise RuntimeError("lease lost")

        repo = house.model()
        builder = house.hub.begin_commit(house.alice, repo, "main")
        builder.add(AddFile("a", b"1"))
        with pytest.raises(RuntimeError, match="lease lost"):
            builder.finish("publish", guard=lost)
        assert house.history(repo) == ["initial commit"]
        house.hub.reconcile()
        assert house.history(repo) == ["initial commit"]


def test_uploaded_content_is_named_by_its_own_hash(house: House) -> None:
    assert house.store(b"abc", house.model()) == sha256(b"abc")
