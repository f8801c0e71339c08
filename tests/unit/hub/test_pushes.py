"""Pushes by git: checked while they are in quarantine, indexed when they have ended."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.hub.house import House, KiB, run
from viveiro.accounts.types import ANONYMOUS
from viveiro.errors import Forbidden, NotAuthenticated
from viveiro.hub.fsck import check_hub
from viveiro.hub.git import MAIN, environment
from viveiro.hub.lfs import format_pointer
from viveiro.hub.types import RefUpdate, Repo

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Clone:
    """A working copy, and what `git receive-pack` does with its pushes step by step."""

    def __init__(self, house: House, repo: Repo, folder: Path) -> None:
        self.house, self.repo, self.folder = house, repo, folder
        self.bare = house.hub.repo_path(repo)
        self.quarantine = self.bare / "objects" / "tmp_objdir-incoming-test"
        run("git", "clone", "-q", str(self.bare), str(folder))
        for name, value in {"user.name": "gil", "user.email": "gil@example.org", "core.protectNTFS": "false"}.items():
            self.git("config", name, value)

    def git(self, *arguments: str) -> str:
        return run("git", "-C", str(self.folder), *arguments).strip()

    def commit(self, files: dict[str, bytes], title: str = "by git") -> str:
        for path, content in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", title)
        return self.git("rev-parse", "HEAD")

    def commit_tree(self, *lines: str) -> str:
        """A commit of a tree that no working copy could hold, from lines of `git mktree`."""
        tree = run("git", "-C", str(self.folder), "mktree", "--missing", stdin="".join(f"{line}\n" for line in lines))
        return self.git("commit-tree", tree.strip(), "-p", "HEAD", "-m", "odd")

    def blob(self, content: str) -> str:
        return run("git", "-C", str(self.folder), "hash-object", "-w", "--stdin", stdin=content).strip()

    def update(self, new: str | None, ref: str = MAIN) -> RefUpdate:
        old = self.house.git(self.repo, "for-each-ref", "--format=%(objectname)", ref).strip()
        return RefUpdate(ref, old or None, new)

    def send(self, *shas: str) -> dict[str, str]:
        """The objects arrive in quarantine; what the pre-receive hook's environment says of it."""
        variables = {
            "GIT_OBJECT_DIRECTORY": str(self.quarantine),
            "GIT_QUARANTINE_PATH": str(self.quarantine),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.bare / "objects"),
        }
        self.quarantine.mkdir(exist_ok=True)
        packed = subprocess.run(
            ["git", "-C", self.folder, "pack-objects", "--revs", "--stdout", "-q"],
            input="\n".join([*shas, "^origin/main", ""]).encode(),
            check=True,
            capture_output=True,
        ).stdout
        unpack = ["git", "unpack-objects", "-q"]
        subprocess.run(unpack, cwd=self.bare, input=packed, check=True, env=environment(variables))
        return variables

    def ask(self, *updates: RefUpdate) -> list[str]:
        variables = self.send(*(update.new_sha for update in updates if update.new_sha))
        return self.house.hub.prepare_push(self.house.alice, self.repo, updates, variables)

    def push(self, *updates: RefUpdate) -> None:
        assert self.ask(*updates) == []
        self.land(*updates)
        self.house.hub.finish_push(self.repo)

    def land(self, *updates: RefUpdate) -> None:
        """Out of quarantine, and the refs move."""
        shutil.copytree(self.quarantine, self.bare / "objects", dirs_exist_ok=True)
        shutil.rmtree(self.quarantine)
        for update in updates:
            move = ("-d", update.ref) if update.new_sha is None else (update.ref, update.new_sha)
            self.house.git(self.repo, "update-ref", *move)


@pytest.fixture
def clone(house: House, tmp_path: Path) -> Clone:
    return Clone(house, house.model(), tmp_path / "clone")


