"""Whether everything the hub promises is there: git objects, stored content, and the SQL index over them.

A *problem* is a promise broken. A *left-over* is what a killed process could not tidy up: nobody misses it, and the
nightly sweep takes it away.
"""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pygit2
from pygit2.enums import ObjectType

from viveiro.errors import BlobNotFound, RepoNotFound
from viveiro.hub import queries, refs
from viveiro.hub.discussions import queries as discussions
from viveiro.hub.discussions.types import Discussion, NewCommit, Opening, Status
from viveiro.hub.git import MAIN, environment
from viveiro.hub.history import read_commit
from viveiro.hub.index import read_index
from viveiro.hub.lfs import parse_pointer
from viveiro.hub.service import Hub
from viveiro.hub.trees import parse_tree
from viveiro.hub.types import LfsPointer, Repo
from viveiro.hub.xet import queries as xet_queries
from viveiro.hub.xet.rebuilding import DamagedXorb
from viveiro.locale import Sentence, translate


class Fault(StrEnum):
    MISSING_REPOSITORY = "missing-repository"
    MISSING_OBJECT = "missing-object"
    DAMAGED_OBJECT = "damaged-object"
    MISSING_CONTENT = "missing-content"
    DAMAGED_CONTENT = "damaged-content"
    UNKNOWN_CONTENT = "unknown-content"
    STALE_INDEX = "stale-index"
    MISSING_PULL_REQUEST = "missing-pull-request"
    UNKNOWN_PULL_REQUEST = "unknown-pull-request"
    LEFTOVER_PUSH = "leftover-push"
    LEFTOVER_FOLDER = "leftover-folder"
    LEFTOVER_CONTENT = "leftover-content"

    @property
    def is_problem(self) -> bool:
        return not self.value.startswith("leftover")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `oid` is the git object's id, or the sha256 of stored content."""

    fault: Fault
    says: str
    repo: str | None = None
    ref: str | None = None
    path: str | None = None
    oid: str | None = None
    repaired: bool = False

    def to_json(self) -> dict[str, Any]:
        """`says` in the reader's language."""
        return asdict(self) | {"says": translate(self.says), "problem": self.fault.is_problem}


def check_hub(hub: Hub, *, repair: bool = False, deep: bool = False) -> Iterator[Finding | Repo]:
    """Findings as they come, and after its findings each repo that was looked at.

    Args:
        repair: rebuild the SQL index from git and the store, and tidy up. What is lost cannot be brought back.
        deep: also hash every stored content, which reads all of it.
    """
    last = 0
    while batch := _repos_after(hub, last):
        for repo in batch:
            yield from _RepoCheck(hub, repo, repair=repair, deep=deep).findings()
            yield repo
            last = repo.pk
    yield from _check_store(hub, repair=repair)
    yield from _check_xorbs(hub, repair=repair, deep=deep)
    yield from _check_folders(hub, repair=repair)


def rebuild_index(hub: Hub) -> list[Finding]:
    """Make SQL say what git and the store say. What stays broken."""
    found = [finding for finding in check_hub(hub, repair=True) if isinstance(finding, Finding)]
    return [finding for finding in found if finding.fault.is_problem and not finding.repaired]


def _repos_after(hub: Hub, pk: int) -> list[Repo]:
    with hub.database.read() as session:
        return queries.all_repos(session, after=pk)


