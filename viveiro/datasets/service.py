"""What can be done with datasets."""

from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.datasets.check import check_dataset
from viveiro.datasets.columns import choose_columns, trainable
from viveiro.datasets.importing import ImportOptions, ImportReport, Progress, import_table
from viveiro.datasets.incoming import incoming_path, receive_file
from viveiro.datasets.reading import OpenDataset, open_dataset
from viveiro.datasets.rows import LabelledRows, read_rows
from viveiro.datasets.sources import open_source
from viveiro.datasets.types import CheckReport
from viveiro.hub.service import Hub
from viveiro.jobs.service import enqueue
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

__all__ = [
    "CheckReport",
    "ImportOptions",
    "ImportReport",
    "LabelledRows",
    "OpenDataset",
    "Progress",
    "check_revision",
    "choose_columns",
    "dataset_ref",
    "import_table",
    "incoming_path",
    "open_revision",
    "open_source",
    "read_rows",
    "receive_file",
    "start_check",
    "start_import",
    "trainable",
]


def dataset_ref(repo_id: str) -> RepoRef:
    return RepoRef(RepoKind.DATASET, RepoId.parse(repo_id))


def start_import(
    session: Session, viewer: Viewer, ref: RepoRef, upload_id: str, options: ImportOptions, visibility: Visibility
) -> str:
    """Enqueue the import of a file that has arrived; the job's id."""
    arguments = {
        "repo_id": str(ref.repo_id),
        "upload_id": upload_id,
        "visibility": visibility.value,
        "file_name": options.file_name,
        "text_column": options.text_column,
        "label_column": options.label_column,
        "unlabelled": options.unlabelled,
        "seed": options.seed,
    }
    return enqueue(session, "dataset-import", arguments, owner_id=viewer.user_id)


def start_check(
    session: Session, viewer: Viewer, ref: RepoRef, sha: str, text_column: str | None, label_column: str | None
) -> str:
    """Enqueue a look at every row; the job's id. Its result is the report."""
    arguments = {"repo_id": str(ref.repo_id), "sha": sha, "text_column": text_column, "label_column": label_column}
    return enqueue(session, "dataset-check", arguments, owner_id=viewer.user_id)


def open_revision(hub: Hub, viewer: Viewer, ref: RepoRef, revision: str) -> OpenDataset:
    """The dataset at a branch, tag or commit, for whoever may read it."""
    repo = hub.get_repo(viewer, ref)
    return open_dataset(hub, repo, hub.resolve(repo, revision))


def check_revision(dataset: OpenDataset, text: str | None, label: str | None) -> CheckReport:
    """Raises UnknownColumn. A column that is neither named nor guessed is a finding, not an error."""
    named = {role: column for role, column in (("text", text), ("label", label)) if column is not None}
    columns = choose_columns(dataset, "text-classification", named)
    return check_dataset(dataset, columns.get("text"), columns.get("label"))