class TestAPush:
    def test_is_indexed_as_a_commit_is(self, house: House, clone: Clone) -> None:
        pushed = clone.commit({"README.md": b"---\nlicense: mit\n---\n", "data/a.csv": b"1"})
        clone.push(clone.update(pushed))
        now = house.again(clone.repo)
        assert (now.head_sha, now.card, now.tags) == (pushed, {"license": "mit"}, ("license:mit",))
        assert house.paths(clone.repo) == ["README.md", "data/a.csv"]
        assert list(check_hub(house.hub)) == [now]

    def test_and_a_commit_see_each_other_at_once(self, house: House, clone: Clone) -> None:
        clone.push(clone.update(clone.commit({"git.txt": b"1"})))
        house.write(clone.repo, {"api.txt": b"2"})
        clone.git("pull", "-q")
        assert (clone.folder / "api.txt").read_bytes() == b"2"
        assert house.history(clone.repo) == ["change", "by git", "initial commit"]

    def test_of_branches_and_tags(self, house: House, clone: Clone) -> None:
        pushed = clone.commit({"a": b"1"})
        clone.git("tag", "-a", "v1", "-m", "first")
        tag = clone.git("rev-parse", "v1")
        clone.push(clone.update(pushed, "refs/heads/next"), clone.update(tag, "refs/tags/v1"))
        assert house.hub.resolve(clone.repo, "next") == house.hub.resolve(clone.repo, "v1") == pushed
        assert house.paths(clone.repo) == []
        clone.push(clone.update(None, "refs/heads/next"))
        assert [ref.name for ref in house.hub.refs(clone.repo).branches] == ["main"]

    def test_with_big_files_whose_content_came_first(self, house: House, clone: Clone) -> None:
        content = b"\0" * 100 * KiB
        oid = house.store(content, clone.repo)
        clone.push(clone.update(clone.commit({"big.bin": format_pointer(oid, len(content))})))
        assert house.read(clone.repo, "big.bin") == content

    def test_that_was_cut_off_before_the_ref_moved_changed_nothing(self, house: House, clone: Clone) -> None:
        before = house.again(clone.repo)
        assert clone.ask(clone.update(clone.commit({"a": b"1"}))) == []
        house.hub.finish_push(clone.repo)
        house.hub.reconcile()
        assert house.again(clone.repo) == before

    def test_whose_server_died_behind_the_ref_is_indexed_at_the_next_start(self, house: House, clone: Clone) -> None:
        update = clone.update(clone.commit({"a": b"1"}))
        assert clone.ask(update) == []
        clone.land(update)
        house.hub.reconcile()
        assert house.again(clone.repo).head_sha == update.new_sha

    def test_to_a_repo_deleted_meanwhile_ends_quietly(self, house: House, clone: Clone) -> None:
        house.hub.delete_repo(house.alice, clone.repo.ref)
        house.hub.finish_push(clone.repo)

    @on_sqlite
    def test_is_not_for_those_who_may_not_write(self, house: House, clone: Clone) -> None:
        update = clone.update(clone.commit({"a": b"1"}))
        with pytest.raises(Forbidden):
            house.hub.prepare_push(house.bob, clone.repo, [update], {})
        with pytest.raises(NotAuthenticated):
            house.hub.prepare_push(ANONYMOUS, clone.repo, [update], {})


