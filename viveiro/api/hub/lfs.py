"""Big files, as git-lfs, older huggingface_hub, hub.js and `HF_HUB_DISABLE_XET=1` send and fetch them.

`batch` says where each file goes. The links it gives out are signed and say all that is needed: who asked, for which
repo, for which content. Whoever follows one sends no credential; what its owner may do is looked up again each time.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.service import viewer_of_user
from viveiro.accounts.types import ANONYMOUS
from viveiro.api.hub.addresses import RepoRefDep, repo_routes
from viveiro.api.hub.credentials import LfsRoute
from viveiro.db import Database, utc_now
from viveiro.errors import InvalidInput, NotFound, RepoNotFound, SizeMismatch, Unprocessable
from viveiro.http.dependencies import BlobsDep, DatabaseDep, HubDep, SettingsDep, ViewerDep
from viveiro.http.files import BlobResponse, receive_body, select_bytes
from viveiro.http.signing import sign, unsign
from viveiro.http.urls import public_url
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.storage import BlobStore, PartialUpload
from viveiro.types import Action, RepoId, RepoKind, RepoRef

router = APIRouter(tags=["lfs"], route_class=LfsRoute)

MEDIA_TYPE: Final = "application/vnd.git-lfs+json"
DOWNLOAD_LIFETIME: Final = timedelta(hours=6)
MOST_OBJECTS: Final = 1000
MOST_PARTS: Final = 10_000
_OID: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 2**50


# Links ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """What the bearer of a link may send or fetch."""

    kind: str
    repo_id: str
    storage_key: str
    """The repo itself: one created later under the same name is another."""
    user_id: int | None
    oid: str
    size: int
    part_bytes: int = 0

    @classmethod
    def to(cls, repo: Repo, user_id: int | None, oid: str, size: int, part_bytes: int = 0) -> Self:
        return cls(repo.kind, repo.name, repo.storage_key, user_id, oid, size, part_bytes)

    @property
    def upload(self) -> PartialUpload:
        """Its id follows from what is uploaded and where to: asking again, after any crash, finds the parts again."""
        what = f"{self.storage_key}.{self.oid}.{self.size}.{self.part_bytes}"
        return PartialUpload(sha256(what.encode()).hexdigest()[:32], self.size, self.part_bytes)

    def repo(self, database: Database, hub: Hub, action: Action) -> Repo:
        """Raises when the one it was given to may no longer do this."""
        with database.read() as session:
            viewer = ANONYMOUS if self.user_id is None else viewer_of_user(session, self.user_id)
        ref = RepoRef(RepoKind(self.kind), RepoId.parse(self.repo_id))
        repo = hub.get_repo(viewer, ref, action)
        hub.require_files(viewer, repo)
        if repo.storage_key != self.storage_key:
            raise RepoNotFound(ref.repo_id, ref.kind)
        return repo


def _signed(settings: Settings, purpose: Action, link: Link, lifetime: timedelta) -> str:
    return sign(_key(settings), f"lfs.{purpose}", asdict(link), now=utc_now(), lifetime=lifetime)


def _link(settings: Settings, purpose: Action, text: str) -> Link:
    return Link(**unsign(_key(settings), f"lfs.{purpose}", text, now=utc_now()))


def _key(settings: Settings) -> str:
    assert settings.secret_key is not None  # `app.with_secret_key` made one
    return settings.secret_key.get_secret_value()


async def _upload_link(link: str, settings: SettingsDep) -> Link:
    return _link(settings, Action.WRITE, link)


async def _download_link(link: str, settings: SettingsDep) -> Link:
    return _link(settings, Action.READ, link)


UploadLink = Annotated[Link, Depends(_upload_link)]
DownloadLink = Annotated[Link, Depends(_download_link)]


# Batch ----------------------------------------------------------------------------------------------------------------


class BatchObject(BaseModel):
    oid: str
    size: int

    @property
    def problem(self) -> str | None:
        """Told for each object by itself: the others of the batch go ahead."""
        if not _OID.fullmatch(self.oid):
            return "An oid is a sha256: 64 lower-case hexadecimal digits."
        return None if 0 <= self.size < _LARGEST else "This is not a size a file can have."


class BatchRequest(BaseModel):
    operation: Literal["upload", "download"]
    transfers: list[str] = ["basic"]
    objects: list[BatchObject] = Field(max_length=MOST_OBJECTS)
    hash_algo: str = "sha256"


@repo_routes(router, "/info/lfs/objects/batch", "POST")
def batch(
    request: Request,
    wanted: BatchRequest,
    ref: RepoRefDep,
    viewer: ViewerDep,
    hub: HubDep,
    blobs: BlobsDep,
    settings: SettingsDep,
) -> Response:
    if wanted.hash_algo != "sha256":
        raise InvalidInput("This hub stores LFS files by sha256, not by {hash_algo}.", hash_algo=wanted.hash_algo)
    uploading = wanted.operation == "upload"
    repo = hub.get_repo(viewer, ref, Action.WRITE if uploading else Action.READ)
    hub.require_files(viewer, repo)
    granted = hub.granted_sizes(repo, {wanted_object.oid for wanted_object in wanted.objects})
    here = f"{public_url(request)}/api/lfs"
    if uploading:
        offer = _UploadOffer(settings, repo, viewer.user_id, here, wanted)
        missing = {oid for oid in granted if blobs.size(oid) is None}  # lost by the store: a new upload mends it
        return offer.answer({oid: size for oid, size in granted.items() if oid not in missing})
    return _download_offer(settings, repo, viewer.user_id, here, wanted, granted)


class _UploadOffer:
    def __init__(self, settings: Settings, repo: Repo, user_id: int | None, here: str, wanted: BatchRequest) -> None:
        self._settings = settings
        self._repo = repo
        self._user_id = user_id
        self._here = here
        self._wanted = wanted
        large = any(wanted_object.size > settings.lfs_part_bytes for wanted_object in wanted.objects)
        # One transfer serves the whole batch, and git-lfs hands all of it to the same program: so all get parts, or none.
        self._in_parts = large and "multipart" in wanted.transfers

    def answer(self, granted: Mapping[str, int]) -> Response:
        objects = [self._object(wanted_object, granted) for wanted_object in self._wanted.objects]
        return _batch_answer("multipart" if self._in_parts else "basic", objects)

    def _object(self, wanted: BatchObject, granted: Mapping[str, int]) -> dict[str, Any]:
        if wanted.problem:
            return _refused(wanted, 422, wanted.problem)
        if wanted.oid in granted:
            there = granted[wanted.oid]
            return _plain(wanted) if there == wanted.size else _refused(wanted, 422, f"This content has {there} bytes.")
        return {**_plain(wanted), "authenticated": True, "actions": self._actions(wanted)}

    def _actions(self, wanted: BatchObject) -> dict[str, Any]:
        lifetime = self._settings.upload_time_limit
        part_bytes = max(self._settings.lfs_part_bytes, -(-wanted.size // MOST_PARTS)) if self._in_parts else 0
        link = Link.to(self._repo, self._user_id, wanted.oid, wanted.size, part_bytes)
        signed = _signed(self._settings, Action.WRITE, link, lifetime)
        verify = {"href": f"{self._here}/verify/{signed}", **_expiry(lifetime)}
        if not self._in_parts:
            return {"upload": {"href": f"{self._here}/objects/{signed}", **_expiry(lifetime)}, "verify": verify}
        href = f"{self._here}/uploads/{signed}"
        # Clients take every other value of this header for the address of a part.
        parts = {str(number): f"{href}/{number}" for number in range(1, link.upload.part_count + 1)}
        header = {"chunk_size": str(part_bytes), **parts}
        return {"upload": {"href": href, "header": header, **_expiry(lifetime)}, "verify": verify}


def _download_offer(
    settings: Settings, repo: Repo, user_id: int | None, here: str, wanted: BatchRequest, granted: Mapping[str, int]
) -> Response:
    def offer(wanted_object: BatchObject) -> dict[str, Any]:
        if wanted_object.problem:
            return _refused(wanted_object, 422, wanted_object.problem)
        if wanted_object.oid not in granted:
            return _refused(wanted_object, 404, "This repo has no such LFS file.")
        link = Link.to(repo, user_id, wanted_object.oid, granted[wanted_object.oid])
        href = f"{here}/objects/{_signed(settings, Action.READ, link, DOWNLOAD_LIFETIME)}"
        download = {"href": href, **_expiry(DOWNLOAD_LIFETIME)}
        return {**_plain(wanted_object), "authenticated": True, "actions": {"download": download}}

    return _batch_answer("basic", [offer(wanted_object) for wanted_object in wanted.objects])


def _batch_answer(transfer: str, objects: list[dict[str, Any]]) -> Response:
    return JSONResponse({"transfer": transfer, "objects": objects, "hash_algo": "sha256"}, media_type=MEDIA_TYPE)


def _plain(wanted: BatchObject) -> dict[str, Any]:
    """An upload without actions means: it is already here."""
    return {"oid": wanted.oid, "size": wanted.size}


def _refused(wanted: BatchObject, code: int, message: str) -> dict[str, Any]:
    return {**_plain(wanted), "error": {"code": code, "message": message}}


def _expiry(lifetime: timedelta) -> dict[str, int]:
    return {"expires_in": int(lifetime.total_seconds())}


@repo_routes(router, "/info/lfs/locks/verify", "POST")
@repo_routes(router, "/info/lfs/locks", "GET", "POST")
async def locks() -> Response:
    """git-lfs takes this for a server without locks, and goes on."""
    raise NotFound("This hub has no file locks. To keep git-lfs from asking: git config lfs.locksverify false")


# Sending --------------------------------------------------------------------------------------------------------------


@router.put("/api/lfs/objects/{link}")
async def put_object(
    request: Request, link: UploadLink, hub: HubDep, blobs: BlobsDep, database: DatabaseDep
) -> Response:
    repo = await run_in_threadpool(link.repo, database, hub, Action.WRITE)
    async with contextmanager_in_threadpool(blobs.writer(link.oid, link.size)) as writer:
        await receive_body(request, writer.write)
        await run_in_threadpool(writer.finish)
    await run_in_threadpool(hub.grant_blob, repo, link.oid, link.size)
    return Response()


@router.put("/api/lfs/uploads/{link}/{number}")
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


@router.head("/api/lfs/uploads/{link}/{number}")
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


@router.post("/api/lfs/uploads/{link}")
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
    return JSONResponse({"oid": link.oid, "size": link.size}, media_type=MEDIA_TYPE)


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


@router.post("/api/lfs/verify/{link}")
def verify(
    link: UploadLink, verification: Verification, hub: HubDep, blobs: BlobsDep, database: DatabaseDep
) -> Response:
    repo = link.repo(database, hub, Action.WRITE)
    if verification.oid != link.oid or not _is_here(link, repo, hub, blobs):
        raise NotFound("{oid} has not been uploaded to {repo}. Send it again.", oid=verification.oid[:80], repo=repo.ref)
    if verification.size != link.size:
        raise SizeMismatch(verification.size, link.size)
    return JSONResponse({"oid": link.oid, "size": link.size}, media_type=MEDIA_TYPE)


# Fetching -------------------------------------------------------------------------------------------------------------


@router.api_route("/api/lfs/objects/{link}", methods=["GET", "HEAD"])
def get_object(request: Request, link: DownloadLink, hub: HubDep, blobs: BlobsDep, database: DatabaseDep) -> Response:
    link.repo(database, hub, Action.READ)
    etag = f'"{link.oid}"'
    headers = {"ETag": etag, "Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}
    return BlobResponse(blobs, link.oid, select_bytes(request.headers, link.size, etag), headers)
