"""Files over HTTP, both ways, with memory that does not grow with their size."""

import mimetypes
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from viveiro.errors import BlobNotFound, RangeNotSatisfiable
from viveiro.http.protocol import SENDFILE
from viveiro.storage import BlobStore

CHUNK_BYTES: Final = 2**20
"""How much is gathered before a thread is asked to take it: a trip to a thread for each network packet costs too much."""

_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*")
_TYPES: Final = (
    mimetypes.MimeTypes()
)  # the built-in table: what the machine's own says would differ from server to server
_SHOWN: Final = re.compile(r"text/plain|application/json|(?:image|audio|video)/(?!svg)[a-z0-9.-]+")
_TEXT: Final = re.compile(r"text/[a-z0-9.+-]+|application/(?:javascript|xml|x-sh|x-python|toml|yaml)|image/svg\+xml")


# Ranges and conditions: pure ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """Which bytes are answered, [start, stop) of `size`, and whether as a part."""

    start: int
    stop: int
    size: int
    is_part: bool = False

    @property
    def length(self) -> int:
        return self.stop - self.start


def select_bytes(headers: Mapping[str, str], size: int, etag: str) -> Selection:
    """What `Range` and `If-Range` ask for. Several ranges at once are answered with the whole, as RFC 9110 allows.

    Raises:
        RangeNotSatisfiable: the range begins behind the end.
    """
    whole = Selection(0, size, size)
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) != etag:
        return whole
    first, last = match.groups()
    if not first and not last:
        return whole
    if first and last and int(first) > int(last):
        return whole
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= size:
        raise RangeNotSatisfiable(size)
    return Selection(start, stop, size, is_part=True)


def is_unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether `If-None-Match` names this version, so that 304 is enough."""
    given = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    return etag in given or given == ["*"]


# Headers for files that strangers wrote: pure -------------------------------------------------------------------------


def file_headers(path: str) -> dict[str, str]:
    """Type and name of a file as headers under which a browser runs nothing of it, whatever is in it."""
    content_type = safe_content_type(path)
    how = "attachment" if content_type == "application/octet-stream" else "inline"
    return {
        "Content-Type": content_type,
        "Content-Disposition": f"{how}; {_file_name(PurePosixPath(path).name)}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }


def safe_content_type(path: str) -> str:
    """Pages, scripts and drawings are shown as their source."""
    guessed, packed = _TYPES.guess_type(path)
    if guessed is None or packed is not None:
        guessed = ""
    if _TEXT.fullmatch(guessed) or PurePosixPath(path).suffix in (".md", ".yaml", ".yml", ".toml", ".jsonl"):
        return "text/plain; charset=utf-8"
    return guessed if _SHOWN.fullmatch(guessed) else "application/octet-stream"


def _file_name(name: str) -> str:
    """RFC 6266: an ASCII form for old clients, then the true one. Quotes, line ends and `;` cannot break out."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "replace").decode()
    plain = re.sub(r"[^ !#-.0-:<-\[\]-~]", "_", plain).replace("?", "_")
    return f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


# Out ------------------------------------------------------------------------------------------------------------------


class BlobResponse(Response):
    """Bytes of a stored blob: from a folder sent by the kernel, where the server can, else through this process.

    Starlette's own FileResponse reads 64 KiB at a time through Python: half the speed, and no choice of the ETag.
    """

    def __init__(self, blobs: BlobStore, sha256: str, selection: Selection, headers: Mapping[str, str]) -> None:
        """Raises BlobNotFound here, while another answer can still be given."""
        if blobs.size(sha256) is None:
            raise BlobNotFound(sha256)
        self._blobs = blobs
        self._sha256 = sha256
        self._selection = selection
        super().__init__(None, _status(selection), {**headers, **_range_headers(selection)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD" or not self._selection.length:
            return await super().__call__(scope, receive, send)
        path = await run_in_threadpool(self._blobs.path, self._sha256)
        if path is not None and SENDFILE in scope.get("extensions", {}):
            return await self._send_by_kernel(path, send)
        chunks = self._blobs.read(self._sha256, self._selection.start, self._selection.stop)
        return await StreamingResponse(chunks, self.status_code, dict(self.headers))(scope, receive, send)

    async def _send_by_kernel(self, path: Path, send: Send) -> None:
        with await run_in_threadpool(path.open, "rb", buffering=0) as file:
            part = {"file": file.fileno(), "offset": self._selection.start, "count": self._selection.length}
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": SENDFILE, **part})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def bytes_response(content: bytes, selection: Selection, headers: Mapping[str, str]) -> Response:
    """The selected part of a small file. To HEAD, `content` may be left empty."""
    part = content[selection.start : selection.stop]
    return Response(part, _status(selection), {**headers, **_range_headers(selection)})


def _status(selection: Selection) -> int:
    return 206 if selection.is_part else 200


def _range_headers(selection: Selection) -> dict[str, str]:
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(selection.length)}
    if selection.is_part:
        headers["Content-Range"] = f"bytes {selection.start}-{selection.stop - 1}/{selection.size}"
    return headers


# In -------------------------------------------------------------------------------------------------------------------


async def receive_body(
    request: Request, take: Callable[[bytearray], object], limiter: CapacityLimiter | None = None
) -> None:
    """Hand a request's body to `take`, in a thread, about 1 MiB at a time.

    Args:
        limiter: whose threads are taken, where `take` computes much. None: those of all routes.

    Raises:
        ClientDisconnect: the body ended before the client said so.
    """
    gathered = bytearray()
    async for received in request.stream():
        gathered += received
        if len(gathered) >= CHUNK_BYTES:
            await to_thread.run_sync(take, gathered, limiter=limiter)
            gathered = bytearray()
    if gathered:
        await to_thread.run_sync(take, gathered, limiter=limiter)
