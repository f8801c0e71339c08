"""The audit log: who did what to what. Written in the transaction of the act itself, and never changed."""

from typing import Any

from sqlalchemy.orm import Session

from viveiro.accounts import queries
from viveiro.accounts.tables import AuditRow
from viveiro.accounts.types import AuditEntry, Viewer


def record(session: Session, viewer: Viewer, action: str, target: str, **details: Any) -> None:
    """Note an act, named `scope.verb` as in `token.create`. Details must be JSON, and hold no secret."""
    session.add(
        AuditRow(
            actor_id=viewer.user_id,
            actor=viewer.name or "anonymous",
            action=action,
            target=target[:255],
            address=viewer.address,
            details=details,
        )
    )


def list_audit(
    session: Session,
    *,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Newest first, from before the entry of that id."""
    rows = queries.audit_entries(session, actor=actor, action=action, target=target, before=before, limit=limit)
    return [
        AuditEntry(row.id, row.at, row.actor_id, row.actor, row.action, row.target, row.address, row.details)
        for row in rows
    ]
