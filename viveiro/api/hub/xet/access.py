"""Xet's own access tokens: signed, short-lived, for one repo. They say who asked; what these may do is looked up again each time."""

import hmac
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from fastapi import Depends, Path, Request

from viveiro.accounts.service import viewer_of_token, viewer_of_user
from viveiro.accounts.types import ANONYMOUS, TokenRole, Viewer
from viveiro.db import Database, utc_now
from viveiro.errors import InvalidInput, NotAuthenticated, RepoNotFound
from viveiro.http.dependencies import DatabaseDep, HubDep, SettingsDep
from viveiro.http.signing import InvalidLink, sign, unsign
from viveiro.http.urls import public_url
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.hub.xet.hashing import is_hash
from viveiro.hub.xet.service import Sender
from viveiro.settings import Settings
from viveiro.types import Action, RepoId, RepoKind, RepoRef

LIFETIME: Final = timedelta(minutes=15)
"""Clients renew theirs a minute before its end, by asking where they got it."""
CAS: Final = "/api/xet/{cache}"
"""Below this address hf-xet finds all that it calls the content-addressed store."""

Scope = Literal["read", "write"]


class InvalidXetToken(NotAuthenticated):
    def __init__(self) -> None:
        super().__init__("This Xet access token has expired, or is none of this hub's. Ask the repo for a new one.")


@dataclass(frozen=True, slots=True)
class Access:
    """Whose token it is, and for which repo."""

    kind: str
    repo_id: str
    storage_key: str
    """The repo itself: one created later under the same name is another."""
    user_id: int | None
    token_id: int | None
    """The hub's access token that they showed."""
    proposes: bool = False
    """They may not write to the repo, and send content for a pull request."""

    @classmethod
    def to(cls, repo: Repo, viewer: Viewer, *, proposes: bool = False) -> Self:
        token_id = viewer.scope.token_id if viewer.scope else None
        return cls(repo.kind, repo.name, repo.storage_key, viewer.user_id, token_id, proposes)

    def viewer(self, database: Database) -> Viewer:
        with database.read() as session:
            if self.token_id is not None:
                return viewer_of_token(session, self.token_id)
            return ANONYMOUS if self.user_id is None else viewer_of_user(session, self.user_id)

    def repo(self, viewer: Viewer, hub: Hub, scope: Scope) -> Repo:
        """Raises when it may no longer be used."""
        ref = RepoRef(RepoKind(self.kind), RepoId.parse(self.repo_id))
        writes = scope == "write" and not self.proposes
        repo = hub.get_repo(viewer, ref, Action.WRITE if writes else Action.READ, follow=True)
        hub.require_files(viewer, repo)
        if scope == "write":
            hub.require_upload(viewer, repo)
        if repo.storage_key != self.storage_key:
            raise RepoNotFound(ref.repo_id, ref.kind)
        return repo


def issue(settings: Settings, access: Access, scope: Scope) -> str:
    return sign(_key(settings), f"xet.{scope}", asdict(access), now=utc_now(), lifetime=LIFETIME)


def cas_url(request: Request, settings: Settings, viewer: Viewer) -> str:
    """Where this viewer's client finds the store.

    hf-xet remembers by this address which chunks are here. Two who share a machine and not their rights must not share that
    memory: what one has sent is not there for the other.
    """
    cache = hmac.digest(_key(settings).encode(), f"xet.cache.{sender_name(viewer)}".encode(), "sha256")[:8].hex()
    return public_url(request) + CAS.format(cache=cache)


def sender_name(viewer: Viewer) -> str:
    """Whoever shows an access token for some repos only may build no files from what others of their tokens sent."""
    if viewer.scope is not None and viewer.scope.role is TokenRole.FINE_GRAINED:
        return f"token-{viewer.scope.token_id}"
    return f"user-{viewer.user_id}"


def _key(settings: Settings) -> str:
    assert settings.secret_key is not None  # `app.with_secret_key` made one
    return settings.secret_key.get_secret_value()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and from which repo."""

    access: Access
    viewer: Viewer
    repo: Repo


def _accepted(request: Request, settings: Settings, *scopes: Scope) -> Access:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    for scope in scopes if scheme.lower() == "bearer" else ():
        try:
            return Access(**unsign(_key(settings), f"xet.{scope}", token.strip(), now=utc_now()))
        except InvalidLink:
            continue
    raise InvalidXetToken


def _reader(request: Request, settings: SettingsDep, database: DatabaseDep, hub: HubDep) -> Reader:
    """A write token reads too: whoever may write to a repo may read it."""
    access = _accepted(request, settings, "read", "write")
    viewer = access.viewer(database)
    return Reader(access, viewer, access.repo(viewer, hub, "read"))


def _sender(request: Request, settings: SettingsDep, database: DatabaseDep, hub: HubDep) -> Sender:
    access = _accepted(request, settings, "write")
    viewer = access.viewer(database)
    return Sender(viewer, sender_name(viewer), access.repo(viewer, hub, "write"), access.proposes)


ReaderDep = Annotated[Reader, Depends(_reader)]
SenderDep = Annotated[Sender, Depends(_sender)]


async def _hash(hash: Annotated[str, Path()]) -> str:
    if not is_hash(hash):
        raise InvalidInput("{text!r} is no hash of Xet: these have 64 lower-case hexadecimal digits.", text=hash[:80])
    return hash


HashDep = Annotated[str, Depends(_hash)]


def sign_data_link(settings: Settings, access: Access, layout_id: int, xorb: str, lifetime: timedelta) -> str:
    fields = {**asdict(access), "layout_id": layout_id, "xorb": xorb}
    return sign(_key(settings), "xet.data", fields, now=utc_now(), lifetime=lifetime)


def read_data_link(settings: Settings, xorb: str, signed: str) -> tuple[Access, int]:
    """Who may fetch, and the layout that says what. Raises InvalidLink."""
    fields = unsign(_key(settings), "xet.data", signed, now=utc_now())
    layout_id, linked = fields.pop("layout_id"), fields.pop("xorb")
    if linked != xorb:
        raise InvalidLink
    return Access(**fields), layout_id
