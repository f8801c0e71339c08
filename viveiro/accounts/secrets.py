"""Random secrets, and the only form in which they are stored."""

import hashlib
import secrets
import string
from typing import Final

_ALPHABET: Final = string.ascii_letters + string.digits
"""No '-' or '_': a double click selects the whole, and secret scanners know it."""
_LENGTH: Final = 37
"""37 of 62 characters are 220 bits: guessing is hopeless, so an unsalted fast hash is enough."""


def new_access_token() -> str:
    return f"hf_{new_secret()}"


def new_secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_password() -> str:
    """For somebody who will choose one of their own: 120 bits that can still be copied by hand."""
    return secrets.token_urlsafe(15)


def fingerprint(secret: str) -> str:
    """sha256 in hex: what the database knows of a secret, and finds it by."""
    return hashlib.sha256(secret.encode()).hexdigest()
