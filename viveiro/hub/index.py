"""What the SQL index says about a repo, read off the commit that main points at. `fsck` rebuilds it the same way."""

from typing import Any, Final

import orjson
import pygit2

from viveiro.errors import BlobNotFound
from viveiro.hub.cards import CARD, MAX_CARD_BYTES, MalformedCard, body_of, plain, read_card
from viveiro.hub.files import content_of, describe
from viveiro.hub.tags import derive_tags, infer_library, infer_pipeline_tag
from viveiro.hub.trees import TreeItem, find, read_tree, tree_of
from viveiro.hub.types import RepoIndex
from viveiro.hub.weights import ParameterCount, add_up, count_parameters
from viveiro.storage import BlobStore
from viveiro.types import RepoKind

MAX_CONFIG_BYTES: Final = 2**20
MAX_SHARDS: Final = 2000
"""Of one model. Larger sets are not counted."""
_FOLDERS: Final = ("onnx", "openvino")
"""Beside the root, where weights in other formats lie by custom."""


def read_index(git: pygit2.Repository, blobs: BlobStore, kind: RepoKind, head_sha: str | None) -> RepoIndex:
    """Cheap enough to run inside a commit: a few small files, and the headers of the weights."""
    if head_sha is None:
        return RepoIndex(None)
    return _Reader(git, blobs, tree_of(git, head_sha)).read(kind, head_sha)


class _Reader:
    def __init__(self, git: pygit2.Repository, blobs: BlobStore, tree: str) -> None:
        self._git = git
        self._blobs = blobs
        self._files = _files_in(git, tree, "")
        for folder in _FOLDERS:
            item = find(git, tree, folder)
            if item is not None and item.is_folder:
                self._files.update(_files_in(git, item.oid, f"{folder}/"))

    def read(self, kind: RepoKind, head_sha: str) -> RepoIndex:
        readme = self._content(CARD, MAX_CARD_BYTES)
        card, body = read_card(readme), body_of(readme)
        config = self._json("config.json") if kind is RepoKind.MODEL else {}
        library = infer_library(card, config, self._files.keys()) if kind is RepoKind.MODEL else None
        task = infer_pipeline_tag(card, config, library) if kind is RepoKind.MODEL else None
        count = self._parameters() if kind is RepoKind.MODEL else None
        return RepoIndex(
            head_sha=head_sha,
            card=card,
            config=_config_to_keep(config, self._json("tokenizer_config.json") if config else {}),
            safetensors=count.to_json() if count else None,
            parameters=count.total if count else None,
            library_name=library,
            pipeline_tag=task,
            tags=derive_tags(
                kind,
                card=card,
                config=config,
                files=self._files.keys(),
                body=body,
                library=library,
                pipeline_tag=task,
            ),
        )

    def _content(self, name: str, limit: int) -> bytes:
        """Empty when there is no such file, or it is too large to be what its name says."""
        if name not in self._files:
            return b""
        entry = describe(self._git, name, self._files[name])
        if entry.size > limit:
            return b""
        try:
            return b"".join(content_of(self._git, self._blobs, entry))
        except BlobNotFound:  # `fsck` reports it; the rest of the index can be read all the same
            return b""

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = orjson.loads(self._content(name, MAX_CONFIG_BYTES) or b"{}")
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    def _parameters(self) -> ParameterCount | None:
        shards = self._json("model.safetensors.index.json").get("weight_map")
        names = set(map(str, shards.values())) if isinstance(shards, dict) else {"model.safetensors"}
        if len(names) > MAX_SHARDS or not names <= self._files.keys():
            return None
        return add_up(self._parameters_of(name) for name in names)

    def _parameters_of(self, name: str) -> ParameterCount | None:
        entry = describe(self._git, name, self._files[name])
        try:
            return count_parameters(
                entry.size, lambda start, stop: b"".join(content_of(self._git, self._blobs, entry, start, stop))
            )
        except BlobNotFound:
            return None


def _files_in(git: pygit2.Repository, tree: str, prefix: str) -> dict[str, TreeItem]:
    return {f"{prefix}{item.name}": item for item in read_tree(git, tree) if not item.is_folder}


def _config_to_keep(config: dict[str, Any], tokenizer: dict[str, Any]) -> dict[str, Any]:
    """The part of `config.json` that clients ask the hub for, as the Hub shows it."""
    kept = {key: config[key] for key in ("architectures", "model_type", "quantization_config") if key in config}
    special = {
        key: tokenizer[key]
        for key in ("bos_token", "eos_token", "pad_token", "unk_token", "mask_token", "sep_token", "cls_token")
        if key in tokenizer
    }
    try:
        return plain({**kept, **({"tokenizer_config": special} if special else {})})
    except MalformedCard:
        return {}
