"""What is known of one repo, and the same facts in lists: each fact of the wire is one small function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Query, Request, Response

from viveiro.api.hub.answers import date_text, json_answer, query_list, sibling, without_none
from viveiro.api.hub.places import MAIN, REPO, Place, PlaceDep
from viveiro.errors import InvalidInput
from viveiro.http.dependencies import HubDep, ViewerDep
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.types import RepoKind, Visibility

router = APIRouter(tags=["hub"])

Fact: TypeAlias = Callable[["Described"], Any]


@dataclass(frozen=True, slots=True)
class Described:
    """A repo at a commit. Files are read from git only when a fact asks for them."""

    repo: Repo
    sha: str | None
    hub: Hub
    with_blobs: bool = False

    @property
    def siblings(self) -> list[dict[str, Any]]:
        if self.sha is None:
            return []
        entries = self.hub.list_tree(self.repo, self.sha, recursive=True)
        return [sibling(entry, with_blob=self.with_blobs) for entry in entries if entry.type == "file"]


def _card(name: str) -> Fact:
    return lambda it: it.repo.card.get(name)


def _nothing(_it: Described) -> None:
    """Known to the wire and not to this hub: asking is no error, and the answer leaves it out."""


_COMMON: Final[Mapping[str, Fact]] = {
    "author": lambda it: it.repo.ref.repo_id.namespace,
    "cardData": lambda it: it.repo.card,
    "createdAt": lambda it: date_text(it.repo.created_at),
    "disabled": lambda it: False,
    "lastModified": lambda it: date_text(it.repo.last_modified),
    "likes": lambda it: it.repo.likes,
    "private": lambda it: it.repo.visibility is Visibility.PRIVATE,
    "resourceGroup": _nothing,
    "sha": lambda it: it.sha,
    "siblings": lambda it: it.siblings,
    "tags": lambda it: it.repo.tags,
    "trendingScore": lambda it: it.repo.trending_score,
    "usedStorage": lambda it: it.repo.used_storage,
    "xetEnabled": lambda it: True,  # asked by clients from before that went without saying
}
_DOWNLOADED: Final[Mapping[str, Fact]] = {
    "downloads": lambda it: it.repo.downloads,
    "downloadsAllTime": lambda it: it.repo.downloads_all_time,
    "gated": lambda it: it.repo.gated or False,
}
FACTS: Final[Mapping[RepoKind, Mapping[str, Fact]]] = {
    RepoKind.MODEL: {
        **_COMMON,
        **_DOWNLOADED,
        "baseModels": lambda it: _texts(it.repo.card.get("base_model")),
        "childrenModelCount": _nothing,
        "config": lambda it: it.repo.config or None,
        "evalResults": _nothing,
        "gguf": _nothing,
        "inference": _nothing,
        "inferenceProviderMapping": lambda it: {},
        "library_name": lambda it: it.repo.library_name,
        "mask_token": _nothing,
        "model-index": _card("model-index"),
        "pipeline_tag": lambda it: it.repo.pipeline_tag,
        "safetensors": lambda it: it.repo.safetensors,
        "spaces": lambda it: [],
        "transformersInfo": lambda it: _transformers_info(it.repo),
        "widgetData": _card("widget"),
    },
    RepoKind.DATASET: {
        **_COMMON,
        **_DOWNLOADED,
        "citation": _nothing,
        "description": _nothing,
        "mainSize": _nothing,
        "paperswithcode_id": _card("paperswithcode_id"),
    },
    RepoKind.KERNEL: {**_COMMON, **_DOWNLOADED},
    RepoKind.SPACE: {
        **_COMMON,
        "datasets": lambda it: _texts(it.repo.card.get("datasets")),
        "models": lambda it: _texts(it.repo.card.get("models")),
        "region": _nothing,
        "runtime": _nothing,
        "sdk": _card("sdk"),
        "subdomain": _nothing,
    },
}
"""By the names that `expand` takes, kind by kind."""

_ONLY_ASKED_FOR: Final = ("downloadsAllTime", "trendingScore", "childrenModelCount", "xetEnabled")
_IN_INFO: Final[Mapping[RepoKind, Sequence[str]]] = {
    kind: [name for name in facts if name not in _ONLY_ASKED_FOR] for kind, facts in FACTS.items()
}
_AUTO_MODELS: Final = {
    "feature-extraction": "AutoModel",
    "fill-mask": "AutoModelForMaskedLM",
    "question-answering": "AutoModelForQuestionAnswering",
    "sentence-similarity": "AutoModel",
    "text-classification": "AutoModelForSequenceClassification",
    "text-generation": "AutoModelForCausalLM",
    "token-classification": "AutoModelForTokenClassification",
}


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [item for item in value or [] if isinstance(item, str)]


def _transformers_info(repo: Repo) -> dict[str, Any] | None:
    auto_model = _AUTO_MODELS.get(repo.pipeline_tag or "")
    if repo.library_name != "transformers" or auto_model is None:
        return None
    return {"auto_model": auto_model, "pipeline_tag": repo.pipeline_tag, "processor": "AutoTokenizer"}


def describe(described: Described, names: Sequence[str]) -> dict[str, Any]:
    """The repo's identity and these facts, as far as they are known."""
    repo = described.repo
    facts = FACTS[repo.kind]
    identity = {"_id": f"{repo.pk:024x}", "id": repo.name}
    if repo.kind is RepoKind.MODEL:
        identity["modelId"] = repo.name
    return identity | without_none({name: facts[name](described) for name in names})


def expanded(request: Request, kind: RepoKind) -> list[str]:
    """What the client asked for with `expand`; empty when it did not."""
    names = query_list([*request.query_params.getlist("expand"), *request.query_params.getlist("expand[]")])
    unknown = [name for name in names if name not in FACTS[kind]]
    if unknown:
        raise InvalidInput(
            "{unknown!r} cannot be expanded: expected one of {known}.",
            unknown=unknown[0],
            known="|".join(f'"{name}"' for name in sorted(FACTS[kind])),
        )
    return names


@router.get(REPO)
@router.get(REPO + "/revision/{rest:path}")
def info(
    request: Request,
    place: PlaceDep,
    viewer: ViewerDep,
    hub: HubDep,
    blobs: bool = False,
    security_status: Annotated[bool, Query(alias="securityStatus")] = False,
) -> Response:
    repo = hub.get_repo(viewer, place.ref)
    names = expanded(request, repo.kind)
    described = _at_revision(hub, repo, place, with_blobs=blobs)
    answer = describe(described, names or _IN_INFO[repo.kind])
    if security_status:
        answer["securityRepoStatus"] = _security_status(described)
    return json_answer(answer)


def _security_status(described: Described) -> dict[str, Any]:
    if described.sha is None:
        return {"scansDone": True, "filesWithIssues": []}
    found = described.hub.revision_safety(described.repo, described.sha)
    issues = [{"path": it.path, "level": it.safety.status.value} for it in found.issues if it.safety is not None]
    return {"scansDone": found.all_scanned, "filesWithIssues": issues}


def _at_revision(hub: Hub, repo: Repo, place: Place, *, with_blobs: bool) -> Described:
    if place.revision == MAIN:
        return Described(repo, hub.resolve(repo, MAIN), hub, with_blobs)
    sha = hub.resolve(repo, place.revision)
    dated = replace(repo, last_modified=hub.commits(repo, sha, limit=1)[0].date)
    return Described(dated, sha, hub, with_blobs)
