"""Big files, as git-lfs, older huggingface_hub, hub.js and `HF_HUB_DISABLE_XET=1` ask to send and fetch them.

Source: git-lfs, `docs/api/batch.md`; the transfers "multipart" and "xet" are the Hub's own. Those who know Xet, and ask here
first, are sent there.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from viveiro.api.hub import lfs_transfers
from viveiro.api.hub.credentials import LFS_MEDIA_TYPE, LfsGitRoute
from viveiro.api.hub.lfs_links import Link, sign_link
from viveiro.api.hub.places import MAIN
from viveiro.api.hub.xet.access import LIFETIME
from viveiro.api.hub.xet.tokens import write_offer
from viveiro.errors import InvalidInput, NotFound
from viveiro.http.dependencies import BlobsDep, HubDep, SettingsDep, ViewerDep
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.http.urls import public_url
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.storage import BlobStore
from viveiro.types import Action

router = APIRouter(tags=["lfs"], route_class=LfsGitRoute)
router.include_router(lfs_transfers.router)

DOWNLOAD_LIFETIME: Final = timedelta(hours=6)
MOST_OBJECTS: Final = 1000
MOST_PARTS: Final = 10_000
HASH_ALGORITHMS: Final = ("sha256", "sha_256")
"""The second is how hub.js spells it."""
_OID: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 2**50


class BatchObject(BaseModel):
    oid: str
    size: int

    @property
    def problem(self) -> str | None:
        """Told for each object by itself: the others of the batch go ahead."""
        if not _OID.fullmatch(self.oid):
            return "An oid is a sha256: 64 lower-case hexadecimal digits."
        return None if 0 <= self.size < _LARGEST else "This is not a size a file can have."


class BatchRef(BaseModel):
    name: str


class BatchRequest(BaseModel):
    operation: Literal["upload", "download"]
    transfers: list[str] = ["basic"]
    objects: list[BatchObject] = Field(max_length=MOST_OBJECTS)
    hash_algo: str = "sha256"
    ref: BatchRef | None = None

    @property
    def revision(self) -> str:
        """git-lfs says `refs/heads/main` where the others say `main`."""
        return self.ref.name.removeprefix("refs/heads/") if self.ref else MAIN


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
    if wanted.hash_algo not in HASH_ALGORITHMS:
        raise InvalidInput("This hub stores LFS files by sha256, not by {hash_algo}.", hash_algo=wanted.hash_algo)
    uploading = wanted.operation == "upload"
    repo = hub.get_repo(viewer, ref)
    hub.require_files(viewer, repo)
    if uploading:
        hub.require_upload(viewer, repo)
    granted = hub.granted_sizes(repo, {wanted_object.oid for wanted_object in wanted.objects})
    here = f"{public_url(request)}/api/lfs"
    if uploading:
        hub.require_room(viewer, repo, {each.oid: each.size for each in wanted.objects if each.problem is None})
        by_xet = write_offer(request, settings, viewer, repo, wanted.revision) if "xet" in wanted.transfers else None
        offer = _UploadOffer(settings, repo, viewer.user_id, here, wanted, by_xet)
        missing = {oid for oid in granted if blobs.size(oid) is None}  # lost by the store: a new upload mends it
        return offer.answer({oid: size for oid, size in granted.items() if oid not in missing})
    return _download_offer(settings, blobs, repo, viewer.user_id, here, wanted, granted)


class _UploadOffer:
    def __init__(
        self,
        settings: Settings,
        repo: Repo,
        user_id: int | None,
        here: str,
        wanted: BatchRequest,
        by_xet: tuple[str, dict[str, str]] | None,
    ) -> None:
        self._settings = settings
        self._repo = repo
        self._user_id = user_id
        self._here = here
        self._wanted = wanted
        self._by_xet = by_xet
        large = any(wanted_object.size > settings.lfs_part_bytes for wanted_object in wanted.objects)
        # One transfer serves the whole batch, and git-lfs hands all of it to the same program: so all get parts, or none.
        self._in_parts = large and "multipart" in wanted.transfers and by_xet is None

    def answer(self, granted: Mapping[str, int]) -> Response:
        objects = [self._object(wanted_object, granted) for wanted_object in self._wanted.objects]
        transfer = "xet" if self._by_xet else "multipart" if self._in_parts else "basic"
        return _batch_answer(transfer, objects)

    def _object(self, wanted: BatchObject, granted: Mapping[str, int]) -> dict[str, Any]:
        if wanted.problem:
            return _refused(wanted, 422, wanted.problem)
        if wanted.oid in granted:
            there = granted[wanted.oid]
            return _plain(wanted) if there == wanted.size else _refused(wanted, 422, f"This content has {there} bytes.")
        return {**_plain(wanted), "authenticated": True, "actions": self._actions(wanted)}

    def _actions(self, wanted: BatchObject) -> dict[str, Any]:
        if self._by_xet is not None:
            address, header = self._by_xet
            return {"upload": {"href": address, "header": header, **_expiry(LIFETIME)}}
        lifetime = self._settings.upload_time_limit
        part_bytes = max(self._settings.lfs_part_bytes, -(-wanted.size // MOST_PARTS)) if self._in_parts else 0
        link = Link.to(self._repo, self._user_id, wanted.oid, wanted.size, part_bytes)
        query = sign_link(self._settings, link, Action.WRITE, lifetime)
        here = f"{self._here}/{wanted.oid}"
        verify = {"href": f"{here}/verify?{query}", **_expiry(lifetime)}
        if not self._in_parts:
            return {"upload": {"href": f"{here}?{query}", **_expiry(lifetime)}, "verify": verify}
        # Clients take every other value of this header for the address of a part.
        parts = {str(number): f"{here}/parts/{number}?{query}" for number in range(1, link.upload.part_count + 1)}
        header = {"chunk_size": str(part_bytes), **parts}
        return {"upload": {"href": f"{here}/parts?{query}", "header": header, **_expiry(lifetime)}, "verify": verify}


def _download_offer(
    settings: Settings,
    blobs: BlobStore,
    repo: Repo,
    user_id: int | None,
    here: str,
    wanted: BatchRequest,
    granted: Mapping[str, int],
) -> Response:
    def offer(wanted_object: BatchObject) -> dict[str, Any]:
        if wanted_object.problem:
            return _refused(wanted_object, 422, wanted_object.problem)
        if wanted_object.oid not in granted:
            return _refused(wanted_object, 404, "This repo has no such LFS file.")
        link = Link.to(repo, user_id, wanted_object.oid, granted[wanted_object.oid])
        lifetime = settings.presigned_lifetime
        address = blobs.address(link.oid, lifetime, {}) if settings.presigned_downloads else None
        if address is None:
            lifetime = DOWNLOAD_LIFETIME
            address = f"{here}/{link.oid}?{sign_link(settings, link, Action.READ, lifetime)}"
        download = {"href": address, **_expiry(lifetime)}
        return {**_plain(wanted_object), "authenticated": True, "actions": {"download": download}}

    return _batch_answer("basic", [offer(wanted_object) for wanted_object in wanted.objects])


def _batch_answer(transfer: str, objects: list[dict[str, Any]]) -> Response:
    return JSONResponse({"transfer": transfer, "objects": objects, "hash_algo": "sha256"}, media_type=LFS_MEDIA_TYPE)


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