@on_sqlite
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("ref", "deletes", "why"),
        [
            ("refs/heads/main", True, "Cannot delete refs/heads/main"),
            ("refs/pr/x", False, "only branches"),
            ("refs/notes/x", False, "only branches"),
            ("HEAD", False, "only branches"),
            (f"refs/heads/{'a' * 40}", False, "cannot be a name"),
            (f"refs/tags/{'x' * 250}", False, "cannot be a name"),
        ],
    )
    def test_refs_that_are_not_for_pushing(self, clone: Clone, ref: str, deletes: bool, why: str) -> None:
        [problem] = clone.ask(clone.update(None if deletes else clone.git("rev-parse", "HEAD"), ref))
        assert why in problem

    def test_a_file_that_should_have_gone_through_lfs(self, clone: Clone) -> None:
        pushed = clone.commit({"deep/corpus.txt": b"x" * 64 * KiB, "fine.txt": b"x" * (64 * KiB - 1)})
        [problem] = clone.ask(clone.update(pushed))
        assert "deep/corpus.txt: 65536 bytes" in problem
        assert "git lfs migrate" in problem

    def test_also_when_a_later_commit_of_the_push_deleted_it(self, clone: Clone) -> None:
        clone.commit({"corpus.txt": b"x" * 64 * KiB})
        (clone.folder / "corpus.txt").unlink()
        assert len(clone.ask(clone.update(clone.commit({"a": b"1"})))) == 1

    def test_a_pointer_whose_content_was_not_uploaded(self, clone: Clone) -> None:
        [problem] = clone.ask(clone.update(clone.commit({"big.bin": format_pointer("0" * 64, 5)})))
        assert "big.bin: its LFS content" in problem
        assert "git lfs push --all" in problem

    def test_a_pointer_to_what_is_in_somebody_elses_private_repo(
        self, house: House, clone: Clone, tmp_path: Path
    ) -> None:
        alice = house.alice
        house.alice = house.bob
        secret = house.store(b"\0secret", house.model("bob/secret", private=True))
        house.alice = alice
        [problem] = clone.ask(clone.update(clone.commit({"stolen.bin": format_pointer(secret, 7)})))
        assert "was not uploaded" in problem

    def test_a_pointer_that_lies_about_the_size(self, house: House, clone: Clone) -> None:
        oid = house.store(b"\0weights", clone.repo)
        [problem] = clone.ask(clone.update(clone.commit({"big.bin": format_pointer(oid, 9)})))
        assert "says 9 bytes, the content has 8" in problem

    def test_a_symbolic_link(self, clone: Clone) -> None:
        (clone.folder / "link").symlink_to("/etc/passwd")
        [problem] = clone.ask(clone.update(clone.commit({})))
        assert problem.startswith("link: symbolic links")

    def test_a_submodule(self, clone: Clone) -> None:
        pushed = clone.commit_tree(f"160000 commit {'1' * 40}\tmodule")
        [problem] = clone.ask(clone.update(pushed))
        assert problem.startswith("module: submodules")

    @pytest.mark.parametrize("name", ["nul.txt", "a\\b", "x\u202ey", "git~1"])
    def test_a_path_that_no_repo_may_hold(self, clone: Clone, name: str) -> None:
        problems = clone.ask(clone.update(clone.commit_tree(f"100644 blob {clone.blob('1')}\t{name}")))
        assert len(problems) == 1

    def test_names_that_are_not_utf_8(self, clone: Clone) -> None:
        (clone.folder / os.fsdecode(b"\xe9.txt")).write_text("1")
        [problem] = clone.ask(clone.update(clone.commit({})))
        assert "not valid UTF-8" in problem

    @pytest.mark.parametrize(("one", "other"), [("README.md", "Readme.md"), ("é", "e\u0301")])
    def test_names_that_some_systems_take_for_one(self, clone: Clone, one: str, other: str) -> None:
        blob = clone.blob("1")
        pushed = clone.commit_tree(f"100644 blob {blob}\t{one}", f"100644 blob {blob}\t{other}")
        [problem] = clone.ask(clone.update(pushed))
        assert "differ only in case or in unicode form" in problem

    def test_is_told_in_as_many_lines_as_people_read(self, clone: Clone) -> None:
        blob = clone.blob("1")
        pushed = clone.commit_tree(
            *(f"100644 blob {blob}\tcom{digit}.{suffix}" for digit in range(1, 10) for suffix in "abcdefg")
        )
        problems = clone.ask(clone.update(pushed))
        assert len(problems) == 21
        assert problems[-1].startswith("… and more")

    def test_objects_from_outside_the_repository(self, house: House, clone: Clone) -> None:
        update = clone.update(clone.commit({"a": b"1"}))
        outside = {"GIT_OBJECT_DIRECTORY": str(clone.folder / ".git" / "objects")}
        with pytest.raises(Forbidden):
            house.hub.prepare_push(house.alice, clone.repo, [update], outside)
