"""From an address with a repo's old name to the same one with its new name. Pure."""

from typing import Final
from urllib.parse import quote, unquote

_BEFORE: Final = 4
"""At most so many parts stand before the name: `/api/v1/endpoints/{namespace}/{name}`."""


def moved_address(path: str, query: str, old: str, new: str) -> str | None:
    """Where to ask instead, relative to the server. None when the address does not name the repo.

    Args:
        path: as it was sent, quoted.
        old, new: `namespace/name`.
    """
    parts = path.split("/")
    if "" in parts[1:3]:  # `//somewhere.else/…` would lead there
        return None
    for at in range(1, _BEFORE + 1):
        named = [unquote(part) for part in parts[at : at + 2]]
        if len(named) == 2 and f"{named[0]}/{named[1].removesuffix('.git')}".lower() == old.lower():
            ending = ".git" if named[1].endswith(".git") else ""
            renamed = [*parts[:at], *f"{new}{ending}".split("/"), *parts[at + 2 :]]
            return quote("/".join(renamed), safe="/%:@!$&'()*+,;=~") + (f"?{query}" if query else "")
    return None
