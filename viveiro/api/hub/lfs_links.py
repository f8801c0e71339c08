"""Links that the LFS batch route gives out: signed, and saying all that is needed.

Who asked, for which repo, for which content. Whoever follows one sends no credential; what its owner may do is looked up
again each time.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Self

from fastapi import Depends

from viveiro.accounts.service import viewer_of_user
from viveiro.accounts.types import ANONYMOUS
from viveiro.db import Database, utc_now
from viveiro.errors import RepoNotFound
from viveiro.http.dependencies import SettingsDep
from viveiro.http.signing import InvalidLink, sign, unsign
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.storage import PartialUpload
from viveiro.types import Action, RepoId, RepoKind, RepoRef


@dataclass(frozen=True, slots=True)
class Link:
    """What the bearer of a link may send or fetch."""

    kind: str
    repo_id: str
    storage_key: str
    """The repo itself: one created later under the same name is another."""
    user_id: int | None
    oid: str
    size: int
    part_bytes: int = 0

    @classmethod
    def to(cls, repo: Repo, user_id: int | None, oid: str, size: int, part_bytes: int = 0) -> Self:
        return cls(repo.kind, repo.name, repo.storage_key, user_id, oid, size, part_bytes)

    @property
    def upload(self) -> PartialUpload:
        """Its id follows from what is uploaded and where to: asking again, after any crash, finds the parts again."""
        what = f"{self.storage_key}.{self.oid}.{self.size}.{self.part_bytes}"
        return PartialUpload(sha256(what.encode()).hexdigest()[:32], self.size, self.part_bytes)

    def repo(self, database: Database, hub: Hub, action: Action) -> Repo:
        """Raises when the one it was given to may no longer do this."""
        with database.read() as session:
            viewer = ANONYMOUS if self.user_id is None else viewer_of_user(session, self.user_id)
        ref = RepoRef(RepoKind(self.kind), RepoId.parse(self.repo_id))
        repo = hub.get_repo(viewer, ref, follow=True)
        hub.require_files(viewer, repo)
        if action is not Action.READ:
            hub.require_upload(viewer, repo)
        if repo.storage_key != self.storage_key:
            raise RepoNotFound(ref.repo_id, ref.kind)
        return repo


def sign_link(settings: Settings, link: Link, action: Action, lifetime: timedelta) -> str:
    """As a query: logs keep addresses, and must not keep these."""
    return f"link={sign(_key(settings), f'lfs.{action}', asdict(link), now=utc_now(), lifetime=lifetime)}"


def _read_link(settings: Settings, oid: str, action: Action, signed: str) -> Link:
    link = Link(**unsign(_key(settings), f"lfs.{action}", signed, now=utc_now()))
    if link.oid != oid:
        raise InvalidLink
    return link


def _key(settings: Settings) -> str:
    assert settings.secret_key is not None  # `app.with_secret_key` made one
    return settings.secret_key.get_secret_value()


async def _upload_link(oid: str, link: str, settings: SettingsDep) -> Link:
    return _read_link(settings, oid, Action.WRITE, link)


async def _download_link(oid: str, link: str, settings: SettingsDep) -> Link:
    return _read_link(settings, oid, Action.READ, link)


UploadLink = Annotated[Link, Depends(_upload_link)]
DownloadLink = Annotated[Link, Depends(_download_link)]
