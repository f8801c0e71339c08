"""Where to go next, without being led astray: only addresses of our own."""

from urllib.parse import urlencode, urlsplit

from fastapi import Request
from starlette.responses import RedirectResponse

from viveiro.web.rendering import HEADERS, is_fragment


def own_address(wanted: str | None, otherwise: str = "/") -> str:
    """`wanted`, if it is a path on this server. Browsers take `//host`, `/\\host` and control characters for more than a path."""
    if not wanted or not wanted.isprintable() or "\\" in wanted:
        return otherwise
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return otherwise
    is_own = not parts.scheme and not parts.netloc and wanted.startswith("/") and not wanted.startswith("//")
    return wanted if is_own else otherwise


def sign_in_address(back_to: str) -> str:
    return f"/login?{urlencode({'next': back_to})}"


def go_to(request: Request, path: str) -> RedirectResponse:
    """After a form: a page that can be loaded again without sending the form again. htmx navigates there as a whole."""
    response = RedirectResponse(path, 303, HEADERS)
    if is_fragment(request):
        response.status_code = 204
        del response.headers["location"]
        response.headers["HX-Redirect"] = path
    return response
