"""Commits made through the API: operations stream in, blobs go to git at once, and the end is one new commit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import pygit2
from pygit2.enums import ObjectType
from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.errors import Conflict, InvalidInput, NothingToDelete, RevisionNotFound, StaleParent, Unprocessable
from viveiro.hub import history, queries, refs
from viveiro.hub.git import write_commit, write_object
from viveiro.hub.ledger import Guard, Ledger
from viveiro.hub.lfs import format_pointer, parse_pointer
from viveiro.hub.paths import check_path
from viveiro.hub.patterns import cover
from viveiro.hub.quotas import within_quota
from viveiro.hub.trees import FILE, PROGRAM, Edit, NothingThere, apply, find, tree_of, write_tree
from viveiro.hub.types import (
    AddFile,
    AddLfsFile,
    Commit,
    DeleteFile,
    DeleteFolder,
    Operation,
    RefUpdate,
    Repo,
)
from viveiro.hub.uploads import is_large

ATTEMPTS: Final = 20
"""How often a commit without a parent is put on top of a head that a push by git has just moved."""
MAX_MESSAGE_CHARS: Final = 64 * 1024
ATTRIBUTES: Final = ".gitattributes"

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Onto:
    """Where a commit goes: on top of a ref, as its new head. `guard` is asked besides the one of whoever commits."""

    ledger: Ledger
    viewer: Viewer
    repo: Repo
    ref: str
    guard: Guard | None = None

    def head(self, git: pygit2.Repository, parent: str | None) -> str:
        """What the commit is made upon."""
        head = refs.commit_at(git, self.ref)
        if head is None:
            raise RevisionNotFound(self.ref, self.repo.name)
        if parent is not None and not head.startswith(parent.lower()):
            raise StaleParent
        return head

    def accept_nothing(self) -> None:
        """Raises when a commit that changes nothing cannot be taken for the head."""

    def take(self, git: pygit2.Repository, head: str, made: str, guard: Guard | None) -> None:
        """Raises RefMoved when somebody else's commit was there first."""

        def both(session: Session) -> None:
            for ask in (guard, self.guard):
                if ask is not None:
                    ask(session)

        self.ledger.move(self.repo, git, RefUpdate(self.ref, head, made), self.viewer.user_id, both)


