"""What can be done with datasets.

The web process and the worker import this at their start, so whatever reads tables (pyarrow: 50 MB in each process) is
imported by the verb that needs it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.datasets.columns import choose_columns, trainable
from viveiro.datasets.incoming import incoming_path, receive_file
from viveiro.datasets.types import ImportOptions, LabelledRows, Progress
from viveiro.hub.imports import starter_repo
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.jobs.service import enqueue
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

if TYPE_CHECKING:
    from viveiro.datasets.importing import ImportReport
    from viveiro.datasets.reading import OpenDataset
    from viveiro.datasets.sources import Source

__all__ = [
    "ImportOptions",
    "LabelledRows",
    "OpenDataset",
    "Progress",
    "choose_columns",
    "dataset_ref",
    "import_table",
    "incoming_path",
    "open_revision",
    "open_source",
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
        repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, RepoId.parse(name)))
        hub.require_files(viewer, repo)
    return repo, hub.resolve(repo, revision or "main")


def import_table(
    source_file: Path, options: ImportOptions, work: Path, folder: Path, progress: Progress
) -> "ImportReport":
    """From a file as people have it to a folder as `datasets` reads it: see `importing.import_table`."""
    from viveiro.datasets import importing

    return importing.import_table(source_file, options, work, folder, progress)


def open_source(path: Path, name: str) -> "Source":
    """A file as a stream of rows, whatever its form: see `sources.open_source`."""
    from viveiro.datasets import sources

    return sources.open_source(path, name)


def open_revision(hub: Hub, viewer: Viewer, ref: RepoRef, revision: str) -> "OpenDataset":
    """The dataset at a branch, tag or commit, for whoever may read it."""
    from viveiro.datasets.reading import open_dataset

    repo = hub.get_repo(viewer, ref)
    return open_dataset(hub, repo, hub.resolve(repo, revision))


def read_rows(dataset: "OpenDataset", columns: Mapping[str, str], seed: int) -> LabelledRows:
    """The rows by role and split, in memory: see `rows.read_rows`."""
    from viveiro.datasets import rows

    return rows.read_rows(dataset, columns, seed)
