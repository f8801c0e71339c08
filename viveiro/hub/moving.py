"""Other names for a repo. A move changes rows and no file; the old name leads to the new one until a new repo takes it."""

from sqlalchemy.exc import IntegrityError

from viveiro.accounts.service import move_grants, record, require_namespace
from viveiro.accounts.types import Viewer
from viveiro.db import utc_now
from viveiro.errors import AlreadyExists, RepoNotFound
from viveiro.hub import queries
from viveiro.hub.quotas import within_quota
from viveiro.hub.service import Hub, repo_changed
from viveiro.hub.types import Repo
from viveiro.jobs.outbox import publish
from viveiro.types import Action, RepoId, RepoRef


def move_repo(hub: Hub, viewer: Viewer, ref: RepoRef, target: RepoId) -> Repo:
    """Rename it, or give it to another namespace in which the viewer may create repos. The repo as it is now.

    Raises:
        RepoNotFound: also where `ref` is a name from before an earlier move.
        Forbidden: the viewer does not administer the repo, or may not create in that namespace.
        AlreadyExists: the name is taken; `url` is the path of the one that has it.
        QuotaExceeded: the namespace has no room for its large files.
    """
    repo = hub.get_repo(viewer, ref, Action.ADMIN)
    with hub.database.read() as session:
        owner = require_namespace(session, viewer, target.namespace, Action.WRITE)
        holder = queries.find_repo(session, RepoRef(ref.kind, target))
    moved = RepoRef(ref.kind, RepoId(owner.name, target.name))
    if holder is not None and (holder.pk != repo.pk or holder.ref == moved):
        raise _taken(holder.ref)
    try:
        with hub.database.write() as session:
            with within_quota(session, owner.id, hub.settings.storage_quota_bytes):
                if not queries.rename_repo(session, repo, moved, owner_id=owner.id, at=utc_now()):
                    raise RepoNotFound(ref.repo_id, ref.kind)
            move_grants(session, repo.name, str(moved.repo_id), keep=queries.name_is_shared(session, repo))
            record(session, viewer, "repo.move", str(repo.ref), to=str(moved))
            publish(session, repo_changed(repo, "move", viewer, moved_to=moved.repo_id))
            (found,) = queries.repos_by_pk(session, [repo.pk])
    except IntegrityError as error:  # by somebody else, this moment
        raise _taken(moved) from error
    return found


def _taken(ref: RepoRef) -> AlreadyExists:
    return AlreadyExists(
        "A {kind} repository called {repo_id} already exists. Choose another name.",
        url=f"/{ref.url_path}",
        kind=ref.kind,
        repo_id=ref.repo_id,
    )
