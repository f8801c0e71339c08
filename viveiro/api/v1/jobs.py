"""Jobs for our own clients: what runs, how far it is, what it printed, and how to stop it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Annotated, Concatenate, Final, ParamSpec, TypeVar

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import TypeAdapter
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.service import visible_owners
from viveiro.db import Database
from viveiro.http.dependencies import DatabaseDep, SettingsDep, SignedInDep
from viveiro.http.files import select_bytes
from viveiro.http.urls import next_page
from viveiro.http.visible_jobs import cancel_visible_job, visible_job
from viveiro.jobs import logs, service
from viveiro.jobs.types import Job, JobEvent, JobState
from viveiro.locale import translate
from viveiro.settings import Settings

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

FOLLOW_SECONDS: Final = 0.5
KEEPALIVE_SECONDS: Final = 15.0

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_event: Final = TypeAdapter(JobEvent)

After = Annotated[int, Query(ge=0, description="Only events behind this `seq`.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("")
def list_jobs(
    viewer: SignedInDep,
    database: DatabaseDep,
    request: Request,
    response: Response,
    state: JobState | None = None,
    kind: str | None = None,
    cursor: Annotated[str | None, Query(description="Comes from the `Link` header of the page before.")] = None,
    limit: Limit = 50,
) -> list[Job]:
    """Newest first; yours, or everyone's for an administrator."""
    owners = visible_owners(viewer)
    with database.read() as session:
        jobs = service.list_jobs(session, owner_ids=owners, state=state, kind=kind, before=cursor, limit=limit)
    if len(jobs) == limit:
        response.headers["Link"] = next_page(request, cursor=jobs[-1].id)
    return [_told(job) for job in jobs]


@router.get("/{job_id}")
def get_job(job_id: str, viewer: SignedInDep, database: DatabaseDep) -> Job:
    with database.read() as session:
        return _told(visible_job(session, viewer, job_id))


@router.get("/{job_id}/events", response_model=list[JobEvent])
def events(
    job_id: str,
    viewer: SignedInDep,
    database: DatabaseDep,
    after: After = 0,
    limit: Limit = 1000,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[int | None, Header()] = None,
) -> Response | list[JobEvent]:
    """The job's history. With `Accept: text/event-stream`, also what is still to come, until the job has ended."""
    start = after if last_event_id is None else last_event_id
    with database.read() as session:
        found = visible_job(session, viewer, job_id)
        known = service.job_events(session, job_id, start, limit)
    if "text/event-stream" not in accept:
        return known
    if found.state.is_final and not known:
        return Response(status_code=204)  # tells a browser's EventSource not to come back
    return StreamingResponse(_follow_events(database, job_id, start), media_type="text/event-stream")


@router.get("/{job_id}/logs", response_class=Response)
def read_log(
    job_id: str,
    viewer: SignedInDep,
    database: DatabaseDep,
    settings: SettingsDep,
    request: Request,
    tail: Annotated[int | None, Query(ge=0, description="Only so many of the last lines.")] = None,
    follow: Annotated[bool, Query(description="Go on until the job has ended.")] = False,
) -> Response:
    """What the job printed, of all its attempts. Answers `Range`."""
    with database.read() as session:
        visible_job(session, viewer, job_id)
    kept, position = logs.read_all(settings, job_id)
    if tail is not None:
        kept = b"".join(kept.splitlines(keepends=True)[-tail:] if tail else [])
    if follow:
        lines = _follow_log(database, settings, job_id, kept, position)
        return StreamingResponse(lines, media_type="text/plain; charset=utf-8")
    selection = select_bytes(request.headers, len(kept), etag="")
    headers = {"Accept-Ranges": "bytes"}
    if selection.is_part:
        headers["Content-Range"] = f"bytes {selection.start}-{selection.stop - 1}/{selection.size}"
    content = kept[selection.start : selection.stop]
    return Response(content, 206 if selection.is_part else 200, headers, "text/plain; charset=utf-8")


@router.post("/{job_id}/cancel")
def cancel(job_id: str, viewer: SignedInDep, database: DatabaseDep) -> Job:
    """A queued job ends at once. A running one is asked to stop, and killed when it does not."""
    with database.write() as session:
        return _told(cancel_visible_job(session, viewer, job_id))


def _told(job: Job) -> Job:
    """With its error in the reader's language."""
    return job if job.error is None else replace(job, error=translate(job.error))


async def _follow_events(database: Database, job_id: str, after: int) -> AsyncIterator[bytes]:
    silent_seconds = 0.0
    while True:
        for event in await run_in_threadpool(_ask, database, service.job_events, job_id, after):
            yield format_sse_event(id=str(event.seq), event=event.type, data_str=_event.dump_json(event).decode())
            if event.type.is_final:
                return
            after, silent_seconds = event.seq, 0.0
        await asyncio.sleep(FOLLOW_SECONDS)
        silent_seconds += FOLLOW_SECONDS
        if silent_seconds >= KEEPALIVE_SECONDS:  # proxies cut a connection on which nothing moves
            silent_seconds = 0.0
            yield KEEPALIVE_COMMENT


async def _follow_log(
    database: Database, settings: Settings, job_id: str, text: bytes, position: int
) -> AsyncIterator[bytes]:
    while True:
        if text:
            yield text
        # In this order: what a job prints before it ends is in the file once it has ended.
        job = await run_in_threadpool(_ask, database, service.get_job, job_id)
        text, position = await run_in_threadpool(logs.read_from, settings, job_id, position)
        if job.state.is_final and not text:
            return
        if not text:
            await asyncio.sleep(FOLLOW_SECONDS)


def _ask(
    database: Database,
    question: Callable[Concatenate[Session, Arguments], Answer],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Answer:
    """In a transaction of its own, so that none is open while the answer streams."""
    with database.read() as session:
        return question(session, *args, **kwargs)
