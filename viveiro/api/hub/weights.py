"""What safetensors files say about themselves: clients see a model's tensors without downloading it."""

from typing import Any, Final

import orjson
from fastapi import APIRouter, Response

from viveiro.api.hub.answers import json_answer
from viveiro.api.hub.places import MAIN, REPO, PlaceDep
from viveiro.errors import EntryNotFound, Unprocessable
from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.hub.weights import Header, HeaderFault, read_header

router = APIRouter(tags=["hub"])

MAX_INDEX_BYTES: Final = 50 * 10**6
MAX_SHARDS: Final = 2000
MAX_TENSORS: Final = 500_000
"""Of all shards together."""


@router.get(REPO + "/safetensors-metadata/{rest:path}")
def safetensors_metadata(place: PlaceDep, viewer: ViewerDep, hub: HubDep) -> Response:
    """The index of a model in several shards, and each shard's header. The whole address after the verb is the path."""
    repo = hub.get_repo(viewer, place.ref)
    hub.require_files(viewer, repo)
    sha = hub.resolve(repo, MAIN)
    index = _index(hub, repo, sha, place.name)
    shards = sorted({str(shard) for shard in index["weight_map"].values()})
    if len(shards) > MAX_SHARDS:
        raise Unprocessable("{path} names more than {most} files.", path=place.name, most=MAX_SHARDS)
    folder = place.name.rpartition("/")[0]
    headers: dict[str, Any] = {}
    room = MAX_TENSORS
    for shard in shards:
        header = _header(hub, repo, sha, f"{folder}/{shard}".lstrip("/"))
        room -= len(header.tensors)
        if room < 0:
            raise Unprocessable(
                "The files that {path} names hold more than {most} tensors.", path=place.name, most=MAX_TENSORS
            )
        headers[shard] = _as_written(header)
    # Without its weight_map: that repeats the names of the tensors, which are in the headers.
    return json_answer({"index": {"metadata": index.get("metadata", {})}, "headers": headers})


def _index(hub: Hub, repo: Repo, sha: str, path: str) -> dict[str, Any]:
    entry = hub.entry(repo, sha, path)
    if entry.type == "file" and entry.size <= MAX_INDEX_BYTES:
        try:
            index = orjson.loads(b"".join(hub.stream_file(repo, entry)))
        except orjson.JSONDecodeError:
            index = None
        if isinstance(index, dict) and isinstance(index.get("weight_map"), dict):
            return index
    raise Unprocessable("{path} is no index of safetensors files: it has no weight_map.", path=path)


def _header(hub: Hub, repo: Repo, sha: str, path: str) -> Header:
    entry = hub.entry(repo, sha, path)
    if entry.type != "file":
        raise EntryNotFound(path, repo.name, sha)
    header = read_header(entry.size, lambda start, stop: b"".join(hub.stream_file(repo, entry, start, stop)))
    if header.fault not in (None, HeaderFault.OFFSETS):
        raise Unprocessable("{path} is no safetensors file: its header cannot be read.", path=path)
    return header


def _as_written(header: Header) -> dict[str, Any]:
    """As the file itself has it."""
    tensors = {
        tensor.name: {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (tensor.start, tensor.stop)}
        for tensor in header.tensors
    }
    return {"__metadata__": header.metadata, **tensors}