class _RepoCheck:
    def __init__(self, hub: Hub, repo: Repo, *, repair: bool, deep: bool) -> None:
        self._hub = hub
        self._repo = repo
        self._repair = repair
        self._deep = deep

    def findings(self) -> Iterator[Finding]:
        """A repo that was deleted since it was listed has none."""
        try:
            git = self._hub.ledger.open(self._repo)
        except RepoNotFound:
            if self._still_listed():
                says = Sentence("Its folder is gone, and all of its history with it.")
                yield Finding(Fault.MISSING_REPOSITORY, says, repo=str(self._repo.ref))
            return
        walk = _Walk(git)
        for finding in (*walk.findings(), *_second_opinion(self._hub.repo_path(self._repo), walk)):
            yield replace(finding, repo=str(self._repo.ref))
        for finding in (
            *self._check_content(walk.pointers),
            *self._check_index(),
            *self._check_pull_requests(),
            *self._check_pushes(),
        ):
            yield replace(finding, repo=str(self._repo.ref))

    def _still_listed(self) -> bool:
        with self._hub.database.read() as session:
            return queries.find_repo(session, self._repo.ref) is not None

    def _check_content(self, pointers: dict[str, "_Use"]) -> Iterator[Finding]:
        granted = self._hub.granted_sizes(self._repo, pointers)
        for oid, use in pointers.items():
            fault = self._fault_of_content(use.pointer)
            if fault is not None:
                yield Finding(fault[0], fault[1], ref=use.ref, path=use.path, oid=oid)
            elif oid not in granted:
                says = Sentence("It is stored, and the index does not know that this repo may use it.")
                if self._repair:
                    with self._hub.database.write() as session:  # whatever its quota: the repo has it already
                        queries.insert_blob(session, oid, use.pointer.size)
                        queries.grant(session, self._repo.pk, [oid])
                yield Finding(Fault.UNKNOWN_CONTENT, says, ref=use.ref, path=use.path, oid=oid, repaired=self._repair)

    def _fault_of_content(self, pointer: LfsPointer) -> tuple[Fault, str] | None:
        size = self._hub.blobs.size(pointer.oid)
        if size is None:
            return Fault.MISSING_CONTENT, Sentence("Its content is not in the store.")
        if size != pointer.size:
            return Fault.DAMAGED_CONTENT, Sentence(
                "Its content has {size} bytes instead of {wanted}.", size=size, wanted=pointer.size
            )
        if self._deep and self._hash(pointer.oid) != pointer.oid:
            return Fault.DAMAGED_CONTENT, Sentence("Its content has another hash than its name.")
        return None

    def _hash(self, oid: str) -> str:
        digest = hashlib.sha256()
        try:
            for chunk in self._hub.blobs.read_as_stored(oid):
                digest.update(chunk)
        except (BlobNotFound, DamagedXorb):
            return ""
        return digest.hexdigest()

    def _check_index(self) -> Iterator[Finding]:
        """Under the writer's lock: otherwise a commit could come between reading git and reading SQL."""
        try:
            with self._hub.ledger.writing(self._repo) as git:
                index = read_index(git, self._hub.blobs, self._repo.kind, refs.commit_at(git, MAIN))
                with self._hub.database.read() as session:
                    stored = queries.stored_index(session, self._repo.pk)
                if stored is None or stored == replace(index, tags=tuple(sorted(index.tags))):
                    return
                if self._repair:
                    with self._hub.database.write() as session:
                        queries.write_index(session, self._repo.pk, index, modified=None)
        except RepoNotFound:
            return
        except (KeyError, ValueError, pygit2.GitError):
            yield Finding(
                Fault.STALE_INDEX,
                Sentence("The commit that main points at cannot be read, so the index cannot be compared."),
            )
            return
        says = Sentence("The index says {indexed}, main is at {head}.", indexed=stored.head_sha, head=index.head_sha)
        if stored.head_sha == index.head_sha:
            says = Sentence("What the index says about card, tags or weights is not what the files say.")
        yield Finding(Fault.STALE_INDEX, says, ref=MAIN, oid=index.head_sha, repaired=self._repair)

    def _check_pull_requests(self) -> Iterator[Finding]:
        """Each has its ref, and each ref its pull request. Under the writer's lock, as above."""
        try:
            with self._hub.ledger.writing(self._repo) as git:
                with self._hub.database.read() as session:
                    known = {found.ref: found for found in discussions.pull_requests(session, self._repo.pk)}
                refs_there = {ref for ref in git.references if refs.pull_request_number(ref) is not None}
                for ref in sorted(known.keys() - refs_there):
                    says = Sentence("The pull request is known, and its ref is gone.")
                    repaired = self._repair and self._put_back(git, known[ref])
                    yield Finding(Fault.MISSING_PULL_REQUEST, says, ref=ref, repaired=repaired)
                for ref in sorted(refs_there - known.keys()):
                    says = Sentence("Git has this pull request, and the index does not know it.")
                    repaired = self._repair and self._make_known(git, ref)
                    yield Finding(Fault.UNKNOWN_PULL_REQUEST, says, ref=ref, repaired=repaired)
        except RepoNotFound:
            return

    def _put_back(self, git: pygit2.Repository, pull_request: Discussion) -> bool:
        """At the last commit that was told of, where git still has it."""
        with self._hub.database.read() as session:
            told = [each.oid for each in discussions.events(session, pull_request.pk) if isinstance(each, NewCommit)]
        last = next((oid for oid in (*reversed(told), pull_request.start_sha) if oid is not None and oid in git), None)
        if last is None:
            return False
        refs.compare_and_swap(git, pull_request.ref, None, last)
        return True

    def _make_known(self, git: pygit2.Repository, ref: str) -> bool:
        """By what git tells: its last commit's title, nobody for an author, and main for its branch."""
        number, head = refs.pull_request_number(ref), refs.commit_at(git, ref)
        with self._hub.database.write() as session:
            if number is None or head is None or discussions.is_taken(session, self._repo.pk, number):
                return False
            main = refs.commit_at(git, MAIN)
            start = git.merge_base(main, head) if main is not None else None
            opening = Opening(
                read_commit(git, head).title[:200] or ref, "", Status.OPEN, MAIN, start_sha=str(start or head)
            )
            at = self._hub.ledger.clock()
            discussions.insert(session, self._repo.pk, opening, None, at, status=Status.OPEN, number=number)
        return True

    def _check_pushes(self) -> Iterator[Finding]:
        with self._hub.database.read() as session:
            rows = queries.pending_pushes(session, self._repo.pk)
        for row in rows:
            yield Finding(
                Fault.LEFTOVER_PUSH,
                Sentence("A push that has not moved its ref; it is under way, or was cut off."),
                ref=row.ref,
            )


