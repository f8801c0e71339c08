"""Commits as the Hub's clients send them: one JSON object a line, read as they arrive and never held whole."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from viveiro.api.hub.answers import json_answer, page_url
from viveiro.api.hub.places import REPO, PlaceDep
from viveiro.api.hub.repos import wants_pull_request
from viveiro.api.hub.schemas import (
    CommitHeader,
    CommitLine,
    DeletedFileLine,
    DeletedFolderLine,
    FileLine,
    HeaderLine,
    LfsFileLine,
    RegularFile,
    commit_lines,
)
from viveiro.errors import InvalidInput, TooLarge
from viveiro.http.dependencies import HubDep, SettingsDep, ViewerDep
from viveiro.http.urls import public_url
from viveiro.hub.discussions.service import begin_proposal
from viveiro.hub.service import CommitBuilder
from viveiro.hub.types import AddFile, AddLfsFile, Commit, DeleteFile, DeleteFolder, Operation
from viveiro.locale import Sentence, problem, recognised

router = APIRouter(tags=["hub"])

AROUND_CONTENT: Final = 64 * 2**10
"""What a line may hold besides the file itself: its path, and JSON."""


@router.post(REPO + "/commit/{rest:path}")
async def commit(request: Request, place: PlaceDep, viewer: ViewerDep, hub: HubDep, settings: SettingsDep) -> Response:
    repo = await run_in_threadpool(hub.get_repo, viewer, place.ref)
    proposal = None
    if wants_pull_request(request):
        builder, proposal = await run_in_threadpool(begin_proposal, hub, viewer, repo, place.revision)
    else:
        builder = await run_in_threadpool(hub.begin_commit, viewer, repo, place.revision)
    received = ReceivedCommit(builder)
    longest = settings.lfs_threshold_bytes * 4 // 3 + AROUND_CONTENT
    async for lines in batches_of_lines(request.stream(), longest):
        # Waiting for the thread keeps at most one batch here: the sender is held up by TCP meanwhile.
        await run_in_threadpool(received.take, lines)
    made = await run_in_threadpool(received.finish)
    url = page_url(public_url(request), repo, "commit", made.oid)
    answer = {"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""}
    if proposal is not None:
        number = proposal.opened[0].number
        answer["pullRequestUrl"] = page_url(public_url(request), repo, "discussions", str(number))
    return json_answer(answer)


async def batches_of_lines(chunks: AsyncIterator[bytes], longest: int) -> AsyncIterator[list[bytes]]:
    """The lines that each chunk completes. Holds one unfinished line, which may not grow past `longest` bytes."""
    unfinished = bytearray()
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        if ended:
            yield [bytes(unfinished) + ended[0], *ended[1:]]
            unfinished.clear()
        unfinished += rest
        if len(unfinished) > longest:
            raise TooLarge(
                "A line of the commit is longer than {longest} bytes. Larger files go through LFS: ask preupload first.",
                longest=longest,
            )
    if unfinished.strip():
        yield [bytes(unfinished)]


class ReceivedCommit:
    """Turns lines into operations. What goes wrong names its line, and nothing is committed before `finish`."""

    def __init__(self, builder: CommitBuilder) -> None:
        self._builder = builder
        self._header: CommitHeader | None = None
        self._number = 0

    def take(self, lines: list[bytes]) -> None:
        for line in lines:
            self._number += 1
            if line.strip():
                self._take(line)

    def _take(self, line: bytes) -> None:
        match self._parse(line):
            case HeaderLine(value=header):
                if self._header is not None:
                    raise self._malformed(Sentence("a commit has one header"))
                self._header = header
            case FileLine(value=file):
                self._builder.add(AddFile(file.path, self._content(file)))
            case other:
                self._builder.add(_operation(other))

    def finish(self) -> Commit:
        if self._header is None:
            raise self._malformed(Sentence("no header line was sent"))
        return self._builder.finish(self._header.summary, self._header.description, self._header.parent)

    def _parse(self, line: bytes) -> CommitLine:
        try:
            return commit_lines.validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self._malformed(problem(place, first["msg"]) if place else recognised(first["msg"])) from None

    def _content(self, file: RegularFile) -> bytes:
        try:
            return file.decoded
        except ValueError:
            raise self._malformed(Sentence("the content of {path} is not base64", path=file.path)) from None

    def _malformed(self, why: str) -> InvalidInput:
        return InvalidInput(
            "Line {number} of the commit cannot be used: {why}. Nothing was committed.", number=self._number, why=why
        )


def _operation(line: CommitLine) -> Operation:
    match line:
        case LfsFileLine(value=file):
            return AddLfsFile(file.path, file.oid, file.size)
        case DeletedFolderLine(value=folder):
            return DeleteFolder(folder.path.rstrip("/"))
        case DeletedFileLine(value=deleted):
            return DeleteFile(deleted.path)
        case _:
            raise AssertionError(line)
