"""Packed chunks go out, to the bearers of links that a reconstruction gave: no byte but of the file that it was about."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from viveiro.api.hub.xet.access import HashDep, read_data_link
from viveiro.errors import BlobNotFound, Forbidden, InvalidInput
from viveiro.http.dependencies import DatabaseDep, HubDep, SettingsDep, XetDep
from viveiro.http.files import BlobResponse, Selection
from viveiro.storage import BlobStore

router = APIRouter(tags=["xet"])

MOST_RANGES: Final = 2000

_RANGES: Final = re.compile(r"bytes=\s*(\d{1,12}-\d{1,12}(?:\s*,\s*\d{1,12}-\d{1,12})*)\s*")

Run = tuple[int, int]


@router.get("/api/xet/data/{hash}")
def data(
    request: Request, xorb: HashDep, link: str, xet: XetDep, hub: HubDep, database: DatabaseDep, settings: SettingsDep
) -> Response:
    access, layout_id = read_data_link(settings, xorb, link)
    access.repo(access.viewer(database), hub, "read")
    asked = asked_runs(request.headers.get("range", ""))
    readable = xet.readable_ranges(layout_id, xorb)
    if not all(is_within(run, readable) for run in asked):
        raise Forbidden("This link is for other bytes. Send the Range that the reconstruction names.")
    size = xet.xorbs.size(xorb)
    if size is None:
        raise BlobNotFound(xorb)
    headers = {
        "Content-Type": "application/octet-stream",
        "Cache-Control": "private",
        "X-Content-Type-Options": "nosniff",
    }
    if len(asked) == 1:
        return BlobResponse(xet.xorbs, xorb, Selection(*asked[0], size, is_part=True), headers)
    return _several(xet.xorbs, xorb, asked, size, headers)


def asked_runs(header: str) -> list[Run]:
    """Raises InvalidInput unless it names every byte that is wanted."""
    match = _RANGES.fullmatch(header)
    if match is None:
        raise InvalidInput("Send the Range that the reconstruction names: bytes=first-last, or several with commas.")
    pairs = [part.strip().split("-") for part in match[1].split(",")]
    runs = [(int(first), int(last) + 1) for first, last in pairs]
    if len(runs) > MOST_RANGES or any(start >= stop for start, stop in runs):
        raise InvalidInput("At most {most} ranges at once, each from its first byte to its last.", most=MOST_RANGES)
    return runs


def is_within(run: Run, allowed: Sequence[Run]) -> bool:
    return any(start <= run[0] and run[1] <= stop for start, stop in allowed)


def _several(xorbs: BlobStore, xorb: str, asked: Sequence[Run], size: int, headers: Mapping[str, str]) -> Response:
    """RFC 9110, 14.6."""
    boundary = uuid4().hex
    heads = [
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n"
        for start, stop in asked
    ]
    end = f"--{boundary}--\r\n"
    length = sum(len(head) + stop - start + 2 for head, (start, stop) in zip(heads, asked, strict=True)) + len(end)

    def parts() -> Iterator[bytes]:
        for head, (start, stop) in zip(heads, asked, strict=True):
            yield head.encode()
            yield from xorbs.read(xorb, start, stop)
            yield b"\r\n"
        yield end.encode()

    whole = {"Content-Type": f"multipart/byteranges; boundary={boundary}", "Content-Length": str(length)}
    return StreamingResponse(parts(), 206, {**headers, **whole})
