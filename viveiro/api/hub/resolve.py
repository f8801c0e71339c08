"""Files of a revision, as `hf_hub_download` and browsers fetch them."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from threading import Lock
from typing import Final

from fastapi import APIRouter, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.api.hub.xet.headers import XET_FILE, xet_file, xet_headers
from viveiro.errors import EntryNotFound, RepoNotFound
from viveiro.http.dependencies import BlobsDep, HubDep, ViewerDep
from viveiro.http.errors import error_response
from viveiro.http.files import BlobResponse, bytes_response, file_headers, is_unchanged, select_bytes
from viveiro.http.repo_addresses import RepoRefDep, RestDep, locate, repo_routes
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, TreeEntry
from viveiro.storage import BlobStore
from viveiro.types import RepoKind, RepoRef

router = APIRouter(tags=["hub"])

_QUERY_FILES: Final = {
    "config.json",
    "config.yaml",
    "hyperparams.yaml",
    "params.json",
    "meta.yaml",
    "adapter_config.json",
}
"""Asking for one of these is the start of using a model, whatever the client."""
_DOWNLOAD_WINDOW_SECONDS: Final = 300.0


@repo_routes(router, "/resolve/{rest:path}", "GET", "HEAD")
def resolve(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, blobs: BlobsDep
) -> Response:
    repo, sha, path = _find(hub, viewer, ref, rest)
    entry = _file(hub, repo, sha, path)
    if entry is None:
        return _missing_file(repo, sha, path)
    _count_download(request, hub, repo, path)
    return _answer(request, viewer, hub, blobs, repo, sha, entry)


@repo_routes(router, "/raw/{rest:path}", "GET", "HEAD")
def raw(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, blobs: BlobsDep) -> Response:
    """What git holds: for a big file, the pointer."""
    repo, sha, path = _find(hub, viewer, ref, rest)
    entry = _file(hub, repo, sha, path)
    if entry is None:
        return _missing_file(repo, sha, path)
    size = entry.lfs.pointer_size if entry.lfs else entry.size
    return _answer(request, viewer, hub, blobs, repo, sha, TreeEntry("file", path, entry.oid, size))


@router.api_route("/{name}/resolve/{rest:path}", methods=["GET", "HEAD"], include_in_schema=False)
async def resolve_without_namespace(name: str) -> Response:
    """huggingface.co has a few old repos without one; clients must learn that there is no such repo here."""
    raise RepoNotFound(name, RepoKind.MODEL)


def _find(hub: Hub, viewer: Viewer, ref: RepoRef, rest: Sequence[str]) -> tuple[Repo, str, str]:
    repo = hub.get_repo(viewer, ref)
    hub.require_files(viewer, repo)
    return repo, *locate(hub, repo, rest)


def _file(hub: Hub, repo: Repo, sha: str, path: str) -> TreeEntry | None:
    with suppress(EntryNotFound):
        entry = hub.entry(repo, sha, path)
        return entry if entry.type == "file" else None
    return None


def _missing_file(repo: Repo, sha: str, path: str) -> Response:
    """With the commit in the answer, clients remember that there is no such file."""
    response = error_response(EntryNotFound(path, repo.name, sha))
    response.headers["X-Repo-Commit"] = sha
    return response


def _answer(
    request: Request, viewer: Viewer, hub: Hub, blobs: BlobStore, repo: Repo, sha: str, entry: TreeEntry
) -> Response:
    etag = f'"{entry.lfs.oid if entry.lfs else entry.oid}"'
    headers = {"ETag": etag, "X-Repo-Commit": sha, **file_headers(entry.path)}
    if entry.lfs:
        headers |= {"X-Linked-ETag": etag, "X-Linked-Size": str(entry.size)}
        headers |= xet_headers(request, viewer, hub, repo, sha, entry.lfs.oid)
        if XET_FILE in request.headers.get("accept", "") and "X-Xet-Hash" in headers:
            return xet_file(headers, entry.lfs)
    if is_unchanged(request.headers, etag):
        return Response(status_code=304, headers=headers)
    if entry.lfs and (address := _elsewhere(request, hub, blobs, entry.lfs.oid, entry.path)):
        return Response(status_code=302, headers={**headers, "Location": address})
    selection = select_bytes(request.headers, entry.size, etag)
    if entry.lfs:
        return BlobResponse(blobs, entry.lfs.oid, selection, headers)
    content = hub.read_blob(repo, entry.oid) if request.method == "GET" else b""
    return bytes_response(content, selection, headers)


def _elsewhere(request: Request, hub: Hub, blobs: BlobStore, oid: str, path: str) -> str | None:
    """Where the object store itself answers with a large file; None when it is to go through this server.

    Clients believe what a redirect to another host says of the file. What a page embeds stays here: its policy lets a browser
    load nothing from elsewhere.
    """
    embedded = request.headers.get("sec-fetch-dest", "document") != "document"
    if embedded or not hub.settings.presigned_downloads:
        return None
    told = {
        name: value for name, value in file_headers(path).items() if name in ("Content-Type", "Content-Disposition")
    }
    return blobs.address(oid, hub.settings.presigned_lifetime, told)


# Counting -------------------------------------------------------------------------------------------------------------


class RecentDownloads:
    """Who has been fetching what: the twenty files of a snapshot, each asked for twice, are one download."""

    def __init__(self, window_seconds: float = _DOWNLOAD_WINDOW_SECONDS, most: int = 10_000) -> None:
        self._window_seconds = window_seconds
        self._most = most
        self._seen: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._lock = Lock()

    def is_new(self, *key: object) -> bool:
        now = time.monotonic()
        with self._lock:
            last = self._seen.get(key)
            if last is not None and now - last < self._window_seconds:
                return False
            self._seen[key] = now
            self._seen.move_to_end(key)
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
            return True


_recent = RecentDownloads()


def _count_download(request: Request, hub: Hub, repo: Repo, path: str) -> None:
    flagged = request.headers.get("x-hf-download-counter") == "1"
    if not flagged and PurePosixPath(path).name not in _QUERY_FILES:
        return
    address = request.client.host if request.client else None
    if _recent.is_new(repo.storage_key, address, request.headers.get("authorization")):
        hub.count_download(repo)
