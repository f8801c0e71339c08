"""What people can do in discussions and pull requests, as verbs. No HTTP.

Whoever acts is the first argument; `rules.py` says who may do what. That the viewer sees the repo, `Hub.get_repo` has said.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy.orm import Session

from viveiro.accounts.types import Viewer
from viveiro.errors import (
    Conflict,
    DiscussionNotFound,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    RevisionNotFound,
    Unavailable,
)
from viveiro.events import DiscussionChanged
from viveiro.hub import queries as hub_queries
from viveiro.hub.commits import CommitBuilder
from viveiro.hub.diffs import Diff, diff_commits, unified_diff
from viveiro.hub.discussions import merging, pulls, queries
from viveiro.hub.discussions.pulls import AsPullRequest
from viveiro.hub.discussions.rules import Act, require
from viveiro.hub.discussions.types import (
    ENDED,
    OPEN,
    Attachment,
    Comment,
    Discussion,
    DiscussionChange,
    DiscussionEvent,
    DiscussionQuery,
    Opening,
    Status,
    StatusChange,
    TitleChange,
)
from viveiro.hub.git import BRANCHES, MAIN
from viveiro.hub.quotas import within_quota
from viveiro.hub.service import Hub
from viveiro.hub.types import Commit, Repo
from viveiro.jobs.outbox import publish
from viveiro.storage import StoredBlob

__all__ = ["AsPullRequest", "Discussions", "begin_proposal"]

MAX_TITLE_CHARS: Final = pulls.MAX_TITLE_CHARS
MAX_COMMENT_CHARS: Final = 65_536
ATTACHMENT_TYPES: Final = {
    "image/png": 10 * 2**20,
    "image/jpeg": 10 * 2**20,
    "image/gif": 10 * 2**20,
    "image/webp": 10 * 2**20,
    "video/mp4": 50 * 2**20,
    "video/quicktime": 50 * 2**20,
    "video/webm": 50 * 2**20,
    "audio/mpeg": 10 * 2**20,
    "audio/wav": 10 * 2**20,
}
"""What may be attached to a comment, and how many bytes of it. No SVG: it is a program."""
_REACHED_FROM: Final = {
    Status.OPEN: (Status.DRAFT, Status.CLOSED),
    Status.CLOSED: OPEN,
}


class Discussions:
    """Discussions and pull requests of the hub's repos. As cheap to make as it looks."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._database = hub.database
        self._clock = hub.ledger.clock

    # Reading ----------------------------------------------------------------------------------------------------------

    def page(self, repo: Repo, query: DiscussionQuery) -> tuple[list[Discussion], int]:
        """A part of those that match, and how many do."""
        with self._database.read() as session:
            return queries.page(session, repo.pk, query)

    def count(self, repo: Repo) -> dict[Status, int]:
        with self._database.read() as session:
            return queries.count_by_status(session, repo.pk)

    def get(self, repo: Repo, number: int) -> Discussion:
        with self._database.read() as session:
            found = queries.find(session, repo.pk, number)
        if found is None:
            raise DiscussionNotFound(number, repo.name)
        return found

    def events(self, discussion: Discussion) -> Sequence[DiscussionEvent]:
        with self._database.read() as session:
            return queries.events(session, discussion.pk)

    def comment_by_id(self, discussion: Discussion, event_id: str) -> Comment:
        found = self._event(discussion, event_id)
        if not isinstance(found, Comment):
            raise NotFound("Discussion {number} has no comment {id}.", number=discussion.number, id=event_id[:40])
        return found

    # Speaking ---------------------------------------------------------------------------------------------------------

    def open(self, viewer: Viewer, repo: Repo, title: str, description: str) -> Discussion:
        require(viewer, Act.OPEN, repo)
        opening = Opening(_title(title), _text(description, required=False))
        now = self._clock()
        with self._database.write() as session:
            made, described = queries.insert(session, repo.pk, opening, viewer.user_id, now, status=Status.OPEN)
            self._tell(session, viewer, made, DiscussionChange.OPENED, described)
        return self.get(repo, made.number)

    def comment(self, viewer: Viewer, repo: Repo, discussion: Discussion, text: str) -> DiscussionEvent:
        require(viewer, Act.COMMENT, repo)
        with self._database.write() as session:
            event_id = self._add_comment(session, viewer, discussion, _text(text))
        return self._event(discussion, event_id)

    def _add_comment(self, session: Session, viewer: Viewer, discussion: Discussion, text: str) -> str:
        event_id = queries.add_comment(session, discussion.pk, viewer.user_id, text, self._clock())
        self._tell(session, viewer, discussion, DiscussionChange.COMMENTED, event_id)
        return event_id

    def edit(self, viewer: Viewer, repo: Repo, discussion: Discussion, event_id: str, text: str) -> DiscussionEvent:
        """Only its author: nobody puts words into another's mouth. What it said before is kept, and shown."""
        comment = self.comment_by_id(discussion, event_id)
        require(viewer, Act.EDIT, repo, comment.author.id)
        _refuse_hidden(comment)
        content = _text(text)
        if content == comment.content:
            return comment
        with self._database.write() as session:
            if not queries.edit_comment(session, comment, content, viewer.user_id, self._clock()):
                raise Conflict("This comment was changed or hidden since you read it. Read it again, then edit.")
            self._tell(session, viewer, discussion, DiscussionChange.EDITED, event_id)
        return self._event(discussion, event_id)

    def hide(self, viewer: Viewer, repo: Repo, discussion: Discussion, event_id: str) -> DiscussionEvent:
        """For good: what it said, and ever said, is deleted."""
        comment = self.comment_by_id(discussion, event_id)
        require(viewer, Act.HIDE, repo, comment.author.id)
        with self._database.write() as session:
            if queries.hide_comment(session, comment.pk, self._clock()):
                self._tell(session, viewer, discussion, DiscussionChange.HIDDEN, event_id)
        return self._event(discussion, event_id)

    def rename(self, viewer: Viewer, repo: Repo, discussion: Discussion, title: str) -> DiscussionEvent:
        require(viewer, Act.RENAME, repo, discussion.author.id)
        new = _title(title)
        with self._database.write() as session:
            event_id = queries.rename(session, discussion.pk, viewer.user_id, discussion.title, new, self._clock())
            self._tell(session, viewer, discussion, DiscussionChange.RENAMED, event_id)
        changed = self._event(discussion, event_id)
        assert isinstance(changed, TitleChange)
        return changed

    def change_status(
        self, viewer: Viewer, repo: Repo, discussion: Discussion, status: Status, comment: str | None = None
    ) -> DiscussionEvent:
        """To open or closed. A comment comes before it. Merging has a verb of its own."""
        require(viewer, Act.CHANGE_STATUS, repo, discussion.author.id)
        if status not in _REACHED_FROM:
            raise InvalidInput("{status} is no status to choose: it is open or closed.", status=status)
        with self._database.write() as session:
            if comment and comment.strip():
                self._add_comment(session, viewer, discussion, _text(comment))
            event_id = queries.change_status(
                session, discussion.pk, viewer.user_id, _REACHED_FROM[status], status, self._clock()
            )
            if event_id is None:
                _explain_status(queries.find(session, repo.pk, discussion.number) or discussion)
            self._tell(session, viewer, discussion, status, event_id)
        changed = self._event(discussion, event_id)
        assert isinstance(changed, StatusChange)
        return changed

    def _event(self, discussion: Discussion, event_id: str | None) -> DiscussionEvent:
        with suppress(ValueError):
            pk = int(event_id or "", 16)
            with self._database.read() as session:
                found = queries.event(session, discussion.pk, pk) if pk < 2**63 else None
            if found is not None:
                return found
        raise NotFound("Discussion {number} has no event {id}.", number=discussion.number, id=(event_id or "")[:40])

    def _tell(
        self, session: Session, viewer: Viewer, discussion: Discussion, change: str, event_id: str | None
    ) -> None:
        publish(
            session,
            DiscussionChanged(discussion.repo_pk, discussion.number, str(change), event_id, viewer.user_id),
        )

    # Pull requests ----------------------------------------------------------------------------------------------------

    def propose(self, viewer: Viewer, repo: Repo, title: str, description: str, base_ref: str = MAIN) -> Discussion:
        """A pull request without commits: a draft, until somebody says that it is ready."""
        self._hub.require_upload(viewer, repo)
        opening = Opening(_title(title), _text(description, required=False), Status.DRAFT, base_ref)
        made = pulls.propose(self._hub.ledger, viewer, repo, opening)
        return self.get(repo, made.number)

    def merge(
        self,
        viewer: Viewer,
        repo: Repo,
        discussion: Discussion,
        comment: str | None = None,
        *,
        head: str | None = None,
    ) -> Discussion:
        """`head`: the last commit that the merger has seen of it. None: whatever it is by now."""
        require(viewer, Act.MERGE, repo)
        _require_pull_request(discussion)
        text = _text(comment) if comment and comment.strip() else None
        pulls.merge(self._hub.ledger, viewer, repo, discussion, text, head)
        return self.get(repo, discussion.number)

    def conflicts(self, repo: Repo, pull_request: Discussion) -> tuple[str, ...]:
        """Files that keep an open pull request from being merged."""
        if not pull_request.is_open:
            return ()
        git = self._hub.ledger.open(repo)
        try:
            base, head = pulls.both_heads(git, repo, pull_request)
        except RevisionNotFound:  # its branch was deleted
            return ()
        return merging.conflicts(str(self._hub.repo_path(repo)), base, head, pull_request.start_sha)

    def head(self, repo: Repo, pull_request: Discussion) -> str | None:
        """Its last commit. None: its ref is lost."""
        with suppress(RevisionNotFound):
            return self._hub.resolve(repo, pull_request.ref)
        return None

    def commits(self, repo: Repo, pull_request: Discussion, *, limit: int = 250) -> list[Commit]:
        """What it adds, oldest first."""
        found = self._span(repo, pull_request)
        if found is None:
            return []
        base, head = found
        return merging.commits_of(self._hub.ledger.open(repo), base, head, pull_request.start_sha, limit=limit)

    def diff(self, repo: Repo, pull_request: Discussion) -> Diff:
        """All that it changes, against where it parted from its branch."""
        git = self._hub.ledger.open(repo)
        found = self._span(repo, pull_request)
        return diff_commits(git, *found) if found is not None else Diff((), 0)

    def unified_diff(self, repo: Repo, pull_request: Discussion) -> str:
        """The same, as `git diff` says it."""
        git = self._hub.ledger.open(repo)
        found = self._span(repo, pull_request)
        return unified_diff(git, *found) if found is not None else ""

    def _span(self, repo: Repo, pull_request: Discussion) -> tuple[str, str] | None:
        """The commits that it lies between. None: its ref is lost, which `fsck` tells."""
        git = self._hub.ledger.open(repo)
        with suppress(RevisionNotFound):
            head = self._hub.resolve(repo, pull_request.ref)
            base = self._base_head(repo, pull_request) or head
            return merging.merge_base(git, base, head, pull_request.start_sha) or base, head
        return None

    def _base_head(self, repo: Repo, pull_request: Discussion) -> str | None:
        """Of a merged one, the branch before the merge; its start, when its branch is gone."""
        git = self._hub.ledger.open(repo)
        if pull_request.merge_sha is not None and pull_request.merge_sha in git:
            return self._hub.commit(repo, pull_request.merge_sha).parents[0]
        with suppress(RevisionNotFound):
            return self._hub.resolve(repo, pull_request.base_ref or MAIN)
        return pull_request.start_sha if pull_request.start_sha and pull_request.start_sha in git else None

    # Attachments ------------------------------------------------------------------------------------------------------

    def attach(self, viewer: Viewer, stored: StoredBlob, content_type: str) -> Attachment:
        """A file that the blob store holds by now gets a name that nobody can guess."""
        if viewer.user_id is None:
            raise NotAuthenticated
        attachment = Attachment(secrets.token_urlsafe(24), stored.sha256, stored.size, content_type)
        with self._database.write() as session:
            hub_queries.insert_blob(session, stored.sha256, stored.size)
            with within_quota(session, viewer.user_id, self._hub.settings.storage_quota_bytes):
                queries.insert_attachment(session, attachment, viewer.user_id, self._clock())
            if self._hub.blobs.size(stored.sha256) != stored.size:  # as in `Hub.grant_blob`
                raise Unavailable("The uploaded file has just been swept away. Upload it again.")
        return attachment

    def attachment(self, attachment_id: str) -> Attachment:
        with self._database.read() as session:
            found = queries.find_attachment(session, attachment_id)
        if found is None:
            raise NotFound("No such attachment.")
        return found


