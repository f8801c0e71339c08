"""Looking after the hub: whether everything it promises is there."""

from collections.abc import Iterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from viveiro.accounts.service import record, require_namespace
from viveiro.api.v1.datasets import Started
from viveiro.db import utc_now
from viveiro.http.dependencies import AdminDep, DatabaseDep, HubDep, InFullDep
from viveiro.hub import quotas
from viveiro.hub.fsck import Finding, check_hub
from viveiro.hub.jobs import SweepPlan, plan_sweep
from viveiro.hub.service import Hub
from viveiro.hub.usage import NamespaceUsage, usage
from viveiro.jobs.service import enqueue
from viveiro.types import Action

router = APIRouter()


class FsckRequest(BaseModel):
    repair: bool = False
    """Rebuild the index from git and the store, and tidy up."""
    deep: bool = False
    """Also hash all stored content."""


class ScanRequest(BaseModel):
    again: bool = False
    """Also what this version's scanner has looked at before."""


@router.post("/api/v1/hub/scan", status_code=202)
def scan(body: ScanRequest, viewer: AdminDep, database: DatabaseDep) -> Started:
    """Look for pickles in every branch and tag of every repo, as is done for every push."""
    with database.write() as session:
        record(session, viewer, "hub.scan", "", again=body.again)
        return Started(job_id=enqueue(session, "hub-scan", {"again": body.again}, owner_id=viewer.user_id))


@router.get("/api/v1/hub/usage")
def get_usage(
    viewer: InFullDep, hub: HubDep, namespace: Annotated[str | None, Query(description="Only this one.")] = None
) -> list[NamespaceUsage]:
    """How much room repos take: those of all namespaces for an administrator, else of one's own and one's organisations'."""
    accounts = None if viewer.is_admin else sorted(viewer.owner_ids)
    if namespace is not None:
        with hub.database.read() as session:
            accounts = [require_namespace(session, viewer, namespace, Action.WRITE).id]
    return list(usage(hub, accounts))


class Quota(BaseModel):
    bytes: Annotated[int, Field(ge=0, lt=2**60)] | None
    """None: as much as there is room."""


@router.put("/api/v1/accounts/{name}/quota")
def set_quota(name: str, body: Quota, viewer: AdminDep, hub: HubDep) -> Quota:
    """How much the large files of a user or an organisation may take."""
    with hub.database.write() as session:
        quotas.set_quota(session, viewer, name, body.bytes)
    return body


@router.delete("/api/v1/accounts/{name}/quota")
def clear_quota(name: str, viewer: AdminDep, hub: HubDep) -> Quota:
    """Back to what the settings say, which is the answer."""
    with hub.database.write() as session:
        quotas.clear_quota(session, viewer, name)
    return Quota(bytes=hub.settings.storage_quota_bytes)


@router.get("/api/v1/hub/gc")
def plan_gc(viewer: AdminDep, hub: HubDep) -> SweepPlan:
    """What a sweep would delete of the stored contents, and what it would keep."""
    return plan_sweep(hub.database, utc_now())


@router.post("/api/v1/hub/gc", status_code=202)
def gc(viewer: AdminDep, database: DatabaseDep) -> Started:
    """Sweep now what the nightly sweep would."""
    with database.write() as session:
        record(session, viewer, "hub.gc", "")
        return Started(job_id=enqueue(session, "hub-sweep", {}, owner_id=viewer.user_id))


@router.post("/api/v1/hub/fsck")
def fsck(body: FsckRequest, viewer: AdminDep, hub: HubDep) -> StreamingResponse:
    """One JSON object: `clean`, `repos` (how many were checked) and `findings`."""
    with hub.database.write() as session:
        record(session, viewer, "hub.fsck", "", repair=body.repair, deep=body.deep)
    return StreamingResponse(_answer(hub, body), media_type="application/json")


def _answer(hub: Hub, body: FsckRequest) -> Iterator[bytes]:
    """An empty line for each repo keeps the connection awake: JSON may begin with as much white space as it likes."""
    findings: list[Finding] = []
    repos = 0
    for found in check_hub(hub, repair=body.repair, deep=body.deep):
        if isinstance(found, Finding):
            findings.append(found)
        else:
            repos += 1
            yield b"\n"
    clean = all(finding.repaired or not finding.fault.is_problem for finding in findings)
    yield orjson.dumps({"clean": clean, "repos": repos, "findings": [finding.to_json() for finding in findings]})
