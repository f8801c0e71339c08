"""From what someone asked for to a description with nothing left to guess. Refuses at once what could only fail later."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import orjson

from viveiro.accounts.service import can
from viveiro.accounts.types import Viewer
from viveiro.datasets.service import choose_columns, dataset_ref, open_revision, trainable
from viveiro.errors import EntryNotFound, InvalidInput, UnusableData
from viveiro.hub.folders import check_may_publish
from viveiro.hub.imports import STARTER, starter_repo
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.ml.bases import why_unfit
from viveiro.ml.tasks import TrainableTask, tasks
from viveiro.training.description import Revision, RunDescription, parse_params
from viveiro.training.types import UnfitBase
from viveiro.types import LONGEST_REPO_NAME, Action, RepoId, RepoKind, RepoRef, Visibility

if TYPE_CHECKING:
    from viveiro.datasets.service import OpenDataset

LARGEST_CONFIG: Final = 2**20
TOKENIZERS: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")


def resolve(hub: Hub, viewer: Viewer, wanted: RunDescription) -> RunDescription:
    """The description to store.

    Raises:
        NotFound: the task, the dataset, the base or one of their revisions does not exist for this viewer.
        InvalidInput: a column, a setting or the repo to publish to cannot be meant.
        UnusableData: no column plays a role that the task needs.
        Forbidden: the viewer may not publish there.
    """
    task = trainable(wanted.task)
    params = parse_params(task, wanted.params)
    data_repo = hub.get_repo(viewer, dataset_ref(str(wanted.data_revision.repo_id)), follow=True)
    hub.require_files(viewer, data_repo)
    dataset = open_revision(hub, viewer, data_repo.ref, wanted.data_revision.revision)
    base_repo, base_sha = _base(hub, viewer, task, wanted.base_revision)
    publish = _target(hub, viewer, wanted.publish, data_repo, base_repo)
    return RunDescription(
        task=wanted.task,
        data=f"{data_repo.name}@{dataset.sha}",
        columns=_columns(dataset, task, wanted.columns),
        base=f"{base_repo.name}@{base_sha}",
        # What was chosen, not what is usual: the published record holds every value, with its `auto` resolved.
        params=params.model_dump(mode="json", exclude_defaults=True),
        publish=str(publish.repo_id),
        visibility=wanted.visibility or _visibility(data_repo, base_repo),
        budget_minutes=wanted.budget_minutes,
    )


def refuse_hopeless(hub: Hub, viewer: Viewer, wanted: RunDescription) -> None:
    """What of `resolve` needs no data, for a run on data that is yet to be imported. Raises as `resolve` does."""
    task = trainable(wanted.task)
    parse_params(task, wanted.params)
    _require_roles(task, wanted.columns)
    base, _ = _base(hub, viewer, task, wanted.base_revision)
    if wanted.publish is not None:
        _require_target(hub, viewer, RepoRef(RepoKind.MODEL, RepoId.parse(wanted.publish)), base)


def _columns(dataset: "OpenDataset", task: TrainableTask, named: dict[str, str]) -> dict[str, str]:
    roles = _require_roles(task, named)
    chosen = choose_columns(dataset, task.name, named)
    for role in roles:
        if role not in chosen:
            raise UnusableData(
                "No column of {data} looks like the {role}. Name it: --{role}-column … Columns: {columns}.",
                data=dataset.name,
                role=role,
                columns=", ".join(dataset.columns),
            )
    return chosen


def _require_roles(task: TrainableTask, named: dict[str, str]) -> list[str]:
    """The task's roles, among which are those that columns are named for."""
    roles = [column.role for column in task.columns]
    for role in named:
        if role not in roles:
            raise InvalidInput(
                "{task} has no column for {role!r}. It has: {roles}.", task=task.name, role=role, roles=", ".join(roles)
            )
    return roles


def _base(hub: Hub, viewer: Viewer, task: TrainableTask, wanted: Revision | None) -> tuple[Repo, str]:
    ref = STARTER if wanted is None else RepoRef(RepoKind.MODEL, wanted.repo_id)
    repo = starter_repo(hub, viewer) if ref == STARTER else hub.get_repo(viewer, ref, follow=True)
    hub.require_files(viewer, repo)
    sha = hub.resolve(repo, "main" if wanted is None else wanted.revision)
    files = {entry.path for entry in hub.list_tree(repo, sha, recursive=True)}
    _check_base(repo.name, task, _config(hub, repo, sha), files)
    return repo, sha


def _check_base(base: str, task: TrainableTask, config: dict[str, Any], files: set[str]) -> None:
    """What the config and the files' names tell already. What is wrong inside the others, the run finds."""
    if (why := why_unfit(config)) is not None:
        raise UnfitBase(base, task.name, why)
    if not any(each.recognises(config, files) for each in (tasks["feature-extraction"], task)):
        raise InvalidInput(
            "{base} cannot be adapted to {task}: that takes a model of {families}, with a config.json. "
            "To see models: viveiro models list",
            base=base,
            task=task.name,
            families=", ".join(task.families),
        )
    if not any(path.endswith(".safetensors") for path in files):
        raise InvalidInput(
            "{base} holds no weights as safetensors, and pickled ones (.bin, .pt) are never opened here. To convert it: load "
            "it with transformers on a machine you trust, save_pretrained(FOLDER), viveiro models import FOLDER --name …",
            base=base,
        )
    if not any(PurePosixPath(path).name in TOKENIZERS for path in files):
        raise InvalidInput(
            "{base} has no tokenizer ({known}), so it reads no texts. To see models: viveiro models list",
            base=base,
            known=", ".join(TOKENIZERS),
        )


def _config(hub: Hub, repo: Repo, sha: str) -> dict[str, Any]:
    try:
        entry = hub.entry(repo, sha, "config.json")
        if entry.size > LARGEST_CONFIG:
            return {}
        config = orjson.loads(b"".join(hub.stream_file(repo, entry)))
    except (EntryNotFound, orjson.JSONDecodeError):
        return {}
    return config if isinstance(config, dict) else {}


def _target(hub: Hub, viewer: Viewer, wanted: str | None, data: Repo, base: Repo) -> RepoRef:
    ref = RepoRef(RepoKind.MODEL, RepoId.parse(wanted) if wanted else _usual_name(viewer, data, base))
    _require_target(hub, viewer, ref, base)
    return ref


def _require_target(hub: Hub, viewer: Viewer, ref: RepoRef, base: Repo) -> None:
    target = check_may_publish(hub, viewer, ref)
    if target is not None and target.pk == base.pk:
        raise InvalidInput(
            "Publishing to {base} would replace the base by what is made of it. Name another repo.", base=base.name
        )


def _usual_name(viewer: Viewer, data: Repo, base: Repo) -> RepoId:
    """Beside the dataset where the viewer may write, else in their own namespace."""
    beside = can(viewer, Action.WRITE, data.resource)
    namespace = data.ref.repo_id.namespace if beside or viewer.name is None else viewer.name
    name = f"{data.ref.repo_id.name}-{base.ref.repo_id.name}"[:LONGEST_REPO_NAME].rstrip("-.")
    return RepoId.parse(f"{namespace}/{name}")


def _visibility(data: Repo, base: Repo) -> Visibility:
    """What was learnt from rows that not everyone may read is not shown to strangers by default."""
    are_open = (repo.visibility is Visibility.PUBLIC and repo.gated is None for repo in (data, base))
    return Visibility.PUBLIC if all(are_open) else Visibility.PRIVATE
