"""Passwords: argon2id, with a lid on how much memory hashing may take at once."""

from functools import cache
from threading import BoundedSemaphore
from typing import Final

from pwdlib import PasswordHash

from viveiro.errors import InvalidInput

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 1024
_HASHER: Final = PasswordHash.recommended()
_AT_ONCE: Final = BoundedSemaphore(2)
"""Each hash fills 64 MiB: ten people signing in together must not push the server out of memory."""


def hash_password(password: str) -> str:
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(
            "A password has {least} to {most} characters; this one has {length}.",
            least=MIN_LENGTH,
            most=MAX_LENGTH,
            length=len(password),
        )
    with _AT_ONCE:
        return _HASHER.hash(password)


def verify_password(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether it is right, and a new hash to store if the old one used weaker parameters.

    Takes the same time when there is nothing to compare with, so that an answer's delay does not tell who exists.
    """
    with _AT_ONCE:
        decoy = _decoy()
        matches, renewed = _HASHER.verify_and_update(password, stored or decoy)
    return (matches and stored is not None), renewed


@cache
def _decoy() -> str:
    return _HASHER.hash("a password that nobody has")
