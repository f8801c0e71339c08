"""What the hub can do, as verbs. No HTTP."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from viveiro.accounts.types import Viewer
from viveiro.db import Database, utc_now
from viveiro.hub.types import Commit, Operation, Refs, RefUpdate, Repo, TreeEntry
from viveiro.settings import Settings
from viveiro.storage import BlobStore
from viveiro.types import Action, RepoRef, Visibility

# SIGNATURES ONLY for the next minutes (hubcore writes the bodies now): build against these.


class CommitBuilder:
    def add(self, operation: Operation) -> None: ...
    def finish(self, summary: str, description: str = "", parent: str | None = None) -> Commit: ...


class Hub:
    """Repos of one installation. Threads may share it."""

    def __init__(
        self, database: Database, settings: Settings, blobs: BlobStore, *, clock: Callable[[], datetime] = utc_now
    ) -> None: ...
    def close(self) -> None: ...

    # repos -----------------------------------------------------------------------------------------------------------
    def create_repo(self, viewer: Viewer, ref: RepoRef, *, visibility: Visibility = Visibility.PUBLIC) -> Repo:
        ...
        # AlreadyExists.url is RELATIVE ("/datasets/ns/name"): the API makes it absolute

    def get_repo(self, viewer: Viewer, ref: RepoRef, action: Action = Action.READ) -> Repo: ...
    def delete_repo(self, viewer: Viewer, ref: RepoRef) -> None: ...
    def update_repo(
        self,
        viewer: Viewer,
        ref: RepoRef,
        *,
        visibility: Visibility | None = None,
        gated: Literal["auto", "manual", False] | None = None,
    ) -> Repo:
        ...
        # None leaves as it is, gated=False opens

    def repo_path(self, repo: Repo) -> Path: ...

    # refs ------------------------------------------------------------------------------------------------------------
    def resolve(self, repo: Repo, revision: str) -> str: ...
    def refs(self, repo: Repo) -> Refs: ...
    def create_branch(self, viewer: Viewer, repo: Repo, name: str, starting_point: str | None = None) -> None: ...
    def delete_branch(self, viewer: Viewer, repo: Repo, name: str) -> None: ...
    def create_tag(self, viewer: Viewer, repo: Repo, tag: str, revision: str, message: str | None = None) -> None: ...
    def delete_tag(self, viewer: Viewer, repo: Repo, tag: str) -> None: ...

    # reading (sha is what resolve() gave) ------------------------------------------------------------------------------
    def list_tree(
        self,
        repo: Repo,
        sha: str,
        path: str = "",
        *,
        recursive: bool = False,
        expand: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[TreeEntry]:
        ...
        # next page: after=entries[-1].path

    def paths_info(self, repo: Repo, sha: str, paths: Iterable[str], *, expand: bool = False) -> list[TreeEntry]: ...
    def entry(self, repo: Repo, sha: str, path: str) -> TreeEntry: ...
    def read_blob(self, repo: Repo, oid: str) -> bytes: ...  # a git object
    def stream_file(
        self, repo: Repo, entry: TreeEntry, start: int = 0, stop: int | None = None
    ) -> Iterator[bytes]: ...  # content, LFS or not
    def lfs_patterns(self, repo: Repo, sha: str) -> tuple[str, ...]: ...  # of .gitattributes, for upload_mode()
    def commits(self, repo: Repo, sha: str, *, skip: int = 0, limit: int = 50) -> list[Commit]: ...
    def count_commits(self, repo: Repo, sha: str) -> int: ...

    # writing ---------------------------------------------------------------------------------------------------------
    def begin_commit(
        self, viewer: Viewer, repo: Repo, revision: str
    ) -> CommitBuilder: ...  # revision: branch, refs/heads/x, refs/pr/N
    def grant_blob(
        self, repo: Repo, sha256: str, size: int
    ) -> None: ...  # after BlobWriter.finish(): content is stored, this repo may use it
    def granted_sizes(
        self, repo: Repo, oids: Iterable[str]
    ) -> dict[str, int]: ...  # those of these sha256 that the repo was given

    # git over HTTP -----------------------------------------------------------------------------------------------------
    def prepare_push(
        self, viewer: Viewer, repo: Repo, updates: Sequence[RefUpdate], environment: Mapping[str, str]
    ) -> list[str]:
        ...
        # from pre-receive; environment = the hook's GIT_* variables (quarantine). Problems in words; empty list = accepted and noted

    def finish_push(
        self, repo: Repo
    ) -> None: ...  # when receive-pack has ended, whatever its exit: indexes what moved, publishes events
    def reconcile(self) -> None: ...  # at server start

    # counting ---------------------------------------------------------------------------------------------------------
    def count_download(self, repo: Repo) -> None: ...
    def like(self, viewer: Viewer, repo: Repo) -> None: ...
    def unlike(self, viewer: Viewer, repo: Repo) -> None: ...
