"""Branches, tags and pull requests of one repository, and what a revision names."""

import re
from typing import Final

import pygit2
from pygit2.enums import ObjectType

from viveiro.errors import AlreadyExists, Conflict, InvalidInput, InvalidName
from viveiro.hub.git import BRANCHES, MAIN, PULL_REQUESTS, TAGS, full_disk_said, write_object
from viveiro.hub.types import GitRef, Refs

_OID: Final = re.compile(r"[0-9a-fA-F]{7,40}")
_FULL_OID: Final = re.compile(r"[0-9a-fA-F]{40}")
_PULL_REQUEST: Final = re.compile(rf"{PULL_REQUESTS}([1-9][0-9]{{0,8}})")
MAX_REF_BYTES: Final = 244
"""What a file name leaves beside git's own `.lock` suffix."""


def branch_ref(name: str) -> str:
    if name.startswith("refs/"):
        raise InvalidInput(
            "Invalid reference for a branch: {name!r}. Give the branch's own name, without refs/.", name=name[:200]
        )
    return check_name(name, BRANCHES)


def tag_ref(name: str) -> str:
    return check_name(name, TAGS)


def check_name(name: str, prefix: str) -> str:
    """The full ref name. A name that looks like a commit id would make revisions ambiguous."""
    ref = f"{prefix}{name}"
    if (
        name.startswith(("-", "refs/"))
        or _FULL_OID.fullmatch(name)
        or name == "HEAD"
        or len(ref.encode("utf-8", "surrogatepass")) > MAX_REF_BYTES
        or not pygit2.reference_is_valid_name(ref.encode("utf-8", "replace").decode())
    ):
        raise InvalidName(name)
    return ref


def target(git: pygit2.Repository, ref: str) -> str | None:
    """The object a ref points at: a commit, or an annotated tag."""
    if "\0" in ref:  # where libgit2 would take the name to end
        return None
    try:
        found = git.references.get(ref)
    except (ValueError, pygit2.GitError):  # not the shape of a ref name
        return None
    return str(found.target) if found is not None else None


def commit_at(git: pygit2.Repository, ref: str) -> str | None:
    """The commit that a ref leads to, behind any annotated tag. None: no such ref."""
    oid = target(git, ref)
    return _peeled(git, oid) if oid is not None else None


def find_commit(git: pygit2.Repository, revision: str) -> str | None:
    """The commit a revision names. A full commit id is one, whatever branches are called; then branch, tag, short id."""
    if _FULL_OID.fullmatch(revision):
        return _peeled(git, revision.lower())
    if revision == "HEAD":  # hub.js says so where no revision was named; no branch can be called that
        return commit_at(git, MAIN)
    candidates = (revision,) if revision.startswith("refs/") else (f"{BRANCHES}{revision}", f"{TAGS}{revision}")
    for ref in candidates:
        sha = commit_at(git, ref)
        if sha is not None:
            return sha
    return _peeled(git, revision.lower()) if _OID.fullmatch(revision) else None


def _peeled(git: pygit2.Repository, oid: str) -> str | None:
    try:
        return str(git[oid].peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):  # unknown, ambiguous, or not a commit
        return None


def committable_ref(git: pygit2.Repository, revision: str) -> str | None:
    """The ref that a commit onto this revision would move. Tags and commit ids are not moved."""
    ref = revision if revision.startswith("refs/") else f"{BRANCHES}{revision}"
    return ref if ref.startswith((BRANCHES, PULL_REQUESTS)) and target(git, ref) is not None else None


def list_refs(git: pygit2.Repository) -> Refs:
    found: dict[str, list[GitRef]] = {BRANCHES: [], TAGS: [], PULL_REQUESTS: []}
    for ref in sorted(git.references):
        prefix = next((prefix for prefix in found if ref.startswith(prefix)), None)
        sha = commit_at(git, ref)
        if prefix is not None and sha is not None:
            found[prefix].append(GitRef(name=ref.removeprefix(prefix), ref=ref, target=sha))
    pull_requests = sorted(found[PULL_REQUESTS], key=lambda ref: (len(ref.name), ref.name))
    return Refs(tuple(found[BRANCHES]), tuple(found[TAGS]), tuple(pull_requests))


def pull_request_number(ref: str) -> int | None:
    """1 for `refs/pr/1`. None: that is no pull request's ref."""
    found = _PULL_REQUEST.fullmatch(ref)
    return int(found[1]) if found else None


def highest_pull_request(git: pygit2.Repository) -> int:
    """0: there is none."""
    return max((pull_request_number(ref) or 0 for ref in git.references), default=0)


class RefMoved(Exception):
    """Somebody else moved the ref first."""


def compare_and_swap(git: pygit2.Repository, ref: str, old: str | None, new: str | None) -> None:
    """Create, move or delete a ref, but only from where the caller saw it.

    Raises:
        RefMoved: it is no longer there; nothing was changed.
        Conflict: `a` and `a/b` cannot both be refs.
    """
    current = git.references.get(ref)
    if (str(current.target) if current is not None else None) != old:
        raise RefMoved(ref)
    try:
        with full_disk_said(git.path):
            if current is None and new is not None:
                git.references.create(ref, new)
            elif current is not None and new is None:
                current.delete()
            elif current is not None and new is not None:
                current.set_target(new)  # libgit2 compares once more, under the ref's own lock
    except (ValueError, OSError, pygit2.GitError) as error:
        if target(git, ref) != old:
            raise RefMoved(ref) from error
        raise Conflict("{ref} cannot be changed now: {why}. Try again.", ref=ref, why=str(error)) from error


def refuse_existing(git: pygit2.Repository, ref: str) -> None:
    if target(git, ref) is not None:
        raise AlreadyExists("Reference {ref} already exists. Delete it first, or choose another name.", ref=ref)


def write_annotation(git: pygit2.Repository, tag: str, sha: str, tagger: pygit2.Signature, message: str) -> str:
    """The tag object only: libgit2's own call would move the ref in the same step."""
    header = f"object {sha}\ntype commit\ntag {tag}\ntagger {tagger.name} <{tagger.email}> {tagger.time} +0000\n\n"
    return write_object(git, ObjectType.TAG, f"{header}{message.strip()}\n".encode("utf-8", "replace"))
