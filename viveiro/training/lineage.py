"""What a model, a dataset or a run came from, and what came of it, as far as the viewer may see.

What somebody may not see is absent, as if it did not exist: not even its name is told. What a record or a card says was
written by whoever published it, so it is believed about the repo itself and about nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError
from sqlalchemy.orm import Session

from viveiro.accounts.service import may_see
from viveiro.accounts.types import Viewer
from viveiro.errors import EntryNotFound, InvalidRepoId
from viveiro.hub.listing import list_repos, names_of
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, RepoQuery, RepoSort
from viveiro.training import queries
from viveiro.training.description import Revision, RunDescription
from viveiro.training.service import get_run, list_runs
from viveiro.training.types import LARGEST_RECORD, RECORD_FILE, Run, RunNotFound
from viveiro.types import RepoKind, RepoRef

MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Origin:
    """A repo that something was made from or into. `sha` is None where only a card names it, without a revision."""

    ref: RepoRef
    sha: str | None


@dataclass(frozen=True, slots=True)
class ModelLineage:
    """What serves it is not here: `serving.service.info` knows.

    Attributes:
        run: that published it, if the viewer may see runs of whoever started it.
        siblings: other models made from the same data, the latest first.
        descendants: models that name this one as their base, the latest first.
    """

    run: Run | None = None
    data: Origin | None = None
    base: Origin | None = None
    siblings: tuple[Repo, ...] = ()
    descendants: tuple[Repo, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetLineage:
    """`runs` that the viewer may see, and `models` that name the dataset, whoever made them; the latest first."""

    runs: tuple[Run, ...] = ()
    models: tuple[Repo, ...] = ()


@dataclass(frozen=True, slots=True)
class RunLineage:
    """`model` is None until it is published."""

    data: Origin | None = None
    base: Origin | None = None
    model: Origin | None = None


def model_lineage(hub: Hub, viewer: Viewer, repo: Repo, record: Mapping[str, Any]) -> ModelLineage:
    """`record` is `published_record`'s of the revision that is looked at; without one, the card says what it says."""
    description = _description_in(record)
    data, base = _named_by_record(description) if description else _named_by_card(repo.card)
    with hub.database.read() as session:
        seen = _visible(session, viewer, [data, base])
        siblings: list[Repo] = []
        if shown := _shown(seen, data):
            found = _models_tagged(session, viewer, "dataset", names_of(session, shown.ref), MOST_SHOWN + 1)
            siblings = [model for model in found if model.pk != repo.pk][:MOST_SHOWN]
        return ModelLineage(
            run=_run_of(session, viewer, repo, record),
            data=_shown(seen, data),
            base=_shown(seen, base),
            siblings=tuple(siblings),
            descendants=tuple(_models_tagged(session, viewer, "base_model", names_of(session, repo.ref))),
        )


def dataset_lineage(hub: Hub, viewer: Viewer, repo: Repo) -> DatasetLineage:
    with hub.database.read() as session:
        names = names_of(session, repo.ref)
        runs = list_runs(session, viewer, data=names, limit=MOST_SHOWN)
        return DatasetLineage(tuple(runs), tuple(_models_tagged(session, viewer, "dataset", names)))


def run_lineage(session: Session, viewer: Viewer, run: Run) -> RunLineage:
    """Of a run that the viewer was given."""
    data, base = _named_by_record(run.description)
    result = run.result or {}
    model = _origin(RepoKind.MODEL, f"{result['model']}@{result['revision']}") if "model" in result else None
    seen = _visible(session, viewer, [data, base, model])
    return RunLineage(_shown(seen, data), _shown(seen, base), _shown(seen, model))


def published_record(hub: Hub, viewer: Viewer, repo: Repo, sha: str) -> dict[str, Any]:
    """What the revision says of the run that made it; empty where nothing readable says so, or not to this viewer."""
    if not hub.may_read_files(viewer, repo):
        return {}
    try:
        entry = hub.entry(repo, sha, RECORD_FILE)
        if entry.type != "file":
            return {}
        record = orjson.loads(b"".join(hub.stream_file(repo, entry, 0, LARGEST_RECORD)))
    except (EntryNotFound, orjson.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


def _description_in(record: Mapping[str, Any]) -> RunDescription | None:
    try:
        return RunDescription.model_validate(record["description"])
    except (KeyError, ValidationError):
        return None


def _named_by_record(description: RunDescription) -> tuple[Origin | None, Origin | None]:
    return _origin(RepoKind.DATASET, description.data), _origin(RepoKind.MODEL, description.base)


def _named_by_card(card: Mapping[str, Any]) -> tuple[Origin | None, Origin | None]:
    """Without revisions; of several, the first."""
    data, base = (_first(card.get(field)) for field in ("datasets", "base_model"))
    return _origin(RepoKind.DATASET, data, pinned=False), _origin(RepoKind.MODEL, base, pinned=False)


def _first(value: Any) -> Any:
    return (value or [None])[0] if isinstance(value, list) else value


def _origin(kind: RepoKind, text: Any, *, pinned: bool = True) -> Origin | None:
    """Not pinned: a card's, which gives no revision. What is no repo's name is no origin."""
    if not isinstance(text, str):
        return None
    try:
        named = Revision.parse(text)
    except InvalidRepoId:
        return None
    return Origin(RepoRef(kind, named.repo_id), named.revision if pinned else None)


def _visible(session: Session, viewer: Viewer, origins: Iterable[Origin | None]) -> dict[RepoRef, RepoRef]:
    """Of these repos, those that exist for the viewer, by their names as they are written now."""
    asked = {_folded(origin.ref): origin.ref for origin in origins if origin is not None}
    found = queries.find_repos(session, asked)
    return {asked[folded]: ref for folded, (ref, resource) in found.items() if may_see(viewer, resource)}


def _shown(seen: Mapping[RepoRef, RepoRef], origin: Origin | None) -> Origin | None:
    return Origin(seen[origin.ref], origin.sha) if origin is not None and origin.ref in seen else None


def _folded(ref: RepoRef) -> tuple[str, str]:
    return ref.kind.value, str(ref.repo_id).lower()


def _models_tagged(
    session: Session, viewer: Viewer, relation: str, names: Sequence[str], limit: int = MOST_SHOWN
) -> list[Repo]:
    """Models whose cards name the repo so, by any of its names; the latest first."""
    found: dict[int, Repo] = {}
    for name in names:
        query = RepoQuery(RepoKind.MODEL, tags=(f"{relation}:{name}",), sort=RepoSort.LAST_MODIFIED, limit=limit)
        found |= {repo.pk: repo for repo in list_repos(session, viewer, query).repos}
    return sorted(found.values(), key=lambda repo: (repo.last_modified, repo.pk), reverse=True)[:limit]


def _run_of(session: Session, viewer: Viewer, repo: Repo, record: Mapping[str, Any]) -> Run | None:
    """The run that the record names, when that run says the same: anyone can commit a record that names another's."""
    run_id = record.get("run_id")
    if not isinstance(run_id, str):
        return None
    try:
        run = get_run(session, viewer, run_id)
    except RunNotFound:
        return None
    published = (run.result or {}).get("model")
    names = [name.lower() for name in names_of(session, repo.ref)]
    return run if isinstance(published, str) and published.lower() in names else None
