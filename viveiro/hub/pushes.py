"""What a push by git must satisfy before any ref moves: the same rules as a commit through the API.

It runs while the new objects still lie in git's quarantine, so a refused push leaves no trace.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ObjectType

from viveiro.errors import Forbidden, InvalidName, InvalidPath
from viveiro.hub import refs
from viveiro.hub.git import BRANCHES, MAIN, TAGS, open_bare, run_git
from viveiro.hub.lfs import may_be_pointer, parse_pointer
from viveiro.hub.paths import check_path
from viveiro.hub.trees import SUBMODULE, SYMLINK, parse_tree, twins
from viveiro.hub.types import LfsPointer, RefUpdate
from viveiro.hub.uploads import is_large
from viveiro.locale import Sentence

MOST_PROBLEMS: Final = 20
"""Shown for one push: enough to act on, few enough to read."""


@dataclass(slots=True)
class PushReport:
    problems: list[Sentence] = field(default_factory=list)
    pointers: dict[str, tuple[str, LfsPointer]] = field(default_factory=dict)
    """By sha256: the first path that needs the content, and what it says of it. The caller knows what is stored."""


def check_updates(updates: Sequence[RefUpdate]) -> list[Sentence]:
    """What is wrong with the refs themselves."""
    return [problem for update in updates for problem in _ref_problems(update)]


def _ref_problems(update: RefUpdate) -> Iterator[Sentence]:
    if update.ref == MAIN and update.new_sha is None:
        yield Sentence("Cannot delete {ref}: it is what everybody downloads.", ref=MAIN)
    elif update.ref.startswith((BRANCHES, TAGS)):
        prefix = BRANCHES if update.ref.startswith(BRANCHES) else TAGS
        try:
            refs.check_name(update.ref.removeprefix(prefix), prefix)
        except InvalidName as error:
            yield error.sentence
    elif refs.pull_request_number(update.ref) is not None:
        # That there is such a pull request was looked at before.
        if update.new_sha is None or update.old_sha is None:
            yield Sentence("{ref}: pull requests are neither opened nor deleted by a push.", ref=update.ref)
    else:
        yield Sentence("{ref}: only branches (refs/heads/…) and tags (refs/tags/…) can be pushed.", ref=update.ref)


def check_objects(
    path: Path, updates: Sequence[RefUpdate], environment: Mapping[str, str], *, large_bytes: int
) -> PushReport:
    """Look at every object that no ref of the repository reaches yet.

    Args:
        environment: the GIT_* variables of the pre-receive hook, which name the quarantine.
    """
    pushed = [update.new_sha for update in updates if update.new_sha is not None]
    if not pushed:
        return PushReport()
    git = open_bare(path)
    for folder in _quarantine(path, environment):
        git.odb.add_disk_alternate(str(folder))
    listed = run_git(
        path,
        # Commits through stdin, for there may be many; options not, for git before 2.42 refuses them there.
        *("rev-list", "--objects", "--stdin", "--not", "--all"),
        stdin="".join(f"{sha}\n" for sha in pushed).encode(),
        extra={name: value for name, value in environment.items() if name in _QUARANTINE},
    )
    return _Inspection(git, large_bytes).of(listed.decode("utf-8", "surrogateescape").splitlines())


_QUARANTINE: Final = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")


def _quarantine(path: Path, environment: Mapping[str, str]) -> list[Path]:
    """The folder of new objects. It came in a request, so it is believed only inside this repository."""
    named = environment.get("GIT_OBJECT_DIRECTORY") or environment.get("GIT_QUARANTINE_PATH")
    if named is None:
        return []
    folder = (path / named).resolve()
    if not folder.is_relative_to((path / "objects").resolve()):
        raise Forbidden("{folder} is no object folder of this repository.", folder=str(named))
    return [folder]


class _Inspection:
    def __init__(self, git: pygit2.Repository, large_bytes: int) -> None:
        self._git = git
        self._large_bytes = large_bytes
        self._report = PushReport()

    def of(self, lines: Sequence[str]) -> PushReport:
        for line in lines:
            oid, _, path = line.partition(" ")
            kind, size = self._git.odb.read_header(oid)
            if kind == ObjectType.BLOB:
                self._blob(oid, path, size)
            elif kind == ObjectType.TREE:
                self._tree(oid, f"{path}/" if path else "")
            if len(self._report.problems) > MOST_PROBLEMS:
                self._report.problems[MOST_PROBLEMS:] = [Sentence("… and more. These have to be mended first.")]
                break
        return self._report

    def _blob(self, oid: str, path: str, size: int) -> None:
        if is_large(size, self._large_bytes):
            self._report.problems.append(
                Sentence(
                    "{path}: {size} bytes; from {limit} bytes on, files go through LFS. "
                    "Run: git lfs migrate import --include={path!r}",
                    path=path,
                    size=size,
                    limit=self._large_bytes,
                )
            )
        elif may_be_pointer(size):
            pointer = parse_pointer(self._git.odb.read(oid)[1])
            if pointer is not None:
                self._report.pointers.setdefault(pointer.oid, (path, pointer))

    def _tree(self, oid: str, prefix: str) -> None:
        items = parse_tree(self._git.odb.read(oid)[1])
        for item in items:
            path = f"{prefix}{item.name}"
            if item.mode == SYMLINK:
                self._report.problems.append(
                    Sentence("{path}: symbolic links are not kept here. Commit the file itself.", path=path)
                )
            elif item.mode == SUBMODULE:
                self._report.problems.append(
                    Sentence("{path}: submodules are not kept here. Commit the files themselves.", path=path)
                )
            try:
                check_path(path)
            except InvalidPath as error:
                self._report.problems.append(error.sentence)
        for pair in twins(item.name for item in items):
            self._report.problems.append(
                Sentence(
                    "{paths} differ only in case or in unicode form, so on many systems one would overwrite the other.",
                    paths=", ".join(f"{prefix}{name}" for name in sorted(pair)),
                )
            )
