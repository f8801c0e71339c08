"""Random commits, uploads, branches, tags, pull requests, merges and deletions, by API, Xet and git, against a model in memory."""

import random
import shutil
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.live.conftest import Git
from tests.live.xet import by_xet

_repos = count(1)

Files = dict[str, bytes]
PATHS = st.sampled_from(["a.txt", "b.bin", "folder/c.txt", "folder/d.bin", "folder/deep/é.txt", "other/f.safetensors"])
WORDS = st.binary(min_size=1, max_size=60).map(bytes.hex).map(str.encode)
SMALL = st.binary(max_size=60).map(bytes.hex).map(str.encode)
BINARY = st.binary(min_size=1, max_size=60).map(lambda content: b"\0" + content)


@dataclass
class Proposal:
    """An open pull request: the branch that it is to change, what that held when it was opened, and what it holds itself."""

    branch: str
    start: Files
    files: Files

    def conflicts(self, ours: Files) -> set[str]:
        """Paths that both sides made something else of. A file that is new and empty gives way."""
        found = set()
        for path in {*ours, *self.files, *self.start}:
            mine, theirs, start = ours.get(path), self.files.get(path), self.start.get(path)
            is_new_and_empty = start is None and mine == b""
            if mine not in (theirs, start) and theirs != start and not is_new_and_empty:
                found.add(path)
        return found

    def merged(self, ours: Files) -> Files:
        changed = {path for path in {*self.start, *self.files} if self.start.get(path) != self.files.get(path)}
        kept = {path: content for path, content in ours.items() if path not in changed}
        return kept | {path: self.files[path] for path in changed if path in self.files}


