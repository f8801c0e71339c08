"""How much an account may hold: large files of its repos and what it attached to comments, each content once, however many have it.

What git itself keeps is not counted: no file in it is large, and a push has a limit of its own.

Counted is where a repo is given content, in the transaction that gives it and one at a time for each account: so however many
uploads come at once, together they do not pass the limit. What was sent and then refused stays in the store until the next sweep,
in no repo; before a client sends, `require_room` and `require_room_for_sizes` tell it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.orm import Session

from viveiro.accounts.service import get_account, names_of, record
from viveiro.accounts.types import Viewer
from viveiro.errors import TooLarge
from viveiro.hub import queries
from viveiro.types import size_text


class QuotaExceeded(TooLarge):
    def __init__(self, owner: str, used: int, limit: int, more: int) -> None:
        super().__init__(
            "{owner} uses {used} of {limit}, and this takes {more} more. Delete repos or large files that nobody needs (to see them: "
            "viveiro hub usage {owner}), or ask an administrator for a larger quota.",
            owner=owner,
            used=size_text(used),
            limit=size_text(limit),
            more=size_text(more),
        )


@contextmanager
def within_quota(session: Session, owner_id: int, default: int | None) -> Iterator[None]:
    """Around whatever gives repos of this account content, in a transaction that writes.

    Args:
        default: in bytes, for accounts without a quota of their own; None: no limit.

    Raises:
        QuotaExceeded: there is more than before, and more than allowed. The transaction is to be undone.
    """
    limit = queries.quota_of(session, owner_id, default)
    if limit is None:
        yield
        return
    queries.hold_account(session, owner_id)
    before = queries.held_bytes(session, owner_id)
    yield
    after = queries.held_bytes(session, owner_id)
    if after > max(limit, before):
        raise _exceeded(session, owner_id, before, limit, after - before)


def require_room(
    session: Session, owner_id: int, default: int | None, viewer: Viewer, contents: Mapping[str, int]
) -> None:
    """Raises QuotaExceeded when these contents, sizes by sha256, cannot all be given to a repo of this account just now.

    To be asked before they are sent. It reserves nothing. What the account has where this viewer may not read counts as what it
    has not: otherwise whoever proposes changes could find out by hashes what its private repos hold.
    """
    limit = queries.quota_of(session, owner_id, default)
    if limit is not None:
        held = queries.held_by(session, owner_id, viewer, contents)
        _require(session, owner_id, limit, sum(size for sha256, size in contents.items() if sha256 not in held))


def require_room_for_sizes(
    session: Session, owner_id: int, default: int | None, viewer: Viewer, sizes: Iterable[int]
) -> None:
    """`require_room` before the hashes are known: refuses only what cannot fit whatever it is.

    Content of a size that the account has may be what it has, and of one size may be the same content.
    """
    limit = queries.quota_of(session, owner_id, default)
    if limit is not None:
        wanted = set(sizes)
        _require(session, owner_id, limit, sum(wanted - queries.held_sizes(session, owner_id, viewer, wanted)))


def require_bytes(session: Session, owner_id: int, default: int | None, more: int) -> None:
    """The same, of so many bytes that no repo of the account has yet."""
    limit = queries.quota_of(session, owner_id, default)
    if limit is not None:
        _require(session, owner_id, limit, more)


def _require(session: Session, owner_id: int, limit: int, more: int) -> None:
    used = queries.held_bytes(session, owner_id)
    if more and used + more > limit:
        raise _exceeded(session, owner_id, used, limit, more)


def set_quota(session: Session, viewer: Viewer, name: str, limit: int | None) -> None:
    """For a user or an organisation; None: as much as there is room."""
    account = get_account(session, name)
    queries.set_quota(session, account.id, limit)
    record(session, viewer, "account.quota", account.name, bytes=limit)


def clear_quota(session: Session, viewer: Viewer, name: str) -> None:
    """The default holds again."""
    account = get_account(session, name)
    queries.clear_quota(session, account.id)
    record(session, viewer, "account.quota", account.name, bytes="default")


def _exceeded(session: Session, owner_id: int, used: int, limit: int, more: int) -> QuotaExceeded:
    return QuotaExceeded(names_of(session, [owner_id]).get(owner_id, str(owner_id)), used, limit, more)
