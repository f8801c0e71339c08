"""The whole application, with its pages, behind a real server, and browsers of people who are known there."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from tests.unit.http.conftest import serve_in_thread
from viveiro.accounts.passwords import hash_password
from viveiro.accounts.secrets import fingerprint, new_secret
from viveiro.accounts.service import create_organization, create_user, get_account, viewer_of_user
from viveiro.accounts.tables import AccountRow, BrowserSessionRow
from viveiro.accounts.types import Viewer
from viveiro.app import create_app
from viveiro.db import Base, Database, utc_now
from viveiro.http.sign_in import SESSION_COOKIE
from viveiro.hub.service import Hub
from viveiro.hub.types import AddFile
from viveiro.settings import Settings
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

if TYPE_CHECKING:
    from tests.unit.training.conftest import Nursery

PASSWORD = "correct horse"
"""Everyone's, here."""
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Accept-Language": "en"}
HTMX = {"HX-Request": "true"}


@dataclass
class Site:
    """`browser("alice")` is a browser in which she is signed in, `browser()` a stranger's. None follows redirects by itself."""

    url: str
    app: FastAPI
    browsers: list[httpx.Client] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def database(self) -> Database:
        return self.app.state.database

    @property
    def hub(self) -> Hub:
        return self.app.state.hub

    @property
    def settings(self) -> Settings:
        return self.app.state.settings

    def browser(self, name: str | None = None, **headers: str) -> httpx.Client:
        client = httpx.Client(
            base_url=self.url, headers={**BROWSER, "Origin": self.url, **headers}, trust_env=False, timeout=60
        )
        self.browsers.append(client)
        if name is not None:
            client.cookies.set(SESSION_COOKIE, self.session_of(name), domain="127.0.0.1", path="/")
        return client

    def session_of(self, name: str) -> str:
        """A browser session as signing in makes it, without the third of a second that hashing takes."""
        secret, now = new_secret(), utc_now()
        with self.database.write() as session:
            user = get_account(session, name)
            session.add(
                BrowserSessionRow(
                    sha256=fingerprint(secret), user_id=user.id, created_at=now, expires_at=now + timedelta(hours=1)
                )
            )
        return secret

    def viewer(self, name: str) -> Viewer:
        with self.database.read() as session:
            return viewer_of_user(session, get_account(session, name).id)

    def new_repo(
        self,
        kind: str = "model",
        *,
        files: dict[str, str | bytes] | None = None,
        private: bool = False,
        owner: str = "alice",
        namespace: str | None = None,
        name: str | None = None,
    ) -> RepoRef:
        """A repo that no other test has, with these files in a commit of their own."""
        repo_id = RepoId(namespace or owner, name or f"{kind}-{next(self.numbers)}")
        visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
        ref = RepoRef(RepoKind(kind), repo_id)
        self.hub.create_repo(self.viewer(owner), ref, visibility=visibility)
        if files:
            self.commit(ref, files, by=owner)
        return ref

    def commit(
        self, ref: RepoRef, files: dict[str, str | bytes], *, title: str = "Add files", by: str = "alice"
    ) -> str:
        """The new commit's sha."""
        viewer = self.viewer(by)
        builder = self.hub.begin_commit(viewer, self.hub.get_repo(viewer, ref), "main")
        for path, content in files.items():
            builder.add(AddFile(path, content.encode() if isinstance(content, str) else content))
        return builder.finish(title).oid


@contextmanager
def serve_site(data_dir: Path, everyones_hash: str, **settings: object) -> Iterator[Site]:
    """Ada administers the installation; Alice administers acai; Bob is a stranger to both. No worker and no supervisor."""
    app = create_app(Settings(data_dir=data_dir, secret_key="x" * 32, **settings))
    database: Database = app.state.database
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        create_user(session, "ada", is_admin=True, fullname="Ada Araçá")
        alice = create_user(session, "alice", fullname="Alice Açaí", email="alice@example.org")
        create_user(session, "bob")
        create_organization(session, "acai", creator=viewer_of_user(session, alice.id), fullname="Açaí Ltda.")
        session.execute(update(AccountRow).where(AccountRow.kind == "user").values(password_hash=everyones_hash))
    with serve_in_thread(app) as url:
        site = Site(url, app)
        yield site
        for client in site.browsers:
            client.close()


@pytest.fixture(scope="session")
def everyones_hash() -> str:
    """argon2id takes its time: once is enough."""
    return hash_password(PASSWORD)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, everyones_hash: str) -> Iterator[Site]:
    """Shared by the tests of a file, so each makes repos of its own."""
    with serve_site(tmp_path_factory.mktemp("site"), everyones_hash) as site:
        yield site


@pytest.fixture
def fresh_site(tmp_path: Path, everyones_hash: str) -> Iterator[Site]:
    """For what depends on all that is there."""
    with serve_site(tmp_path, everyones_hash) as site:
        yield site


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.silent += tag in ("script", "style", "title")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style", "title")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)


def text_of(html: str) -> str:
    """What people read of a page, in one line."""
    parser = _Text()
    parser.feed(html.replace("<wbr>", ""))  # where a line may break, nobody reads anything
    return " ".join(" ".join(parser.parts).split())


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset and an encoder, as folders to publish: what runs are made of."""
    from tests.unit.datasets.tables import csv_text, import_bytes
    from tests.unit.ml.tiny import make_encoder

    rows = [(f"{word} number {number}", word) for number in range(30) for word in ("pump", "<b>invoice</b>")]
    dataset = import_bytes(csv_text(rows).encode(), tmp_path_factory.mktemp("tickets"))[1]
    return dataset, make_encoder(tmp_path_factory.mktemp("base") / "encoder")


@pytest.fixture(scope="module")
def nursery(site: Site, grown: tuple[Path, Path]) -> "Nursery":
    """Alice's runs on the site, worked off in this process when a test says so. One of their classes is HTML."""
    return nursery_of(site, grown)


def nursery_of(site: Site, grown: tuple[Path, Path]) -> "Nursery":
    from tests.unit.training.conftest import BASE, Nursery
    from viveiro.datasets.service import dataset_ref
    from viveiro.hub.folders import Publication, Publisher

    nursery = object.__new__(Nursery)  # its own house is this site
    nursery.database, nursery.settings, nursery.hub = site.database, site.settings, site.hub
    nursery.alice, nursery.bob = site.viewer("alice"), site.viewer("bob")
    nursery.publisher = Publisher(site.hub, nursery.alice)
    dataset, encoder = grown
    nursery.publisher.publish(dataset, dataset_ref("alice/tickets"), Publication("Import", "Test: dataset"))
    nursery.publisher.publish(encoder, BASE, Publication("Import", "Test: encoder"))
    return nursery
