"""Requests that leave this installation: never to an address that only its own network can reach, unless the operator lists it.

Otherwise an upstream hub, by a redirect, or whoever names a webhook's address, could have us read the cloud's metadata service or
the router's pages. What is checked is the address that is connected to: a name may mean another one a moment later.
"""

import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from viveiro.errors import Forbidden, Unavailable
from viveiro.locale import recognised
from viveiro.settings import Settings

if TYPE_CHECKING:
    import httpx2
    from httpcore2 import NetworkStream

Address: TypeAlias = IPv4Address | IPv6Address

_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
"""All of it that was ever given out (RFC 4291, §2.4). What lies outside has a meaning of its own, and often an IPv4 address inside."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""How networks that have only IPv6 reach the others (RFC 6052)."""


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Hosts with private addresses that the operator listed."""
    return frozenset(filter(None, (host.strip().lower() for host in settings.allowed_private_hosts.split(","))))


def guarded_client(allowed: Collection[str], *, seconds: float | None = None, **options: Any) -> "httpx2.Client":
    """A client that connects to public addresses and to the hosts allowed, at every hop of a redirect too.

    Where the environment names a proxy, the proxy connects: it is the operator's, and so is what it lets through.

    Args:
        seconds: how long a connection may live, whatever drips through it. A single read is bounded by `timeout`.
        options: as `httpx2.Client` takes them.
    """
    import httpx2

    proxies = urllib.request.getproxies()

    def transport(scheme: str) -> httpx2.BaseTransport:
        proxy = proxies.get(scheme) or proxies.get("all")
        return httpx2.HTTPTransport(proxy=proxy) if proxy else _guarded_transport(allowed, seconds)

    guards = [lambda request: check_literal(request.url.host, allowed)]
    mounts = {f"{scheme}://": transport(scheme) for scheme in ("http", "https")}
    return httpx2.Client(mounts=mounts, event_hooks={"request": guards}, trust_env=False, **options)


def check_literal(host: str, allowed: Collection[str]) -> None:
    """Raises Forbidden for a private address that is written as one. What a name means is asked when connecting to it."""
    try:
        addresses = [ip_address(host.strip("[]"))]
    except ValueError:
        return
    _refuse_private(host, addresses, allowed)


def check_host(host: str, allowed: Collection[str]) -> None:
    """Raises Forbidden when any address of the host is private, loopback, link-local or otherwise not of the internet."""
    resolve_public(host, allowed)


def resolve_public(host: str, allowed: Collection[str]) -> list[Address]:
    """The addresses to connect to, all of them public or of a host that is allowed."""
    addresses = _addresses(host)
    _refuse_private(host, addresses, allowed)
    return addresses


def is_public(address: Address) -> bool:
    """An IPv4 address inside an IPv6 one counts as what it is."""
    inner = _ipv4_in(address) if isinstance(address, IPv6Address) else None
    if inner is None and isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    return bool((inner or address).is_global and not (inner or address).is_multicast)


def _ipv4_in(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & (2**32 - 1))
    return address.ipv4_mapped or address.sixtofour


def _refuse_private(host: str, addresses: Iterable[Address], allowed: Collection[str]) -> None:
    if host.lower() in allowed:
        return
    for address in addresses:
        if not is_public(address):
            raise Forbidden(
                "{host} has the private address {address}: requests to it are refused. An operator can allow it: "
                "VIVEIRO_ALLOWED_PRIVATE_HOSTS={host}",
                host=host,
                address=str(address),
            )


def _addresses(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that no name has, such as an empty one
        raise Unavailable(
            "The name {host} cannot be resolved: {why}.",
            host=host,
            why=recognised(getattr(error, "strerror", None) or str(error)),
        ) from error
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _guarded_transport(allowed: Collection[str], seconds: float | None) -> "httpx2.BaseTransport":
    import httpcore2
    import httpx2

    class GuardedBackend(httpcore2.SyncBackend):
        """Resolves a name once, and connects to what it looked at."""

        def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> "NetworkStream":
            failure: Exception | None = None
            for address in resolve_public(host, allowed):
                try:
                    stream = super().connect_tcp(str(address), port, *args, **kwargs)
                except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                    failure = error
                    continue
                return stream if seconds is None else Bounded(stream, time.monotonic() + seconds)
            raise failure or httpcore2.ConnectError(f"no address of {host}")

        def connect_unix_socket(self, *args: Any, **kwargs: Any) -> "NetworkStream":
            raise httpcore2.ConnectError("no sockets of this machine")

    class Bounded(httpcore2.NetworkStream):
        """A connection that ends at its deadline."""

        def __init__(self, stream: "NetworkStream", deadline: float) -> None:
            self._stream = stream
            self._deadline = deadline

        def _left(self, timeout: float | None, error: Callable[[str], Exception]) -> float:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise error("it took too long")
            return left if timeout is None else min(left, timeout)

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return self._stream.read(max_bytes, self._left(timeout, httpcore2.ReadTimeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self._stream.write(buffer, self._left(timeout, httpcore2.WriteTimeout))

        def close(self) -> None:
            self._stream.close()

        def start_tls(
            self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
        ) -> "NetworkStream":
            left = self._left(timeout, httpcore2.ConnectTimeout)
            return Bounded(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    transport = httpx2.HTTPTransport(trust_env=False)
    # httpx2 offers no other way to say how a connection is made: its own pool, but for the backend.
    transport._pool = httpcore2.ConnectionPool(
        ssl_context=ssl.create_default_context(), network_backend=GuardedBackend(), max_connections=16
    )
    return transport
