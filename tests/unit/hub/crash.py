"""`python crash.py DATABASE_URL DATA_DIR POINT DEED`: does the deed and dies at the point, as `kill -9` would have it.

The points are calls; `before:` and `after:` say on which side of them the process ends.
"""

import importlib
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from viveiro.accounts.service import get_account, viewer_of_user
from viveiro.accounts.types import Viewer
from viveiro.db import Database, utc_now
from viveiro.events import DiscussionChanged, RepoChanged, RevisionPushed
from viveiro.hub import jobs, moving
from viveiro.hub.discussions.service import Discussions, begin_proposal
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile
from viveiro.hub.xet.service import KEPT_FOR
from viveiro.jobs.outbox import listener
from viveiro.settings import Settings
from viveiro.storage import LocalBlobStore
from viveiro.types import RepoId, RepoKind, RepoRef

KILLED = 137
NEVER = "never"
SEEDS = RepoRef(RepoKind.MODEL, RepoId("alice", "seeds"))
MOVED = RepoRef(RepoKind.MODEL, RepoId("acai", "saplings"))
NEW = RepoRef(RepoKind.MODEL, RepoId("alice", "new"))


def die_at(point: str) -> None:
    if point == NEVER:
        return
    side, path = point.split(":")
    module_name, name = path.rsplit(".", 1)
    owner: Any = sys.modules.get(module_name) or _attribute(module_name)
    original: Callable[..., Any] = getattr(owner, name)

    def dying(*arguments: Any, **options: Any) -> Any:
        if side == "after":
            original(*arguments, **options)
        os._exit(KILLED)

    setattr(owner, name, dying)


def _attribute(path: str) -> Any:
    module_name, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module_name), name)


def commit(hub: Hub, viewer: Viewer) -> None:
    builder = hub.begin_commit(viewer, hub.get_repo(viewer, SEEDS), "main")
    builder.add(AddFile("new.txt", b"new"))
    builder.finish("new")


def branch(hub: Hub, viewer: Viewer) -> None:
    hub.create_branch(viewer, hub.get_repo(viewer, SEEDS), "next")


def tag(hub: Hub, viewer: Viewer) -> None:
    hub.create_tag(viewer, hub.get_repo(viewer, SEEDS), "v1", "main", "first")


def delete_branch(hub: Hub, viewer: Viewer) -> None:
    hub.delete_branch(viewer, hub.get_repo(viewer, SEEDS), "old")


def create(hub: Hub, viewer: Viewer) -> None:
    hub.create_repo(viewer, NEW)


def delete(hub: Hub, viewer: Viewer) -> None:
    hub.delete_repo(viewer, SEEDS)


def twenty_commits(hub: Hub, viewer: Viewer, prefix: str = "a") -> None:
    for number in range(20):
        builder = hub.begin_commit(viewer, hub.get_repo(viewer, SEEDS), "main")
        builder.add(AddFile(f"{prefix}{number}", b"1"))
        builder.finish("one of many")


def twenty_more(hub: Hub, viewer: Viewer) -> None:
    twenty_commits(hub, viewer, "b")


def squash(hub: Hub, viewer: Viewer) -> None:
    hub.squash(viewer, hub.get_repo(viewer, SEEDS), "main", "all in one")


def delete_lfs_files(hub: Hub, viewer: Viewer) -> None:
    repo = hub.get_repo(viewer, SEEDS)
    ids = [file.id for file in hub.lfs_files(repo) if file.path == "doomed.bin"]
    hub.delete_lfs_files(viewer, repo, ids, rewrite_history=True)


def propose(hub: Hub, viewer: Viewer) -> None:
    builder, _ = begin_proposal(hub, viewer, hub.get_repo(viewer, SEEDS), "main")
    builder.add(AddFile("proposed.txt", b"new"))
    builder.finish("Propose it", "In words")


def merge(hub: Hub, viewer: Viewer) -> None:
    repo = hub.get_repo(viewer, SEEDS)
    discussions = Discussions(hub)
    discussions.merge(viewer, repo, discussions.get(repo, 1), "Thank you")


def move(hub: Hub, viewer: Viewer) -> None:
    moving.move_repo(hub, viewer, SEEDS, MOVED.repo_id)


def sweep(hub: Hub, viewer: Viewer) -> None:
    """As after five weeks."""
    jobs.sweep_contents(hub, utc_now() + timedelta(days=2))
    hub.xet.sweep(utc_now() + KEPT_FOR + timedelta(minutes=1))
    hub.blobs.sweep_doubles(utc_now() + timedelta(hours=1))
    hub.blobs.sweep(timedelta(seconds=-1))


def pack(hub: Hub, viewer: Viewer) -> None:
    jobs.pack_contents(hub, utc_now() + timedelta(minutes=1))


DEEDS = {
    deed.__name__: deed
    for deed in (
        *(commit, branch, tag, delete_branch, create, delete, twenty_commits, twenty_more),
        *(squash, delete_lfs_files, propose, merge, move, sweep, pack),
    )
}


@listener(RevisionPushed, name="test-heard-push")
def heard(job: object, event: RevisionPushed) -> None:
    """Registered in both processes; its jobs are read by the tests, and never run."""


@listener(DiscussionChanged, name="test-heard-discussion")
def heard_discussion(job: object, event: DiscussionChanged) -> None:
    """The same."""


@listener(RepoChanged, name="test-heard-repo")
def heard_repo(job: object, event: RepoChanged) -> None:
    """The same."""


def main(url: str, data_dir: str, point: str, deed: str) -> None:
    settings = Settings(data_dir=Path(data_dir))
    database = Database(url)
    with database.read() as session:
        alice = viewer_of_user(session, get_account(session, "alice").id)
    hub = Hub(database, settings, LocalBlobStore(settings.storage_dir))
    die_at(point)
    DEEDS[deed](hub, alice)


if __name__ == "__main__":
    main(*sys.argv[1:])
