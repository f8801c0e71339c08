"""How to put a file together: which runs of chunks to fetch, and where."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.xet.access import CAS, HashDep, Reader, ReaderDep, SenderDep, sign_data_link
from viveiro.errors import NotFound
from viveiro.http.dependencies import SettingsDep, XetDep
from viveiro.http.files import select_bytes
from viveiro.http.urls import public_url
from viveiro.hub.xet.service import Xet
from viveiro.hub.xet.types import Piece, Reconstruction, Term
from viveiro.settings import Settings

router = APIRouter(tags=["xet"])

LINK_LIFETIME: Final = timedelta(hours=1)
"""Clients fetch through these at their own pace, and ask anew when one has expired."""

RANGES_AT_ONCE: Final = 300
"""A header with more would be longer than servers and proxies take."""


@router.get(CAS + "/v1/reconstructions/{hash}")
def reconstruction(
    request: Request, reader: ReaderDep, xet_hash: HashDep, xet: XetDep, settings: SettingsDep
) -> Response:
    layout_id, part = _part(request, reader, xet_hash, xet)
    links = _Links(request, settings, reader, layout_id)
    fetch_info = {
        xorb: [
            {
                "range": _run(piece.start, piece.stop),
                "url": links.to(xorb),
                "url_range": _run(piece.first_byte, piece.stop_byte - 1),
            }
            for piece in pieces
        ]
        for xorb, pieces in part.pieces.items()
    }
    return json_answer(
        {"offset_into_first_range": part.skip, "terms": _terms(part.terms), "fetch_info": fetch_info}, headers=_PRIVATE
    )


@router.get(CAS + "/v2/reconstructions/{hash}")
def reconstruction_by_xorb(
    request: Request, reader: ReaderDep, xet_hash: HashDep, xet: XetDep, settings: SettingsDep
) -> Response:
    layout_id, part = _part(request, reader, xet_hash, xet)
    links = _Links(request, settings, reader, layout_id)
    xorbs = {
        xorb: [{"url": links.to(xorb), "ranges": [_fetched(piece) for piece in some]} for some in _in_requests(pieces)]
        for xorb, pieces in part.pieces.items()
    }
    return json_answer(
        {"offset_into_first_range": part.skip, "terms": _terms(part.terms), "xorbs": xorbs}, headers=_PRIVATE
    )


@router.head(CAS + "/v1/files/{hash}")
def file(reader: ReaderDep, xet_hash: HashDep, xet: XetDep) -> Response:
    _, layout = xet.file(reader.repo, xet_hash)
    return Response(headers={"Content-Length": str(layout.size)})


@router.get(CAS + "/v1/chunks/default/{hash}")
@router.get(CAS + "/v1/chunks/default-merkledb/{hash}")
def known_chunks(sender: SenderDep, chunk: HashDep, xet: XetDep) -> Response:
    """To whoever has this chunk: which others are here, that they need not send."""
    shard = xet.known_chunks(sender, chunk)
    if shard is None:
        raise NotFound("No chunk {chunk} here, or not for this access token.", chunk=chunk)
    return Response(shard, headers=_PRIVATE, media_type="application/octet-stream")


_PRIVATE: Final = {"Cache-Control": "no-store"}


def _part(request: Request, reader: Reader, xet_hash: str, xet: Xet) -> tuple[int, Reconstruction]:
    layout_id, layout = xet.file(reader.repo, xet_hash)
    selected = select_bytes(request.headers, layout.size, "")
    return layout_id, xet.reconstruction(layout, selected.start, selected.stop)


class _Links:
    """One for each xorb, good for all that the file needs of it."""

    def __init__(self, request: Request, settings: Settings, reader: Reader, layout_id: int) -> None:
        self._here = f"{public_url(request)}/api/xet/data"
        self._settings = settings
        self._access = reader.access
        self._layout_id = layout_id
        self._made: dict[str, str] = {}

    def to(self, xorb: str) -> str:
        if xorb not in self._made:
            link = sign_data_link(self._settings, self._access, self._layout_id, xorb, LINK_LIFETIME)
            self._made[xorb] = f"{self._here}/{xorb}?link={link}"
        return self._made[xorb]


def _terms(terms: Iterable[Term]) -> list[dict[str, Any]]:
    return [{"hash": term.xorb, "unpacked_length": term.size, "range": _run(term.start, term.stop)} for term in terms]


def _in_requests(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """As many as one Range header may name."""
    return (pieces[start : start + RANGES_AT_ONCE] for start in range(0, len(pieces), RANGES_AT_ONCE))


def _fetched(piece: Piece) -> dict[str, Any]:
    return {"chunks": _run(piece.start, piece.stop), "bytes": _run(piece.first_byte, piece.stop_byte - 1)}


def _run(start: int, end: int) -> dict[str, int]:
    return {"start": start, "end": end}
