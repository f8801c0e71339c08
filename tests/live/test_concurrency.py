"""Many at once: whatever was acknowledged is in the history, and the history stays one line."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.live.conftest import Git, MakeRepo

THREADS = 16
COMMITS = 200
REFUSED = {409, 412}


def answers(work: Callable[[int], str], times: int) -> list[str | int]:
    """What each call returned, or the status that it was refused with."""

    def attempt(number: int) -> str | int:
        try:
            return work(number)
        except HfHubHTTPError as refusal:
            return refusal.response.status_code

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(attempt, range(times)))


class TestSixteenWritersOnOneBranch:
    def test_every_acknowledged_commit_is_in_one_line(self, alice: HfApi, repo: str, git: Git, tmp_path: Path) -> None:
        """Every fourth names the parent it saw, and is refused when another was quicker."""

        def write(number: int) -> str:
            parent = alice.model_info(repo).sha if number % 4 == 0 else None
            added = CommitOperationAdd(f"folder-{number % 7}/{number}.txt", str(number).encode())
            return alice.create_commit(repo, [added], commit_message=f"{number}", parent_commit=parent).oid

        answered = answers(write, COMMITS)
        acknowledged = {answer for answer in answered if isinstance(answer, str)}
        assert {answer for answer in answered if isinstance(answer, int)} <= REFUSED
        assert len(acknowledged) >= COMMITS * 3 // 4

        clone = git.clone(repo, tmp_path / "clone")
        lines = [line.split() for line in git("rev-list", "--parents", "HEAD", folder=clone).splitlines()]
        assert {len(parents) for _, *parents in lines} == {0, 1}
        assert {commit for commit, *_ in lines} == acknowledged | {lines[-1][0]}

        written = {number for number, answer in enumerate(answered) if isinstance(answer, str)}
        files = {path for path in alice.list_repo_files(repo) if path != ".gitattributes"}
        assert files == {f"folder-{number % 7}/{number}.txt" for number in written}

    def test_one_path_holds_what_its_last_commit_wrote(self, alice: HfApi, repo: str) -> None:
        def write(number: int) -> str:
            return alice.upload_file(path_or_fileobj=f"{number}".encode(), path_in_repo="one.txt", repo_id=repo).oid

        answered = answers(write, 32)
        head = alice.model_info(repo).sha
        assert Path(alice.hf_hub_download(repo, "one.txt", revision=head)).read_text() == str(answered.index(head))


class TestRaces:
    def test_of_many_that_create_one_repo_one_wins(self, alice: HfApi) -> None:
        outcome = Counter(
            "made" if isinstance(answer, str) else answer
            for answer in answers(lambda _: alice.create_repo("alice/wanted").repo_id, THREADS)
        )
        assert outcome == {"made": 1, 409: THREADS - 1}

    def test_of_many_that_create_one_branch_one_wins(self, alice: HfApi, repo: str) -> None:
        def create(_: int) -> str:
            alice.create_branch(repo, branch="wanted")
            return "made"

        assert Counter(answers(create, THREADS)) == {"made": 1, 409: THREADS - 1}

    def test_the_same_big_file_may_arrive_many_times_at_once(self, alice: HfApi, make_repo: MakeRepo) -> None:
        repos = [make_repo() for _ in range(4)]
        content = b"\0" + bytes(range(256)) * 4096

        def send(number: int) -> str:
            repo = repos[number % len(repos)]
            return alice.upload_file(path_or_fileobj=content, path_in_repo=f"{number}.bin", repo_id=repo).oid

        assert all(isinstance(answer, str) for answer in answers(send, THREADS))
        assert sum(len(alice.list_repo_files(repo)) - 1 for repo in repos) == THREADS

    def test_git_and_api_push_to_one_branch(self, alice: HfApi, repo: str, git: Git, tmp_path: Path) -> None:
        """Git asks for a fast-forward, so it may lose; what it was told is pushed is there."""
        clones = [git.clone(repo, tmp_path / f"clone-{number}") for number in range(4)]

        def write(number: int) -> str:
            if number % 2:
                return alice.upload_file(path_or_fileobj=b"a", path_in_repo=f"api-{number}", repo_id=repo).oid
            clone = clones[number // 2]
            (clone / f"git-{number}").write_text("g")
            commit = git.commit(clone)
            return commit if git.attempt("push", folder=clone).returncode == 0 else "refused"

        told = set(answers(write, 8)) - {"refused"} - REFUSED
        assert told <= {commit.commit_id for commit in alice.list_repo_commits(repo)}
        assert len(told) >= 1
