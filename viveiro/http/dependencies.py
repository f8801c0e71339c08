"""What a route may ask for, by annotation: `def info(viewer: ViewerDep, hub: HubDep) -> …`."""

from typing import Annotated

from fastapi import BackgroundTasks, Depends, Request

from viveiro.accounts.service import acts_in_full
from viveiro.accounts.types import Viewer
from viveiro.db import Database
from viveiro.errors import Forbidden, NotAuthenticated
from viveiro.http.sign_in import viewer_of
from viveiro.hub.discussions.service import Discussions
from viveiro.hub.facets import Facets
from viveiro.hub.service import Hub
from viveiro.hub.xet.service import Xet
from viveiro.serving.admissions import Admissions
from viveiro.serving.hosts import Hosts
from viveiro.settings import Settings
from viveiro.storage import BlobStore

# These are async so that reading an attribute does not cost a trip to a thread.


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _blobs(request: Request) -> BlobStore:
    blobs: BlobStore = request.app.state.blobs
    return blobs


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def _discussions(request: Request) -> Discussions:
    return Discussions(request.app.state.hub)


async def _xet(request: Request) -> Xet:
    xet: Xet = request.app.state.hub.xet
    return xet


async def _hosts(request: Request) -> Hosts:
    hosts: Hosts = request.app.state.hosts
    return hosts


async def _admissions(request: Request) -> Admissions:
    admissions: Admissions = request.app.state.admissions
    return admissions


async def _facets(request: Request) -> Facets:
    facets: Facets = request.app.state.facets
    return facets


def _viewer(request: Request, tasks: BackgroundTasks) -> Viewer:
    return viewer_of(request, tasks)


SettingsDep = Annotated[Settings, Depends(_settings)]
DatabaseDep = Annotated[Database, Depends(_database)]
BlobsDep = Annotated[BlobStore, Depends(_blobs)]
HubDep = Annotated[Hub, Depends(_hub)]
DiscussionsDep = Annotated[Discussions, Depends(_discussions)]
XetDep = Annotated[Xet, Depends(_xet)]
FacetsDep = Annotated[Facets, Depends(_facets)]
HostsDep = Annotated[Hosts, Depends(_hosts)]
AdmissionsDep = Annotated[Admissions, Depends(_admissions)]
ViewerDep = Annotated[Viewer, Depends(_viewer)]
"""Whoever asks, or ANONYMOUS. A bad credential raises InvalidCredentials: it never passes for none."""


async def _signed_in(viewer: ViewerDep) -> Viewer:
    if viewer.is_anonymous:
        raise NotAuthenticated
    return viewer


SignedInDep = Annotated[Viewer, Depends(_signed_in)]


async def _in_full(viewer: SignedInDep) -> Viewer:
    if not acts_in_full(viewer):
        raise Forbidden(
            "This needs an access token of role write, or a browser session: {name} is {role}.",
            name=viewer.scope and viewer.scope.name,
            role=viewer.scope and viewer.scope.role,
        )
    return viewer


InFullDep = Annotated[Viewer, Depends(_in_full)]
"""Signed in with all of one's rights: whoever may hand out credentials could otherwise widen their own."""


async def _admin(viewer: InFullDep) -> Viewer:
    if not viewer.is_admin:
        raise Forbidden("Only an administrator of this installation may do this. To see who is: viveiro users list")
    return viewer


AdminDep = Annotated[Viewer, Depends(_admin)]
