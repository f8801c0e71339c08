"""A hub with people in it, and the few words the tests of this folder share."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from viveiro.accounts.service import create_organization, create_user, viewer_of_user
from viveiro.accounts.types import Viewer
from viveiro.db import Database
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile, Commit, Operation, Repo
from viveiro.settings import Settings
from viveiro.storage import LocalBlobStore
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

KiB = 2**10


class House:
    """`alice` owns the repos, `bob` is a stranger, `root_` administers. Files of 64 KiB already count as large."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.database = database
        self.settings = Settings(data_dir=data_dir, lfs_threshold_bytes=64 * KiB)
        self.hub = Hub(database, self.settings, LocalBlobStore(self.settings.storage_dir))
        self.blobs = self.hub.blobs
        self.alice, self.bob = self.user("alice"), self.user("bob")
        self.root = self.user("root_", is_admin=True)

    def user(self, name: str, *, is_admin: bool = False) -> Viewer:
        with self.database.write() as session:
            account = create_user(session, name, is_admin=is_admin)
            return viewer_of_user(session, account.id)

    def organization(self, name: str, creator: Viewer) -> Viewer:
        """The creator, who is now its administrator too."""
        with self.database.write() as session:
            create_organization(session, name, creator=creator)
        with self.database.read() as session:
            assert creator.user_id is not None
            return viewer_of_user(session, creator.user_id)

    def model(self, name: str = "alice/seeds", *, private: bool = False) -> Repo:
        return self.repo(RepoKind.MODEL, name, private=private)

    def repo(self, kind: RepoKind, name: str, *, private: bool = False) -> Repo:
        visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
        return self.hub.create_repo(self.alice, RepoRef(kind, RepoId.parse(name)), visibility=visibility)

    def again(self, repo: Repo) -> Repo:
        """As the index has it now."""
        return self.hub.get_repo(self.root, repo.ref)

    def commit(
        self,
        repo: Repo,
        *operations: Operation,
        revision: str = "main",
        parent: str | None = None,
        summary: str = "change",
    ) -> Commit:
        builder = self.hub.begin_commit(self.alice, repo, revision)
        for operation in operations:
            builder.add(operation)
        return builder.finish(summary, parent=parent)

    def write(self, repo: Repo, files: dict[str, bytes], revision: str = "main") -> Commit:
        return self.commit(repo, *(AddFile(path, content) for path, content in files.items()), revision=revision)

    def store(self, content: bytes, *repos: Repo) -> str:
        """Upload, and give to these repos."""
        with self.blobs.writer() as writer:
            writer.write(content)
            stored = writer.finish()
        for repo in repos:
            self.hub.grant_blob(repo, stored.sha256, stored.size)
        return stored.sha256

    def paths(self, repo: Repo, revision: str = "main") -> list[str]:
        """Of the files, but for the one every repo starts with."""
        sha = self.hub.resolve(repo, revision)
        entries = self.hub.list_tree(repo, sha, recursive=True)
        return [entry.path for entry in entries if entry.type == "file" and entry.path != ".gitattributes"]

    def read(self, repo: Repo, path: str, revision: str = "main") -> bytes:
        sha = self.hub.resolve(repo, revision)
        return b"".join(self.hub.stream_file(repo, self.hub.entry(repo, sha, path)))

    def history(self, repo: Repo, revision: str = "main") -> list[str]:
        """Titles, newest first."""
        return [commit.title for commit in self.hub.commits(repo, self.hub.resolve(repo, revision), limit=10_000)]

    def git(self, repo: Repo, *arguments: str) -> str:
        """What the `git` program says about the bare repository."""
        return run("git", "-C", str(self.hub.repo_path(repo)), *arguments)

    def commit_tree(self, repo: Repo, tree: str, title: str = "by git") -> str:
        """A commit on top of main that no ref knows yet, as a push brings one."""
        identity = ("-c", "user.name=gil", "-c", "user.email=gil@example.org")
        return self.git(repo, *identity, "commit-tree", tree, "-p", "main", "-m", title).strip()


def run(*command: str, stdin: str = "") -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, input=stdin).stdout


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def joined(chunks: Iterable[bytes]) -> bytes:
    return b"".join(chunks)
