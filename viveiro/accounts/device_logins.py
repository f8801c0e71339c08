"""Signing in where there is no browser: the device shows a code, and its owner allows it from a browser elsewhere.

Source: RFC 8628, "OAuth 2.0 Device Authorization Grant".
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy.orm import Session

from viveiro.accounts import queries
from viveiro.accounts.access_tokens import create_token
from viveiro.accounts.audit import record
from viveiro.accounts.secrets import fingerprint, new_secret
from viveiro.accounts.tables import DeviceLoginRow
from viveiro.accounts.types import IssuedToken, TokenRole, Viewer
from viveiro.errors import InvalidInput, NotAuthenticated, TooManyRequests

LIFETIME: Final = timedelta(minutes=15)
MOST_PENDING: Final = 20
"""From one address."""

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels no code is a word, and none is read two ways (RFC 8628, §6.1)."""

Refusal = Literal["authorization_pending", "access_denied", "expired_token"]


class LoginNotGranted(InvalidInput):
    """`reason` is what the device is told, in the words of the RFC."""

    def __init__(self, reason: Refusal, template: str) -> None:
        super().__init__(template)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class BegunLogin:
    """What the device is given: a secret to come back with, and a code to show."""

    device_code: str = field(repr=False)
    user_code: str


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """One that waits for its owner."""

    user_code: str
    address: str | None
    created_at: datetime


def begin_device_login(session: Session, address: str | None, now: datetime) -> BegunLogin:
    queries.delete_device_logins_before(session, now)
    if queries.count_device_logins(session, address) >= MOST_PENDING:
        raise TooManyRequests(
            "Too many devices at this address wait to be allowed. Try again in a few minutes.", retry_after_seconds=60
        )
    begun = BegunLogin(new_secret(), _new_user_code())
    session.add(
        DeviceLoginRow(
            device_sha256=fingerprint(begun.device_code),
            user_code=begun.user_code,
            address=address,
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    return begun


def find_device_login(session: Session, user_code: str, now: datetime) -> DeviceLogin | None:
    """By the code as people type it. None: unknown, decided already, or too old."""
    row = _waiting(session, user_code, now)
    return DeviceLogin(row.user_code, row.address, row.created_at) if row is not None else None


def decide_device_login(session: Session, viewer: Viewer, user_code: str, now: datetime, *, allow: bool) -> bool:
    """Whether there was one to decide about. Allowed, it acts for the viewer from its next question on."""
    if viewer.user_id is None:
        raise NotAuthenticated
    row = _waiting(session, user_code, now)
    if row is None:
        return False
    row.user_id = viewer.user_id
    row.denied = not allow
    record(session, viewer, "device.allow" if allow else "device.deny", row.user_code, device=row.address)
    return True


def finish_device_login(session: Session, device_code: str, now: datetime) -> IssuedToken:
    """The access token, once. Raises LoginNotGranted until the owner has allowed it."""
    row = queries.device_login(session, fingerprint(device_code))
    if row is None or row.expires_at <= now:
        raise LoginNotGranted("expired_token", "This login has ended, or is too old. Start again: hf auth login")
    if row.denied:
        raise LoginNotGranted("access_denied", "The owner of the account did not allow this device.")
    if row.user_id is None:
        raise LoginNotGranted("authorization_pending", "Nobody has allowed this device yet. Ask again in 5 seconds.")
    user_id, name = row.user_id, f"device {row.user_code}"
    session.delete(row)
    return create_token(session, user_id, name, TokenRole.WRITE)


def _waiting(session: Session, user_code: str, now: datetime) -> DeviceLoginRow | None:
    typed = "".join(letter for letter in user_code.upper() if letter in _LETTERS)
    row = queries.device_login_shown(session, f"{typed[:4]}-{typed[4:]}")
    return row if row is not None and row.user_id is None and row.expires_at > now else None


def _new_user_code() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"
