"""Bare repositories on disk: `pygit2` for objects and refs, the `git` program for what it does better."""

import errno
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ConfigLevel, ObjectType, RepositoryOpenFlag

from viveiro.errors import StorageFull
from viveiro.storage import NO_ROOM

MAIN: Final = "refs/heads/main"
BRANCHES: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
PULL_REQUESTS: Final = "refs/pr/"

WRITE_ATTEMPTS: Final = 10
MOST_LOOSE_OBJECTS: Final = 2000
MOST_PACKS: Final = 20
UNREACHABLE_FOR: Final = "1.week.ago"
"""Objects of a commit that is still being made are younger than this."""

SCARCE_BYTES: Final = 32 * 2**20
"""With less room than this, a write that fails without a reason failed for want of it: no single object is larger."""

_NO_REASON: Final = "no error"
"""What libgit2 says when a loose object could not be written whole."""

_CONFIG: Final = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[http]
\treceivepack = true
[receive]
\tautogc = false
\tfsckObjects = true
\thideRefs = refs/pr
[uploadpack]
\tallowAnySHA1InWant = true
\tallowReachableSHA1InWant = true
\tallowFilter = true
"""

# The folder may lie on a mount that belongs to someone else (containers, shared storage), and what the operator's own
# ~/.gitconfig says must not change what the hub stores.
pygit2.settings.owner_validation = False
for _level in (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
    pygit2.settings.search_path[_level] = ""


def repository_path(repos_dir: Path, key: str) -> Path:
    return repos_dir / key[:2] / f"{key}.git"


def create_bare_repository(path: Path) -> pygit2.Repository:
    """A new empty repository whose HEAD is main. Killed here, nobody finds it half made under its name."""
    partial = path.with_suffix(".partial")
    with full_disk_said(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        pygit2.init_repository(str(partial), bare=True, initial_head="main")
        (partial / "config").write_text(_CONFIG)
        partial.rename(path)
    return open_bare(path)


def delete_repository(path: Path) -> None:
    """Its name goes first: killed here, nobody finds it half empty. What cannot be deleted is left to the next sweep."""
    partial = path.with_suffix(".partial")
    with suppress(OSError):
        path.rename(partial)
    shutil.rmtree(partial, ignore_errors=True)


def open_bare(path: Path) -> pygit2.Repository:
    """A handle of the caller's own: handles are not shared between threads, and opening one takes 0.1 ms."""
    return pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH | RepositoryOpenFlag.BARE)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """For `git` children: the operator's configuration does not count, and no prompt ever waits for an answer."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **inherited,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "LC_ALL": "C.UTF-8",
        **(extra or {}),
    }


def run_git(path: Path, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
    """What `git` prints. CalledProcessError when it fails."""
    return subprocess.run(
        ["git", *arguments], cwd=path, env=environment(extra), input=stdin, check=True, capture_output=True
    ).stdout


def needs_repacking(path: Path) -> bool:
    """Commits through the API make loose objects, pushes make packs; many of either slow every reader down."""
    counts = dict(line.split(": ") for line in run_git(path, "count-objects", "-v").decode().splitlines())
    return int(counts["count"]) > MOST_LOOSE_OBJECTS or int(counts["packs"]) > MOST_PACKS


def repack(path: Path) -> bool:
    """Gather all objects in one pack, and forget those that no ref has reached for a week. False: someone else is at it.

    Writers may go on meanwhile: their objects are younger than a week, and stay.
    """
    lock = os.open(path / "viveiro.repack", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        run_git(path, "repack", "-d", "-A", "-l", "-q", f"--unpack-unreachable={UNREACHABLE_FOR}")
        run_git(path, "prune", f"--expire={UNREACHABLE_FOR}")
        return True
    finally:
        os.close(lock)


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """One writer at a time in a repository, among all threads and processes of this machine.

    `flock` leaves nothing behind when its holder is killed. The lock file lies inside the repository's folder and goes
    with it: who waited while the repository was deleted gets FileNotFoundError.
    """
    lock = os.open(path / "viveiro.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (path / "HEAD").exists():
            raise FileNotFoundError(path)
        yield
    finally:
        os.close(lock)


def write_object(git: pygit2.Repository, kind: ObjectType, content: bytes) -> str:
    """Its id. Raises StorageFull when the disk has no room for it."""
    return _insist(git, lambda: git.odb.write(kind, content))


def write_commit(
    git: pygit2.Repository,
    author: pygit2.Signature,
    message: str,
    tree: str,
    parents: Sequence[str],
    *,
    committer: pygit2.Signature | None = None,
) -> str:
    """The commit only: no ref moves."""
    return _insist(git, lambda: git.create_commit(None, author, committer or author, message, tree, list(parents)))


def _insist(git: pygit2.Repository, write: Callable[[], pygit2.Oid]) -> str:
    """`git repack` removes folders that it has emptied, now and then between libgit2's mkdir and its rename."""
    for remaining in reversed(range(WRITE_ATTEMPTS)):
        try:
            with full_disk_said(git.path):
                return str(write())
        except OSError as error:
            if not remaining or os.strerror(errno.ENOENT) not in str(error):
                raise
    raise AssertionError("The last attempt returns or raises.")


@contextmanager
def full_disk_said(folder: Path | str) -> Iterator[None]:
    """What is written inside fails as StorageFull when the file system of `folder` has no room for it."""
    try:
        yield
    except (OSError, pygit2.GitError) as error:
        if getattr(error, "errno", None) in NO_ROOM or os.strerror(errno.ENOSPC) in str(error):
            raise StorageFull from error
        if str(error) == _NO_REASON and shutil.disk_usage(folder).free < SCARCE_BYTES:
            raise StorageFull from error
        raise
