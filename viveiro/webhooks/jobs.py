"""What the worker does for webhooks: note who is to be told of an event, and tell them, again and again until it arrives."""

import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from viveiro.accounts.service import may_see, viewer_of_user
from viveiro.db import utc_now
from viveiro.events import DiscussionChanged, RepoChanged, RevisionPushed
from viveiro.hub.discussions.service import Discussions
from viveiro.hub.git import MAIN
from viveiro.hub.outbound import allowed_hosts
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.jobs.context import JobContext
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.outbox import listener
from viveiro.jobs.schedules import schedule
from viveiro.jobs.types import Isolation
from viveiro.locale import Sentence
from viveiro.storage import open_store
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility
from viveiro.webhooks import queries
from viveiro.webhooks.payloads import (
    Happening,
    ToldRepo,
    discussion_changed,
    moved,
    payload,
    refs_updated,
    told_from,
    without_hidden,
)
from viveiro.webhooks.sending import Attempt, send
from viveiro.webhooks.service import begin
from viveiro.webhooks.types import PATIENCE, DeliveryState, Domain, Webhook, pause_after

KEPT_FOR: Final = timedelta(days=30)
_TOLD_OF: Final = frozenset({RepoKind.MODEL, RepoKind.DATASET, RepoKind.SPACE})
"""The kinds of repos that a client's `WebhookPayload` knows."""


@listener(RevisionPushed, name="webhooks-of-push")
def tell_of_push(job: JobContext, event: RevisionPushed) -> int:
    """How many are to be told. The first commit of a repo is told as its creation."""
    if event.ref == MAIN and event.old_sha is None:
        return 0
    repo = _find(job, event.repo_pk)
    if repo is None:
        return 0
    happening = refs_updated([(event.ref, event.old_sha, event.new_sha)])
    return _note(job, Domain.REPO, happening, told_repo(repo), {repo.name})


@listener(RepoChanged, name="webhooks-of-repo")
def tell_of_repo(job: JobContext, event: RepoChanged) -> int:
    kind = RepoKind(event.kind)
    repo = ToldRepo(
        event.repo_pk,
        RepoRef(kind, RepoId(*event.repo_id.split("/"))),
        event.owner_id,
        Visibility(event.visibility),
    )
    names = {event.repo_id}
    if event.change == "move" and event.moved_to is not None:
        names.add(event.moved_to)
        now = _find(job, event.repo_pk)
        happening = moved(event.moved_to, now.owner_id if now is not None else event.owner_id)
    elif event.change == "update":
        happening = Happening("update", "repo.config")
    else:
        happening = Happening(event.change, "repo")
    count = _note(job, Domain.REPO, happening, repo, names)
    if event.moved_to is not None:
        _follow_move(job, repo, event.moved_to)
    return count


def _follow_move(job: JobContext, repo: ToldRepo, new: str) -> None:
    """Only where the owner of the webhook may know its new name: it stands on the webhook's page from now on."""
    with job.database.read() as session:
        owners = queries.owners_watching(session, repo.ref.kind, str(repo.ref.repo_id))
    knowing = _who_may_know(job, owners, repo)
    with job.database.write() as session:
        queries.follow_move(session, repo.ref.kind, str(repo.ref.repo_id), new, knowing)


@listener(DiscussionChanged, name="webhooks-of-discussion")
def tell_of_discussion(job: JobContext, event: DiscussionChanged) -> int:
    with _hub(job) as hub:
        repo = hub.find_repo_by_pk(event.repo_pk)
        if repo is None:
            return 0
        discussions = Discussions(hub)
        discussion = discussions.get(repo, event.number)
        comment = discussions.comment_by_id(discussion, event.event_id or "") if _is_comment(event) else None
    with job.database.read() as session:
        bases = {it.base_url for it in queries.watching(session, repo.ref.kind, repo.name)}
    told = 0
    for base in bases:  # each webhook is told the addresses that its owner knows
        web = f"{base}/{repo.ref.url_path}/discussions/{event.number}"
        api = f"{base}/api/{repo.ref.kind.plural}/{repo.name}/discussions/{event.number}"
        happening = discussion_changed(web, api, discussion, event.change, comment)
        told += _note(job, Domain.DISCUSSION, happening, told_repo(repo), {repo.name}, base)
    return told


def _is_comment(event: DiscussionChanged) -> bool:
    return event.event_id is not None and event.change in ("opened", "commented", "edited", "hidden")


