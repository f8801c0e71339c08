"""Whole folders into and out of a repo: how jobs publish what they made and get at what they need."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Self, TypeAlias

from viveiro.accounts.service import require_namespace, viewer_of_user
from viveiro.accounts.types import SYSTEM, Viewer
from viveiro.errors import AlreadyExists, RepoNotFound, StaleParent, Unavailable
from viveiro.hub.check_outs import is_checked_out, trim_check_outs
from viveiro.hub.files import seekable
from viveiro.hub.ledger import Guard
from viveiro.hub.paths import check_path
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile, AddLfsFile, Commit, DeleteFile, Operation, Repo, TreeEntry
from viveiro.hub.uploads import SAMPLE_BYTES, PendingFile, upload_mode
from viveiro.jobs.context import JobContext
from viveiro.storage import open_store
from viveiro.types import Action, RepoRef, Visibility

CHUNK_BYTES: Final = 2**20
SEARCHED_COMMITS: Final = 1000
"""How far back an earlier attempt's commit is looked for."""
ATTEMPTS: Final = 20
"""Others may move the branch meanwhile, but hardly so often."""

Adjust: TypeAlias = Callable[[Repo, str, AddFile], AddFile]


@dataclass(frozen=True, slots=True)
class Publication:
    """One commit that must happen once.

    `key` identifies it for ever, as in `Viveiro-Run: 5f2c…`; it stands in the commit's message, where a later attempt at
    the same work finds it.
    """

    summary: str
    key: str
    description: str = ""

    @property
    def body(self) -> str:
        return f"{self.description}\n\n{self.key}".strip()


@dataclass(frozen=True, slots=True)
class Publisher:
    """Puts folders into repos on behalf of `viewer`."""

    hub: Hub
    viewer: Viewer

    @classmethod
    @contextmanager
    def of_job(cls, job: JobContext, viewer: Viewer | None = None) -> Iterator[Self]:
        """On behalf of the job's owner unless told otherwise; of the installation itself, where nobody owns it."""
        with Hub(job.database, job.settings, open_store(job.settings)) as hub:
            yield cls(hub, viewer or owner_of(job))

    def publish(
        self,
        folder: Path,
        ref: RepoRef,
        publication: Publication,
        *,
        visibility: Visibility = Visibility.PUBLIC,
        stale: Callable[[str], bool] = lambda _path: False,
        adjust: Adjust = lambda _repo, _head, file: file,
        guard: Guard | None = None,
    ) -> str:
        """Make the folder's files the repo's, in one commit on main; the repo is made when missing. The commit's id.

        Two attempts at the same publication, even at once, make one commit between them: each looks for the key in the
        history up to the very head that its own commit must stand on.

        Args:
            stale: whether a file of the branch that the folder does not have should go.
            adjust: what a regular file of the folder becomes on top of this head of the branch.
            guard: raises, in the transaction that moves the branch, when this attempt must not publish any more.
        """
        repo = self.ensure_repo(ref, visibility)
        additions: list[Operation] | None = None
        for _ in range(ATTEMPTS):
            head = self.hub.resolve(repo, "main")
            if done := find_commit(self.hub, repo, head, publication.key):
                return done.oid
            additions = additions or list(self._additions(repo, folder, head))
            builder = self.hub.begin_commit(self.viewer, repo, "main")
            for operation in [*self._deletions(repo, head, folder, stale), *additions]:
                builder.add(adjust(repo, head, operation) if isinstance(operation, AddFile) else operation)
            try:
                return builder.finish(publication.summary, publication.body, parent=head, guard=guard).oid
            except StaleParent:
                continue
        raise Unavailable(
            "The branch main of {repo} is moving too fast to publish to. Try again later.", repo=repo.name
        )

    def published(self, ref: RepoRef, publication: Publication) -> str | None:
        """The commit that an earlier attempt made, if one did."""
        try:
            repo = self.hub.get_repo(self.viewer, ref, follow=True)
        except RepoNotFound:
            return None
        commit = find_commit(self.hub, repo, self.hub.resolve(repo, "main"), publication.key)
        return commit.oid if commit else None

    def ensure_repo(self, ref: RepoRef, visibility: Visibility) -> Repo:
        try:
            return self.hub.get_repo(self.viewer, ref, Action.WRITE, follow=True)
        except RepoNotFound:
            with suppress(AlreadyExists):  # another job was faster
                return self.hub.create_repo(self.viewer, ref, visibility=visibility)
            return self.hub.get_repo(self.viewer, ref, Action.WRITE, follow=True)

    def _additions(self, repo: Repo, folder: Path, head: str) -> Iterator[Operation]:
        patterns = self.hub.lfs_patterns(repo, head)
        for file in files_below(folder):
            path = check_path(file.relative_to(folder).as_posix())
            with file.open("rb") as opened:
                pending = PendingFile(path, file.stat().st_size, opened.read(SAMPLE_BYTES))
            if upload_mode(pending, patterns, self.hub.settings.lfs_threshold_bytes) == "lfs":
                yield self._store(repo, file, path)
            else:
                yield AddFile(path, file.read_bytes())

    def _store(self, repo: Repo, file: Path, path: str) -> AddLfsFile:
        with file.open("rb") as opened, self.hub.blobs.writer(size=file.stat().st_size) as writer:
            while chunk := opened.read(CHUNK_BYTES):
                writer.write(chunk)
            stored = writer.finish()
        self.hub.grant_blob(repo, stored.sha256, stored.size)
        return AddLfsFile(path, stored.sha256, stored.size)

    def _deletions(self, repo: Repo, head: str, folder: Path, stale: Callable[[str], bool]) -> Iterator[Operation]:
        for entry in self.hub.list_tree(repo, head, recursive=True):
            if entry.type == "file" and stale(entry.path) and not (folder / entry.path).exists():
                yield DeleteFile(entry.path)


