"""What came otherwise, put into xorbs: by the reference client's own code, which can write to a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from viveiro.errors import Unprocessable
from viveiro.hub.xet.shards import read_shard
from viveiro.hub.xet.types import ShardFile
from viveiro.locale import Sentence

NOT_A_XORB = ".tagset"
"""hf-xet writes one of these beside each file."""


class CannotBePacked(Unprocessable):
    def __init__(self, sha256: str, why: str) -> None:
        super().__init__("Content {sha256} cannot be put into xorbs: {why}. It stays as it is.", sha256=sha256, why=why)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file in xorbs: they are files of a temporary folder, by their hashes."""

    told: ShardFile
    xorbs: dict[str, Path]


def pack(sha256: str, contents: Iterator[bytes], folder: Path) -> PackedFile:
    """Cut one content into chunks and these into xorbs, always the same for the same content, whatever else is stored.

    Raises:
        CannotBePacked: it is empty, or its bytes are not those of this hash.
    """
    import hf_xet  # here, for it brings threads of its own

    with hf_xet.XetSession().new_upload_commit(endpoint=f"local://{folder}") as commit:
        stream = commit.start_upload_stream(sha256=hf_xet.COMPUTE_SHA256)
        for content in contents:
            stream.write(content)
        stream.finish()
    made = folder / "xet" / "xorbs"
    files = [file for shard in _written(made / "shards") for file in read_shard(shard.read_bytes())]
    if len(files) != 1 or files[0].sha256 != sha256:
        raise CannotBePacked(sha256, Sentence("its bytes have another hash"))
    xorbs = {path.name.removeprefix("default."): path for path in _written(made / "xorbs")}
    return PackedFile(files[0], xorbs)


def _written(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix != NOT_A_XORB)
