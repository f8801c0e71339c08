"""The page of a model, and of a space: its card, and what is known about it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.types import Viewer
from viveiro.errors import EntryNotFound, InvalidRepoId, RepoNotFound
from viveiro.http.dependencies import HubDep, SignedInDep, ViewerDep
from viveiro.http.markdown import render_markdown
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.hub.cards import CARD, MAX_CARD_BYTES
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo
from viveiro.types import RepoId, RepoKind, RepoRef
from viveiro.web.model_panels import ModelPanels, model_panels
from viveiro.web.navigation import go_to, own_address
from viveiro.web.rendering import render
from viveiro.web.repo_head import RepoHead, repo_head, texts

router = APIRouter()

MOST_FILES: Final = 1000
"""That are added up. Of more, the size is said to be at least so much."""
MOST_LINKS: Final = 8


@dataclass(frozen=True, slots=True)
class Relative:
    """What the card names as its base or its data. `address` is None for what is not here, or not for this viewer."""

    name: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """`size` is of all files of main, None when the viewer may not read them."""

    size: int | None
    all_counted: bool
    files: int
    parameters: int | None
    tensor_types: tuple[str, ...]
    base_models: tuple[Relative, ...]
    datasets: tuple[Relative, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """`card` is None where there is none to read. `panels` only for models."""

    template: ClassVar[str] = "models/model.html"
    head: RepoHead
    card: Markup | None
    has_readme: bool
    facts: Facts
    panels: ModelPanels | None


_KIND_BY_ADDRESS: Final = {kind.plural: kind for kind in (RepoKind.SPACE, RepoKind.KERNEL)}


@router.get("/spaces/{namespace}/{name}")
@router.get("/kernels/{namespace}/{name}")
@router.get("/{namespace}/{name}")
async def model_page(request: Request, namespace: str, name: str, viewer: ViewerDep, hub: HubDep) -> Response:
    kind = _KIND_BY_ADDRESS.get(request.url.path.split("/")[1], RepoKind.MODEL)
    ref = RepoRef(kind, RepoId.parse(f"{namespace}/{name}"))
    repo = await run_in_threadpool(hub.get_repo, viewer, ref)
    panels = None
    if kind is RepoKind.MODEL and repo.head_sha is not None:
        panels = await model_panels(request, viewer, hub, repo, repo.head_sha)
    page = await run_in_threadpool(_page, request, viewer, hub, repo, panels)
    return await run_in_threadpool(render, request, viewer, page)


def _page(request: Request, viewer: Viewer, hub: Hub, repo: Repo, panels: ModelPanels | None) -> ModelPage:
    head = repo_head(request, viewer, hub, repo, tab="card")
    text = read_readme(hub, repo) if head.may_read_files else None
    card = render_markdown(text, base=head.base) if text is not None else Markup("")
    return ModelPage(
        head=head,
        card=card if card.strip() else None,
        has_readme=text is not None,
        facts=_facts(hub, viewer, repo, may_read=head.may_read_files),
        panels=panels,
    )


def read_readme(hub: Hub, repo: Repo, path: str = CARD) -> str | None:
    """The text of main's card; None when there is none, or something else has its name."""
    if repo.head_sha is None:
        return None
    try:
        entry = hub.entry(repo, repo.head_sha, path)
    except EntryNotFound:
        return None
    if entry.type != "file" or entry.size > MAX_CARD_BYTES:
        return None
    return b"".join(hub.stream_file(repo, entry)).decode("utf-8", "replace")


def _facts(hub: Hub, viewer: Viewer, repo: Repo, *, may_read: bool) -> Facts:
    weights = repo.safetensors or {}
    sizes: list[int] = []
    if may_read and repo.head_sha is not None:
        entries = hub.list_tree(repo, repo.head_sha, recursive=True, limit=MOST_FILES + 1)
        sizes = [entry.size for entry in entries if entry.type == "file"]
    return Facts(
        size=sum(sizes) if sizes else None,
        all_counted=len(sizes) <= MOST_FILES,
        files=len(sizes),
        parameters=weights.get("total"),
        tensor_types=tuple(weights.get("parameters", {})),
        base_models=_relatives(hub, viewer, RepoKind.MODEL, texts(repo.card.get("base_model"))),
        datasets=_relatives(hub, viewer, RepoKind.DATASET, texts(repo.card.get("datasets"))),
        tags=tuple(tag for tag in texts(repo.card.get("tags")) if tag not in (repo.pipeline_tag, repo.library_name)),
    )


def _relatives(hub: Hub, viewer: Viewer, kind: RepoKind, names: tuple[str, ...]) -> tuple[Relative, ...]:
    return tuple(Relative(name, _address(hub, viewer, kind, name)) for name in names[:MOST_LINKS])


def _address(hub: Hub, viewer: Viewer, kind: RepoKind, name: str) -> str | None:
    try:
        repo = hub.get_repo(viewer, RepoRef(kind, RepoId.parse(name.partition("@")[0])), follow=True)
    except (InvalidRepoId, RepoNotFound):
        return None
    return f"/{repo.ref.url_path}"


# Likes ------------------------------------------------------------------------------------------------------------------

NextForm = Annotated[str | None, Form(alias="next")]


@repo_routes(router, "/like", "POST")
def like(request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep, back_to: NextForm = None) -> Response:
    hub.like(viewer, hub.get_repo(viewer, ref))
    return go_to(request, own_address(back_to, f"/{ref.url_path}"))


@repo_routes(router, "/unlike", "POST")
def unlike(request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep, back_to: NextForm = None) -> Response:
    hub.unlike(viewer, hub.get_repo(viewer, ref))
    return go_to(request, own_address(back_to, f"/{ref.url_path}"))
