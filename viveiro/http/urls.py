"""Where clients reach us, and where a request came from. Proxies are believed only when the operator listed them."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.requests import HTTPConnection, Request

from viveiro.settings import Settings


def public_url(request: HTTPConnection) -> str:
    """The address of this server as its clients write it, without a final slash."""
    settings: Settings = request.app.state.settings
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme, host = request.url.scheme, request.url.netloc
    if _peer_is_trusted(request, settings):
        scheme = _last(request, "x-forwarded-proto") or scheme
        host = _last(request, "x-forwarded-host") or host
    return f"{scheme}://{host}"


def client_address(request: HTTPConnection) -> str | None:
    """The nearest address that is not one of our own proxies. None on a Unix socket."""
    peer = request.client.host if request.client else None
    settings: Settings = request.app.state.settings
    if not _peer_is_trusted(request, settings):
        return peer
    # The right end was written by our own proxy, the left end by anyone: read from the right.
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if not _is_listed(hop, settings.trusted_proxies)), peer)


def _last(request: HTTPConnection, header: str) -> str:
    return request.headers.get(header, "").rpartition(",")[2].strip()


def _peer_is_trusted(request: HTTPConnection, settings: Settings) -> bool:
    return request.client is not None and _is_listed(request.client.host, settings.trusted_proxies)


def _is_listed(address: str, proxies: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _networks(proxies))


@lru_cache(maxsize=8)
def _networks(proxies: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(proxy.strip(), strict=False) for proxy in proxies.split(",") if proxy.strip())


def next_page(request: Request, **changes: object) -> str:
    """A `Link` header to this same list with other query parameters, absolute as GitHub's are."""
    query = request.url.include_query_params(**changes).query
    path = request.scope["raw_path"].decode("ascii")  # still quoted: `refs%2Fpr%2F1` must come back as one part
    return f'<{public_url(request)}{path}?{query}>; rel="next"'
