"""Pictures, videos and sounds that people put into comments."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.service import may_speak
from viveiro.errors import Forbidden, InvalidInput, TooLarge
from viveiro.http.dependencies import BlobsDep, DiscussionsDep, SignedInDep
from viveiro.http.files import BlobResponse, receive_body, select_bytes
from viveiro.http.urls import public_url
from viveiro.hub.discussions.service import ATTACHMENT_TYPES

router = APIRouter(tags=["hub"])

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=31536000, immutable",
}


@router.post("/uploads")
async def upload(
    request: Request, viewer: SignedInDep, discussions: DiscussionsDep, blobs: BlobsDep
) -> PlainTextResponse:
    """The answer is the address. It cannot be guessed, and whoever has it may look: like the comment, it is passed on."""
    if not may_speak(viewer):
        raise Forbidden("This access token only reads. To attach a file to a comment, use one that may write.")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    most = ATTACHMENT_TYPES.get(content_type)
    if most is None:
        known = ", ".join(ATTACHMENT_TYPES)
        raise InvalidInput("{type!r} cannot be attached. Known types: {known}.", type=content_type[:80], known=known)
    async with contextmanager_in_threadpool(blobs.writer()) as writer:
        received = 0

        def take(chunk: bytearray) -> None:
            nonlocal received
            received += len(chunk)
            if received > most:
                raise TooLarge("This file is larger than the {most} bytes that a comment may carry.", most=most)
            writer.write(chunk)

        await receive_body(request, take)
        if not received:
            raise InvalidInput("The file is empty.")
        stored = await run_in_threadpool(writer.finish)
    attachment = await run_in_threadpool(discussions.attach, viewer, stored, content_type)
    return PlainTextResponse(f"{public_url(request)}/uploads/{attachment.id}")


@router.api_route("/uploads/{attachment_id}", methods=["GET", "HEAD"])
def fetch(attachment_id: str, request: Request, discussions: DiscussionsDep, blobs: BlobsDep) -> Response:
    attachment = discussions.attachment(attachment_id)
    headers = _HEADERS | {"ETag": f'"{attachment.id}"', "Content-Type": attachment.content_type}
    selection = select_bytes(request.headers, attachment.size, headers["ETag"])
    return BlobResponse(blobs, attachment.sha256, selection, headers)