@dataclass(frozen=True, slots=True)
class _Use:
    """Where stored content is first needed."""

    ref: str
    path: str
    pointer: LfsPointer


_TREE_LINE: Final = re.compile(rb"tree ([0-9a-f]{40})$", re.MULTILINE)
_PARENT_LINE: Final = re.compile(rb"parent ([0-9a-f]{40})$", re.MULTILINE)
_OBJECT_LINE: Final = re.compile(rb"object ([0-9a-f]{40})$", re.MULTILINE)


class _Walk:
    """Reads every object that any ref reaches. libgit2 compares the hash of each with its name."""

    def __init__(self, git: pygit2.Repository) -> None:
        self._git = git
        self.seen: set[str] = set()
        self.faulty: set[str] = set()
        self.pointers: dict[str, _Use] = {}

    def findings(self) -> Iterator[Finding]:
        for ref in sorted(self._git.references):
            target = refs.target(self._git, ref)
            if target is not None:
                yield from self._from(ref, target)

    def _from(self, ref: str, target: str) -> Iterator[Finding]:
        waiting: list[tuple[str, str]] = [(target, "")]
        while waiting:
            oid, path = waiting.pop()
            if oid in self.seen:
                continue
            self.seen.add(oid)
            try:
                kind, content = self._git.odb.read(oid)
            except KeyError:
                yield self._fault(Fault.MISSING_OBJECT, Sentence("Git does not have it."), ref, path, oid)
            except (ValueError, OSError, pygit2.GitError) as error:
                yield self._fault(
                    Fault.DAMAGED_OBJECT, Sentence("Git cannot read it: {why}.", why=str(error)), ref, path, oid
                )
            else:
                waiting.extend(self._reached(kind, content, ref, path))

    def _reached(self, kind: int, content: bytes, ref: str, path: str) -> Iterator[tuple[str, str]]:
        if kind == ObjectType.TREE:
            yield from ((item.oid, f"{path}/{item.name}" if path else item.name) for item in parse_tree(content))
        elif kind == ObjectType.BLOB:
            pointer = parse_pointer(content)
            if pointer is not None:
                self.pointers.setdefault(pointer.oid, _Use(ref, path, pointer))
        else:
            header = content.partition(b"\n\n")[0]
            for line in (_OBJECT_LINE,) if kind == ObjectType.TAG else (_TREE_LINE, _PARENT_LINE):
                yield from ((oid.decode(), "") for oid in line.findall(header))

    def _fault(self, fault: Fault, says: str, ref: str, path: str, oid: str) -> Finding:
        self.faulty.add(oid)
        return Finding(fault, says, ref=ref, path=path or None, oid=oid)


_OID: Final = re.compile(r"\b[0-9a-f]{40}\b")


