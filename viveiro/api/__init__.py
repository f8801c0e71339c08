"""The web application: what `app.create_app` composes from routers and shared state."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from viveiro import __version__
from viveiro.db import Database
from viveiro.http.body_limit import BodyLimitMiddleware
from viveiro.http.errors import install_error_handlers
from viveiro.http.language import LanguageMiddleware
from viveiro.http.request_id import RequestIdMiddleware
from viveiro.hub.facets import Facets
from viveiro.hub.service import Hub
from viveiro.serving.admissions import Admissions
from viveiro.serving.hosts import Hosts
from viveiro.settings import Settings
from viveiro.storage import open_store

ROUTERS: Final = (
    "viveiro.api.inference",
    "viveiro.api.v1.system",
    "viveiro.api.v1.accounts",
    "viveiro.api.v1.jobs",
    "viveiro.api.v1.hub_admin",
    "viveiro.api.v1.models",
    "viveiro.api.v1.datasets",
    "viveiro.api.v1.runs",
    "viveiro.api.v1.endpoints",
    "viveiro.api.hub",
)
"""In order of matching: inference comes first, because looking at every other route would take a third of its time here;
the Hub's own routes come last, because `/{namespace}/{name}/…` matches much."""


def build_application(settings: Settings, extend: Callable[[FastAPI], None] = lambda _app: None) -> FastAPI:
    """`extend` adds to it what is above this layer, inside the outermost middleware: the pages."""
    app = FastAPI(
        title="Viveiro",
        version=__version__,
        lifespan=_lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from another host
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.database = Database(settings.sqlalchemy_url)
    app.state.hub = Hub(app.state.database, settings, open_store(settings))
    app.state.blobs = app.state.hub.blobs
    app.state.facets = Facets(app.state.database)
    app.state.hosts = Hosts(settings, app.state.database, app.state.hub)
    app.state.admissions = Admissions()
    for module in ROUTERS:
        router: APIRouter = import_module(module).router
        app.include_router(router)
    install_error_handlers(app)
    extend(app)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(LanguageMiddleware)
    app.add_middleware(RequestIdMiddleware)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await run_in_threadpool(app.state.hub.settle_pushes)  # an earlier web process may have been killed alone
    await app.state.hosts.start()
    # The first count of a process waits until all repos are read: nobody's page should be that one.
    warming = asyncio.create_task(run_in_threadpool(app.state.facets.warm))
    yield
    await app.state.hosts.close()
    await run_in_threadpool(app.state.hub.close)
    # Last: a thread cannot be stopped, and what must be written down must not wait until a stop becomes a kill.
    await asyncio.gather(warming, return_exceptions=True)
    await run_in_threadpool(app.state.database.close)
