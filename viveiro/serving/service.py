"""Which models are served, as verbs. Deploying pins a commit; what runs is the business of `hosts`."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from viveiro.accounts.service import can, may_infer, may_see, record
from viveiro.accounts.types import SYSTEM, Viewer
from viveiro.db import Database, utc_now
from viveiro.errors import EntryNotFound, Forbidden, NotAuthenticated, RepoNotFound
from viveiro.hub.check_outs import is_checked_out
from viveiro.hub.folders import check_out
from viveiro.hub.pickles import may_hold_pickles
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.locale import Sentence
from viveiro.ml.tasks import tasks
from viveiro.serving import queries
from viveiro.serving.tables import EndpointRow
from viveiro.serving.types import Endpoint, EndpointNotFound, NotServable
from viveiro.settings import Settings
from viveiro.types import Action, RepoId, RepoKind, RepoRef

LARGEST_CONFIG: Final = 2**20


def deploy(hub: Hub, viewer: Viewer, repo_id: RepoId, revision: str = "main", engine: str = "auto") -> Endpoint:
    """`choose` and `save` in one, for who does not care whether the model loads."""
    return save(hub.database, viewer, choose(hub, viewer, repo_id, revision, engine))


def choose(hub: Hub, viewer: Viewer, repo_id: RepoId, revision: str = "main", engine: str = "auto") -> Endpoint:
    """What `save` would serve: what the revision is now.

    Raises:
        RepoNotFound, Forbidden, RevisionNotFound: as for any change to the repo.
        NotServable: no task knows what to do with its files.
    """
    repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, repo_id), Action.WRITE, follow=True)
    sha = hub.resolve(repo, revision)
    task = _recognise(hub, repo, sha)
    return Endpoint(repo.pk, repo.resource, revision, sha, task, engine, viewer.name, utc_now())


def save(database: Database, viewer: Viewer, endpoint: Endpoint) -> Endpoint:
    """Want it from now on. An endpoint that the repo has already moves to it.

    Raises:
        RepoNotFound: its repo is not there any more.
    """
    row = EndpointRow(
        repo_id=endpoint.repo_pk,
        revision=endpoint.revision,
        sha=endpoint.sha,
        task=endpoint.task,
        engine=endpoint.engine,
        owner_id=viewer.user_id,
        created_at=endpoint.created_at,
    )
    try:
        with database.write() as session:
            queries.save_endpoint(session, row)
            record(session, viewer, "endpoint.deploy", endpoint.repo, revision=endpoint.revision, sha=endpoint.sha)
    except IntegrityError:  # it was deleted since it was chosen, which may be a minute ago: a model has to load
        raise RepoNotFound(endpoint.repo, RepoKind.MODEL) from None
    return endpoint


def served_now(database: Database, repo_id: RepoId) -> Endpoint | None:
    with database.read() as session:
        found = queries.find_model(session, repo_id)
    return found[1] if found is not None else None


def undeploy(database: Database, viewer: Viewer, repo_id: RepoId) -> Endpoint:
    """What is gone now."""
    endpoint = info(database, viewer, repo_id)
    if not can(viewer, Action.WRITE, endpoint.resource):
        if viewer.is_anonymous:
            raise NotAuthenticated
        raise Forbidden("Stopping an endpoint takes write access to {repo}. Ask its owner.", repo=endpoint.repo)
    with database.write() as session:
        queries.delete_endpoint(session, endpoint.repo_pk)
        record(session, viewer, "endpoint.undeploy", endpoint.repo, sha=endpoint.sha)
    return endpoint


def info(database: Database, viewer: Viewer, repo_id: RepoId) -> Endpoint:
    with database.read() as session:
        found = queries.find_model(session, repo_id)
    if found is None or not may_see(viewer, found[0]):
        raise RepoNotFound(repo_id, RepoKind.MODEL)
    if found[1] is None:
        raise EndpointNotFound(repo_id)
    return found[1]


def list_endpoints(database: Database, viewer: Viewer) -> list[Endpoint]:
    """Those whose repos the viewer may see, newest first."""
    with database.read() as session:
        endpoints = queries.all_endpoints(session)
    return [endpoint for endpoint in endpoints if may_see(viewer, endpoint.resource)]


def wanted_endpoints(database: Database) -> list[Endpoint]:
    with database.read() as session:
        return queries.all_endpoints(session)


def find_served(database: Database, viewer: Viewer, repo_id: RepoId) -> Endpoint:
    """The endpoint that a request to the model goes to.

    An access token that may infer and not read reaches the model without seeing the repo, so this asks for no read
    access; to anyone else a private model is missing.
    """
    with database.read() as session:
        found = queries.find_model(session, repo_id, viewer)
    if found is None:
        raise RepoNotFound(repo_id, RepoKind.MODEL)
    resource, endpoint = found
    if not may_infer(viewer, resource):
        _refuse(viewer, repo_id, seen=may_see(viewer, resource))
    if endpoint is None:
        raise EndpointNotFound(repo_id)
    return endpoint


def check_out_model(hub: Hub, settings: Settings, endpoint: Endpoint) -> Path:
    """The endpoint's files as a folder, made once for each commit."""
    folder = settings.models_dir / endpoint.sha
    if is_checked_out(folder):
        return folder
    repo = hub.get_repo(SYSTEM, RepoRef(RepoKind.MODEL, RepoId.parse(endpoint.repo)), follow=True)
    return check_out(hub, repo, endpoint.sha, folder)


def _refuse(viewer: Viewer, repo_id: RepoId, *, seen: bool) -> None:
    if not seen:
        raise RepoNotFound(repo_id, RepoKind.MODEL)
    if viewer.is_anonymous:
        raise NotAuthenticated(
            "Running {repo_id} takes an access token that may infer: Authorization: Bearer hf_… "
            "To make one: viveiro tokens create --name app --role inference",
            repo_id=repo_id,
        )
    raise Forbidden(
        "This access token may not run {repo_id}. Use one of role inference or write: "
        "viveiro tokens create --name app --role inference",
        repo_id=repo_id,
    )


def _recognise(hub: Hub, repo: Repo, sha: str) -> str:
    files = {entry.path for entry in hub.list_tree(repo, sha, recursive=True) if entry.type == "file"}
    if not any(path.endswith(".safetensors") for path in files):
        raise NotServable(repo.name, _without_safetensors(files))
    config = _read_config(hub, repo, sha)
    for name in tasks:
        if tasks[name].recognises(config, files):
            return name
    raise NotServable(repo.name, Sentence("its config.json names no kind of model that a task serves"))


def _without_safetensors(files: Collection[str]) -> Sentence:
    pickles = sorted(path for path in files if may_hold_pickles(path))
    if not pickles:
        return Sentence("it holds no safetensors")
    return Sentence(
        "it holds no safetensors, and {pickle} is a pickle, which is never opened here. To convert it: load it with transformers "
        "on a machine you trust, save_pretrained(FOLDER), viveiro models import FOLDER --name …",
        pickle=pickles[0],
    )


def _read_config(hub: Hub, repo: Repo, sha: str) -> Mapping[str, Any]:
    try:
        entry = hub.entry(repo, sha, "config.json")
    except EntryNotFound:
        raise NotServable(repo.name, Sentence("it holds no config.json")) from None
    if entry.lfs is not None or entry.size > LARGEST_CONFIG:
        raise NotServable(repo.name, Sentence("its config.json is too large to be one"))
    try:
        config = json.loads(hub.read_blob(repo, entry.oid))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise NotServable(repo.name, Sentence("its config.json is not a JSON object"))
    return config
