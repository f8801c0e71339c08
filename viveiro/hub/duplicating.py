"""A repo made from another's history. Large content is shared, not copied: the new repo is granted what its own history names."""

from collections.abc import Set as AbstractSet
from pathlib import Path

import pygit2
from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.errors import RepoNotFound
from viveiro.hub import queries
from viveiro.hub.git import BRANCHES, TAGS, full_disk_said, run_git
from viveiro.hub.quotas import within_quota
from viveiro.hub.rewriting import pointers_in
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.types import RepoId, RepoRef, Visibility


def duplicate_repo(
    hub: Hub, viewer: Viewer, ref: RepoRef, target: RepoId, *, visibility: Visibility | None = None
) -> Repo:
    """A new repo with the branches and tags of one whose files the viewer may read. As visible as that one unless told otherwise.

    Whoever was let into a gated repo does not open it to all by this: the new one is gated too, until its owner opens it.

    Raises:
        RepoNotFound, GatedRepo: the viewer may not read it.
        Forbidden: nor create in that namespace.
        AlreadyExists: as `create_repo` does.
    """
    source = hub.get_repo(viewer, ref)
    hub.require_files(viewer, source)
    oids: set[str] = set()

    def fill(git: pygit2.Repository) -> None:
        with full_disk_said(git.path):
            _copy_history(hub.repo_path(source), Path(git.path))
        oids.update(pointer.oid for _, _, _, pointer in pointers_in(git))

    return hub.make_repo(
        viewer,
        RepoRef(ref.kind, target),
        fill,
        visibility=visibility or source.visibility,
        gated=source.gated,
        also=lambda session, pk: _grant(hub, session, source, pk, oids),
        copy_of=str(source.ref),
    )


def _copy_history(source: Path, target: Path) -> None:
    """What branches and tags reach and nothing else: not pull requests, and not what history has lost."""
    listed = run_git(source, "for-each-ref", "--format=%(objectname) %(refname)", BRANCHES, TAGS).decode()
    refs = [line.split(" ", 1) for line in listed.splitlines()]
    wanted = "".join(f"{oid}\n" for oid, _ in refs).encode()
    run_git(source, "pack-objects", "--revs", "--quiet", str(target / "objects" / "pack" / "pack"), stdin=wanted)
    run_git(target, "update-ref", "--stdin", stdin="".join(f"create {ref} {oid}\n" for oid, ref in refs).encode())


def _grant(hub: Hub, session: Session, source: Repo, pk: int, oids: AbstractSet[str]) -> None:
    """As long as the source has the content, no sweep takes it; from here on the copy has it too."""
    now = [repo.storage_key for repo in queries.repos_by_pk(session, [source.pk])]
    if now != [source.storage_key]:  # the row's number may be another repo's by now, perhaps the copy's
        raise RepoNotFound(source.ref.repo_id, source.kind)
    (copy,) = queries.repos_by_pk(session, [pk])
    with within_quota(session, copy.owner_id, hub.settings.storage_quota_bytes):
        queries.grant(
            session, pk, queries.granted_sizes(session, source.pk, oids), copied_from=queries.is_repo(source.pk)
        )
