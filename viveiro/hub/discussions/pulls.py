"""Pull requests in git: their commits lie at `refs/pr/N` of the repo itself. Every move goes through the ledger.

A pull request without commits points at its branch's head. What is pending says what its push will mean (`settling.py`),
so whatever a killed server leaves is finished by the next, and a merge counts once.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import pygit2
from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.errors import Conflict, MergeConflict, RevisionNotFound, StaleParent, Unprocessable
from viveiro.hub import history, refs
from viveiro.hub import queries as hub_queries
from viveiro.hub.commits import ATTEMPTS, Onto, signature
from viveiro.hub.discussions import merging, queries
from viveiro.hub.discussions.tables import OPENING
from viveiro.hub.discussions.types import Discussion, Opening, Status
from viveiro.hub.git import BRANCHES, write_commit
from viveiro.hub.ledger import Guard, Ledger
from viveiro.hub.trees import tree_of
from viveiro.hub.types import RefUpdate, Repo

MAX_TITLE_CHARS: Final = 200


def refuse_merged(pull_request: Discussion) -> Guard:
    """For `Onto`: a pull request that was merged takes no more commits."""

    def check(session: Session) -> None:
        now = queries.find(session, pull_request.repo_pk, pull_request.number)
        if now is not None and now.status is Status.MERGED:
            raise Conflict(
                "Pull request {number} has been merged, so it takes no more commits. Open a new one.",
                number=pull_request.number,
            )

    return check


@dataclass(frozen=True)
class AsPullRequest(Onto):
    """A commit that becomes a new pull request to the branch `ref`, which it leaves alone."""

    opened: list[Discussion] = field(default_factory=list)
    """The pull request, once the commit is made."""

    def head(self, git: pygit2.Repository, parent: str | None) -> str:
        """The branch's head, or the commit of the branch that the sender worked upon."""
        head = refs.commit_at(git, self.ref)
        if head is None:
            raise RevisionNotFound(self.ref, self.repo.name)
        if parent is None or head.startswith(parent.lower()):
            return head
        sha = refs.find_commit(git, parent)
        if sha is None or not git.descendant_of(head, sha):
            raise StaleParent
        return sha

    def accept_nothing(self) -> None:
        raise Unprocessable("This would change nothing in {branch}, so there is nothing to propose.", branch=self.ref)

    def take(self, git: pygit2.Repository, head: str, made: str, guard: Guard | None) -> None:
        commit = history.read_commit(git, made)
        opening = Opening(commit.title[:MAX_TITLE_CHARS], commit.message, Status.OPEN, self.ref, start_sha=head)
        self.opened.append(open_at(self.ledger, git, self.viewer, self.repo, opening, made, guard))


def propose(ledger: Ledger, viewer: Viewer, repo: Repo, opening: Opening) -> Discussion:
    """A pull request that has no commits yet."""
    assert opening.base_ref is not None
    with ledger.writing(repo) as git:
        head = refs.commit_at(git, opening.base_ref)
        if head is None:
            raise RevisionNotFound(opening.base_ref.removeprefix(BRANCHES), repo.name)
        return open_at(ledger, git, viewer, repo, replace(opening, start_sha=head), head)


def open_at(
    ledger: Ledger,
    git: pygit2.Repository,
    viewer: Viewer,
    repo: Repo,
    opening: Opening,
    sha: str,
    guard: Guard | None = None,
) -> Discussion:
    """Inside `writing`. The row takes the number first, and is seen by nobody until the ref is there."""
    now = ledger.clock()
    beyond = refs.highest_pull_request(git) + 1  # a restored backup may know refs that are younger than its rows
    with ledger.database.write() as session:
        if guard is not None:
            guard(session)
        made, _ = queries.insert(session, repo.pk, opening, viewer.user_id, now, status=OPENING, at_least=beyond)
        moved = RefUpdate(made.ref, None, sha)
        noted = hub_queries.add_pending(session, repo.pk, [moved], viewer.user_id, now)
        queries.add_intent(session, noted[0], made.pk, opening.status)
    ledger.carry_out(repo, git, moved, noted)
    return made


def merge(
    ledger: Ledger, viewer: Viewer, repo: Repo, seen: Discussion, comment: str | None, head: str | None = None
) -> None:
    """Put the pull request's changes into its branch, as one commit. Merged already: nothing happens, as it should.

    Args:
        head: its last commit, as the merger saw it: what came later they did not read.

    Raises:
        MergeConflict: both sides changed the same lines, or a big file.
        Conflict, Unprocessable: it is a draft, closed, or changes nothing.
    """
    for _ in range(ATTEMPTS):
        with ledger.writing(repo) as git:
            with ledger.database.read() as session:
                pull_request = queries.find(session, repo.pk, seen.number)
            if pull_request is None or pull_request.status is Status.MERGED:
                return
            _require_open(pull_request)
            if head not in (None, refs.commit_at(git, pull_request.ref)):
                raise Conflict(
                    "Pull request {number} has changed since you read it. Look at its changes, then merge it.",
                    number=pull_request.number,
                )
            try:
                _merge(ledger, git, viewer, repo, pull_request, comment)
            except refs.RefMoved:
                continue
            return
    raise Conflict("{ref} is being changed by others without pause. Try again in a moment.", ref=seen.base_ref)


def _require_open(pull_request: Discussion) -> None:
    if pull_request.status is Status.DRAFT:
        raise Conflict(
            "Pull request {number} is still a draft. Mark it as open, then merge it.", number=pull_request.number
        )
    if pull_request.status is not Status.OPEN:
        raise Conflict("Pull request {number} is closed. Reopen it, then merge it.", number=pull_request.number)


def _merge(
    ledger: Ledger, git: pygit2.Repository, viewer: Viewer, repo: Repo, pull_request: Discussion, comment: str | None
) -> None:
    base, head = both_heads(git, repo, pull_request)
    merged = merging.merge(git, base, head, pull_request.start_sha)
    if merged.tree is None:
        raise MergeConflict(pull_request.base, merged.conflicts)
    if merged.tree == tree_of(git, base):
        raise Unprocessable(
            "Pull request {number} changes nothing in {branch}. Commit to {ref}, then merge it.",
            number=pull_request.number,
            branch=pull_request.base,
            ref=pull_request.ref,
        )
    commits = merging.commits_of(git, base, head, pull_request.start_sha, limit=merging.MOST_COMMITS_TOLD + 1)
    committer = signature(viewer.name, ledger.clock())
    author = signature(pull_request.author.name or viewer.name, ledger.clock())
    message = merging.message(pull_request, commits, viewer.name)
    made = write_commit(git, author, message, merged.tree, [base], committer=committer)
    moved = RefUpdate(pull_request.base_ref or "", base, made)
    with ledger.database.write() as session:
        noted = hub_queries.add_pending(session, repo.pk, [moved], viewer.user_id, ledger.clock())
        queries.add_intent(session, noted[0], pull_request.pk, Status.MERGED, comment)
    ledger.carry_out(repo, git, moved, noted)


def both_heads(git: pygit2.Repository, repo: Repo, pull_request: Discussion) -> tuple[str, str]:
    """Of the branch, and of the pull request."""
    heads = []
    for ref in (pull_request.base_ref or "", pull_request.ref):
        head = refs.commit_at(git, ref)
        if head is None:
            raise RevisionNotFound(ref.removeprefix(BRANCHES), repo.name)
        heads.append(head)
    return heads[0], heads[1]
