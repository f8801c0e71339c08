"""Datasets of a site, as clients upload them: Parquet files go through LFS."""

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.web.conftest import Site
from viveiro.hub.types import AddLfsFile
from viveiro.types import RepoRef


def parquet(table: Mapping[str, Sequence[object]]) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(dict(table)), written)
    return written.getvalue()


def new_dataset(site: Site, files: Mapping[str, bytes], *, private: bool = False) -> RepoRef:
    """Alice's."""
    ref, viewer = site.new_repo("dataset", private=private), site.viewer("alice")
    repo = site.hub.get_repo(viewer, ref)
    builder = site.hub.begin_commit(viewer, repo, "main")
    for path, content in files.items():
        with site.hub.blobs.writer() as writer:
            writer.write(content)
            stored = writer.finish()
        site.hub.grant_blob(repo, stored.sha256, stored.size)
        builder.add(AddLfsFile(path, stored.sha256, stored.size))
    builder.finish("Add rows")
    return ref
