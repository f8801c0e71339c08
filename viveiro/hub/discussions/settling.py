"""What a ref that moved means for pull requests: `ledger.py` asks here, before and inside the transaction that indexes it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import pygit2
from sqlalchemy.orm import Session

from viveiro.events import DiscussionChanged
from viveiro.hub import refs
from viveiro.hub.discussions import queries
from viveiro.hub.discussions.tables import DiscussionRow, PendingPullRequestRow
from viveiro.hub.discussions.types import OPEN, DiscussionChange, Status
from viveiro.hub.history import describe
from viveiro.hub.tables import PendingPushRow
from viveiro.jobs.outbox import publish

MOST_COMMITS: Final = 250
"""Of one push are told. The others are there all the same."""

NewCommits = Mapping[int, Sequence[tuple[str, str]]]
"""By the push: subject and oid of each commit that it brought to a pull request, oldest first."""


def read_commits(session: Session, git: pygit2.Repository, repo_pk: int, moved: Sequence[PendingPushRow]) -> NewCommits:
    """Read off git, before the transaction begins that tells of them."""
    numbers = {row.id: number for row in moved if (number := refs.pull_request_number(row.ref)) is not None}
    if not numbers:
        return {}
    known = queries.pull_requests_numbered(session, repo_pk, set(numbers.values()))
    return {row.id: _commits(git, row, known[numbers[row.id]]) for row in moved if numbers.get(row.id) in known}


def _commits(git: pygit2.Repository, push: PendingPushRow, pull_request: DiscussionRow) -> Sequence[tuple[str, str]]:
    """Those on top of where the ref was, and of the branch that it is to change."""
    if push.new_sha is None:
        return ()
    walk = git.walk(push.new_sha)
    for known in (push.old_sha, pull_request.start_sha, refs.commit_at(git, pull_request.base_ref or "")):
        if known is not None and known in git:
            walk.hide(known)
    newest = [describe(commit) for commit, _ in zip(walk, range(MOST_COMMITS), strict=False)]
    return [(commit.title, commit.oid) for commit in reversed(newest)]


def settle(
    session: Session,
    repo_pk: int,
    moved: Sequence[PendingPushRow],
    intents: Mapping[int, PendingPullRequestRow],
    commits: NewCommits,
    at: datetime,
) -> None:
    """Inside the transaction. Hearing of the same push twice changes nothing."""
    for push in moved:
        intent = intents.get(push.id)
        if intent is not None and intent.status == Status.MERGED:
            _merge(session, repo_pk, push, intent, at)
        elif intent is not None:
            _open(session, repo_pk, push, intent)
        _tell_commits(session, repo_pk, push, commits.get(push.id, ()), at)


def _open(session: Session, repo_pk: int, push: PendingPushRow, intent: PendingPullRequestRow) -> None:
    if queries.open_pull_request(session, intent.discussion_id, Status(intent.status)):
        described = queries.first_comment(session, intent.discussion_id)
        _tell(session, repo_pk, push, intent, DiscussionChange.OPENED, described)


def _merge(session: Session, repo_pk: int, push: PendingPushRow, intent: PendingPullRequestRow, at: datetime) -> None:
    # Closed meanwhile or not: its changes are in the branch now.
    before = (*OPEN, Status.CLOSED)
    changed = queries.change_status(session, intent.discussion_id, push.pusher_id, before, Status.MERGED, at)
    if changed is None or push.new_sha is None:
        return
    queries.note_merge(session, intent.discussion_id, push.new_sha)
    _tell(session, repo_pk, push, intent, Status.MERGED, changed)
    if intent.comment:
        said = queries.add_comment(session, intent.discussion_id, push.pusher_id, intent.comment, at)
        _tell(session, repo_pk, push, intent, DiscussionChange.COMMENTED, said)


def _tell_commits(
    session: Session, repo_pk: int, push: PendingPushRow, commits: Sequence[tuple[str, str]], at: datetime
) -> None:
    number = refs.pull_request_number(push.ref)
    if number is None or not commits:
        return
    known = queries.pull_requests_numbered(session, repo_pk, [number])
    if number in known:
        queries.add_commits(session, known[number].id, push.pusher_id, commits, at)


def _tell(
    session: Session,
    repo_pk: int,
    push: PendingPushRow,
    intent: PendingPullRequestRow,
    change: str,
    event_id: str | None,
) -> None:
    number = queries.numbers_of(session, [intent.discussion_id])[intent.discussion_id]
    publish(session, DiscussionChanged(repo_pk, number, str(change), event_id, push.pusher_id))


def withdraw(session: Session, intents: Collection[PendingPullRequestRow]) -> None:
    """These pushes never happened: pull requests that they would have opened are gone, and their numbers free."""
    queries.delete_unopened(session, [intent.discussion_id for intent in intents if intent.status != Status.MERGED])
