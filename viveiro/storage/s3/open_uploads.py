"""Multipart uploads that were begun and never completed: they cost room and show nowhere. `obstore` cannot list them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree import ElementTree

import httpx

from viveiro.storage.s3.bucket import Bucket, Credentials
from viveiro.storage.s3.signing import presign

_LIFETIME: Final = timedelta(minutes=5)


def end_open_uploads(bucket: Bucket, credentials: Credentials, begun_before: datetime) -> int:
    """How many there were. Raises httpx.HTTPError."""
    with httpx.Client(timeout=60) as client:
        stale = [
            (key, upload_id) for key, upload_id, begun in _listed(client, bucket, credentials) if begun < begun_before
        ]
        for key, upload_id in stale:
            url = _address("DELETE", bucket, credentials, key, uploadId=upload_id)
            answer = client.delete(url)
            if answer.status_code != httpx.codes.NOT_FOUND:  # else its sender has just ended it
                answer.raise_for_status()
    return len(stale)


def _listed(client: httpx.Client, bucket: Bucket, credentials: Credentials) -> Iterator[tuple[str, str, datetime]]:
    """Key, upload id and time of beginning, of those below our prefix."""
    after = {"key-marker": "", "upload-id-marker": ""}
    while True:
        url = _address("GET", bucket, credentials, "", uploads="", prefix=bucket.key(""), **after)
        page = ElementTree.fromstring(client.get(url).raise_for_status().content)  # noqa: S314 - the operator's own store
        for found in page.iterfind("{*}Upload"):
            begun = datetime.fromisoformat(_text(found, "Initiated"))
            yield _text(found, "Key"), _text(found, "UploadId"), begun.replace(tzinfo=begun.tzinfo or UTC)
        if _text(page, "IsTruncated") != "true":
            return
        after = {"key-marker": _text(page, "NextKeyMarker"), "upload-id-marker": _text(page, "NextUploadIdMarker")}


def _address(method: str, bucket: Bucket, credentials: Credentials, key: str, **query: str) -> str:
    return presign(method, bucket, credentials, key, query, _LIFETIME, now=datetime.now(UTC))


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""
