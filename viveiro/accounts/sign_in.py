"""Signing in with a password, and the browser sessions that follow.

Functions that hash take the database, not a session: hashing takes a third of a second, and no transaction may wait for it.
"""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Final

from sqlalchemy.orm import Session

from viveiro.accounts import queries
from viveiro.accounts.access_tokens import viewer_from
from viveiro.accounts.audit import record
from viveiro.accounts.passwords import verify_password
from viveiro.accounts.secrets import fingerprint, new_secret
from viveiro.accounts.tables import BrowserSessionRow, SignInAttemptRow
from viveiro.accounts.types import ANONYMOUS, Account, IssuedSession, Viewer
from viveiro.db import Database, utc_now
from viveiro.errors import NotAuthenticated, TooManyRequests

_WINDOW: Final = timedelta(minutes=1)


def authenticate_password(
    database: Database, name: str, password: str, *, address: str | None, attempts_per_minute: int
) -> Account:
    """The user of that name, if the password is theirs.

    Raises:
        NotAuthenticated: one of the two is wrong; which one, nobody is told.
        TooManyRequests: this name, or this address, failed too often in the last minute. Right passwords wait too.
    """
    # Written down before the hash is computed, so that a hundred guesses sent at once count as a hundred.
    with database.write() as session:
        attempts = _reserve_attempt(session, _throttle_keys(name, address), attempts_per_minute)
    with database.read() as session:
        row = queries.account_named(session, name)
    matches, renewed_hash = verify_password(password, row.password_hash if row else None)
    user = row if matches else None
    with database.write() as session:
        if user is None:
            record(session, Viewer(address=address), "session.refuse", name)
        else:
            queries.delete_sign_in_attempts(session, attempts)
            if renewed_hash is not None:
                queries.set_password_hash(session, user.id, renewed_hash)
    if user is None:
        raise NotAuthenticated("The name or the password is wrong. An administrator can set a new password.")
    return queries.as_account(user)


def sign_in(
    database: Database, name: str, password: str, *, address: str | None, attempts_per_minute: int, lasts: timedelta
) -> IssuedSession:
    """A new browser session. Old ones that have expired are swept away on the occasion."""
    account = authenticate_password(database, name, password, address=address, attempts_per_minute=attempts_per_minute)
    now = utc_now()
    secret = new_secret()
    row = BrowserSessionRow(
        sha256=fingerprint(secret), user_id=account.id, address=address, created_at=now, expires_at=now + lasts
    )
    with database.write() as session:
        queries.delete_expired(session, now, attempts_before=now - _WINDOW)
        session.add(row)
        record(session, Viewer(account.id, account.name, address=address), "session.create", account.name)
    return IssuedSession(secret, account, row.expires_at)


def authenticate_session(session: Session, secret: str) -> Viewer:
    """ANONYMOUS when the session has ended: a browser with an old cookie still sees what is public."""
    rows = queries.browser_session_with_owner(session, fingerprint(secret))
    if not rows or rows[0].expires_at <= utc_now():
        return ANONYMOUS
    return viewer_from(rows, scope=None)


def sign_out(session: Session, viewer: Viewer, secret: str) -> None:
    queries.delete_browser_session(session, fingerprint(secret))
    record(session, viewer, "session.delete", viewer.name or "")


def _throttle_keys(name: str, address: str | None) -> list[str]:
    keys = [f"name:{name.lower()[:96]}"]
    return keys if address is None else [*keys, f"address:{_address_block(address)}"]


def _address_block(address: str) -> str:
    """Who holds an IPv6 address holds 2⁶⁴ of them: the whole block counts as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def _reserve_attempt(session: Session, keys: list[str], limit: int) -> list[int]:
    now = utc_now()
    for key in keys:
        _check_throttle(session, key, now, limit)
    rows = [SignInAttemptRow(key=key, at=now) for key in keys]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def _check_throttle(session: Session, key: str, now: datetime, limit: int) -> None:
    count, oldest = queries.sign_in_attempts(session, key, since=now - _WINDOW)
    if count < limit or oldest is None:
        return
    seconds = max(1, ceil((oldest + _WINDOW - now).total_seconds()))
    raise TooManyRequests(
        "Too many failed sign-ins. Try again in {seconds} seconds.", retry_after_seconds=seconds, seconds=seconds
    )
