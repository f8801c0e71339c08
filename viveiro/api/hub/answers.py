"""Answers in the shape that the Hub's clients parse."""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from fastapi import Response

from viveiro.errors import InvalidInput
from viveiro.hub.types import Commit, FileSafety, Repo, SafetyStatus, TreeEntry


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Built from plain values, and so without a second look at each of them."""
    return Response(orjson.dumps(content), status, dict(headers or {}), "application/json")


def date_text(date: datetime) -> str:
    """The one format that `huggingface_hub` parses: UTC, milliseconds, Z."""
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03d}Z"


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def tree_entry(entry: TreeEntry, xet_hashes: Mapping[str, str]) -> dict[str, Any]:
    """As in `tree` and `paths-info`: here an LFS file's sha256 is called `oid`. `xet_hashes` are by sha256."""
    lfs = entry.lfs
    commit = entry.last_commit
    return without_none(
        {
            "type": entry.type,
            "oid": entry.oid,
            "size": entry.size,
            "path": entry.path,
            "lfs": lfs and {"oid": lfs.oid, "size": lfs.size, "pointerSize": lfs.pointer_size},
            "securityFileStatus": entry.safety and security_status(entry.safety),
            "xetHash": lfs and xet_hashes.get(lfs.oid),
            "lastCommit": commit and {"id": commit.oid, "title": commit.title, "date": date_text(commit.date)},
        }
    )


def security_status(safety: FileSafety) -> dict[str, Any]:
    """Clients read all three keys. No virus scanner runs here: whatever names one would be invented."""
    scan: dict[str, Any] | None = None
    if safety.status is SafetyStatus.QUEUED or safety.imports or safety.trouble:
        found = [{"module": it.module, "name": it.name, "safety": it.verdict.value} for it in safety.imports]
        scan = {"status": safety.status.value, "pickleImports": found}
        if safety.trouble is not None:
            scan["message"] = safety.trouble.value
    return {"status": safety.status.value, "avScan": None, "pickleImportScan": scan}


def sibling(entry: TreeEntry, *, with_blob: bool) -> dict[str, Any]:
    """As in repo info: here the same sha256 is called `sha256`."""
    if not with_blob:
        return {"rfilename": entry.path}
    lfs = entry.lfs
    described = {"rfilename": entry.path, "blobId": entry.oid, "size": entry.size}
    if lfs is not None:
        described["lfs"] = {"sha256": lfs.oid, "size": lfs.size, "pointerSize": lfs.pointer_size}
    return described


def commit_item(commit: Commit, *, formatted: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": name, "avatar": ""} for name in commit.authors],
        "date": date_text(commit.date),
        "parents": list(commit.parents),
    }
    if formatted:
        item["formatted"] = {"title": _escaped(commit.title), "message": _escaped(commit.message)}
    return item


def _escaped(text: str) -> str:
    """Clients put this into a page as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def page_url(public_url: str, repo: Repo, *parts: str) -> str:
    """Where people see the repo, or a part of it."""
    return "/".join([public_url, repo.ref.url_path, *parts])


def encode_cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:  # not ASCII, not base64, not UTF-8
        raise InvalidInput("This cursor was not given by this list. Start again without one.") from error


def query_list(values: Iterable[str]) -> list[str]:
    """Repeated keys, each of which may hold several values separated by commas."""
    return [word for value in values for word in value.split(",") if word]
