"""What the hub can do, as verbs. No HTTP.

Whoever acts is the first argument. A repo that the viewer may not see is missing, everywhere and with the same words.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self
from uuid import uuid4

import pygit2
from pygit2.enums import ObjectType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from viveiro.accounts.service import can, may_see, record, require_namespace
from viveiro.accounts.types import Viewer
from viveiro.db import Database, utc_now
from viveiro.errors import (
    AlreadyExists,
    Conflict,
    EntryNotFound,
    Forbidden,
    GatedRepo,
    GatedRepoForStrangers,
    NotAuthenticated,
    RepoMoved,
    RepoNotFound,
    RevisionNotFound,
    Unavailable,
    Unprocessable,
)
from viveiro.events import RepoChanged, RevisionPushed
from viveiro.hub import history, patterns, pushes, queries, quotas, refs, rewriting, safety
from viveiro.hub.commits import ATTRIBUTES, CommitBuilder, Onto, give_content, signature
from viveiro.hub.contents import Contents
from viveiro.hub.counting import DownloadCounter
from viveiro.hub.diffs import CommitDiff, diff_commit, unified_diff
from viveiro.hub.discussions import queries as discussions
from viveiro.hub.discussions.pulls import refuse_merged
from viveiro.hub.discussions.rules import Act, may, require
from viveiro.hub.files import Files, content_of
from viveiro.hub.git import BRANCHES, MAIN, TAGS, create_bare_repository, delete_repository, write_commit, write_object
from viveiro.hub.index import read_index
from viveiro.hub.ledger import Guard, Ledger
from viveiro.hub.lfs import parse_pointer
from viveiro.hub.paths import check_path
from viveiro.hub.quotas import within_quota
from viveiro.hub.trees import Edit, apply, write_tree
from viveiro.hub.types import Commit, Gate, LfsFile, Refs, RefUpdate, Repo, TreeEntry
from viveiro.hub.uploads import SAMPLE_BYTES, PendingFile, upload_mode
from viveiro.hub.xet.rebuilt import RebuiltFiles
from viveiro.hub.xet.service import Xet
from viveiro.jobs.outbox import publish
from viveiro.locale import Sentence
from viveiro.settings import Settings
from viveiro.storage import BlobStore, open_store
from viveiro.types import Action, RepoId, RepoKind, RepoRef, Visibility

__all__ = ["CommitBuilder", "Hub"]

MAX_ATTRIBUTES_BYTES: Final = 2**20


class Hub:
    """The repos of one installation. Threads may share it; so may processes, each with its own."""

    def __init__(
        self, database: Database, settings: Settings, blobs: BlobStore, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.settings = settings
        self._clock = clock
        xorbs = open_store(settings, "xorbs")
        quota = settings.storage_quota_bytes
        self.xet = Xet(database, xorbs, settings.storage_dir / "incoming", clock=clock, quota_bytes=quota)
        rebuilt = RebuiltFiles(settings.cache_dir / "rebuilt", settings.rebuilt_cache_bytes)
        self.blobs = Contents(blobs, self.xet, rebuilt)
        self.ledger = Ledger(database, self.blobs, settings.repos_dir, clock, quota)
        self._last_commits = history.LastCommits()
        self._downloads = DownloadCounter(database, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write down what is still only counted in memory."""
        self._downloads.flush()
        self.xet.close()

    # Repos ------------------------------------------------------------------------------------------------------------

    def create_repo(
        self,
        viewer: Viewer,
        ref: RepoRef,
        *,
        visibility: Visibility = Visibility.PUBLIC,
        files: Mapping[str, bytes] | None = None,
    ) -> Repo:
        """A repo with its first commit, which holds these files, by their paths. None of them may be one for LFS.

        AlreadyExists carries the address of the one that is there, as a path.
        """

        def begin(git: pygit2.Repository) -> None:
            self._first_commit(viewer, ref.kind, git, files or {})

        return self.make_repo(viewer, ref, begin, visibility=visibility)

    def make_repo(
        self,
        viewer: Viewer,
        ref: RepoRef,
        fill: Callable[[pygit2.Repository], None],
        *,
        visibility: Visibility,
        gated: Gate | None = None,
        also: Callable[[Session, int], None] = lambda _session, _pk: None,
        **details: str,
    ) -> Repo:
        """`create_repo` with other beginnings.

        Args:
            fill: writes objects and refs into the new repository, which nobody else knows yet.
            also: what else belongs to the transaction that makes it known, given its key.
            details: for the audit log.
        """
        if viewer.is_anonymous and not viewer.is_admin:
            raise NotAuthenticated
        with self.database.read() as session:
            owner = require_namespace(session, viewer, ref.repo_id.namespace, Action.WRITE)
            existing = queries.find_repo(session, ref)
        if existing is not None:
            raise _taken(existing.ref)
        ref = RepoRef(ref.kind, RepoId(owner.name, ref.repo_id.name))
        key = uuid4().hex
        path = self.ledger.path(key)
        # Files first: a crash before the row leaves a folder that the sweep finds, never a row without a folder.
        git = create_bare_repository(path)
        try:
            fill(git)
            index, made = read_index(git, self.blobs, ref.kind, refs.commit_at(git, MAIN)), refs.list_refs(git)
            now = self._clock()
            with self.database.write() as session:
                pk = queries.insert_repo(session, ref, owner_id=owner.id, key=key, visibility=visibility, at=now)
                also(session, pk)
                queries.write_index(session, pk, index, modified=now)
                if gated is not None:
                    queries.update_repo(session, pk, gated=gated)
                record(session, viewer, "repo.create", str(ref), visibility=visibility, **details)
                publish(
                    session, RepoChanged(pk, "create", ref.kind, str(ref.repo_id), owner.id, visibility, viewer.user_id)
                )
                for each in (*made.branches, *made.tags):
                    publish(session, RevisionPushed(pk, each.ref, None, each.target, viewer.user_id))
        except IntegrityError as error:
            delete_repository(path)
            raise _taken(ref) from error
        except BaseException:
            delete_repository(path)
            raise
        return self.get_repo(viewer, ref)

    def _first_commit(self, viewer: Viewer, kind: RepoKind, git: pygit2.Repository, files: Mapping[str, bytes]) -> None:
        media = patterns.MEDIA if kind is RepoKind.DATASET else ()
        files = {ATTRIBUTES: patterns.attributes_file((*patterns.LFS_BY_DEFAULT, *media)).encode(), **files}
        rules = patterns.lfs_patterns(files[ATTRIBUTES].decode("utf-8", "replace"))
        edit = Edit()
        for path, content in files.items():
            pending = PendingFile(check_path(path), len(content), content[:SAMPLE_BYTES])
            large = upload_mode(pending, rules, self.settings.lfs_threshold_bytes) == "lfs"
            if large or parse_pointer(content) is not None:
                raise Unprocessable(
                    "{path} goes through LFS, so it cannot come with a new repo. Create the repo, then upload it.",
                    path=path,
                )
            edit.at(path).put = write_object(git, ObjectType.BLOB, content)
        tree = apply(git, None, edit) or write_tree(git, [])
        head = write_commit(git, signature(viewer.name, self._clock()), "initial commit", tree, [])
        refs.compare_and_swap(git, MAIN, None, head)

    def get_repo(self, viewer: Viewer, ref: RepoRef, action: Action = Action.READ, *, follow: bool = False) -> Repo:
        """READ is for what a page about the repo shows; the files of a gated repo take `require_files` besides.

        Args:
            follow: find it by a name that it had before, too. For names that were written down; who is asked by an address
                leaves it out, and the RepoMoved that is raised leads the client to the new one.
        """
        with self.database.read() as session:
            repo = queries.find_repo(session, ref)
            moved = queries.find_moved(session, ref) if repo is None else None
        repo = repo or moved
        if repo is None or not may_see(viewer, repo.resource):
            raise RepoNotFound(ref.repo_id, ref.kind)
        if moved is not None and not follow:
            raise RepoMoved(str(ref.repo_id), repo.name, ref.kind)
        if action is not Action.READ:
            _require(viewer, action, repo)
        return repo

    def visible_repos(self, viewer: Viewer, pks: Collection[int]) -> list[Repo]:
        """Those of these that exist and that the viewer may see."""
        with self.database.read() as session:
            found = queries.repos_by_pk(session, sorted(pks))
        return [repo for repo in found if may_see(viewer, repo.resource)]

    def find_repo_by_pk(self, pk: int) -> Repo | None:
        """Whoever may see it: for jobs, which ask about that themselves."""
        with self.database.read() as session:
            return next(iter(queries.repos_by_pk(session, [pk])), None)

    def may_read_files(self, viewer: Viewer, repo: Repo) -> bool:
        """The one place that knows who was let in where a gate is; of any other repo, who sees it reads it."""
        resource = repo.resource
        if repo.gated is None or viewer.user_id is None or can(viewer, Action.READ, resource):
            return can(viewer, Action.READ, resource)
        with self.database.read() as session:
            let_in = queries.is_let_in(session, repo.pk, viewer.user_id)
        return can(viewer, Action.READ, replace(resource, let_in=let_in))

    def require_files(self, viewer: Viewer, repo: Repo) -> None:
        """Raises GatedRepo, or GatedRepoForStrangers, when the viewer may know of the repo and not read its files."""
        if self.may_read_files(viewer, repo):
            return
        if viewer.user_id is None:
            raise GatedRepoForStrangers(repo.name, repo.kind)
        with self.database.read() as session:
            request = queries.access_request(session, repo.pk, user_id=viewer.user_id)
        raise GatedRepo(repo.name, repo.kind, request.status if request is not None else None)

    def delete_repo(self, viewer: Viewer, ref: RepoRef) -> None:
        repo = self.get_repo(viewer, ref, Action.ADMIN)
        with self.ledger.writing(repo):
            with self.database.write() as session:
                queries.delete_repo(session, repo.pk)
                record(session, viewer, "repo.delete", str(repo.ref))
                publish(session, repo_changed(repo, "delete", viewer))
            delete_repository(self.repo_path(repo))

    def update_repo(
        self,
        viewer: Viewer,
        ref: RepoRef,
        *,
        visibility: Visibility | None = None,
        gated: Gate | Literal[False] | None = None,
    ) -> Repo:
        """None leaves things as they are; `gated=False` opens the repo."""
        repo = self.get_repo(viewer, ref, Action.ADMIN)
        columns: dict[str, str | None] = {}
        if visibility is not None:
            columns["visibility"] = visibility
        if gated is not None:
            columns["gated"] = gated or None
        if columns:
            with self.database.write() as session:
                queries.update_repo(session, repo.pk, **columns)
                record(session, viewer, "repo.update", str(repo.ref), **columns)
                publish(session, repo_changed(repo, "update", viewer))
        return self.get_repo(viewer, ref)

    def repo_path(self, repo: Repo) -> Path:
        """The bare repository's folder."""
        return self.ledger.path(repo.storage_key)

    # Refs -------------------------------------------------------------------------------------------------------------

    def resolve(self, repo: Repo, revision: str) -> str:
        """The commit that a branch, a tag, `refs/…`, or a full or short commit id names."""
        return self._resolve(self.ledger.open(repo), repo, revision)

    def _resolve(self, git: pygit2.Repository, repo: Repo, revision: str) -> str:
        sha = refs.find_commit(git, revision)
        if sha is None:
            raise RevisionNotFound(revision, repo.name)
        return sha

    def refs(self, repo: Repo) -> Refs:
        return refs.list_refs(self.ledger.open(repo))

    def create_branch(self, viewer: Viewer, repo: Repo, name: str, starting_point: str | None = None) -> None:
        """From main's head unless told otherwise."""
        _require(viewer, Action.WRITE, repo)
        ref = refs.branch_ref(name)
        with self.ledger.writing(repo) as git:
            refs.refuse_existing(git, ref)
            sha = self._resolve(git, repo, starting_point or MAIN)
            self._move(repo, git, RefUpdate(ref, None, sha), viewer)

    def delete_branch(self, viewer: Viewer, repo: Repo, name: str) -> None:
        _require(viewer, Action.WRITE, repo)
        ref = f"{BRANCHES}{name}"
        if ref == MAIN:
            raise Forbidden("Cannot delete {ref}: it is what everybody downloads.", ref=MAIN)
        self._delete_ref(viewer, repo, ref, name)

    def create_tag(self, viewer: Viewer, repo: Repo, tag: str, revision: str, message: str | None = None) -> None:
        """Annotated when there is a message."""
        _require(viewer, Action.WRITE, repo)
        with self.ledger.writing(repo) as git:
            target = self._resolve(git, repo, revision)
            ref = refs.tag_ref(tag)
            refs.refuse_existing(git, ref)
            if message:
                target = refs.write_annotation(git, tag, target, signature(viewer.name, self._clock()), message)
            self._move(repo, git, RefUpdate(ref, None, target), viewer)

    def delete_tag(self, viewer: Viewer, repo: Repo, tag: str) -> None:
        _require(viewer, Action.WRITE, repo)
        self._delete_ref(viewer, repo, f"{TAGS}{tag}", tag)

    def _delete_ref(self, viewer: Viewer, repo: Repo, ref: str, name: str) -> None:
        with self.ledger.writing(repo) as git:
            target = refs.target(git, ref)
            if target is None:
                raise RevisionNotFound(name, repo.name)
            self._move(repo, git, RefUpdate(ref, target, None), viewer)

    def _move(self, repo: Repo, git: pygit2.Repository, moved: RefUpdate, viewer: Viewer) -> None:
        try:
            self.ledger.move(repo, git, moved, viewer.user_id)
        except refs.RefMoved as error:
            raise Conflict("{ref} was changed by someone else this moment. Try again.", ref=moved.ref) from error

    # Reading: `sha` is what `resolve` gave ----------------------------------------------------------------------------

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
        """What lies in a folder, in git's order. The next page begins `after` the path of this one's last entry."""
        path = path.strip("/")
        files = self._files(repo, sha)
        entries = files.folder(path, recursive=recursive, expand=expand, after=after, limit=limit)
        if entries is None:
            raise EntryNotFound(path, repo.name, sha)
        return self._with_safety(entries) if expand else entries

    def tree_size(self, repo: Repo, sha: str, path: str = "") -> int:
        """Bytes of all files below a folder, or of one file."""
        path = path.strip("/")
        if path and (entry := self.entry(repo, sha, path)).type == "file":
            return entry.size
        return sum(entry.size for entry in self.list_tree(repo, sha, path, recursive=True))

    def paths_info(self, repo: Repo, sha: str, paths: Iterable[str], *, expand: bool = False) -> list[TreeEntry]:
        """Those that exist, each once, in the order asked."""
        files = self._files(repo, sha)
        wanted = dict.fromkeys(path.strip("/") for path in paths)
        entries = [entry for path in wanted if (entry := files.entry(path)) is not None]
        return self._with_safety(files.expanded(entries)) if expand else entries

    def revision_safety(self, repo: Repo, sha: str) -> safety.RevisionSafety:
        """Which files of a revision something was found in, and whether all were looked at."""
        return safety.revision_safety(self._with_safety(self.list_tree(repo, sha, recursive=True)))

    def _with_safety(self, entries: Sequence[TreeEntry]) -> list[TreeEntry]:
        contents = [safety.content_key(entry) for entry in entries if safety.is_scanned(entry)]
        if not contents:
            return safety.with_safety(entries, {})
        with self.database.read() as session:
            return safety.with_safety(entries, queries.scans_of(session, contents, safety.SCANNER))

    def entry(self, repo: Repo, sha: str, path: str) -> TreeEntry:
        entry = self._files(repo, sha).entry(path)
        if entry is None:
            raise EntryNotFound(path, repo.name, sha)
        return entry

    def read_blob(self, repo: Repo, oid: str) -> bytes:
        """A git object, by the id in `TreeEntry.oid`: for a big file, the pointer."""
        return self.ledger.open(repo).odb.read(oid)[1]

    def stream_file(self, repo: Repo, entry: TreeEntry, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes [start, stop) of a file's content, wherever they lie."""
        return content_of(self.ledger.open(repo), self.blobs, entry, start, stop)

    def lfs_patterns(self, repo: Repo, sha: str) -> tuple[str, ...]:
        """Which names `.gitattributes` sends through LFS."""
        entry = self._files(repo, sha).entry(".gitattributes")
        if entry is None or entry.type != "file" or entry.size > MAX_ATTRIBUTES_BYTES:
            return ()
        return patterns.lfs_patterns(b"".join(self.stream_file(repo, entry)).decode("utf-8", "replace"))

    def commits(self, repo: Repo, sha: str, *, path: str | None = None, skip: int = 0, limit: int = 50) -> list[Commit]:
        """Newest first: all, or those that touched a file or a folder, among the newest `history.MOST_WALKED`."""
        git = self.ledger.open(repo)
        if path is None:
            return history.list_commits(git, sha, skip=skip, limit=limit)
        return history.list_commits_of(git, sha, path.strip("/"), skip=skip, limit=limit)

    def commit(self, repo: Repo, sha: str) -> Commit:
        return history.read_commit(self.ledger.open(repo), sha)

    def commit_diff(self, repo: Repo, sha: str) -> CommitDiff:
        """What the commit changed, against its first parent."""
        return diff_commit(self.ledger.open(repo), sha)

    def compare(self, repo: Repo, before: str, after: str, *, since_parting: bool = False) -> str:
        """What lies between two commits, as `git diff` says it.

        Args:
            since_parting: leave out what came to `before` after their histories parted.
        """
        git = self.ledger.open(repo)
        base = git.merge_base(before, after) if since_parting else None
        return unified_diff(git, str(base) if base is not None else before, after)

    def count_commits(self, repo: Repo, sha: str) -> int:
        return history.count_commits(str(self.repo_path(repo)), sha)

    def _files(self, repo: Repo, sha: str) -> Files:
        return Files(self.ledger.open(repo), sha, self._last_commits)

    # Writing ----------------------------------------------------------------------------------------------------------

    def begin_commit(self, viewer: Viewer, repo: Repo, revision: str) -> CommitBuilder:
        """A commit onto a branch or a pull request. Tags and commit ids are not committed to."""
        guard = self.require_committer(viewer, repo, revision)
        ref = refs.committable_ref(self.ledger.open(repo), revision)
        if ref is None:
            raise RevisionNotFound(revision, repo.name)
        into = Onto(self.ledger, viewer, repo, ref, guard)
        return CommitBuilder(into, large_bytes=self.settings.lfs_threshold_bytes)

    def require_committer(self, viewer: Viewer, repo: Repo, revision: str) -> Guard | None:
        """Raises when the viewer may not commit there. To a pull request, its author may, who writes to nothing else.

        What it returns has to be asked again in the transaction that moves the ref.
        """
        number = refs.pull_request_number(revision)
        if number is None:
            _require(viewer, Action.WRITE, repo)
            return None
        self.require_files(viewer, repo)
        with self.database.read() as session:
            pull_request = discussions.find(session, repo.pk, number)
            if pull_request is None or not pull_request.is_pull_request:
                raise RevisionNotFound(revision, repo.name)
            require(viewer, Act.COMMIT, repo, pull_request.author.id)
            guard = refuse_merged(pull_request)
            guard(session)
        return guard

    def require_upload(self, viewer: Viewer, repo: Repo) -> None:
        """Raises when the viewer may not send content: neither write, nor propose changes."""
        self.require_files(viewer, repo)
        require(viewer, Act.PROPOSE, repo)

    def squash(self, viewer: Viewer, repo: Repo, revision: str, message: str) -> Commit:
        """All that led to a branch's or pull request's head becomes one commit."""
        _require(viewer, Action.WRITE, repo)
        return rewriting.squash(self.ledger, viewer, repo, revision, message)

    def lfs_files(self, repo: Repo) -> list[LfsFile]:
        """All large files of all history, each once, and what was uploaded and never committed."""
        return rewriting.list_lfs_files(self.ledger, repo)

    def delete_lfs_files(self, viewer: Viewer, repo: Repo, ids: Collection[str], *, rewrite_history: bool) -> None:
        """For ever: out of every commit, and their content with the next sweep, unless another repo has it too."""
        _require(viewer, Action.WRITE, repo)
        rewriting.delete_lfs_files(self.ledger, viewer, repo, ids, rewrite=rewrite_history)
        with self.database.write() as session:
            record(session, viewer, "repo.delete_lfs_files", str(repo.ref), files=len(ids))

    def grant_blob(self, repo: Repo, sha256: str, size: int) -> None:
        """Content has been uploaded to this repo, and the store holds it whole: commits may name it from now on."""
        with self.database.write() as session:
            queries.insert_blob(session, sha256, size)
            with within_quota(session, repo.owner_id, self.settings.storage_quota_bytes):
                queries.grant(session, repo.pk, [sha256])
            # The sweep deletes unused content inside a transaction of its own. Either it was before this one, and the
            # content is gone now; or it will see the grant.
            if self.blobs.size(sha256) != size:
                raise Unavailable(
                    "The uploaded content {sha256} has just been swept away. Upload it again.", sha256=sha256
                )

    def require_room(self, viewer: Viewer, repo: Repo, contents: Mapping[str, int]) -> None:
        """Raises QuotaExceeded when the repo's namespace has no room for these contents, sizes by sha256, that are yet to come."""
        with self.database.read() as session:
            quotas.require_room(session, repo.owner_id, self.settings.storage_quota_bytes, viewer, contents)

    def require_room_for_sizes(self, viewer: Viewer, repo: Repo, sizes: Iterable[int]) -> None:
        """The same, where only sizes are known yet."""
        with self.database.read() as session:
            quotas.require_room_for_sizes(session, repo.owner_id, self.settings.storage_quota_bytes, viewer, sizes)

    def granted_sizes(self, repo: Repo, oids: Iterable[str]) -> dict[str, int]:
        """Sizes of those of these contents that were given to this repo. Knowing a hash gives no access."""
        with self.database.read() as session:
            return queries.granted_sizes(session, repo.pk, oids)

    def share_contents(self, viewer: Viewer, source: Repo, target: Repo, oids: Iterable[str]) -> set[str]:
        """Give a repo what another one was given: which of these it may name in commits from now on.

        The viewer reads the one and writes the other. What the source does not have stays out, whoever else has it.
        """
        self.require_files(viewer, source)
        _require(viewer, Action.WRITE, target)
        with self.database.write() as session:
            sizes = queries.granted_sizes(session, source.pk, oids)
            with within_quota(session, target.owner_id, self.settings.storage_quota_bytes):
                queries.grant(session, target.pk, sizes, copied_from=queries.is_repo(source.pk))
        return set(sizes)

    # Pushes by git ----------------------------------------------------------------------------------------------------

    def prepare_push(
        self, viewer: Viewer, repo: Repo, updates: Sequence[RefUpdate], environment: Mapping[str, str]
    ) -> Sequence[str]:
        """Asked by the pre-receive hook, before any ref moves: what is wrong, in sentences. Nothing: the push is expected.

        Args:
            environment: the hook's GIT_* variables, which say where the new objects lie.
        """
        guards = [self.require_committer(viewer, repo, update.ref) for update in updates]
        problems = pushes.check_updates(updates)
        if not problems:
            limit = self.settings.lfs_threshold_bytes
            report = pushes.check_objects(self.repo_path(repo), updates, environment, large_bytes=limit)
            problems = [*report.problems, *self._missing_content(viewer, repo, report)]
        if not problems:
            self.ledger.announce(repo, updates, viewer.user_id, _all_of(guards))
        return problems

    def require_pusher(self, viewer: Viewer, repo: Repo) -> None:
        """Raises when git need not even be asked: the viewer may write to nothing here, nor has a pull request of their own."""
        if not (may(viewer, Act.COMMIT, repo.resource, viewer.user_id) and self._has_pull_request(viewer, repo)):
            _require(viewer, Action.WRITE, repo)

    def _has_pull_request(self, viewer: Viewer, repo: Repo) -> bool:
        with self.database.read() as session:
            return discussions.has_pull_request(session, repo.pk, _user_id(viewer))

    def _missing_content(self, viewer: Viewer, repo: Repo, report: pushes.PushReport) -> Iterator[Sentence]:
        sizes = give_content(self.ledger, viewer, repo, set(report.pointers))
        for oid, (path, pointer) in report.pointers.items():
            if oid not in sizes:
                yield Sentence(
                    "{path}: its LFS content {oid} was not uploaded. Run: git lfs push --all origin", path=path, oid=oid
                )
            elif sizes[oid] != pointer.size:
                yield Sentence(
                    "{path}: its LFS pointer says {said} bytes, the content has {size}.",
                    path=path,
                    said=pointer.size,
                    size=sizes[oid],
                )

    def finish_push(self, repo: Repo) -> None:
        """`git receive-pack` has ended, one way or another: index what moved and tell the listeners."""
        with suppress(RepoNotFound):
            self.ledger.settle(repo)

    def reconcile(self) -> None:
        """Finish what a killed process left half done. Safe at any time."""
        self.settle_pushes()
        self.sweep_folders()

    def settle_pushes(self) -> None:
        """Index every ref that moved, or did not, when its mover was killed."""
        with self.database.read() as session:
            waiting = queries.repos_with_pending_pushes(session)
        for repo in waiting:
            self.finish_push(repo)

    def sweep_folders(self, older_than: timedelta = timedelta(hours=1)) -> int:
        """Delete repositories without a row: of a creation that was cut short, or a deletion. How many."""
        with self.database.read() as session:
            known = queries.storage_keys(session)
        oldest = self._clock() - older_than
        orphans = [path for path in self.folders() if path.stem not in known and _modified(path) < oldest]
        for path in orphans:
            delete_repository(path)
        return len(orphans)

    def folders(self) -> list[Path]:
        """Of every repository on disk: known or not, whole, half made or half deleted."""
        return sorted(self.settings.repos_dir.glob("??/*"))

    # Counts -----------------------------------------------------------------------------------------------------------

    def count_download(self, repo: Repo) -> None:
        self._downloads.count(repo.pk)

    def like(self, viewer: Viewer, repo: Repo) -> None:
        with self.database.write() as session:
            queries.add_like(session, repo.pk, _user_id(viewer))

    def unlike(self, viewer: Viewer, repo: Repo) -> None:
        with self.database.write() as session:
            queries.remove_like(session, repo.pk, _user_id(viewer))


def repo_changed(repo: Repo, change: str, viewer: Viewer, *, moved_to: RepoId | None = None) -> RepoChanged:
    """`repo` as it was before."""
    return RepoChanged(
        repo_pk=repo.pk,
        change=change,
        kind=repo.kind,
        repo_id=repo.name,
        owner_id=repo.owner_id,
        visibility=repo.visibility,
        actor_id=viewer.user_id,
        moved_to=str(moved_to) if moved_to is not None else None,
    )


def _require(viewer: Viewer, action: Action, repo: Repo) -> None:
    if can(viewer, action, repo.resource):
        return
    if viewer.is_anonymous:
        raise NotAuthenticated
    raise Forbidden(
        "You can see {repo}, but not {action} it: that takes its owner, a member with that role, or an access token that "
        "grants it.",
        repo=repo.ref,
        action=action,
    )


def _all_of(guards: Iterable[Guard | None]) -> Guard:
    def check(session: Session) -> None:
        for guard in guards:
            if guard is not None:
                guard(session)

    return check


def _user_id(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise NotAuthenticated
    return viewer.user_id


def _taken(ref: RepoRef) -> AlreadyExists:
    return AlreadyExists(
        "You already created this {kind} repo: {repo_id}", url=f"/{ref.url_path}", kind=ref.kind, repo_id=ref.repo_id
    )


def _modified(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    except FileNotFoundError:  # deleted by someone else meanwhile
        return utc_now()