def _second_opinion(path: Path, walk: _Walk) -> Iterator[Finding]:
    """What `git fsck` complains of besides: broken packs, and damage where no ref leads."""
    checked = subprocess.run(
        ["git", "fsck", "--full", "--no-dangling", "--no-progress"],
        cwd=path,
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if checked.returncode == 0 or walk.faulty:  # what is missing makes it complain of all that leads there
        return
    for line in (checked.stdout + checked.stderr).splitlines():
        oid = _OID.search(line)
        if line.strip():
            yield Finding(Fault.DAMAGED_OBJECT, f"git fsck: {line.strip()}", oid=oid[0] if oid else None)


def _check_store(hub: Hub, *, repair: bool) -> Iterator[Finding]:
    """Rows without content, and content without a row."""
    known: set[str] = set()
    after = ""
    while True:
        with hub.database.read() as session:
            rows = queries.stored_blobs(session, after=after)
        if not rows:
            break
        for sha256, size in rows:
            known.add(sha256)
            yield from _check_blob(hub, sha256, size, repair=repair)
        after = rows[-1][0]
    for sha256 in hub.blobs.keys():  # noqa: SIM118 - the store is no mapping
        if sha256 not in known:
            yield _unknown_content(hub, sha256, repair=repair)


def _check_blob(hub: Hub, sha256: str, size: int, *, repair: bool) -> Iterator[Finding]:
    actual = hub.blobs.size(sha256)
    if actual == size:
        return
    with hub.database.read() as session:
        users = queries.users_of_blob(session, sha256)
        is_attached = discussions.is_attached(session, sha256)
    fault = Fault.MISSING_CONTENT if actual is None else Fault.DAMAGED_CONTENT
    says = Sentence("The index promises {size} bytes, the store has {actual}.", size=size, actual=actual or 0)
    for repo in users:
        yield Finding(fault, says, repo=repo, oid=sha256)
    if not users and is_attached:
        yield Finding(fault, says, oid=sha256)
    elif not users:
        if repair:
            with hub.database.write() as session:
                queries.delete_unused_blob(session, sha256)
        yield Finding(
            Fault.LEFTOVER_CONTENT, Sentence("{says} No repo uses it.", says=says), oid=sha256, repaired=repair
        )


def _unknown_content(hub: Hub, sha256: str, *, repair: bool) -> Finding:
    """An upload that was cut off behind its last byte. Given a row, it is swept like all that nobody uses."""
    size = hub.blobs.size(sha256)
    if repair and size is not None:
        with hub.database.write() as session:
            queries.insert_blob(session, sha256, size)
    return Finding(Fault.LEFTOVER_CONTENT, Sentence("Stored, and unknown to the index."), oid=sha256, repaired=repair)


def _check_xorbs(hub: Hub, *, repair: bool, deep: bool) -> Iterator[Finding]:
    """Rows without a xorb, and xorbs without a row."""
    known: set[str] = set()
    after = ""
    while True:
        with hub.database.read() as session:
            rows = xet_queries.stored_xorbs(session, after=after)
        if not rows:
            break
        for name, size in rows:
            known.add(name)
            fault = _fault_of_xorb(hub, name, size, deep=deep)
            if fault is not None:
                yield from _broken_xorb(hub, name, *fault, repair=repair)
        after = rows[-1][0]
    for name in hub.xet.xorbs.keys():  # noqa: SIM118 - the store is no mapping
        if name not in known:
            if repair:
                hub.xet.adopt(name)
            says = Sentence("A xorb that is stored, and unknown to the index.")
            yield Finding(Fault.LEFTOVER_CONTENT, says, oid=name, repaired=repair)


def _fault_of_xorb(hub: Hub, name: str, size: int, *, deep: bool) -> tuple[Fault, str] | None:
    actual = hub.xet.xorbs.size(name)
    if actual is None:
        return Fault.MISSING_CONTENT, Sentence("Xorb {xorb}, which holds some of it, is not in the store.", xorb=name)
    if actual != size or (deep and not hub.xet.is_intact(name)):
        return Fault.DAMAGED_CONTENT, Sentence("Xorb {xorb}, which holds some of it, is damaged.", xorb=name)
    return None


def _broken_xorb(hub: Hub, name: str, fault: Fault, says: str, *, repair: bool) -> Iterator[Finding]:
    with hub.database.read() as session:
        users = xet_queries.users_of_xorb(session, name)
    for repo, content in users:
        yield Finding(fault, says, repo=repo, oid=content)
    if not users:
        if repair:
            hub.xet.forget(name)
        yield Finding(Fault.LEFTOVER_CONTENT, Sentence("{says} No repo uses it.", says=says), oid=name, repaired=repair)


def _check_folders(hub: Hub, *, repair: bool) -> Iterator[Finding]:
    with hub.database.read() as session:
        known = queries.storage_keys(session)
    swept = hub.sweep_folders() if repair else 0
    for path in hub.folders():
        if path.stem not in known:
            says = Sentence("{folder} belongs to no repo; it is swept when an hour old.", folder=path.name)
            yield Finding(Fault.LEFTOVER_FOLDER, says)
    for _ in range(swept):
        yield Finding(Fault.LEFTOVER_FOLDER, Sentence("A repository that belonged to no repo."), repaired=True)
