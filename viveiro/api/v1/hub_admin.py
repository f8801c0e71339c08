"""Looking after the hub: whether everything it promises is there."""

from collections.abc import Iterator

import orjson
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from viveiro.accounts.service import record
from viveiro.api.v1.datasets import Started
from viveiro.http.dependencies import AdminDep, DatabaseDep, HubDep
from viveiro.hub.fsck import Finding, check_hub
from viveiro.hub.service import Hub
from viveiro.jobs.service import enqueue

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
