"""What is told to a webhook, in the shape that the Hub sends and `huggingface_hub.WebhookPayload` reads. Pure."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from viveiro.hub.discussions.types import Comment, Discussion
from viveiro.types import RepoId, RepoKind, RepoRef, Resource, Visibility

VERSION: Final = 3
"""Of the payload: the only one that clients know."""


@dataclass(frozen=True, slots=True)
class ToldRepo:
    """A repo as a payload describes it. `head_sha` and `tags` are unknown of one that was deleted."""

    pk: int
    ref: RepoRef
    owner_id: int
    visibility: Visibility
    head_sha: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(self.owner_id, str(self.ref.repo_id), self.visibility)


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, as in `update` of `repo.content`; `more` are the fields that this kind of event has besides."""

    action: str
    scope: str
    more: Mapping[str, Any] = field(default_factory=dict)


def object_id(number: int) -> str:
    """Numbers in the shape of the Hub's ids."""
    return f"{number:024x}"


def payload(webhook_id: str, base_url: str, happening: Happening, repo: ToldRepo) -> dict[str, Any]:
    head = {"headSha": repo.head_sha, "head_sha": repo.head_sha} if repo.head_sha else {}
    return {
        "event": {"action": happening.action, "scope": happening.scope},
        "repo": {
            "type": repo.ref.kind.value,
            "name": str(repo.ref.repo_id),
            "id": object_id(repo.pk),
            "private": repo.visibility is Visibility.PRIVATE,
            "url": {
                "web": f"{base_url}/{repo.ref.url_path}",
                "api": f"{base_url}/api/{repo.ref.kind.value}s/{repo.ref.repo_id}",
            },
            "owner": {"id": object_id(repo.owner_id)},
            "tags": list(repo.tags),
            **head,
        },
        "webhook": {"id": webhook_id, "version": VERSION},
        **happening.more,
    }


def refs_updated(updates: Sequence[tuple[str, str | None, str | None]]) -> Happening:
    """Refs that moved: each with where from and where to, None for nowhere."""
    told = [{"ref": ref, "oldSha": old, "newSha": new} for ref, old, new in updates]
    return Happening("update", "repo.content", {"updatedRefs": told})


def moved(new_name: str, new_owner_id: int) -> Happening:
    return Happening("move", "repo", {"movedTo": {"name": new_name, "owner": {"id": object_id(new_owner_id)}}})


def discussion_changed(
    address: str, api: str, discussion: Discussion, change: str, comment: Comment | None
) -> Happening:
    """`address` and `api` are those of the discussion; `comment` is the one that was written, edited or hidden."""
    told: dict[str, Any] = {
        "discussion": {
            "id": object_id(discussion.pk),
            "num": discussion.number,
            "title": discussion.title,
            "status": discussion.status.value,
            "isPullRequest": discussion.is_pull_request,
            "author": {"id": object_id(discussion.author.id or 0)},
            "url": {"web": address, "api": api},
        }
    }
    if discussion.base_ref is not None:
        changes = {"base": discussion.base_ref, "mergeCommitId": discussion.merge_sha}
        told["discussion"]["changes"] = {name: value for name, value in changes.items() if value is not None}
    if comment is not None:
        told["comment"] = {
            "id": comment.id,
            "author": {"id": object_id(comment.author.id or 0)},
            "hidden": comment.hidden,
            "url": {"web": f"{address}#{comment.id}"},
            **({} if comment.hidden else {"content": comment.content}),
        }
    return Happening(*_SCOPES.get(change, ("update", "discussion")), told)


def without_hidden(content: Mapping[str, Any]) -> dict[str, Any]:
    """What was said in a comment that has been hidden since is not told any more."""
    comment = {name: value for name, value in content["comment"].items() if name != "content"}
    return {**content, "comment": {**comment, "hidden": True}}


_SCOPES: Final = {
    "opened": ("create", "discussion"),
    "commented": ("create", "discussion.comment"),
    "edited": ("update", "discussion.comment"),
    "hidden": ("update", "discussion.comment"),
}
"""Of a discussion's changes; all others update the discussion itself."""


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 under the secret over the timestamp, a full stop and the body.

    The timestamp is signed too, so that what was overheard once cannot be sent again later.
    """
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def told_from(about: Mapping[str, Any], pk: int) -> ToldRepo:
    """A repo as it was when something happened to it."""
    kind = RepoKind(about["kind"])
    ref = RepoRef(kind, RepoId(*str(about["name"]).split("/")))
    return ToldRepo(pk, ref, about["owner_id"], Visibility(about["visibility"]))
