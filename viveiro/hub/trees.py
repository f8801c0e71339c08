"""Git trees, read and written as what they are: sorted lists of (mode, name, object).

An edit touches only the folders on the way to what changed, so its cost does not grow with the repo.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import pygit2
from pygit2.enums import ObjectType

from viveiro.errors import Unprocessable
from viveiro.hub.git import write_object
from viveiro.hub.paths import folded

FOLDER: Final = 0o040000
FILE: Final = 0o100644
PROGRAM: Final = 0o100755
SYMLINK: Final = 0o120000
SUBMODULE: Final = 0o160000

_ITEM: Final = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


class TreeItem(NamedTuple):
    name: str
    mode: int
    oid: str

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER

    @property
    def sort_key(self) -> bytes:
        """Git sorts a folder as if its name ended with a slash."""
        name = self.name.encode("utf-8", "surrogateescape")
        return name + b"/" if self.is_folder else name


def read_tree(git: pygit2.Repository, oid: str) -> list[TreeItem]:
    return parse_tree(git.odb.read(oid)[1])


def parse_tree(content: bytes) -> list[TreeItem]:
    return [
        TreeItem(name.decode("utf-8", "surrogateescape"), int(mode, 8), oid.hex())
        for mode, name, oid in _ITEM.findall(content)
    ]


def write_tree(git: pygit2.Repository, items: Sequence[TreeItem]) -> str:
    content = b"".join(
        b"%o %s\0%s" % (item.mode, item.name.encode("utf-8", "surrogateescape"), bytes.fromhex(item.oid))
        for item in sorted(items, key=lambda item: item.sort_key)
    )
    return write_object(git, ObjectType.TREE, content)


def tree_of(git: pygit2.Repository, sha: str) -> str:
    """The root tree of a commit."""
    commit = git[sha]
    assert isinstance(commit, pygit2.Commit)
    return str(commit.tree_id)


def find(git: pygit2.Repository, tree: str, path: str) -> TreeItem | None:
    """The item at a path; the root, as a folder without a name, at the empty path."""
    if not path:
        return TreeItem("", FOLDER, tree)
    if "\0" in path:  # where libgit2 would take the path to end
        return None
    root = git[tree]
    assert isinstance(root, pygit2.Tree)
    try:
        found = root[path]
    except (KeyError, ValueError, pygit2.GitError):  # not there, or not even the shape of a path
        return None
    return TreeItem(path.rpartition("/")[2], int(found.filemode), str(found.id))


def walk(
    git: pygit2.Repository, tree: str, *, prefix: str = "", recursive: bool = False, after: str | None = None
) -> Iterator[tuple[str, TreeItem]]:
    """(path, item) in git's order, each folder before what is in it.

    `after`, relative to `prefix`, resumes behind the item of that path without reading the folders before it.
    """
    items = read_tree(git, tree)
    first, _, rest = (after or "").partition("/")
    behind = _sort_key_of(items, first, is_folder=bool(rest)) if first else b""
    for item in items:
        if item.sort_key < behind:
            continue
        path = f"{prefix}{item.name}"
        resumed = item.sort_key == behind
        if not resumed:
            yield path, item
        if recursive and item.is_folder:
            yield from walk(git, item.oid, prefix=f"{path}/", recursive=True, after=rest if resumed else None)


def _sort_key_of(items: Iterable[TreeItem], name: str, *, is_folder: bool) -> bytes:
    """Where an entry of this name stands, or stood before it was deleted."""
    found = next((item for item in items if item.name == name), None)
    return (found or TreeItem(name, FOLDER if is_folder else FILE, "")).sort_key


@dataclass(slots=True)
class Edit:
    """What becomes of one path, and of the paths below it."""

    delete: Literal["anything", "folder"] | None = None
    put: str | None = None
    """The blob that is to be the file there."""
    below: dict[str, "Edit"] = field(default_factory=dict)

    def at(self, path: str) -> "Edit":
        node = self
        for part in path.split("/"):
            node = node.below.setdefault(part, Edit())
        return node


class NothingThere(Exception):
    """A path that was to be deleted does not exist."""

    def __init__(self, path: str) -> None:
        self.path = path


def apply(git: pygit2.Repository, tree: str | None, edit: Edit, prefix: str = "") -> str | None:
    """The tree after the edit, None when nothing is left in it (git keeps no empty folders).

    Raises:
        NothingThere: a deletion misses.
        Unprocessable: a file and a folder, or two names that some systems take for one, would share a place.
    """
    before = {item.name: item for item in read_tree(git, tree)} if tree is not None else {}
    after = dict(before)
    for name, change in edit.below.items():
        item = _apply_to_item(git, after.pop(name, None), change, name, prefix)
        if item is not None:
            after[name] = item
    _refuse_twins(after.keys(), after.keys() - before.keys(), prefix)
    if not after:
        return None
    return tree if after == before else write_tree(git, list(after.values()))


def _apply_to_item(
    git: pygit2.Repository, item: TreeItem | None, change: Edit, name: str, prefix: str
) -> TreeItem | None:
    path = f"{prefix}{name}"
    mode = item.mode if item is not None and item.mode == PROGRAM else FILE
    if change.delete is not None:
        if item is None or (change.delete == "folder" and not item.is_folder):
            raise NothingThere(path)
        item = None
    if change.put is not None:
        if change.below:
            raise Unprocessable("{path} would be a file and a folder at once.", path=path)
        if item is not None and item.is_folder:
            raise Unprocessable(
                "{path} is a folder, so no file can have that name. Delete the folder first.", path=path
            )
        return TreeItem(name, mode, change.put)
    if not change.below:
        return item
    if item is not None and not item.is_folder:
        raise Unprocessable("{path} is a file, so nothing can lie below it. Delete the file first.", path=path)
    tree = apply(git, item.oid if item else None, change, f"{path}/")
    return TreeItem(name, FOLDER, tree) if tree is not None else None


def _refuse_twins(names: Collection[str], added: Collection[str], prefix: str) -> None:
    if not added:
        return
    for pair in twins(names):
        if not pair.isdisjoint(added):
            first, second = sorted(f"{prefix}{name}" for name in pair)[:2]
            raise Unprocessable(
                "{first} and {second} differ only in case or in unicode form, so on many systems one would overwrite "
                "the other. Rename or delete one of them.",
                first=first,
                second=second,
            )


def twins(names: Iterable[str]) -> list[set[str]]:
    """Groups of names that a file system which ignores case or unicode form could not tell apart."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(folded(name), set()).add(name)
    return [group for group in groups.values() if len(group) > 1]
