"""Files from a browser's form, on their way into a commit while they arrive: memory holds one small file, no disk twice."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from viveiro.errors import InvalidInput, TooLarge, ViveiroError
from viveiro.http.files import receive_body
from viveiro.hub.paths import check_path
from viveiro.hub.patterns import goes_through_lfs
from viveiro.hub.service import CommitBuilder, Hub
from viveiro.hub.types import AddFile, AddLfsFile, Repo
from viveiro.hub.uploads import SAMPLE_BYTES, PendingFile, is_large, upload_mode
from viveiro.storage import BlobStore, BlobWriter

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_FILES: Final = 1000
"""In one commit from a browser."""
MAX_FIELD_BYTES: Final = 64 * 2**10


async def short_form(request: Request, most_bytes: int, too_long: TooLarge) -> dict[str, str]:
    """The fields of a form without files. FastAPI's own are as long as the sender likes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise too_long
    try:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=20))
    except ValueError as error:  # more fields than any form has
        raise UnreadableForm from error


class UnreadableForm(InvalidInput):
    def __init__(self) -> None:
        super().__init__("The form that was sent cannot be read to its end. Load the page again, and send it again.")


class IncomingFile:
    """One file. Small text goes to git from memory; as soon as it is known to be neither, it is written to the blob store."""

    def __init__(
        self, path: str, *, hub: Hub, repo: Repo, blobs: BlobStore, builder: CommitBuilder, patterns: Sequence[str]
    ) -> None:
        self._path = check_path(path)
        self._hub = hub
        self._repo = repo
        self._blobs = blobs
        self._builder = builder
        self._patterns = patterns
        self._is_lfs = goes_through_lfs(path, patterns)
        self._threshold = hub.settings.lfs_threshold_bytes
        self._gathered = bytearray()
        self._opened = ExitStack()
        self._writer: BlobWriter | None = None

    def write(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)
            return
        self._gathered += data
        if self._is_lfs or is_large(len(self._gathered), self._threshold):
            self._spill()

    def finish(self) -> None:
        if self._writer is None:
            sample = bytes(self._gathered[:SAMPLE_BYTES])
            pending = PendingFile(self._path, len(self._gathered), sample)
            if upload_mode(pending, self._patterns, self._threshold) == "regular":
                self._builder.add(AddFile(self._path, bytes(self._gathered)))
                return
            self._spill()
        assert self._writer is not None
        with self._opened:
            stored = self._writer.finish()
        self._hub.grant_blob(self._repo, stored.sha256, stored.size)
        self._builder.add(AddLfsFile(self._path, stored.sha256, stored.size))

    def close(self) -> None:
        """Given up in the middle: nothing of it stays."""
        self._opened.close()

    def _spill(self) -> None:
        self._writer = self._opened.enter_context(self._blobs.writer())
        self._writer.write(self._gathered)
        self._gathered = bytearray()


@dataclass
class Upload:
    """A form with files, read as it arrives.

    Once something is wrong, `problem` says what, and the rest is let pass: a browser listens only when it has sent all.
    """

    hub: Hub
    repo: Repo
    blobs: BlobStore
    builder: CommitBuilder
    patterns: Sequence[str]
    fields: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    problem: ViveiroError | None = None
    _headers: dict[str, str] = field(default_factory=dict)
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _field: str = ""
    _text: bytearray = field(default_factory=bytearray)
    _file: IncomingFile | None = None
    _ended: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    async def receive(self, request: Request) -> None:
        """Files are named by the path in the form's field `folder`, which stands before them, and their own name."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidInput("Files are sent as a form: multipart/form-data.")
        parser = MultipartParser(boundary, self._callbacks())
        try:
            await receive_body(request, lambda data: parser.write(bytes(data)))
        except FormParserError as error:
            raise UnreadableForm from error
        if not self._ended:
            raise UnreadableForm

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": lambda: self._guarded(self._open),
            "on_part_data": lambda data, start, end: self._guarded(self._take, data[start:end]),
            "on_part_end": lambda: self._guarded(self._close),
            "on_end": self._end,
        }

    def _guarded(self, step: Callable[..., None], *arguments: bytes) -> None:
        if self.problem is not None:
            return
        try:
            step(*arguments)
        except ViveiroError as problem:
            self.problem = problem
            if self._file is not None:
                self._file.close()

    def _begin(self) -> None:
        self._headers, self._field, self._file = {}, "", None
        self._text.clear()

    def _end(self) -> None:
        self._ended = True

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = value.decode("utf-8", "replace")
        self._header = (bytearray(), bytearray())

    def _open(self) -> None:
        # The parser of headers knows latin-1 only; browsers send UTF-8.
        said = self._headers.get("content-disposition", "").encode().decode("latin-1")
        _, options = parse_options_header(said)
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            return
        name = unescaped(options[b"filename"].decode("utf-8", "replace"))
        if not name:  # a field in which no file was chosen
            return
        if len(self.paths) >= MOST_FILES:
            raise TooLarge("At most {most} files at a time. For more: hf upload", most=MOST_FILES)
        path = "/".join(filter(None, [self.fields.get("folder", "").strip("/"), name]))
        self._file = IncomingFile(
            path, hub=self.hub, repo=self.repo, blobs=self.blobs, builder=self.builder, patterns=self.patterns
        )
        self.paths.append(path)

    def _take(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            return
        self._text += data
        if len(self._text) > MAX_FIELD_BYTES:
            raise TooLarge("A text of the form is longer than {most} bytes.", most=MAX_FIELD_BYTES)

    def _close(self) -> None:
        if self._file is not None:
            self._file.finish()
            self._file = None
        elif self._field:
            self.fields[self._field] = self._text.decode("utf-8", "replace")


def unescaped(name: str) -> str:
    """A file's name as it was before the browser put it into a header: these three are all that it escapes."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