def begin_proposal(hub: Hub, viewer: Viewer, repo: Repo, base: str) -> tuple[CommitBuilder, AsPullRequest]:
    """A commit that becomes a pull request to the branch `base` when it is finished."""
    hub.require_upload(viewer, repo)
    ref = f"{BRANCHES}{base}"
    hub.resolve(repo, ref)
    into = AsPullRequest(hub.ledger, viewer, repo, ref)
    return CommitBuilder(into, large_bytes=hub.settings.lfs_threshold_bytes), into


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not 1 <= len(title) <= MAX_TITLE_CHARS:
        raise InvalidInput("A title is one line of 1 to {most} characters.", most=MAX_TITLE_CHARS)
    return _storable(title)


def _text(text: str, *, required: bool = True) -> str:
    content = _storable(text.replace("\r\n", "\n").strip())
    if required and not content:
        raise InvalidInput("Write something first: an empty comment says nothing.")
    if len(content) > MAX_COMMENT_CHARS:
        raise InvalidInput(
            "This text has {count} characters; {most} are as many as one comment may have.",
            count=len(content),
            most=MAX_COMMENT_CHARS,
        )
    return content


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL, and no half of a character."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _refuse_hidden(comment: Comment) -> None:
    if comment.hidden:
        raise Conflict("This comment was hidden, and stays so.")


def _require_pull_request(discussion: Discussion) -> None:
    if not discussion.is_pull_request:
        raise InvalidInput("{number} is a discussion: there is nothing to merge.", number=discussion.number)


def _explain_status(discussion: Discussion) -> None:
    if discussion.status is Status.MERGED:
        raise Conflict("Pull request {number} has been merged, and stays so.", number=discussion.number)
    if discussion.status in ENDED:
        raise Conflict("{number} is closed already.", number=discussion.number)
    raise Conflict("{number} is open already.", number=discussion.number)
