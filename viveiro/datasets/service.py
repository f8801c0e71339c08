"""What can be done with datasets.

The web process and the worker import this at their start, so whatever reads tables (pyarrow: 50 MB in each process) is
imported by the verb that needs it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.datasets.columns import choose_columns, trainable
from viveiro.datasets.incoming import incoming_path, note_upload, open_upload, receive_file
from viveiro.datasets.kept import kept_check
from viveiro.datasets.publishing import import_upload
from viveiro.datasets.types import (
    Cell,
    ImportOptions,
    Inspection,
    LabelledRows,
    Preview,
    Progress,
    SplitStatistics,
    Upload,
)
from viveiro.hub.folders import temporary_folder
from viveiro.hub.imports import starter_repo
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.jobs.service import enqueue
from viveiro.settings import Settings
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

if TYPE_CHECKING:
    from viveiro.datasets.reading import OpenDataset
    from viveiro.datasets.sources import Source

__all__ = [
    "ImportOptions",
    "Inspection",
    "LabelledRows",
    "OpenDataset",
    "Preview",
    "Progress",
    "SplitStatistics",
    "Upload",
    "choose_columns",
    "column_statistics",
    "dataset_ref",
    "import_upload",
    "inspect_upload",
    "note_upload",
    "open_revision",
    "open_source",
    "open_upload",
    "preview_rows",
    "read_check",
    "read_rows",
    "receive_file",
    "resolve_base",
    "start_check",
    "start_import",
    "trainable",
]


def dataset_ref(repo_id: str) -> RepoRef:
    return RepoRef(RepoKind.DATASET, RepoId.parse(repo_id))


def start_import(
    session: Session, viewer: Viewer, ref: RepoRef, upload_id: str, options: ImportOptions, visibility: Visibility
) -> str:
    """Enqueue the import of what has arrived; the job's id."""
    arguments = {
        "repo_id": str(ref.repo_id),
        "upload_id": upload_id,
        "visibility": visibility.value,
        **asdict(options),
    }
    return enqueue(session, "dataset-import", arguments, owner_id=viewer.user_id)


def start_check(
    session: Session,
    viewer: Viewer,
    ref: RepoRef,
    sha: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    base: str | None = None,
) -> str:
    """Enqueue a look at every row; the job's id. Its result is the report. `base`: the model whose tokens are counted."""
    arguments = {
        "repo_id": str(ref.repo_id),
        "sha": sha,
        "text_column": text_column,
        "label_column": label_column,
        "base": base,
    }
    return enqueue(session, "dataset-check", arguments, owner_id=viewer.user_id)


def resolve_base(hub: Hub, viewer: Viewer, base: str | None) -> tuple[Repo, str]:
    """The model whose tokens are counted, ORG/NAME[@REVISION], and its commit. None: the starter, imported when missing.

    Raises:
        RepoNotFound, RevisionNotFound: there is none, for this viewer.
        NotOffered: the starter is not installed.
    """
    if base is None:
        repo, revision = starter_repo(hub, viewer), ""
    else:
        name, _, revision = base.partition("@")
        repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, RepoId.parse(name)), follow=True)
        hub.require_files(viewer, repo)
    return repo, hub.resolve(repo, revision or "main")


def open_source(path: Path, name: str) -> "Source":
    """A file as a stream of rows, whatever its form: see `sources.open_source`."""
    from viveiro.datasets import sources

    return sources.open_source(path, name)


def open_revision(hub: Hub, viewer: Viewer, ref: RepoRef, revision: str) -> "OpenDataset":
    """The dataset at a branch, tag or commit, for whoever may read it."""
    from viveiro.datasets.reading import open_dataset

    repo = hub.get_repo(viewer, ref, follow=True)
    hub.require_files(viewer, repo)
    return open_dataset(hub, repo, hub.resolve(repo, revision))


def inspect_upload(
    settings: Settings, viewer: Viewer, upload_id: str, options: ImportOptions | None = None
) -> Inspection:
    """What a file holds that `note_upload` was told of, before it is imported. `options` as they would be imported with;
    None: everything is guessed.

    Raises:
        UploadNotFound: it is gone, or somebody else's.
        UnreadableFile, InvalidPath: no table can be read from it.
        UnknownColumn, OneColumnTwice: the options name a column that cannot be meant.
    """
    from viveiro.datasets import inspecting

    upload = open_upload(settings, viewer, upload_id)
    with temporary_folder(settings.cache_dir) as work:
        path = incoming_path(settings, upload_id)
        return inspecting.inspect_file(path, options or ImportOptions(upload.file_name), work)


def preview_rows(
    hub: Hub,
    viewer: Viewer,
    ref: RepoRef,
    revision: str = "main",
    split: str | None = None,
    offset: int = 0,
    limit: int = 100,
) -> Preview:
    """Rows of one split (None: the first) from row `offset` on, counted from 0; at most 100.

    Raises:
        RepoNotFound, GatedRepo, RevisionNotFound, SplitNotFound: there is none, for this viewer.
        UnusableData: the revision holds no Parquet files, or damaged ones.
    """
    from viveiro.datasets import preview

    repo, sha = _readable(hub, viewer, ref, revision)
    return preview.preview(hub, repo, sha, split, offset, limit)


def whole_cell(hub: Hub, viewer: Viewer, ref: RepoRef, revision: str, split: str | None, row: int, column: str) -> Cell:
    """What `preview_rows` cuts, up to a million characters. Raises as it does, and CellNotFound."""
    from viveiro.datasets import preview

    repo, sha = _readable(hub, viewer, ref, revision)
    return preview.whole_cell(hub, repo, sha, split, row, column)


def column_statistics(
    hub: Hub, viewer: Viewer, ref: RepoRef, revision: str = "main", split: str | None = None
) -> SplitStatistics:
    """What the head of each column shows. The first call for a revision takes a moment. Raises as `preview_rows` does."""
    from viveiro.datasets import statistics

    repo, sha = _readable(hub, viewer, ref, revision)
    return statistics.column_statistics(hub, repo, sha, split)


def read_check(hub: Hub, viewer: Viewer, ref: RepoRef, revision: str = "main") -> dict[str, Any] | None:
    """What the latest check of this revision said: a CheckReport's fields, with `findings` as Finding and `checked_at`.

    None where it was never checked. A check looks for these columns and this base that its caller named: the latest wins.
    """
    repo, sha = _readable(hub, viewer, ref, revision)
    return kept_check(hub.settings, repo, sha)


def _readable(hub: Hub, viewer: Viewer, ref: RepoRef, revision: str) -> tuple[Repo, str]:
    """The repo, for whoever may read its files, and the commit."""
    repo = hub.get_repo(viewer, ref, follow=True)
    hub.require_files(viewer, repo)
    return repo, hub.resolve(repo, revision)


def read_rows(dataset: "OpenDataset", columns: Mapping[str, str], seed: int) -> LabelledRows:
    """The rows by role and split, in memory: see `rows.read_rows`."""
    from viveiro.datasets import rows

    return rows.read_rows(dataset, columns, seed)
