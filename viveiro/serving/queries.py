"""Every SQL statement about endpoints."""

from dataclasses import replace

from sqlalchemy import Row, Select, delete, exists, select
from sqlalchemy.orm import Session

from viveiro.accounts.tables import AccountRow
from viveiro.accounts.types import ANONYMOUS, Viewer
from viveiro.hub.tables import AccessRequestRow, RepoAliasRow, RepoRow
from viveiro.hub.types import AccessStatus
from viveiro.serving.tables import EndpointRow
from viveiro.serving.types import Endpoint
from viveiro.types import RepoId, RepoKind, Resource, Visibility


def find_model(
    session: Session, repo_id: RepoId, viewer: Viewer = ANONYMOUS
) -> tuple[Resource, Endpoint | None] | None:
    """A model repo, whatever the case of the letters, also by a name that it had before; and its endpoint if it has one.

    Args:
        viewer: who asks. The resource says whether they were let in, where it is gated.
    """
    folded = str(repo_id).lower()
    row = session.execute(_models(outer=True).where(RepoRow.folded_name == folded)).one_or_none()
    if row is None:
        moved = select(RepoAliasRow.repo_id).where(
            RepoAliasRow.kind == RepoKind.MODEL, RepoAliasRow.folded_name == folded
        )
        row = session.execute(_models(outer=True).where(RepoRow.id == moved.scalar_subquery())).one_or_none()
    if row is None:
        return None
    repo: RepoRow = row.RepoRow
    let_in = repo.gated is not None and _is_let_in(session, repo.id, viewer.user_id)
    return replace(_resource(repo), let_in=let_in), _endpoint(row) if row.EndpointRow else None


def _is_let_in(session: Session, repo_pk: int, user_id: int | None) -> bool:
    accepted = AccessRequestRow.status == AccessStatus.ACCEPTED
    request = exists().where(AccessRequestRow.repo_id == repo_pk, AccessRequestRow.user_id == user_id, accepted)
    return session.scalar(select(request)) or False


def all_endpoints(session: Session) -> list[Endpoint]:
    """Newest first."""
    return [_endpoint(row) for row in session.execute(_models().order_by(EndpointRow.created_at.desc(), RepoRow.id))]


def save_endpoint(session: Session, row: EndpointRow) -> None:
    """In place of the repo's earlier one."""
    session.merge(row)


def delete_endpoint(session: Session, repo_pk: int) -> None:
    session.execute(delete(EndpointRow).where(EndpointRow.repo_id == repo_pk))


def _models(*, outer: bool = False) -> Select[RepoRow, EndpointRow, str]:
    return (
        select(RepoRow, EndpointRow, AccountRow.name)
        .join(EndpointRow, EndpointRow.repo_id == RepoRow.id, isouter=outer)
        .join(AccountRow, AccountRow.id == EndpointRow.owner_id, isouter=True)
        .where(RepoRow.kind == RepoKind.MODEL)
    )


def _resource(repo: RepoRow) -> Resource:
    return Resource(repo.owner_id, repo.name, Visibility(repo.visibility), gated=repo.gated is not None)


def _endpoint(row: Row[RepoRow, EndpointRow, str]) -> Endpoint:
    repo, endpoint, owner = row
    return Endpoint(
        repo_pk=repo.id,
        resource=_resource(repo),
        revision=endpoint.revision,
        sha=endpoint.sha,
        task=endpoint.task,
        engine=endpoint.engine,
        owner=owner,
        created_at=endpoint.created_at,
    )