class CommitBuilder:
    """One commit in the making. Nothing of it can be seen before `finish`; a builder that is dropped leaves nothing.

    Deletions come before additions: a folder may be deleted and filled anew in one commit.
    """

    def __init__(self, into: Onto, *, large_bytes: int) -> None:
        self._into = into
        self._ledger = ledger = into.ledger
        self._viewer = into.viewer
        self._repo = repo = into.repo
        self._ref = into.ref
        self._large_bytes = large_bytes
        self._git = ledger.open(repo)
        self._edit = Edit()
        self._added: set[str] = set()
        self._pointers: list[AddLfsFile] = []

    def redirect(self, into: Onto) -> None:
        """It goes elsewhere in the same repo than where it was begun."""
        self._into, self._ref = into, into.ref

    def add(self, operation: Operation) -> None:
        """Take one operation. A regular file's bytes are in git's object store when this returns."""
        match operation:
            case AddFile(path, content):
                self._add_file(path, content)
            case AddLfsFile():
                self._add_pointer(operation)
            case DeleteFile(path):
                self._delete(path, "anything")
            case DeleteFolder(path):
                self._delete(path.removesuffix("/"), "folder")

    def finish(
        self, summary: str, description: str = "", parent: str | None = None, *, guard: Guard | None = None
    ) -> Commit:
        """Make it the branch's new head.

        A commit that changes nothing is not made; the answer is then the head as it was, as clients do themselves.

        Raises:
            StaleParent: the branch is not (or no longer) at the given parent.
            NothingToDelete, Unprocessable: an operation does not fit the head.
        """
        message = message_of(summary, description)
        self._write_pointers()
        for _ in range(ATTEMPTS):
            with self._ledger.writing(self._repo) as git:
                try:
                    return self._put_on_head(git, message, parent, guard)
                except refs.RefMoved:
                    continue
        raise Conflict("{ref} is being changed by others without pause. Try again in a moment.", ref=self._ref)

    def _add_file(self, path: str, content: Iterator[bytes] | bytes) -> None:
        node = self._new_file(path)
        data = self._gather(path, content)
        pointer = parse_pointer(data)
        if pointer is not None:  # a clone made without git-lfs: the text stands for content, and gives no right to it
            self._pointers.append(AddLfsFile(path, pointer.oid, pointer.size))
            return
        node.put = write_object(self._git, ObjectType.BLOB, data)

    def _add_pointer(self, file: AddLfsFile) -> None:
        if not _SHA256.fullmatch(file.oid):
            raise Unprocessable("{oid!r}, given for {path}, is no sha256.", oid=file.oid[:100], path=file.path)
        self._new_file(file.path)
        self._pointers.append(file)

    def _gather(self, path: str, content: Iterator[bytes] | bytes) -> bytes:
        """A regular file is small enough for memory, or refused as soon as it is not."""
        gathered = bytearray()
        for chunk in (content,) if isinstance(content, bytes) else content:
            gathered += chunk
            if is_large(len(gathered), self._large_bytes):
                raise Unprocessable(
                    "{path} is too large for a regular file: from {limit} bytes on, files go through LFS. "
                    "huggingface_hub does that by itself; with git, run: git lfs track {path!r}",
                    path=path,
                    limit=self._large_bytes,
                )
        return bytes(gathered)

    def _new_file(self, path: str) -> Edit:
        node = self._edit.at(check_path(path))
        if path in self._added:
            raise Unprocessable("{path} is added twice in one commit.", path=path)
        self._added.add(path)
        return node

    def _delete(self, path: str, what: Literal["anything", "folder"]) -> None:
        self._edit.at(check_path(path)).delete = what
        if path in self._added or (what == "folder" and any(each.startswith(f"{path}/") for each in self._added)):
            raise Unprocessable("{path} is first added and then deleted in one commit. Say which.", path=path)

    def _write_pointers(self) -> None:
        sizes = give_content(self._ledger, self._viewer, self._repo, {file.oid for file in self._pointers})
        for file in self._pointers:
            if file.oid not in sizes:
                raise Unprocessable(
                    "{path} was not uploaded: this repo holds no content with sha256 {oid}. Upload it, then commit again.",
                    path=file.path,
                    oid=file.oid,
                )
            size = sizes[file.oid]
            if file.size not in (None, size):
                raise Unprocessable(
                    "{path} is said to have {said} bytes; the content with its sha256 has {size}.",
                    path=file.path,
                    said=file.size,
                    size=size,
                )
            self._edit.at(file.path).put = write_object(self._git, ObjectType.BLOB, format_pointer(file.oid, size))

    def _put_on_head(self, git: pygit2.Repository, message: str, parent: str | None, guard: Guard | None) -> Commit:
        head = self._into.head(git, parent)
        before = tree_of(git, head)
        after = self._edited(git, before)
        if after == before:
            self._into.accept_nothing()
            return history.read_commit(git, head)
        author = signature(self._viewer.name, self._ledger.clock())
        made = write_commit(git, author, message, self._covered(git, after), [head])
        self._into.take(git, head, made, guard)
        return history.read_commit(git, made)

    def _edited(self, git: pygit2.Repository, tree: str) -> str:
        try:
            return apply(git, tree, self._edit) or write_tree(git, [])
        except NothingThere as missing:
            raise NothingToDelete(missing.path, self._repo.name, self._ref) from None

    def _covered(self, git: pygit2.Repository, tree: str) -> str:
        """The tree with a `.gitattributes` that knows all big files: a clone has pointers for content where it does not."""
        if not self._pointers:
            return tree
        item = find(git, tree, ATTRIBUTES)
        before = git.odb.read(item.oid)[1] if item is not None else b""
        if (item is not None and item.mode not in (FILE, PROGRAM)) or parse_pointer(before) is not None:
            return tree  # someone gave the name to something else
        after = cover(before.decode("utf-8", "surrogateescape"), [file.path for file in self._pointers])
        content = after.encode("utf-8", "surrogateescape")
        if content == before:
            return tree
        edit = Edit()
        edit.at(ATTRIBUTES).put = write_object(git, ObjectType.BLOB, content)
        return apply(git, tree, edit) or tree


def give_content(ledger: Ledger, viewer: Viewer, repo: Repo, oids: set[str]) -> dict[str, int]:
    """Sizes of those of these contents that the repo may use.

    It may use what was uploaded to it, and (a copy on the server) what lies in a repo that this viewer can read.
    """
    if not oids:
        return {}
    with ledger.database.read() as session:
        sizes = queries.granted_sizes(session, repo.pk, oids)
        copied = queries.readable_sizes(session, viewer, oids - sizes.keys()) if oids - sizes.keys() else {}
    if copied:
        with ledger.database.write() as session, within_quota(session, repo.owner_id, ledger.quota_bytes):
            queries.grant(session, repo.pk, copied, copied_from=queries.files_readable_by(viewer))
    return sizes | copied


def message_of(summary: str, description: str = "") -> str:
    title = " ".join(summary.split())
    if not title:
        raise InvalidInput("A commit needs a summary: one line that says what it does.")
    text = f"{title}\n\n{description.strip()}" if description.strip() else title
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:MAX_MESSAGE_CHARS]


def signature(name: str | None, at: datetime) -> pygit2.Signature:
    name = name or "viveiro"
    return pygit2.Signature(name, f"{name}@users.noreply.invalid", int(at.timestamp()), 0)
