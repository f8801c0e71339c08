"""One server for the whole session, as operators run it, and the world's own clients pointed at it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Self

import pytest
from huggingface_hub import HfApi

from tests.live.client_environment import PORT
from tests.live.running_server import TWO_USERS, RunningServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Alice, Bob and Alice's organisation acai live on it. Tests share it, so each makes repos of its own."""
    with RunningServer(tmp_path_factory.mktemp("server"), port=PORT) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture(scope="session")
def alice(server: RunningServer) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token("alice"))


@pytest.fixture(scope="session")
def bob(server: RunningServer) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token("bob"))


@pytest.fixture(scope="session")
def stranger(server: RunningServer) -> HfApi:
    """Nobody: no access token, whatever the environment holds."""
    return HfApi(endpoint=server.url, token=False)


@pytest.fixture
def as_alice(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that take their access token from the environment act as Alice."""
    monkeypatch.setenv("HF_TOKEN", server.token("alice"))


_numbers = count(1)

MakeRepo = Callable[..., str]


@pytest.fixture
def make_repo(alice: HfApi) -> MakeRepo:
    """A new repo of Alice's, under a name that no other test has: `make_repo("dataset", private=True)`."""

    def make(repo_type: str = "model", *, private: bool = False) -> str:
        name = f"alice/{repo_type}-{next(_numbers)}"
        sdk = "static" if repo_type == "space" else None
        alice.create_repo(name, repo_type=repo_type, private=private, space_sdk=sdk)
        return name

    return make


@pytest.fixture
def repo(make_repo: MakeRepo) -> str:
    """A new public model repo of Alice's, holding its first commit only."""
    return make_repo()


class Git:
    """The git program, with a home folder of its own and Alice's access token."""

    def __init__(self, home: Path, server: RunningServer) -> None:
        self._home = home
        self._server = server
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Alice",
            "GIT_AUTHOR_EMAIL": "alice@example.org",
            "GIT_COMMITTER_NAME": "Alice",
            "GIT_COMMITTER_EMAIL": "alice@example.org",
        }

    def at(self, server: RunningServer) -> Self:
        """The same program and home, at another server."""
        return type(self)(self._home, server)

    def url(self, repo: str, user: str | None = "alice") -> str:
        credential = f"{user}:{self._server.token(user)}@" if user else ""
        return f"{self._server.url.replace('://', f'://{credential}')}/{repo}"

    def __call__(self, *arguments: str | Path, folder: Path | None = None) -> str:
        """Standard output of a command that must succeed."""
        result = self.attempt(*arguments, folder=folder)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def attempt(
        self, *arguments: str | Path, folder: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *map(str, arguments)],
            cwd=folder,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def clone(self, repo: str, folder: Path, *, user: str | None = "alice") -> Path:
        self("clone", "--quiet", self.url(repo, user), folder)
        return folder

    def commit(self, folder: Path, title: str = "A commit") -> str:
        """All changes of the working tree; the new commit's id."""
        self("add", "--all", folder=folder)
        self("commit", "--quiet", "--message", title, folder=folder)
        return self("rev-parse", "HEAD", folder=folder).strip()

    def push(self, folder: Path, *refs: str) -> None:
        self("push", "--quiet", "origin", *(refs or ("HEAD",)), folder=folder)


@pytest.fixture
def git(server: RunningServer, tmp_path: Path) -> Git:
    home = tmp_path / "home"
    home.mkdir()
    git = Git(home, server)
    git("config", "--global", "init.defaultBranch", "main")
    git("lfs", "install", "--skip-repo")
    return git
