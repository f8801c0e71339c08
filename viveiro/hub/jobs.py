"""What the worker does for the hub: counts over time, repacking, sweeping."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from viveiro.db import Database, utc_now
from viveiro.errors import ViveiroError
from viveiro.events import RevisionPushed
from viveiro.hub import queries
from viveiro.hub.check_outs import delete_unwanted
from viveiro.hub.git import needs_repacking, repack, repository_path
from viveiro.hub.service import Hub
from viveiro.hub.xet import queries as xet_queries
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.outbox import listener
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation
from viveiro.storage import open_store

log = structlog.get_logger()

RECENT: Final = timedelta(days=30)
"""What `downloads` counts."""
HALF_LIFE: Final = timedelta(days=7)
"""A download or like counts half as much for trending after this."""
LIKE_WEIGHT: Final = 20
"""One like says as much as so many downloads: it is given once."""
PACKED_AFTER: Final = timedelta(hours=1)
"""What came otherwise than by Xet is put into xorbs after this: its uploader may be about to replace it."""
MARGIN: Final = timedelta(minutes=5)
"""Between the moment that a row tells and the moment that others can read it."""
UNUSED_FOR: Final = timedelta(days=1)
"""Content that no repo was given is deleted after this: its uploader may still be about to commit."""
ROWS_AT_ONCE: Final = 500


@job_kind("hub-count", isolation=Isolation.THREAD)
def count(job: JobContext) -> None:
    count_recent(job.database, utc_now())


@job_kind("hub-sweep", isolation=Isolation.THREAD)
def sweep(job: JobContext) -> dict[str, int]:
    with Hub(job.database, job.settings, open_store(job.settings)) as hub:
        hub.reconcile()
        return {
            "contents": sweep_contents(hub, utc_now() - UNUSED_FOR),
            "check_outs": sweep_check_outs(hub),
            **hub.xet.sweep(utc_now()),
            "doubles": hub.blobs.sweep_doubles(_links_ended(hub)),
            "uploads": hub.blobs.sweep(job.settings.upload_time_limit),
        }


@job_kind("hub-pack")
def pack(job: JobContext) -> dict[str, int]:
    """Put into xorbs what came by LFS or through a page, so that it is offered by Xet and kept once."""
    with Hub(job.database, job.settings, open_store(job.settings)) as hub:
        packed = pack_contents(hub, utc_now() - PACKED_AFTER, job.cancelled)
        return {**packed, "doubles": hub.blobs.sweep_doubles(_links_ended(hub))}


def _links_ended(hub: Hub) -> datetime:
    """No address of the store that was given before can still be used."""
    return utc_now() - hub.settings.presigned_lifetime - MARGIN


@listener(RevisionPushed, name="hub-repack")
def tidy(job: JobContext, event: RevisionPushed) -> bool:
    """Whether the repository was packed anew."""
    with job.database.read() as session:
        found = queries.repos_by_pk(session, [event.repo_pk])
    if not found:
        return False
    path = repository_path(job.settings.repos_dir, found[0].storage_key)
    return path.exists() and needs_repacking(path) and repack(path)


schedule("hub-count", "hub-count", every=timedelta(hours=1))
schedule("hub-pack", "hub-pack", every=timedelta(hours=1))
schedule("hub-sweep", "hub-sweep", every=timedelta(days=1))


def count_recent(database: Database, now: datetime) -> None:
    """Downloads of the last 30 days, and a score of what is being noticed just now."""
    since = now - RECENT
    downloads: Counter[int] = Counter()
    scores: defaultdict[int, float] = defaultdict(float)
    with database.read() as session:
        for pk, day, number in queries.downloads_since(session, since.date()):
            downloads[pk] += number
            scores[pk] += number * _freshness((now.date() - day) / timedelta(days=1))
        for pk, at in queries.likes_since(session, since):
            scores[pk] += LIKE_WEIGHT * _freshness((now - at) / timedelta(days=1))
        pks = sorted(queries.repos_with_recent_counts(session) | scores.keys())
    for start in range(0, len(pks), ROWS_AT_ONCE):
        rows = [
            {"id": pk, "downloads": downloads[pk], "trending_score": round(scores[pk], 3)}
            for pk in pks[start : start + ROWS_AT_ONCE]
        ]
        with database.write() as session:
            queries.write_counts(session, rows)


def _freshness(age_days: float) -> float:
    return float(0.5 ** (max(0.0, age_days) / (HALF_LIFE / timedelta(days=1))))


@dataclass(frozen=True, slots=True)
class Amount:
    contents: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep finds of the contents that are kept as they are."""

    unused: Amount
    """No repo has them: they go."""
    recent: Amount
    """No repo has them either, but their uploader may be about to commit: kept for a day."""
    used: Amount
    """Some repo has them: kept."""


def plan_sweep(database: Database, now: datetime) -> SweepPlan:
    """What a sweep would do at this moment."""
    with database.read() as session:
        totals = queries.content_totals(session, now - UNUSED_FOR)
    return SweepPlan(**{state: Amount(*amount) for state, amount in totals.items()})


def sweep_contents(hub: Hub, before: datetime) -> int:
    """Delete stored content that no repo was given, such as that of deleted repos. How many."""
    swept = 0
    with hub.database.read() as session:
        unused = queries.unused_blobs(session, before)
    for sha256 in unused:
        # The file goes inside the transaction: whoever is being given the same content this moment waits for its end,
        # looks whether the file is there (`Hub.grant_blob`), and finds that it is not.
        with hub.database.write() as session:
            if queries.delete_unused_blob(session, sha256):
                hub.blobs.delete(sha256)
                swept += 1
    return swept


def sweep_check_outs(hub: Hub) -> int:
    """Delete files laid out of repos that are gone. How many repos'."""
    with hub.database.read() as session:
        known = queries.storage_keys(session)
    return delete_unwanted(hub.settings.revisions_dir.glob("*"), known)


def pack_contents(hub: Hub, before: datetime, stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Each of those that repos have had since before then, until told to stop."""
    done = {"packed": 0, "failed": 0}
    after = ""
    while True:
        with hub.database.read() as session:
            waiting = xet_queries.contents_without_layout(session, before, after=after)
        for sha256 in waiting:
            if stop():
                return done
            try:
                hub.blobs.put_into_xorbs(sha256)
                done["packed"] += 1
            except ViveiroError:  # lost, damaged, or swept away meanwhile: `fsck` says so, the others go ahead
                log.warning("content_not_packed", sha256=sha256, exc_info=True)
                done["failed"] += 1
        if not waiting:
            return done
        after = waiting[-1]
