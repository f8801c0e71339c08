"""Keeps SQL in step with git. Git's refs are the truth; a crash between the two is mended from what was noted before.

Every ref moves in this order: objects are written; a pending row says what is about to happen; the ref moves, if it is
still where the mover saw it; one transaction writes the index, publishes the event and deletes the pending row.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pygit2
from sqlalchemy.orm import Session

from viveiro.db import Database
from viveiro.errors import RepoNotFound
from viveiro.events import RevisionPushed
from viveiro.hub import queries, refs
from viveiro.hub.discussions import queries as discussions
from viveiro.hub.discussions import settling
from viveiro.hub.git import MAIN, full_disk_said, open_bare, repository_path, writer_lock
from viveiro.hub.index import read_index
from viveiro.hub.tables import PendingPushRow
from viveiro.hub.types import RefUpdate, Repo
from viveiro.jobs.outbox import publish
from viveiro.storage import BlobStore

PATIENCE: Final = timedelta(minutes=10)
"""A push that was announced this long ago and has not moved its ref never will."""


Guard = Callable[[Session], None]
"""Raises, inside the transaction that begins a push, when it must not happen any more: `JobContext.still_mine`."""


@dataclass(frozen=True)
class Ledger:
    database: Database
    blobs: BlobStore
    repos_dir: Path
    clock: Callable[[], datetime]
    quota_bytes: int | None = None
    """Of an account that has no quota of its own."""

    def path(self, key: str) -> Path:
        return repository_path(self.repos_dir, key)

    def open(self, repo: Repo) -> pygit2.Repository:
        try:
            return open_bare(self.path(repo.storage_key))
        except pygit2.GitError as error:  # deleted since the caller looked it up
            raise RepoNotFound(repo.name, repo.kind) from error

    @contextmanager
    def writing(self, repo: Repo) -> Iterator[pygit2.Repository]:
        """The one writer of the repo, with what earlier ones left half done already finished."""
        path = self.path(repo.storage_key)
        try:
            with full_disk_said(self.repos_dir), writer_lock(path):
                git = self.open(repo)
                self._settle(repo, git)
                yield git
        except FileNotFoundError as error:
            raise RepoNotFound(repo.name, repo.kind) from error

    def move(
        self,
        repo: Repo,
        git: pygit2.Repository,
        moved: RefUpdate,
        pusher_id: int | None,
        guard: Guard | None = None,
    ) -> None:
        """Inside `writing`. Raises RefMoved, having changed nothing, when a push by git came first."""
        self.carry_out(repo, git, moved, self.announce(repo, [moved], pusher_id, guard))

    def carry_out(self, repo: Repo, git: pygit2.Repository, moved: RefUpdate, noted: Sequence[int]) -> None:
        """The second half of `move`, of what was announced as these pending rows."""
        try:
            refs.compare_and_swap(git, moved.ref, moved.old_sha, moved.new_sha)
        except Exception:
            with self.database.write() as session:
                settling.withdraw(session, discussions.intents(session, noted).values())
                queries.delete_pending(session, noted)
            raise
        self._settle(repo, git)

    def announce(
        self, repo: Repo, updates: Sequence[RefUpdate], pusher_id: int | None, guard: Guard | None = None
    ) -> list[int]:
        with self.database.write() as session:
            if guard is not None:
                guard(session)
            return queries.add_pending(session, repo.pk, updates, pusher_id, self.clock())

    def settle(self, repo: Repo) -> None:
        """Index and publish all that has moved. Safe at any time, and to repeat."""
        with self.writing(repo):
            pass

    def _settle(self, repo: Repo, git: pygit2.Repository) -> None:
        with self.database.read() as session:
            rows = queries.pending_pushes(session, repo.pk)
        moved = [row for row in rows if _has_happened(git, row)]
        oldest = self.clock() - PATIENCE
        dropped = [row.id for row in rows if row not in moved and row.created_at < oldest]
        if not (moved or dropped):
            return
        # Git and the blob store are read before the transaction begins.
        main_moved = any(row.ref == MAIN for row in moved)
        index = read_index(git, self.blobs, repo.kind, refs.commit_at(git, MAIN)) if main_moved else None
        with self.database.read() as session:
            commits = settling.read_commits(session, git, repo.pk, moved)
        with self.database.write() as session:
            now = self.clock()
            if index is not None:
                queries.write_index(session, repo.pk, index, modified=now)
            settled = [*(row.id for row in moved), *dropped]
            intents = discussions.intents(session, settled)
            ours = queries.delete_pending(session, settled)
            news = [row for row in moved if row.id in ours]
            settling.settle(session, repo.pk, news, intents, commits, now)
            settling.withdraw(session, [intents[row_id] for row_id in ours & intents.keys() if row_id in dropped])
            for row in news:
                publish(session, RevisionPushed(repo.pk, row.ref, row.old_sha, row.new_sha, row.pusher_id))


def _has_happened(git: pygit2.Repository, row: PendingPushRow) -> bool:
    """Whether the ref is where the push put it, or somewhere that can only be reached from there."""
    now = refs.target(git, row.ref)
    if now == row.new_sha:
        return True
    if now is None or row.new_sha is None or now == row.old_sha:
        return False
    try:
        return git.descendant_of(now, row.new_sha)
    except (KeyError, ValueError, pygit2.GitError):  # a tag object, or objects that never left a push's quarantine
        return False
