"""HTML for people. Pages are drawn on the server and read without JavaScript; htmx and a few Alpine components make them quick.

`templates/` has a folder for each part of the site, `static/` what browsers load. A page is a frozen dataclass (see
`rendering.py`) and the template that it names.
"""

from importlib import import_module
from typing import Final

from fastapi import APIRouter, FastAPI

from viveiro.web.errors import ErrorPageMiddleware
from viveiro.web.rendering import Pages

ROUTERS: Final = (
    "viveiro.web.assets",
    "viveiro.web.preferences",
    "viveiro.web.design",
    "viveiro.web.home",
    "viveiro.web.sign_in",
    "viveiro.web.welcome",
    "viveiro.web.settings",
    "viveiro.web.webhooks",
    "viveiro.web.device",
    "viveiro.web.administration",
    "viveiro.web.lists",
    "viveiro.web.collections",
    "viveiro.web.new_repo",
    "viveiro.web.organizations",
    "viveiro.web.repo_settings",
    "viveiro.web.duplicating",
    "viveiro.web.gates",
    "viveiro.web.new_run",
    "viveiro.web.runs",
    "viveiro.web.endpoints",
    "viveiro.web.datasets",
    "viveiro.web.editing",
    "viveiro.web.files",
    "viveiro.web.history",
    "viveiro.web.discussions",
    "viveiro.web.models",
    "viveiro.web.profiles",
)
"""In order of matching. The pages of repos come last: `/{namespace}/{name}` matches much."""


def install_pages(app: FastAPI) -> None:
    """Add the pages to an application that has its API and its error handlers, and show its errors to browsers as pages."""
    app.state.pages = Pages()
    for module in ROUTERS:
        router: APIRouter = import_module(module).router
        app.include_router(router, include_in_schema=False)
    app.add_middleware(ErrorPageMiddleware)
