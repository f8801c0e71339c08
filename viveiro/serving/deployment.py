"""Deploying as a whole: the stored wish, the process that holds the model, and who is led to it.

For the event loop's thread, as Hosts and Admissions are; what touches SQL or git goes to a thread of its own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from viveiro.accounts.types import Viewer
from viveiro.db import Database
from viveiro.hub.service import Hub
from viveiro.locale import restored, translate
from viveiro.serving import service
from viveiro.serving.admissions import Admissions
from viveiro.serving.hosts import Hosts
from viveiro.serving.types import Endpoint
from viveiro.types import RepoId


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """An endpoint, and what its process says of itself at this moment.

    Attributes:
        state: idle (no process: the next request starts one), loading, ready or failed.
        engine: the one that runs it, where one does; else as it was asked for.
        decision: softmax or sigmoid, of a classifier that is ready.
        why: it failed.
        stats: requests, latencies, memory and the like, of one that is ready.
    """

    endpoint: Endpoint
    state: str
    engine: str
    decision: str | None = None
    why: str | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What is not known of it is left out."""
        told = {
            "state": self.state,
            "why": None if self.why is None else translate(self.why),
            "decision": self.decision,
            "stats": self.stats or None,
        }
        known = {name: value for name, value in told.items() if value is not None}
        return {**self.endpoint.to_json(), **known, "engine": self.engine}


async def deploy(
    hub: Hub,
    hosts: Hosts,
    admissions: Admissions,
    viewer: Viewer,
    repo_id: RepoId,
    revision: str = "main",
    engine: str = "auto",
) -> EndpointStatus:
    """Returns when the model is loaded. One that does not load changes nothing: what was served before still is."""
    chosen = await run_in_threadpool(service.choose, hub, viewer, repo_id, revision, engine)
    async with hosts.held(chosen):
        before = await run_in_threadpool(service.served_now, hub.database, repo_id)
        endpoint = await run_in_threadpool(service.save, hub.database, viewer, chosen)
    admissions.forget_all()
    if before is not None:
        await hosts.stop(before)
    return await status_of(hosts, endpoint)


async def undeploy(
    database: Database, hosts: Hosts, admissions: Admissions, viewer: Viewer, repo_id: RepoId
) -> Endpoint:
    """What is gone now. The model's files stay in the hub; only its process ends."""
    endpoint = await run_in_threadpool(service.undeploy, database, viewer, repo_id)
    admissions.forget_all()
    await hosts.stop(endpoint)
    return endpoint


async def info(database: Database, hosts: Hosts, viewer: Viewer, repo_id: RepoId) -> EndpointStatus:
    return await status_of(hosts, await run_in_threadpool(service.info, database, viewer, repo_id))


async def list_statuses(database: Database, hosts: Hosts, viewer: Viewer) -> list[EndpointStatus]:
    """Of the endpoints whose repos the viewer may see, newest first. All processes are asked at once."""
    endpoints = await run_in_threadpool(service.list_endpoints, database, viewer)
    return await asyncio.gather(*(status_of(hosts, endpoint) for endpoint in endpoints))


async def status_of(hosts: Hosts, endpoint: Endpoint) -> EndpointStatus:
    told = await hosts.state(endpoint)
    stats = dict(told.get("stats", {}))
    engine = stats.pop("engine", endpoint.engine)
    return EndpointStatus(endpoint, told["state"], engine, told.get("decision"), restored(told.get("why")), stats)
