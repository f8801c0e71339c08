"""Short-lived links: what their bearer may do is written in them, and signed. Pure.

git-lfs and huggingface_hub follow an upload's link without sending who they are.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from viveiro.errors import Forbidden
from viveiro.types import Json

_SIGNATURE_BYTES: Final = 20


class InvalidLink(Forbidden):
    def __init__(self) -> None:
        super().__init__("This link has expired, or was changed on its way. Start the transfer again to get a new one.")


def sign(key: str, purpose: str, fields: Mapping[str, Json], *, now: datetime, lifetime: timedelta) -> str:
    """Letters, digits, '-', '_' and one '.': fit for any part of an address."""
    expires_at = int((now + lifetime).timestamp())
    payload = _encode(json.dumps({**fields, "expires_at": expires_at}, separators=(",", ":")).encode())
    return f"{payload}.{_signature(key, purpose, payload)}"


def unsign(key: str, purpose: str, signed: str, *, now: datetime) -> dict[str, Any]:
    """The fields. Raises InvalidLink for one that was not signed with this key for this purpose, or is too old."""
    payload, _, signature = signed.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, purpose, payload).encode()):
        raise InvalidLink
    fields: dict[str, Any] = json.loads(_decode(payload))
    if now.timestamp() >= fields.pop("expires_at"):
        raise InvalidLink
    return fields


def _signature(key: str, purpose: str, payload: str) -> str:
    digest = hmac.digest(key.encode(), f"{purpose}.{payload}".encode(), "sha256")
    return _encode(digest[:_SIGNATURE_BYTES])


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise InvalidLink from error