class AHub(RuleBasedStateMachine):
    """One repo and its double: `heads` says what each branch holds, `tagged` what each tag held when it was made."""

    branches = Bundle("branches")
    tags = Bundle("tags")
    proposals = Bundle("proposals")

    def __init__(self, api: HfApi, git: Git) -> None:
        super().__init__()
        self.api, self.git = api, git
        self.repo = f"alice/machine-{next(_repos)}"
        self.folder = Path(tempfile.mkdtemp(prefix="viveiro-machine-"))
        self.clone = self.folder / "clone"
        self.heads: dict[str, Files] = {}
        self.commits: dict[str, int] = {}
        self.tagged: dict[str, Files] = {}
        self.proposed: dict[int, Proposal] = {}
        self.numbers, self.opened = count(1), 0

    @initialize(target=branches)
    def create(self) -> str:
        self.api.create_repo(self.repo)
        self.heads["main"], self.commits["main"] = {}, 1
        self.git.clone(self.repo, self.clone)
        return "main"

    @rule(branch=branches, files=st.dictionaries(PATHS, SMALL | BINARY, min_size=1, max_size=3))
    def commit_through_the_api(self, branch: str, files: Files) -> None:
        added = [CommitOperationAdd(path, content) for path, content in files.items()]
        self.api.create_commit(self.repo, added, commit_message="api", revision=branch)
        self._wrote(branch, {**self.heads[branch], **files})

    @rule(branch=branches, path=PATHS, parts=st.lists(st.integers(0, 5), min_size=1, max_size=4))
    def upload_by_xet(self, branch: str, path: str, parts: list[int]) -> None:
        """Of parts that other files have too, so that they share chunks."""
        content = b"".join(random.Random(part).randbytes(150_000) for part in parts)
        with by_xet():
            self.api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=self.repo, revision=branch)
        self._wrote(branch, {**self.heads[branch], path: content})

    @rule(branch=branches, files=st.dictionaries(PATHS, SMALL | BINARY, min_size=1, max_size=3))
    def push_with_git(self, branch: str, files: Files) -> None:
        self._check_out(branch)
        for path, content in files.items():
            (self.clone / path).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / path).write_bytes(content)
        self._push(branch, {**self.heads[branch], **files})

    @precondition(lambda self: any(self.heads.values()))
    @rule(branch=branches, data=st.data())
    def delete_through_the_api(self, branch: str, data: st.DataObject) -> None:
        files = self.heads[branch]
        if not files:
            return
        path = data.draw(st.sampled_from(sorted(files)))
        self.api.create_commit(self.repo, [CommitOperationDelete(path)], commit_message="delete", revision=branch)
        self._wrote(branch, {other: content for other, content in files.items() if other != path})

    @precondition(lambda self: any("folder/" in path for files in self.heads.values() for path in files))
    @rule(branch=branches)
    def delete_a_folder_with_git(self, branch: str) -> None:
        self._check_out(branch)
        shutil.rmtree(self.clone / "folder", ignore_errors=True)
        left = {path: content for path, content in self.heads[branch].items() if not path.startswith("folder/")}
        self._push(branch, left)

    @rule(target=branches, start=branches, through_git=st.booleans())
    def branch(self, start: str, through_git: bool) -> str:
        name = f"branch/{next(self.numbers)}"
        if through_git:
            self._check_out(start)
            self.git.push(self.clone, f"HEAD:refs/heads/{name}")
        else:
            self.api.create_branch(self.repo, branch=name, revision=start)
        self.heads[name], self.commits[name] = self.heads[start], self.commits[start]
        return name

    @rule(target=branches, branch=consumes(branches), through_git=st.booleans())
    def delete_branch(self, branch: str, through_git: bool) -> object:
        if branch == "main":
            return branch
        if through_git:
            self.git.push(self.clone, f":refs/heads/{branch}")
        else:
            self.api.delete_branch(self.repo, branch=branch)
        del self.heads[branch], self.commits[branch]
        return multiple()

    @rule(target=tags, branch=branches, through_git=st.booleans(), message=st.sampled_from([None, "A message"]))
    def tag(self, branch: str, through_git: bool, message: str | None) -> str:
        name = f"v{next(self.numbers)}"
        if through_git:
            self._check_out(branch)
            self.git("tag", name, *(("-m", message) if message else ()), folder=self.clone)
            self.git.push(self.clone, f"refs/tags/{name}")
        else:
            self.api.create_tag(self.repo, tag=name, revision=branch, tag_message=message)
        self.tagged[name] = self.heads[branch]
        return name

    @rule(tag=consumes(tags), through_git=st.booleans())
    def delete_tag(self, tag: str, through_git: bool) -> None:
        if through_git:
            self.git.push(self.clone, f":refs/tags/{tag}")
        else:
            self.api.delete_tag(self.repo, tag=tag)
        del self.tagged[tag]

    @rule(target=proposals, branch=branches, files=st.dictionaries(PATHS, WORDS | BINARY, min_size=1, max_size=2))
    def open_a_pull_request(self, branch: str, files: Files) -> object:
        start = self.heads[branch]
        if {**start, **files} == start:  # the client sends no such commit
            return multiple()
        added = [CommitOperationAdd(path, content) for path, content in files.items()]
        made = self.api.create_commit(self.repo, added, commit_message="propose", revision=branch, create_pr=True)
        assert made.pr_num == self.opened + 1
        self.opened = made.pr_num
        self.proposed[made.pr_num] = Proposal(branch, start, {**start, **files})
        return made.pr_num

    @rule(number=proposals, files=st.dictionaries(PATHS, WORDS | BINARY, min_size=1, max_size=2))
    def commit_to_it(self, number: int, files: Files) -> None:
        added = [CommitOperationAdd(path, content) for path, content in files.items()]
        self.api.create_commit(self.repo, added, commit_message="more", revision=f"refs/pr/{number}")
        self.proposed[number].files = {**self.proposed[number].files, **files}

    @rule(number=consumes(proposals))
    def merge_it(self, number: int) -> None:
        proposal = self.proposed[number]
        if proposal.branch not in self.heads:
            with pytest.raises(HfHubHTTPError, match="no such branch"):
                self.api.merge_pull_request(self.repo, number)
            return
        ours = self.heads[proposal.branch]
        found = self.api.get_discussion_details(self.repo, number)
        assert found.conflicting_files == sorted(proposal.conflicts(ours))
        if found.conflicting_files:
            with pytest.raises(HfHubHTTPError, match="cannot be merged"):
                self.api.merge_pull_request(self.repo, number)
        elif proposal.merged(ours) != ours:
            self.api.merge_pull_request(self.repo, number)
            assert self.api.get_discussion_details(self.repo, number).status == "merged"
            self._wrote(proposal.branch, proposal.merged(ours))

    @rule(branch=branches)
    def a_branch_holds_what_was_written(self, branch: str) -> None:
        self._compare(branch, self.heads[branch])
        assert len(self.api.list_repo_commits(self.repo, revision=branch)) == self.commits[branch]

    def teardown(self) -> None:
        """At the end everything is looked at, and git itself finds no fault."""
        if self.heads:
            refs = self.api.list_repo_refs(self.repo)
            assert {ref.name for ref in refs.branches} == set(self.heads)
            assert {ref.name for ref in refs.tags} == set(self.tagged)
            pulls = self.api.list_repo_refs(self.repo, include_pull_requests=True).pull_requests
            assert [int(ref.name) for ref in pulls] == list(range(1, self.opened + 1))
            for number, proposal in self.proposed.items():
                self._compare(f"refs/pr/{number}", proposal.files)
            for revision, files in {**self.heads, **self.tagged}.items():
                self._compare(revision, files)
            self.git.clone(self.repo, self.folder / "last")
            self.git("fsck", "--full", folder=self.folder / "last")
            assert self._working_tree(self.folder / "last") == self.heads["main"]
            self.api.delete_repo(self.repo)
        shutil.rmtree(self.folder)

    def _compare(self, revision: str, files: Files) -> None:
        found = self.api.list_repo_files(self.repo, revision=revision)
        assert set(found) == set(files) | {".gitattributes"}
        for path, content in files.items():
            local = self.api.hf_hub_download(self.repo, path, revision=revision, local_dir=self.folder / "down")
            assert Path(local).read_bytes() == content

    def _check_out(self, branch: str) -> None:
        self.git("fetch", "--quiet", "--prune", folder=self.clone)
        self.git("checkout", "--quiet", "--force", "-B", "here", f"origin/{branch}", folder=self.clone)
        self.git("clean", "-qfdx", folder=self.clone)
        assert self._working_tree(self.clone) == self.heads[branch]

    def _push(self, branch: str, files: Files) -> None:
        if files == self.heads[branch]:
            return
        self.git.commit(self.clone)
        self.git.push(self.clone, f"HEAD:refs/heads/{branch}")
        self._wrote(branch, files)

    def _wrote(self, branch: str, files: Files) -> None:
        self.commits[branch] += files != self.heads[branch]
        self.heads[branch] = files

    @staticmethod
    def _working_tree(folder: Path) -> Files:
        files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
        return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != ".gitattributes"}


def test_the_hub_agrees_with_its_model(alice: HfApi, git: Git) -> None:
    run_state_machine_as_test(
        lambda: AHub(alice, git),
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # fifteen steps can be read as they are, and making them fewer takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
