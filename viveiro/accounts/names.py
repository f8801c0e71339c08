"""Which names an account may have."""

from typing import Final

from viveiro.errors import InvalidInput, InvalidName
from viveiro.types import is_name

_WORDS = """
    - _ about account accounts admin administrator api assets audit auth avatars blog buckets cas chat collections
    datasets docs endpoints explore favicon.ico feedback files health healthz help hub inference install jobs join
    kernels lfs live livez login logout me metrics models monitoring new notifications oauth openapi.json
    organizations orgs papers password privacy ready readyz register robots.txt root runs search security session
    sessions settings signup sitemap.xml spaces static status storage support system tasks telemetry terms tokens
    training user users v1 v2 version xet
"""
RESERVED: Final = frozenset(_WORDS.split())
"""The first part of an address that we use, or might. A user of that name would own the page."""


def check_name(text: str) -> str:
    if not is_name(text):
        raise InvalidName(text)
    if text.lower() in RESERVED:
        raise InvalidInput("{name!r} is reserved for the platform's own addresses. Choose another name.", name=text)
    return text
