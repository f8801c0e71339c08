"""Requests that leave this installation: never to an address that only its own network can reach, unless the operator lists it.

Otherwise an upstream hub, by a redirect, could have us read the cloud's metadata service or the router's pages.
"""

import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeAlias

from viveiro.errors import Forbidden, Unavailable
from viveiro.locale import recognised
from viveiro.settings import Settings

Address: TypeAlias = IPv4Address | IPv6Address


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Hosts with private addresses that the operator listed."""
    return frozenset(filter(None, (host.strip() for host in settings.allowed_private_hosts.split(","))))


def guard(allowed: Collection[str]) -> Callable[[Any], None]:
    """A request hook for an HTTP client. Clients call it for every hop of a redirect too."""

    def check(request: Any) -> None:
        check_host(request.url.host, allowed)

    return check


def check_host(host: str, allowed: Collection[str]) -> None:
    """Raises Forbidden when any address of the host is private, loopback, link-local or otherwise not of the internet."""
    if host in allowed:
        return
    for address in _addresses(host):
        if not is_public(address):
            raise Forbidden(
                "{host} has the private address {address}: requests to it are refused. An operator can allow it: "
                "VIVEIRO_ALLOWED_PRIVATE_HOSTS={host}",
                host=host,
                address=str(address),
            )


def is_public(address: Address) -> bool:
    """An IPv4 address inside an IPv6 one counts as what it is."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    return bool(inner.is_global and not inner.is_multicast)


def _addresses(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Unavailable(
            "The name {host} cannot be resolved: {why}.", host=host, why=recognised(str(error))
        ) from error
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