def owner_of(job: JobContext) -> Viewer:
    if job.owner_id is None:
        return SYSTEM
    with job.database.read() as session:
        return viewer_of_user(session, job.owner_id)


def check_may_publish(hub: Hub, viewer: Viewer, ref: RepoRef) -> Repo | None:
    """Say now what a job would find out an hour later: that this viewer may not write there. The repo, if there is one."""
    try:
        return hub.get_repo(viewer, ref, Action.WRITE, follow=True)
    except RepoNotFound:
        with hub.database.read() as session:
            require_namespace(session, viewer, ref.repo_id.namespace, Action.WRITE)
        return None


def find_commit(hub: Hub, repo: Repo, head: str, key: str) -> Commit | None:
    """The commit whose message holds this line, among the latest."""
    commits = hub.commits(repo, head, limit=SEARCHED_COMMITS)
    return next((commit for commit in commits if key in commit.message.splitlines()), None)


def files_below(folder: Path) -> Iterator[Path]:
    """Every regular file, in order of path. Links are left out: where they lead is not the folder's to give."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def open_entry(hub: Hub, repo: Repo, entry: TreeEntry) -> Path | BinaryIO:
    """A file of a revision for random access: in place where the store is a folder, else read from there in ranges."""
    if entry.lfs is not None and (path := hub.blobs.path(entry.lfs.oid)) is not None:
        return path
    return seekable(entry.size, partial(hub.stream_file, repo, entry))


def check_out(hub: Hub, repo: Repo, sha: str, folder: Path) -> Path:
    """The files of a revision as a folder, made whole or not at all, once: big files are links to where they are stored."""
    if is_checked_out(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, suffix=".partial"))
    for entry in hub.list_tree(repo, sha, recursive=True):
        if entry.type == "file":
            _place(hub, repo, entry, partial / check_path(entry.path))
    try:
        partial.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(partial)  # another process was faster, and made the same
    is_checked_out(folder)
    trim_check_outs(hub.settings)
    return folder


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """An empty folder on the disk of the data folder, gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


def _place(hub: Hub, repo: Repo, entry: TreeEntry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A hard link: the stored file goes when a job puts it into xorbs, an hour after it came.
    if entry.lfs is not None and (path := hub.blobs.plain.path(entry.lfs.oid)) is not None:
        with suppress(OSError):  # another disk, or just put into xorbs
            target.hardlink_to(path)
            return
    with target.open("wb") as file:
        for chunk in hub.stream_file(repo, entry):
            file.write(chunk)
