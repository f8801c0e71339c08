"""Which names an account may have."""

from typing import Final

from viveiro.accounts.types import SYSTEM, Viewer
from viveiro.errors import InvalidInput, InvalidName
from viveiro.types import is_name

_ADDRESSES: Final = """
    - _ about account accounts api assets audit auth avatars blog buckets cas chat collections datasets docs endpoints
    explore favicon.ico feedback files health healthz help hub inference install jobs join kernels lfs live livez login
    logout me metrics models monitoring new notifications oauth openapi.json organizations orgs papers password privacy
    ready readyz register robots.txt runs search security session sessions settings signup sitemap.xml spaces static
    status storage tasks telemetry terms tokens training user users v1 v2 version xet
"""
"""First parts of addresses that we use, or might. An account of that name would own the page."""
_VOICES: Final = "admin administrator anonymous root support system"
"""People would take these for the installation speaking, so only its own set-up may make an account of that name."""

RESERVED: Final = frozenset(_ADDRESSES.split())
RESERVED_FOR_SET_UP: Final = frozenset(_VOICES.split())


def check_name(text: str, by: Viewer) -> str:
    if not is_name(text):
        raise InvalidName(text)
    folded = text.lower()
    if folded in RESERVED or (folded in RESERVED_FOR_SET_UP and by is not SYSTEM):
        raise InvalidInput("{name!r} is reserved for the platform itself. Choose another name.", name=text)
    return text
