"""What every page of a repo has on top: whose it is, what it is, where its other pages are, and what this viewer may do with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from fastapi import Request

from viveiro.accounts.service import can
from viveiro.accounts.types import Viewer
from viveiro.errors import Conflict, Forbidden, NotAuthenticated, NotFound
from viveiro.http.repo_addresses import locate_folder
from viveiro.http.urls import public_url
from viveiro.hub.discussions.rules import Act, may
from viveiro.hub.discussions.service import Discussions
from viveiro.hub.discussions.types import OPEN
from viveiro.hub.gates import access_request_of, count_access_requests, form_of
from viveiro.hub.git import PULL_REQUESTS
from viveiro.hub.listing import liked_repos
from viveiro.hub.service import Hub
from viveiro.hub.types import AccessRequest, AccessStatus, Repo
from viveiro.types import Action, RepoRef

Tab: TypeAlias = Literal["card", "files", "commits", "discussions", "access", "settings"]


@dataclass(frozen=True, slots=True)
class RepoHead:
    """Drawn by `repos/_head.html`, in a page that has it as its field `head`.

    `base` is the repo's address, such as `/acai/x` or `/datasets/acai/x`; `revision` is what the page shows, by the name that
    its address gave it; `tabs` are triples of tab, address and count.
    """

    repo: Repo
    base: str
    tab: Tab
    tabs: tuple[tuple[Tab, str, int | None], ...]
    revision: str
    branches: tuple[str, ...]
    tags: tuple[str, ...]
    likes: int
    liked: bool
    may_write: bool
    may_admin: bool
    may_read_files: bool
    access: AccessRequest | None
    """The viewer's own request for what they may not read."""
    gate_asks: bool
    """Whether the owner wants to tell or to know something before one may ask."""
    editing: Literal["commit", "propose"] | None
    """What this viewer can do about what is shown: change it, or only propose a change."""
    clone_url: str
    licences: tuple[str, ...]
    languages: tuple[str, ...]

    def at(self, verb: str, path: str = "", revision: str | None = None) -> str:
        """The address of a file or folder: `head.at("blob", "a b.md")`. `verb` is also `tree`, `resolve`, `edit`, …"""
        return place_address(self.base, verb, revision or self.revision, path)


def repo_head(request: Request, viewer: Viewer, hub: Hub, repo: Repo, *, tab: Tab, revision: str = "main") -> RepoHead:
    base = f"/{repo.ref.url_path}"
    refs = hub.refs(repo)
    said = Discussions(hub).count(repo)
    may_admin = can(viewer, Action.ADMIN, repo.resource)
    may_read = hub.may_read_files(viewer, repo)
    named = next((ref.target for ref in (*refs.branches, *refs.tags) if ref.name == revision), None)
    commits = hub.count_commits(repo, named) if named is not None else None
    tabs: list[tuple[Tab, str, int | None]] = [
        ("card", base, None),
        ("files", place_address(base, "tree", revision), None),
        ("commits", place_address(base, "commits", revision), commits),
        ("discussions", f"{base}/discussions", sum(found for status, found in said.items() if status in OPEN) or None),
    ]
    may_write = can(viewer, Action.WRITE, repo.resource)
    if may_write and repo.gated is not None:
        waiting = count_access_requests(hub, repo).get(AccessStatus.PENDING)
        tabs.append(("access", f"{base}/settings/access", waiting))
    if may_admin:
        tabs.append(("settings", f"{base}/settings", None))
    return RepoHead(
        repo=repo,
        base=base,
        tab=tab,
        tabs=tuple(tabs),
        revision=revision,
        branches=tuple(ref.name for ref in refs.branches),
        tags=tuple(ref.name for ref in refs.tags),
        likes=repo.likes,
        liked=_likes(hub, viewer, repo),
        may_write=may_write,
        may_admin=may_admin,
        may_read_files=may_read,
        access=None if may_read else access_request_of(hub, viewer, repo),
        gate_asks=form_of(repo.card) != form_of({}),
        editing=_editing(hub, viewer, repo, revision, is_branch=any(ref.name == revision for ref in refs.branches)),
        clone_url=f"{public_url(request)}{base}",
        licences=texts(repo.card.get("license")),
        languages=texts(repo.card.get("language")),
    )


def _editing(
    hub: Hub, viewer: Viewer, repo: Repo, revision: str, *, is_branch: bool
) -> Literal["commit", "propose"] | None:
    """Branches and pull requests grow; tags and commits stay as they are."""
    if is_branch and can(viewer, Action.WRITE, repo.resource):
        return "commit"
    if is_branch:
        may_propose = hub.may_read_files(viewer, repo) and may(viewer, Act.PROPOSE, repo.resource)
        return "propose" if may_propose else None
    if not revision.startswith(PULL_REQUESTS):
        return None
    try:
        hub.require_committer(viewer, repo, revision)
    except (NotAuthenticated, Forbidden, Conflict, NotFound):
        return None
    return "commit"


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder that an address names and the viewer may read. `path` is empty for the revision as a whole."""

    repo: Repo
    revision: str
    sha: str
    path: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


def find_place(hub: Hub, viewer: Viewer, ref: RepoRef, rest: Sequence[str], action: Action = Action.READ) -> Place:
    """`rest`: the parts of the address after the verb."""
    repo = hub.get_repo(viewer, ref, action)
    hub.require_files(viewer, repo)
    return Place(repo, *locate_folder(hub, repo, rest))


def place_address(base: str, verb: str, revision: str, path: str = "") -> str:
    """Branches may hold slashes, files anything: each is quoted so that it comes back as it was."""
    return "/".join(filter(None, [base, verb, quote(revision, safe=""), quote(path)]))


def texts(value: Any) -> tuple[str, ...]:
    """What a card gives as a text or a list of them. Cards may hold anything: other things are left out."""
    values = value if isinstance(value, list) else [value]
    return tuple(item for item in values if isinstance(item, str) and item)


def _likes(hub: Hub, viewer: Viewer, repo: Repo) -> bool:
    if viewer.user_id is None:
        return False
    with hub.database.read() as session:
        found = liked_repos(session, viewer, viewer.user_id, after=repo.pk - 1, limit=1)
    return bool(found) and found[0].repo_pk == repo.pk
