"""What pages load: read once, sent from memory, and kept by browsers for ever, for its address changes with its content."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from viveiro.errors import NotFound

router = APIRouter()

FOLDER: Final = Path(__file__).parent / "static"
_PACKED: Final = frozenset({".css", ".js", ".svg", ".txt"})
"""Worth compressing: fonts and pictures are compressed already."""
_TYPES: Final = mimetypes.MimeTypes()
_TYPES.add_type("font/woff2", ".woff2")
_TYPES.add_type("text/javascript", ".js")
_SECURE: Final = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}


class AssetNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__("There is no asset {name}. Load the page again.", name=name[:200])


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    packed: bytes | None
    content_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """`version` stands for the content of all files together, so that scripts find each other by relative addresses."""

    version: str
    files: dict[str, Asset]

    def url(self, name: str) -> str:
        """Raises KeyError for a file that is not there: a template with a typo should fail in its test."""
        self.files[name]
        return f"/static/{self.version}/{name}"


@cache
def assets() -> Assets:
    paths = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    files = {path.relative_to(FOLDER).as_posix(): _read(path) for path in paths}
    digest = hashlib.sha256(b"".join(name.encode() + file.content for name, file in files.items()))
    return Assets(digest.hexdigest()[:12], files)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if path.suffix in _PACKED else None
    guessed, _ = _TYPES.guess_type(path.name)
    return Asset(content, packed, guessed or "application/octet-stream")


@router.get("/static/{version}/{name:path}")
async def asset(version: str, name: str, request: Request) -> Response:
    """An old version's address gets what is there now, and is not to be kept."""
    known = assets()
    file = known.files.get(name)
    if file is None:
        raise AssetNotFound(name)
    keep = "public, max-age=31536000, immutable" if version == known.version else "no-store"
    headers = {"Cache-Control": keep, "Vary": "Accept-Encoding", **_SECURE}
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.content_type)
    return Response(file.content, headers=headers, media_type=file.content_type)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Browsers ask for it by this name, whatever the page says."""
    mark = assets().files["mark.svg"]
    return Response(
        mark.content, headers={"Cache-Control": "public, max-age=86400", **_SECURE}, media_type="image/svg+xml"
    )
