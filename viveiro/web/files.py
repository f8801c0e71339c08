"""Folders and files of a repo at a revision, as people look at them. Whatever the file says, nothing of it runs."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Final

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from starlette.responses import RedirectResponse

from viveiro.errors import EntryNotFound
from viveiro.http.dependencies import BlobsDep, HubDep, ViewerDep
from viveiro.http.files import BlobResponse, bytes_response, file_headers, is_unchanged, select_bytes
from viveiro.http.highlighting import highlight_lines, language_of_path
from viveiro.http.markdown import render_markdown
from viveiro.http.repo_addresses import RepoRefDep, RestDep, repo_routes
from viveiro.hub import weights
from viveiro.hub.pickle_imports import PickleImport, Verdict
from viveiro.hub.service import Hub
from viveiro.hub.types import Commit, Repo, TreeEntry
from viveiro.hub.weights import read_header
from viveiro.locale import Sentence
from viveiro.web import words
from viveiro.web.rendering import HEADERS, render
from viveiro.web.repo_head import Place, RepoHead, find_place, repo_head

router = APIRouter()

ENTRIES: Final = 1000
"""Of a folder, on one page."""
MAX_TEXT_BYTES: Final = 1_000_000
"""Longer files are downloaded to be read."""
MOST_LINES: Final = 10_000
TABLE_ROWS: Final = 100
TABLE_COLUMNS: Final = 50
TABLE_BYTES: Final = 2**18
"""Of a table, at most so much is read for its first rows."""
MAX_CELL_CHARS: Final = 500
MOST_TENSORS: Final = 2000
MOST_METADATA: Final = 50
MOST_IMPORTS: Final = 200
_WORST_FIRST: Final = (Verdict.DANGEROUS, Verdict.SUSPICIOUS, Verdict.INNOCUOUS)

PICTURES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "ico": "image/x-icon",
    "svg": "image/svg+xml",
}
_SOUNDS: Final = frozenset({"wav", "mp3", "ogg", "oga", "flac", "m4a", "opus"})
_FILMS: Final = frozenset({"mp4", "webm", "ogv", "mov"})
_PICTURE_HEADERS: Final = {
    # A drawing (SVG) may have styles of its own; scripts, and whatever it would load, stay out even when it is opened by itself.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


# Folders ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FolderPage:
    """`after` is the path behind which the next page begins, None on the last; `size` is of the files shown."""

    template: ClassVar[str] = "files/folder.html"
    head: RepoHead
    place: Place
    entries: tuple[TreeEntry, ...]
    size: int
    after: str | None
    last_commit: Commit
    readme: Markup | None
    safety_words: Mapping[str, Sentence]


@repo_routes(router, "/tree/{rest:path}", "GET")
def folder(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, after: str | None = None
) -> Response:
    place = find_place(hub, viewer, ref, rest)
    head = repo_head(request, viewer, hub, place.repo, tab="files", revision=place.revision)
    if place.path and hub.entry(place.repo, place.sha, place.path).type == "file":
        return RedirectResponse(head.at("blob", place.path), 303, HEADERS)
    entries = hub.list_tree(place.repo, place.sha, place.path, expand=True, after=after, limit=ENTRIES + 1)
    shown = entries[:ENTRIES]
    page = FolderPage(
        head=head,
        place=place,
        entries=tuple(sorted(shown, key=lambda entry: entry.type)),  # folders first; git's order within
        size=sum(entry.size for entry in shown),
        after=shown[-1].path if len(entries) > ENTRIES else None,
        last_commit=hub.commits(place.repo, place.sha, limit=1)[0],
        readme=_readme(hub, place, head, shown),
        safety_words=words.SAFETY,
    )
    return render(request, viewer, page)


def _readme(hub: Hub, place: Place, head: RepoHead, entries: Sequence[TreeEntry]) -> Markup | None:
    for entry in entries:
        name = PurePosixPath(entry.path).name.lower()
        if name == "readme.md" and entry.type == "file" and entry.size <= MAX_TEXT_BYTES:
            text = _read(hub, place.repo, entry).decode("utf-8", "replace")
            return render_markdown(text, base=head.base, revision=place.revision, folder=place.path)
    return None


# Files ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str
    shape: str


@dataclass(frozen=True, slots=True)
class Content:
    """What can be shown of a file; what does not fit it is empty.

    Attributes:
        lines: its text, line by line, in colours.
        prose: its text as rendered Markdown.
        rows: of a table, the first being its head.
        media: "picture", "sound" or "film", played from its own address.
        tensors: what a safetensors file holds, as its header says.
        parameters: how many numbers of which type that is.
        fault: what is wrong with that header.
        cut: there is more than is shown.
        has_source: it can be shown as prose, table or picture, and as text.
    """

    lines: tuple[Markup, ...] = ()
    prose: Markup | None = None
    rows: tuple[tuple[str, ...], ...] = ()
    media: str = ""
    tensors: tuple[Tensor, ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()
    fault: Sentence | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    has_source: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class FilePage:
    template: ClassVar[str] = "files/file.html"
    head: RepoHead
    place: Place
    entry: TreeEntry
    content: Content
    as_source: bool
    safety_words: Mapping[str, Sentence]
    verdict_words: Mapping[str, Sentence]
    trouble_words: Mapping[str, Sentence]
    imports: tuple[PickleImport, ...]
    """Of a pickle, the worst first."""


@repo_routes(router, "/blob/{rest:path}", "GET")
def file(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, view: str | None = None
) -> Response:
    place = find_place(hub, viewer, ref, rest)
    head = repo_head(request, viewer, hub, place.repo, tab="files", revision=place.revision)
    if not place.path:
        return RedirectResponse(head.at("tree"), 303, HEADERS)
    found = hub.paths_info(place.repo, place.sha, [place.path], expand=True)
    if not found:
        raise EntryNotFound(place.path, place.repo.name, place.sha)
    entry = found[0]
    if entry.type == "directory":
        return RedirectResponse(head.at("tree", place.path), 303, HEADERS)
    as_source = view == "source"
    content = content_of(hub, place, entry, base=head.base, as_source=as_source)
    page = FilePage(
        head=head,
        place=place,
        entry=entry,
        content=content,
        as_source=as_source,
        safety_words=words.SAFETY,
        verdict_words=words.VERDICTS,
        trouble_words=words.TROUBLES,
        imports=_worst_imports(entry),
    )
    return render(request, viewer, page)


def _worst_imports(entry: TreeEntry) -> tuple[PickleImport, ...]:
    found = entry.safety.imports if entry.safety else ()
    return tuple(sorted(found, key=lambda it: _WORST_FIRST.index(it.verdict))[:MOST_IMPORTS])


def content_of(hub: Hub, place: Place, entry: TreeEntry, *, base: str, as_source: bool = False) -> Content:
    suffix = PurePosixPath(entry.path).suffix.lower().removeprefix(".")
    if suffix == "safetensors":
        return _tensors(hub, place.repo, entry)
    if suffix in PICTURES and not (suffix == "svg" and as_source):
        return Content(media="picture", has_source=suffix == "svg")
    if suffix in _SOUNDS or suffix in _FILMS:
        return Content(media="sound" if suffix in _SOUNDS else "film")
    if suffix in ("csv", "tsv") and not as_source:
        return _table(hub, place.repo, entry, "," if suffix == "csv" else "\t")
    text = _text(hub, place.repo, entry)
    if text is None:
        return Content()
    if suffix in ("md", "markdown") and not as_source:
        prose = render_markdown(text, base=base, revision=place.revision, folder=place.folder)
        return Content(prose=prose, has_source=True, is_text=True)
    lines = highlight_lines(text, language_of_path(entry.path))
    has_source = suffix in ("md", "markdown", "csv", "tsv", "svg")
    return Content(lines=tuple(lines[:MOST_LINES]), cut=len(lines) > MOST_LINES, has_source=has_source, is_text=True)


def _read(hub: Hub, repo: Repo, entry: TreeEntry, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join(hub.stream_file(repo, entry, start, stop))


def _text(hub: Hub, repo: Repo, entry: TreeEntry) -> str | None:
    """None for what is too long to show, or no text."""
    if entry.size > MAX_TEXT_BYTES:
        return None
    content = _read(hub, repo, entry)
    try:
        return content.decode("utf-8-sig") if b"\0" not in content else None
    except UnicodeDecodeError:
        return None


def _table(hub: Hub, repo: Repo, entry: TreeEntry, separator: str) -> Content:
    start = _read(hub, repo, entry, 0, min(entry.size, TABLE_BYTES))
    if entry.size > TABLE_BYTES:
        start = start[: start.rfind(b"\n") + 1]
    rows = first_rows(start.decode("utf-8-sig", "replace"), separator)
    is_text = entry.size <= MAX_TEXT_BYTES and b"\0" not in start
    cut = len(rows) > TABLE_ROWS + 1 or entry.size > TABLE_BYTES
    return Content(rows=rows[: TABLE_ROWS + 1], cut=cut, has_source=is_text, is_text=is_text)


def first_rows(text: str, separator: str) -> tuple[tuple[str, ...], ...]:
    """Head and rows of a delimited text, one more than are shown. Pure."""
    if text.count(";") > text.count(separator):
        separator = ";"
    rows: list[tuple[str, ...]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if row:
                rows.append(tuple(cell[:MAX_CELL_CHARS] for cell in row[:TABLE_COLUMNS]))
            if len(rows) > TABLE_ROWS + 1:
                break
    except csv.Error:  # a field longer than any table has: what was read before it is shown
        pass
    width = max(map(len, rows), default=0)
    return tuple(row + ("",) * (width - len(row)) for row in rows)


def _tensors(hub: Hub, repo: Repo, entry: TreeEntry) -> Content:
    header = read_header(entry.size, lambda start, stop: _read(hub, repo, entry, start, stop))
    metadata = sorted((name[:MAX_CELL_CHARS], value[:MAX_CELL_CHARS]) for name, value in header.metadata.items())
    return Content(
        tensors=tuple(map(_shown, header.tensors[:MOST_TENSORS])),
        parameters=tuple(header.parameters.items()),
        fault=words.HEADER_FAULTS[header.fault] if header.fault else None,
        metadata=tuple(metadata[:MOST_METADATA]),
        cut=len(header.tensors) > MOST_TENSORS,
    )


def _shown(tensor: weights.Tensor) -> Tensor:
    return Tensor(tensor.name[:MAX_CELL_CHARS], tensor.dtype, " × ".join(str(length)[:20] for length in tensor.shape))


# Pictures ---------------------------------------------------------------------------------------------------------------


@repo_routes(router, "/picture/{rest:path}", "GET", "HEAD")
def picture(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, blobs: BlobsDep
) -> Response:
    """For `<img>`, drawings included, which `resolve` sends as their source."""
    place = find_place(hub, viewer, ref, rest)
    entry = hub.entry(place.repo, place.sha, place.path)
    content_type = PICTURES.get(PurePosixPath(place.path).suffix.lower().removeprefix("."))
    if entry.type != "file" or content_type is None:
        raise EntryNotFound(place.path, place.repo.name, place.sha)
    etag = f'"{entry.lfs.oid if entry.lfs else entry.oid}"'
    headers = {**file_headers(place.path), **_PICTURE_HEADERS, "Content-Type": content_type, "ETag": etag}
    if is_unchanged(request.headers, etag):
        return Response(status_code=304, headers=headers)
    selection = select_bytes(request.headers, entry.size, etag)
    if entry.lfs:
        return BlobResponse(blobs, entry.lfs.oid, selection, headers)
    content = hub.read_blob(place.repo, entry.oid) if request.method == "GET" else b""
    return bytes_response(content, selection, headers)