@job_kind("webhook-deliver", isolation=Isolation.THREAD, max_attempts=5)
def deliver(job: JobContext, *, delivery_id: str) -> dict[str, Any] | None:
    """One attempt. What follows it is a job of its own, so that nobody waits for hours in a worker."""
    with job.database.read() as session:
        row = queries.find_delivery(session, delivery_id)
        # Not due: it has gone out, or somebody had it sent before this job was to.
        if row is None or not queries.is_due(row, utc_now()):
            return None
        webhook = queries.find(session, row.webhook_id)
        if webhook is None:
            return None
        content, event = row.payload, queries.to_delivery(row).event
        as_it_was, attempts = told_from(row.about, row.repo_pk), row.attempts + 1
    if webhook.disabled or not _who_may_know(job, [webhook.owner_id], as_it_was):
        with job.database.write() as session:
            queries.update_delivery(session, delivery_id, state=DeliveryState.DROPPED, next_attempt_at=None)
        return {"state": DeliveryState.DROPPED}
    if content.get("comment") and _is_hidden_now(job, as_it_was.pk, content):
        content = without_hidden(content)
    body = orjson.dumps(content)
    attempt = send(webhook, delivery_id, event, body, int(time.time()), allowed_hosts(job.settings))
    with job.database.write() as session:
        job.still_mine(session)
        return {"state": _settle(session, webhook, delivery_id, attempts, attempt), "status": attempt.status}


@job_kind("webhooks-sweep", isolation=Isolation.THREAD)
def sweep(job: JobContext) -> int:
    with job.database.write() as session:
        return queries.forget_deliveries(session, utc_now() - KEPT_FOR)


schedule("webhooks-sweep", "webhooks-sweep", every=timedelta(days=1))


def told_repo(repo: Repo) -> ToldRepo:
    return ToldRepo(repo.pk, repo.ref, repo.owner_id, repo.visibility, repo.head_sha, repo.tags)


def _hub(job: JobContext) -> Hub:
    return Hub(job.database, job.settings, open_store(job.settings))


def _find(job: JobContext, pk: int) -> Repo | None:
    with _hub(job) as hub:
        return hub.find_repo_by_pk(pk)


def _is_hidden_now(job: JobContext, repo_pk: int, content: Mapping[str, Any]) -> bool:
    with _hub(job) as hub:
        repo = hub.find_repo_by_pk(repo_pk)
        if repo is None:
            return True
        discussions = Discussions(hub)
        discussion = discussions.get(repo, content["discussion"]["num"])
        return discussions.comment_by_id(discussion, content["comment"]["id"]).hidden


def _note(
    job: JobContext,
    domain: Domain,
    happening: Happening,
    repo: ToldRepo,
    names: Iterable[str],
    base_url: str | None = None,
) -> int:
    """A delivery, and the job that begins it, for each webhook that watches and whose owner may know.

    `base_url`: only those that know this server by that address.
    """
    if repo.ref.kind not in _TOLD_OF:
        return 0
    with job.database.read() as session:
        found = {it.id: it for name in names for it in queries.watching(session, repo.ref.kind, name)}
    known = [it for it in found.values() if base_url in (None, it.base_url)]
    concerned = [it for it in known if domain in it.domains]
    knowing = _who_may_know(job, {it.owner_id for it in concerned}, repo)
    told = [it for it in concerned if it.owner_id in knowing]
    if not told:
        return 0
    about = {
        "kind": repo.ref.kind.value,
        "name": str(repo.ref.repo_id),
        "owner_id": repo.owner_id,
        "visibility": repo.visibility.value,
    }
    with job.database.write() as session:
        for webhook in told:
            content = payload(webhook.id, webhook.base_url, happening, repo)
            made = queries.add_delivery(
                session, webhook.id, job.id, payload=content, repo_pk=repo.pk, about=about, now=utc_now()
            )
            if made is not None:
                begin(session, made)
    return len(told)


def _who_may_know(job: JobContext, user_ids: Iterable[int], as_it_was: ToldRepo) -> set[int]:
    """By what the repo is now. Of a deleted one, by what it was."""
    now = _find(job, as_it_was.pk)
    resource = now.resource if now is not None else as_it_was.resource
    with job.database.read() as session:
        return {user_id for user_id in user_ids if may_see(viewer_of_user(session, user_id), resource)}


def _settle(session: Session, webhook: Webhook, delivery_id: str, attempts: int, attempt: Attempt) -> DeliveryState:
    """Write down how an attempt went, and see to the next."""
    now = utc_now()
    failing_since = None if attempt.has_arrived else webhook.failing_since or now
    gives_up = failing_since is not None and now - failing_since >= PATIENCE
    pause = None if attempt.has_arrived or gives_up else pause_after(attempts)
    state = _state_after(attempt, goes_on=pause is not None)
    queries.update_delivery(
        session,
        delivery_id,
        state=state,
        attempts=attempts,
        status=attempt.status,
        error=attempt.error,
        last_attempt_at=now,
        next_attempt_at=now + pause if pause is not None else None,
    )
    if failing_since != webhook.failing_since:
        queries.update_webhook(session, webhook.id, failing_since=failing_since)
    if gives_up:
        because = Sentence(
            "Nothing has arrived there for {days} days, so it was switched off. The last attempt: {why}",
            days=PATIENCE.days,
            why=attempt.error,
        )
        queries.update_webhook(session, webhook.id, disabled=True, disabled_because=because)
    elif pause is not None:
        begin(session, delivery_id, run_at=now + pause)
    return state


def _state_after(attempt: Attempt, *, goes_on: bool) -> DeliveryState:
    if attempt.has_arrived:
        return DeliveryState.DELIVERED
    return DeliveryState.WAITING if goes_on else DeliveryState.FAILED
