"""History made anew: a branch squashed into one commit, or a repository without some of its large files.

Each ref moves through the ledger, one after the other. A crash between two leaves some rewritten and some as they were, all
of them whole, and the same request again finishes the work.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import SortMode

from viveiro.accounts.types import Viewer
from viveiro.errors import Conflict, InvalidInput, RevisionNotFound
from viveiro.hub import history, queries, refs
from viveiro.hub.commits import message_of, signature
from viveiro.hub.git import run_git, write_commit
from viveiro.hub.ledger import Ledger
from viveiro.hub.lfs import MAX_POINTER_BYTES, may_be_pointer, parse_pointer
from viveiro.hub.trees import TreeItem, read_tree, tree_of, write_tree
from viveiro.hub.types import Commit, LfsFile, LfsPointer, RefUpdate, Repo

_LARGE_FILES: Final = f"--filter=combine:object:type=blob+blob:limit={MAX_POINTER_BYTES}"
"""Of all objects, the blobs that are short enough to be pointers."""


def squash(ledger: Ledger, viewer: Viewer, repo: Repo, revision: str, message: str) -> Commit:
    """One commit without a parent, holding what the branch (or pull request) holds now, takes the place of its history."""
    with ledger.writing(repo) as git:
        ref = refs.committable_ref(git, revision)
        head = refs.commit_at(git, ref) if ref is not None else None
        if ref is None or head is None:
            raise RevisionNotFound(revision, repo.name)
        author = signature(viewer.name, ledger.clock())
        made = write_commit(git, author, message_of(message), tree_of(git, head), [])
        _move(ledger, repo, git, RefUpdate(ref, head, made), viewer)
        return history.read_commit(git, made)


def list_lfs_files(ledger: Ledger, repo: Repo) -> list[LfsFile]:
    """Every large file that any ref's history holds, and then what was uploaded and is in none."""
    with ledger.database.read() as session:
        uploaded = queries.uploads_of(session, repo.pk)
    git = ledger.open(repo)
    files = [
        LfsFile(oid, path, pointer.oid, pointer.size, uploaded[pointer.oid][1], ref)
        for oid, path, ref, pointer in pointers_in(git)
        if pointer.oid in uploaded  # a pointer to what was never here can only have come with an old backup
    ]
    named = {file.sha256 for file in files}
    left = [LfsFile(sha256, sha256, sha256, *each) for sha256, each in uploaded.items() if sha256 not in named]
    return files + left


def delete_lfs_files(ledger: Ledger, viewer: Viewer, repo: Repo, file_ids: Collection[str], *, rewrite: bool) -> None:
    """Take these out of every commit of every ref, and the content from the repo once nothing names it.

    Args:
        file_ids: as in `LfsFile.id`. Those that are not there any more are passed over, so that a request may be repeated.
        rewrite: False: only content that no ref's history names may go.
    """
    wanted = set(file_ids)
    with ledger.writing(repo) as git:
        named = {oid: pointer for oid, _, _, pointer in pointers_in(git)}
        doomed = wanted & named.keys()
        if doomed and not rewrite:
            raise InvalidInput(
                "These files are part of the repo's history, which would be left with holes. To take them out of it as well, "
                "send rewriteHistory: true."
            )
        if doomed:
            without = _Without(git, frozenset(doomed))
            for moved in without.updates():
                _move(ledger, repo, git, moved, viewer)
        # Only now: content that a ref still names must stay with the repo.
        gone = {named[oid].oid for oid in doomed} | (wanted - named.keys())
        still = {pointer.oid for _, _, _, pointer in pointers_in(git)}
        with ledger.database.write() as session:
            queries.take_back(session, repo.pk, gone - still)


def _move(ledger: Ledger, repo: Repo, git: pygit2.Repository, moved: RefUpdate, viewer: Viewer) -> None:
    try:
        ledger.move(repo, git, moved, viewer.user_id)
    except refs.RefMoved as error:
        raise Conflict("{ref} was changed by someone else this moment. Try again.", ref=moved.ref) from error


