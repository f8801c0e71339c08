"""Random commits, branches, tags and deletions against a model in memory that holds nothing but dictionaries."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.hub.house import House
from viveiro.db import Base, Database
from viveiro.errors import NothingToDelete, StaleParent, Unprocessable
from viveiro.hub.fsck import check_hub
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile, DeleteFolder, Operation

Files = dict[str, bytes]
PATHS = st.sampled_from(["a", "b.txt", "c/d", "c/e.txt", "c/f/g", "a/x", "B.txt", "caf\u00e9", "cafe\u0301", "h/i/j/k"])
CONTENT = st.binary(max_size=20)
NAMES = st.sampled_from(["main", "next", "release/1.0"])


class HubMachine(RuleBasedStateMachine):
    """`branches` and `tags` say which files each holds, `commits` how long each branch's history is."""

    @initialize()
    def move_in(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="viveiro-hub-")
        root = Path(self.folder.name)
        self.database = Database(f"sqlite:///{root / 'viveiro.sqlite3'}")
        Base.metadata.create_all(self.database.engine)
        self.house = House(self.database, root / "data")
        self.repo = self.house.model()
        self.branches: dict[str, Files] = {"main": {}}
        self.commits = {"main": 1}
        self.tags: dict[str, Files] = {}

    def teardown(self) -> None:
        if hasattr(self, "house"):
            assert list(check_hub(self.house.hub)) == [self.house.again(self.repo)]
            self.house.hub.close()
            self.database.close()
            self.folder.cleanup()

    @rule(branch=NAMES, files=st.dictionaries(PATHS, CONTENT, min_size=1, max_size=4))
    def add_files(self, branch: str, files: Files) -> None:
        self.commit(branch, {**self.branches.get(branch, {}), **files}, *(AddFile(*file) for file in files.items()))

    @rule(branch=NAMES, path=PATHS, content=CONTENT)
    def add_a_big_file(self, branch: str, path: str, content: bytes) -> None:
        oid = self.house.store(b"\0" + content, self.repo)
        self.commit(branch, {**self.branches.get(branch, {}), path: b"\0" + content}, AddLfsFile(path, oid))

    @rule(branch=NAMES, path=PATHS)
    def delete_a_file(self, branch: str, path: str) -> None:
        before = self.branches.get(branch, {})
        after = {each: content for each, content in before.items() if each != path and not each.startswith(f"{path}/")}
        self.commit(branch, after, DeleteFile(path), misses=after == before)

    @rule(
        branch=NAMES,
        folder=st.sampled_from(["c", "c/f", "a", "h/i"]),
        files=st.dictionaries(PATHS, CONTENT, max_size=2),
    )
    def replace_a_folder(self, branch: str, folder: str, files: Files) -> None:
        before = self.branches.get(branch, {})
        after = {path: content for path, content in before.items() if not path.startswith(f"{folder}/")}
        operations = [DeleteFolder(folder), *(AddFile(*file) for file in files.items())]
        self.commit(branch, {**after, **files}, *operations, misses=len(after) == len(before))

    @rule(branch=NAMES, path=PATHS)
    def insist_on_an_old_parent(self, branch: str, path: str) -> None:
        if self.commits.get(branch, 0) > 1:
            old = self.house.hub.commits(self.repo, self.house.hub.resolve(self.repo, branch))[-1].oid
            with self.refused(StaleParent):
                self.house.commit(self.repo, AddFile(path, b"1"), revision=branch, parent=old)

    @rule(name=NAMES, start=NAMES)
    def create_branch(self, name: str, start: str) -> None:
        if name not in self.branches and start in self.branches:
            self.house.hub.create_branch(self.house.alice, self.repo, name, start)
            self.branches[name], self.commits[name] = self.branches[start], self.commits[start]

    @precondition(lambda self: len(self.branches) > 1)
    @rule(name=NAMES)
    def delete_branch(self, name: str) -> None:
        if name != "main" and name in self.branches:
            self.house.hub.delete_branch(self.house.alice, self.repo, name)
            del self.branches[name], self.commits[name]

    @rule(name=st.sampled_from(["v1", "v2", "main"]), branch=NAMES, message=st.sampled_from(["", "a tag"]))
    def create_or_delete_tag(self, name: str, branch: str, message: str) -> None:
        if name in self.tags:
            self.house.hub.delete_tag(self.house.alice, self.repo, name)
            del self.tags[name]
        elif branch in self.branches:
            self.house.hub.create_tag(self.house.alice, self.repo, name, branch, message)
            self.tags[name] = self.branches[branch]

    @rule()
    def repack(self) -> None:
        self.house.git(self.repo, "gc", "--quiet", "--prune=now")

    @invariant()
    def hub_and_model_agree(self) -> None:
        if not hasattr(self, "house"):
            return
        refs = self.house.hub.refs(self.repo)
        assert {ref.name for ref in refs.branches} == self.branches.keys()
        assert {ref.name for ref in refs.tags} == self.tags.keys()
        for branch, files in self.branches.items():
            assert self.files(f"refs/heads/{branch}") == files
            assert len(self.house.history(self.repo, f"refs/heads/{branch}")) == self.commits[branch]
        for tag, files in self.tags.items():
            assert self.files(f"refs/tags/{tag}") == files
        assert self.house.again(self.repo).head_sha == self.house.hub.resolve(self.repo, "main")

    def commit(self, branch: str, after: Files, *operations: Operation, misses: bool = False) -> None:
        if branch not in self.branches:
            return
        if misses or not fits(after):
            with self.refused(NothingToDelete, Unprocessable):
                self.house.commit(self.repo, *operations, revision=branch)
            return
        self.house.commit(self.repo, *operations, revision=branch)
        self.commits[branch] += after != self.branches[branch]
        self.branches[branch] = after

    def files(self, revision: str) -> Files:
        return {path: self.house.read(self.repo, path, revision) for path in self.house.paths(self.repo, revision)}

    @contextmanager
    def refused(self, *errors: type[Exception]) -> Iterator[None]:
        try:
            yield
        except errors:
            return
        raise AssertionError("It should have been refused.")


def fits(files: Files) -> bool:
    """Whether a tree may hold these: no file is also a folder, and no two names are twins."""
    folders = {path[:cut] for path in files for cut in range(len(path)) if path[cut] == "/"}
    names = {"b.txt" if name == "B.txt" else name.replace("e\u0301", "\u00e9") for name in files}
    return folders.isdisjoint(files) and len(names) == len(files)


TestTheHub = HubMachine.TestCase
TestTheHub.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
