"""What someone has not done yet who is new here. Read from what is there, so nobody has to keep a note of it."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy.orm import Session

from viveiro.accounts import queries
from viveiro.accounts.types import Account

_FEW: Final = 50


def signs_in_for_the_first_time(session: Session, account: Account) -> bool:
    """Asked right after signing in: that is in the audit log already."""
    signed_in = queries.audit_entries(
        session, actor=account.name, action="session.create", target=account.name, before=None, limit=2
    )
    return sum(entry.actor_id == account.id for entry in signed_in) == 1


def chose_password(session: Session, account: Account) -> bool:
    """Whether the password is one that they set themselves; the first one came from somebody else, or from chance."""
    changes = queries.audit_entries(
        session, actor=account.name, action="user.update", target=account.name, before=None, limit=_FEW
    )
    return any(change.actor_id == account.id and change.details.get("password_changed") for change in changes)


def made_token(session: Session, account: Account, *, given: Iterable[str]) -> bool:
    """Whether they have an access token beside those `given` to them when the installation was set up."""
    return not {row.name for row in queries.access_tokens_of(session, account.id)} <= set(given)