def pointers_in(git: pygit2.Repository) -> Iterator[tuple[str, str, str, LfsPointer]]:
    """(blob, path, ref, pointer), each blob once, under the first ref that reaches it: main, branches, the others."""
    before: list[str] = []
    known: set[str] = set()
    for ref in _refs_in_order(git):
        for oid, path in _small_blobs(Path(git.path), ref, before):
            if oid not in known and may_be_pointer(git.odb.read_header(oid)[1]):
                known.add(oid)
                pointer = parse_pointer(git.odb.read(oid)[1])
                if pointer is not None:
                    yield oid, path, ref, pointer
        before.append(ref)


def _refs_in_order(git: pygit2.Repository) -> list[str]:
    found = refs.list_refs(git)
    branches = sorted(found.branches, key=lambda ref: ref.name != "main")
    return [ref.ref for ref in (*branches, *found.pull_requests, *found.tags)]


def _small_blobs(path: Path, ref: str, before: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(blob, path) in the history of a ref. Most that the refs before it reach are left out."""
    listed = run_git(
        path,
        *("rev-list", "--objects", _LARGE_FILES, "--filter-provided-objects", "--stdin"),
        stdin="\n".join([ref, *(f"^{other}" for other in before)]).encode(),
    )
    for line in listed.decode("utf-8", "surrogateescape").split("\n"):
        oid, _, name = line.partition(" ")
        if name:
            yield oid, name


class _Without:
    """The history of all refs, with some blobs left out of every tree. Commits and folders that held none stay as they are."""

    def __init__(self, git: pygit2.Repository, doomed: frozenset[str]) -> None:
        self._git = git
        self._doomed = doomed
        self._trees: dict[str, str | None] = {}
        self._commits: dict[str, str] = {}

    def updates(self) -> Iterator[RefUpdate]:
        tips = {ref: sha for ref in _refs_in_order(self._git) if (sha := refs.target(self._git, ref)) is not None}
        self._rewrite_commits(list(tips.values()))
        for ref, old in tips.items():
            new = self._target(old)
            if new != old:
                yield RefUpdate(ref, old, new)

    def _rewrite_commits(self, tips: Sequence[str]) -> None:
        walker = self._git.walk(None, SortMode.TOPOLOGICAL | SortMode.REVERSE)
        for tip in tips:
            walker.push(self._git[tip].peel(pygit2.Commit).id)
        for commit in walker:
            self._commits[str(commit.id)] = self._commit(commit)

    def _commit(self, commit: pygit2.Commit) -> str:
        tree, parents = str(commit.tree_id), [str(parent) for parent in commit.parent_ids]
        new_tree = self._tree(tree) or write_tree(self._git, [])
        new_parents = [self._commits[parent] for parent in parents]
        if (new_tree, new_parents) == (tree, parents):
            return str(commit.id)
        return write_commit(self._git, commit.author, commit.message, new_tree, new_parents, committer=commit.committer)

    def _tree(self, oid: str) -> str | None:
        """None: nothing is left of it. Git keeps no empty folders."""
        if oid not in self._trees:
            before = read_tree(self._git, oid)
            after = [kept for item in before if (kept := self._item(item)) is not None]
            self._trees[oid] = oid if after == before else write_tree(self._git, after) if after else None
        return self._trees[oid]

    def _item(self, item: TreeItem) -> TreeItem | None:
        if item.is_folder:
            tree = self._tree(item.oid)
            return item._replace(oid=tree) if tree is not None else None
        return None if item.oid in self._doomed else item

    def _target(self, oid: str) -> str:
        """Of a ref: a commit, or an annotated tag, which is then annotated anew."""
        found = self._git[oid]
        if not isinstance(found, pygit2.Tag):
            return self._commits[str(found.peel(pygit2.Commit).id)]
        old = str(found.peel(pygit2.Commit).id)
        new = self._commits[old]
        if new == old:
            return oid
        tagger = found.tagger or pygit2.Signature("viveiro", "viveiro@users.noreply.invalid", 0, 0)
        return refs.write_annotation(self._git, found.name or "", new, tagger, found.message or "")
