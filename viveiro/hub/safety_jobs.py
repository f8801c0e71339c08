"""What the worker does for safety: look whether a push brought pickles, and scan them in a process of its own."""

from datetime import timedelta
from typing import Any

import structlog

from viveiro.errors import BlobNotFound, RepoNotFound
from viveiro.events import RevisionPushed
from viveiro.hub import queries
from viveiro.hub.refs import find_commit
from viveiro.hub.safety import SCANNER, content_key, files_to_scan, scan_file
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, TreeEntry
from viveiro.hub.xet.rebuilding import DamagedXorb
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.outbox import listener
from viveiro.jobs.schedules import schedule
from viveiro.jobs.service import enqueue
from viveiro.storage import open_store

log = structlog.get_logger()

_AT_ONCE = 500


@listener(RevisionPushed, name="hub-find-pickles")
def find_pickles(job: JobContext, event: RevisionPushed) -> str | None:
    """The id of the job that scans them. Here it is only looked at names: most pushes bring nothing to scan."""
    if event.new_sha is None:
        return None
    with _hub(job) as hub:
        with job.database.read() as session:
            repo = next(iter(queries.repos_by_pk(session, [event.repo_pk])), None)
        if repo is None or not _waiting(hub, repo, event.new_sha, again=False):
            return None
    arguments = {"repo_pk": repo.pk, "revision": event.new_sha}
    with job.database.write() as session:
        key = f"hub-scan:{SCANNER}:{repo.pk}:{event.new_sha}"
        return enqueue(session, "hub-scan", arguments, idempotency_key=key)


@job_kind("hub-scan")
def scan_pickles(
    job: JobContext, *, repo_pk: int | None = None, revision: str | None = None, again: bool = False
) -> dict[str, Any]:
    """Of one revision, or of every branch and tag of one repo, or of all repos. `again`: also what was scanned before.

    What keeps a file from being read is no verdict about it. Of one file, it is raised when the others have been looked at; that the
    store does not answer, at once.
    """
    scanned, failures = 0, list[Exception]()
    with _hub(job) as hub:
        after = 0 if repo_pk is None else repo_pk - 1
        while repos := _repos(job, after, 1 if repo_pk is not None else _AT_ONCE):
            for repo in repos:
                if repo_pk in (None, repo.pk):
                    scanned += _scan_repo(job, hub, repo, revision, failures, again=again)
            if repo_pk is not None:
                break
            after = repos[-1].pk
    if failures:  # the job is tried again, and then looks at what is still waiting
        raise failures[0]
    return {"scanned": scanned}


schedule("hub-scan", "hub-scan", every=timedelta(days=7))


def _hub(job: JobContext) -> Hub:
    return Hub(job.database, job.settings, open_store(job.settings))


def _repos(job: JobContext, after: int, limit: int) -> list[Repo]:
    with job.database.read() as session:
        return queries.all_repos(session, after=after, limit=limit)


def _scan_repo(
    job: JobContext, hub: Hub, repo: Repo, revision: str | None, failures: list[Exception], *, again: bool
) -> int:
    """`failures`: to it is added what keeps a single file from being read."""
    try:
        if revision is not None:
            revisions = {revision}
        else:
            found = hub.refs(repo)
            revisions = {ref.target for ref in (*found.branches, *found.tags, *found.pull_requests)}
        waiting = {content_key(entry): entry for sha in sorted(revisions) for entry in _waiting(hub, repo, sha, again)}
    except RepoNotFound:  # deleted meanwhile
        return 0
    scanned = 0
    for key, entry in sorted(waiting.items()):
        job.progress({"stage": "scanning", "repo": str(repo.ref), "path": entry.path})
        try:
            result = scan_file(hub.ledger.open(repo), hub.blobs, entry)
        except (BlobNotFound, RepoNotFound):  # `fsck` reports lost content
            continue
        except (OSError, DamagedXorb) as error:  # OSError: a place on the disk that cannot be read
            log.warning("file_not_scanned", repo=str(repo.ref), path=entry.path, error=repr(error))
            failures.append(error)
            continue
        with job.database.write() as session:
            queries.keep_scan(session, key, SCANNER, result)
        log.info("file_scanned", repo=str(repo.ref), path=entry.path, imports=len(result.imports))
        scanned += 1
    return scanned


def _waiting(hub: Hub, repo: Repo, revision: str, again: bool) -> list[TreeEntry]:
    git = hub.ledger.open(repo)
    sha = find_commit(git, revision)
    if sha is None:  # collected since it was pushed
        return []
    entries = list(files_to_scan(git, sha))
    if again or not entries:
        return entries
    with hub.database.read() as session:
        known = queries.scans_of(session, map(content_key, entries), SCANNER)
    return [entry for entry in entries if content_key(entry) not in known]
