"""Where the links of the LFS batch route lead: content comes in whole or in parts, and goes out."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from viveiro.api.hub.credentials import LFS_MEDIA_TYPE, LfsRoute
from viveiro.api.hub.lfs_links import DownloadLink, Link, UploadLink
from viveiro.errors import NotFound, SizeMismatch, Unprocessable
from viveiro.http.dependencies import BlobsDep, DatabaseDep, HubDep
from viveiro.http.files import BlobResponse, receive_body, select_bytes
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.storage import BlobStore
from viveiro.types import Action

router = APIRouter(tags=["lfs"], route_class=LfsRoute)

# Sending --------------------------------------------------------------------------------------------------------------


@router.put("/api/lfs/{oid}")
async def put_object(
    request: Request, link: UploadLink, hub: HubDep, blobs: BlobsDep, database: DatabaseDep
) -> Response:
    repo = await run_in_threadpool(link.repo, database, hub, Action.WRITE)
    async with contextmanager_in_threadpool(blobs.writer(link.oid, link.size)) as writer:
        await receive_body(request, writer.write)
        await run_in_threadpool(writer.finish)
    await run_in_threadpool(hub.grant_blob, repo, link.oid, link.size)
    return Response()


@router.put("/api/lfs/{oid}/parts/{number}")
async def put_part(
    request: Request,
    link: UploadLink,
    number: Annotated[int, Path(ge=1)],
    hub: HubDep,
    blobs: BlobsDep,
    database: DatabaseDep,
) -> Response:
    await run_in_threadpool(link.repo, database, hub, Action.WRITE)
    _check_part(link, number)
    async with contextmanager_in_threadpool(blobs.part_writer(link.upload, number)) as writer:
        await receive_body(request, writer.write)
        etag = await run_in_threadpool(writer.finish)
    return Response(headers={"ETag": f'"{etag}"'})


@router.head("/api/lfs/{oid}/parts/{number}")
def head_part(link: UploadLink, number: Annotated[int, Path(ge=1)], blobs: BlobsDep) -> Response:
    """Whether a part is already here, for a client that resumes."""
    _check_part(link, number)
    etag = blobs.parts(link.upload.id).get(number)
    if etag is None:
        raise NotFound("Part {number} of this upload has not arrived.", number=number)
    return Response(headers={"ETag": f'"{etag}"', "X-Part-Size": str(link.upload.part_size(number))})


def _check_part(link: Link, number: int) -> None:
    if not link.part_bytes or number > link.upload.part_count:
        raise Unprocessable("This upload has no part {number}.", number=number)


class Part(BaseModel):
    part_number: int = Field(alias="partNumber")
    etag: str


class Completion(BaseModel):
    oid: str
    parts: list[Part]


@router.post("/api/lfs/{oid}/parts")
def complete_upload(
    link: UploadLink, completion: Completion, hub: HubDep, blobs: BlobsDep, database: DatabaseDep
) -> Response:
    repo = link.repo(database, hub, Action.WRITE)
    if not _is_here(link, repo, hub, blobs):  # else it is sent again, because the first answer was lost
        _check_completion(link, completion, blobs.parts(link.upload.id))
        blobs.assemble(link.upload, link.oid)
        hub.grant_blob(repo, link.oid, link.size)
    # Only now: killed before the grant, the same completion sent again still finds the parts.
    blobs.discard(link.upload.id)
    return JSONResponse({"oid": link.oid, "size": link.size}, media_type=LFS_MEDIA_TYPE)


def _is_here(link: Link, repo: Repo, hub: Hub, blobs: BlobStore) -> bool:
    """Whether the repo was given this content, and the store still has it."""
    return hub.granted_sizes(repo, [link.oid]).get(link.oid) == link.size == blobs.size(link.oid)


def _check_completion(link: Link, completion: Completion, arrived: Mapping[int, str]) -> None:
    if completion.oid != link.oid:
        raise Unprocessable("This upload is of {oid}, not of {other}.", oid=link.oid, other=completion.oid[:80])
    for part in completion.parts:
        version = arrived.get(part.part_number)
        if version is not None and part.etag.strip('"') != version:
            raise Unprocessable("Part {number} has been replaced since. Send it again.", number=part.part_number)


class Verification(BaseModel):
    oid: str
    size: int


@router.post("/api/lfs/{oid}/verify")
def verify(
    link: UploadLink, verification: Verification, hub: HubDep, blobs: BlobsDep, database: DatabaseDep
) -> Response:
    repo = link.repo(database, hub, Action.WRITE)
    if verification.oid != link.oid or not _is_here(link, repo, hub, blobs):
        raise NotFound(
            "{oid} has not been uploaded to {repo}. Send it again.", oid=verification.oid[:80], repo=repo.ref
        )
    if verification.size != link.size:
        raise SizeMismatch(verification.size, link.size)
    return JSONResponse({"oid": link.oid, "size": link.size}, media_type=LFS_MEDIA_TYPE)


# Fetching -------------------------------------------------------------------------------------------------------------


@router.api_route("/api/lfs/{oid}", methods=["GET", "HEAD"])
def get_object(request: Request, link: DownloadLink, hub: HubDep, blobs: BlobsDep, database: DatabaseDep) -> Response:
    link.repo(database, hub, Action.READ)
    etag = f'"{link.oid}"'
    headers = {"ETag": etag, "Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}
    return BlobResponse(blobs, link.oid, select_bytes(request.headers, link.size, etag), headers)
