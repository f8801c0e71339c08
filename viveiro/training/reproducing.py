"""Running again what a model says it came from, and what to make of the result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from viveiro.accounts.types import Viewer
from viveiro.errors import EntryNotFound
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.training.description import Revision, RunDescription
from viveiro.training.types import LARGEST_RECORD, RECORD_FILE, NotReproducible, Run
from viveiro.types import LONGEST_REPO_NAME, RepoId, RepoKind, RepoRef, Visibility

SUFFIX: Final = "-reproduced"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Two runs of one description. What differs stands as [original, reproduced]."""

    metrics: dict[str, list[Any]]
    environment: dict[str, list[Any]]

    @property
    def equal(self) -> bool:
        """Whether every metric is the same, to the last bit, with its interval."""
        return not self.metrics

    def to_json(self) -> dict[str, Any]:
        return {"equal": self.equal, **asdict(self)}


def compare(original: Mapping[str, Any], again: Mapping[str, Any]) -> Reproduction:
    """Of two records of runs: scores of the model and of its baselines, and what both ran on."""
    return Reproduction(
        metrics=_differences(_scores(original), _scores(again)),
        environment=_differences(original.get("environment") or {}, again.get("environment") or {}),
    )


def record_of_model(hub: Hub, viewer: Viewer, model: Revision) -> dict[str, Any]:
    """What a published model says of the run that made it.

    Raises:
        RepoNotFound, RevisionNotFound: no such model for this viewer.
        NotReproducible: no run published it.
    """
    repo = hub.get_repo(viewer, RepoRef(RepoKind.MODEL, model.repo_id), follow=True)
    hub.require_files(viewer, repo)
    try:
        record = orjson.loads(read_record(hub, repo, hub.resolve(repo, model.revision)))
    except (EntryNotFound, orjson.JSONDecodeError) as error:
        raise NotReproducible(
            "{model} does not say which run made it: it has no readable {file}. To adapt a model yourself: "
            "viveiro runs start text-classification --data FILE",
            model=model,
            file=RECORD_FILE,
        ) from error
    return record if isinstance(record, dict) else {}


def read_record(hub: Hub, repo: Repo, sha: str) -> bytes:
    return b"".join(hub.stream_file(repo, hub.entry(repo, sha, RECORD_FILE), 0, LARGEST_RECORD))


def record_of_run(run: Run) -> dict[str, Any]:
    if run.result is None:
        raise NotReproducible(
            "Run {run_id} is {state}: only a run that succeeded has a result to compare with. To start it again: "
            "viveiro runs info {run_id} --yaml > run.yaml, then viveiro runs start --config run.yaml",
            run_id=run.id,
            state=run.state.value,
        )
    return run.result


def description_to_repeat(record: Mapping[str, Any], publish: str | None) -> RunDescription:
    """The recorded one, publishing beside the original: what was published before stays as it is.

    Who may see the copy is decided by data and base of today, which may have been hidden since.
    """
    try:
        description = RunDescription.model_validate(record.get("description"))
    except ValidationError as error:
        raise NotReproducible(
            "The record of this model does not describe a run that can be started: {file} was changed, or another version "
            "of Viveiro wrote it.",
            file=RECORD_FILE,
        ) from error
    visibility = None if description.visibility is Visibility.PUBLIC else description.visibility
    return description.model_copy(
        update={"publish": publish or _beside(description.publish or ""), "visibility": visibility}
    )


def _beside(original: str) -> str:
    repo_id = RepoId.parse(original)
    stem = repo_id.name[: LONGEST_REPO_NAME - len(SUFFIX)].rstrip("-.")
    return f"{repo_id.namespace}/{stem}{SUFFIX}"


def _scores(record: Mapping[str, Any]) -> dict[str, Any]:
    """Every score under a name of its own: accuracy, tfidf accuracy …"""
    scores = dict(record.get("metrics") or {})
    for baseline, metrics in (record.get("baselines") or {}).items():
        scores |= {f"{baseline} {name}": value for name, value in metrics.items()}
    return scores


def _differences(original: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, list[Any]]:
    names = dict.fromkeys([*original, *again])
    return {name: [original.get(name), again.get(name)] for name in names if original.get(name) != again.get(name)}
