"""From an uploaded file to a commit in the hub, once, however often the job that does it is killed."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from viveiro.datasets.incoming import UploadNotFound, discard_upload, incoming_path, noted_upload
from viveiro.datasets.types import ImportOptions
from viveiro.errors import EntryNotFound
from viveiro.hub.cards import CARD
from viveiro.hub.folders import Publication, Publisher
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile, Repo
from viveiro.jobs.context import JobContext
from viveiro.types import RepoRef, Visibility


def import_upload(
    job: JobContext,
    publisher: Publisher,
    ref: RepoRef,
    upload_id: str,
    options: ImportOptions,
    visibility: Visibility,
) -> dict[str, Any]:
    """What was written where, and what was left out. An attempt that finds its commit in the hub only tells of it.

    Raises:
        UploadNotFound: the file is gone, or somebody else's.
        whatever `importing.import_table` raises.
    """
    from viveiro.datasets.reading import open_dataset

    publication = Publication(f"Import {options.file_name}", f"Viveiro-Job: {job.id}")
    sha = publisher.published(ref, publication)
    if sha is None:
        folder = _write_folder(job, upload_id, options)
        job.progress({"stage": "publishing"})
        sha = publisher.publish(
            folder,
            ref,
            publication,
            visibility=visibility,
            stale=_is_replaced_data,
            adjust=partial(_with_the_owners_words, publisher.hub),
            guard=job.still_mine,
        )
    repo = publisher.hub.get_repo(publisher.viewer, ref, follow=True)
    report = open_dataset(publisher.hub, repo, sha).import_report
    discard_upload(job.settings, upload_id)
    shutil.rmtree(job.folder, ignore_errors=True)
    return {"dataset": str(ref.repo_id), "revision": sha, **report}


def _write_folder(job: JobContext, upload_id: str, options: ImportOptions) -> Path:
    from viveiro.datasets.importing import import_table

    path, upload = incoming_path(job.settings, upload_id), noted_upload(job.settings, upload_id)
    if not path.exists() or (upload is not None and upload.owner_id != job.owner_id):
        raise UploadNotFound(upload_id)
    folder = job.folder / "dataset"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    folder.mkdir()
    import_table(path, options, job.folder, folder, job.progress)
    return folder


def _is_replaced_data(path: str) -> bool:
    """The rows of the repo's earlier revision go; whatever else its owner put there stays."""
    return path.startswith("data/") and path.endswith(".parquet")


def _with_the_owners_words(hub: Hub, repo: Repo, head: str, file: AddFile) -> AddFile:
    """The card of the import, with what the repo's owner wrote in the one that is there."""
    from viveiro.datasets.cards import renewed_card
    from viveiro.datasets.reading import import_report

    if file.path != CARD or (card := _content(hub, repo, head, CARD)) is None:
        return file
    assert isinstance(file.content, bytes)
    digest = import_report(hub, repo, head).get("card_sha256")
    return AddFile(CARD, renewed_card(card, file.content, digest))


def _content(hub: Hub, repo: Repo, sha: str, path: str) -> bytes | None:
    try:
        return b"".join(hub.stream_file(repo, hub.entry(repo, sha, path)))
    except EntryNotFound:
        return None
