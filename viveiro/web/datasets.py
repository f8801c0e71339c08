"""The page of a dataset: its rows, what is in its columns, whether it is fit to learn from, its card, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from markupsafe import Markup
from starlette.responses import PlainTextResponse

from viveiro.accounts.types import Viewer
from viveiro.datasets import service
from viveiro.datasets.kept import statistics_path
from viveiro.datasets.types import Cell, ColumnKind, ColumnStatistics, Distribution, DropReason, Preview
from viveiro.errors import GatedRepo, JobNotFound, RevisionNotFound, UnusableData, ViveiroError
from viveiro.http.dependencies import HubDep, SignedInDep, ViewerDep
from viveiro.http.highlighting import highlight
from viveiro.http.markdown import render_markdown
from viveiro.http.urls import public_url
from viveiro.http.visible_jobs import visible_job
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, TreeEntry
from viveiro.jobs.types import Job
from viveiro.locale import Sentence, number
from viveiro.serving.snippets import READERS, dataset_snippets
from viveiro.training.lineage import DatasetLineage, dataset_lineage
from viveiro.types import RepoRef, Visibility
from viveiro.web import words
from viveiro.web.model_panels import ShownSnippet
from viveiro.web.models import read_readme
from viveiro.web.navigation import go_to
from viveiro.web.rendering import HEADERS, is_fragment, render
from viveiro.web.repo_head import RepoHead, repo_head, texts

router = APIRouter(prefix="/datasets/{namespace}/{name}")

PAGE_ROWS: Final = 100
SHOWN_CLASSES: Final = 20
SHOWN_EXAMPLES: Final = 5
MOST_FILES: Final = 1000
SHOWN_VALUES: Final = 3
DROPPED: Final[Mapping[str, Sentence]] = {
    DropReason.MALFORMED: Sentence("could not be read as rows"),
    DropReason.EMPTY_TEXT: Sentence("had no text"),
    DropReason.EMPTY_LABEL: Sentence("had no label"),
    DropReason.TOO_LONG: Sentence("had a text of over 1,000,000 characters"),
    DropReason.DUPLICATE: Sentence("repeated an earlier row"),
    DropReason.IN_ANOTHER_SPLIT: Sentence("had a text that is kept in a later split"),
}


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """What stands above a column: a small picture, and a line that says the same.

    Attributes:
        counts: the picture's bars, left to right; empty where there is nothing to draw.
        told: what the picture shows.
        values: the commonest ones, in percent of the rows, where values repeat.
        empty_percent: of the rows, as text; empty where every row has a value.
    """

    counts: Sequence[int]
    told: Sentence | None
    values: Sequence[tuple[str, str]]
    empty_percent: str


@dataclass(frozen=True, slots=True)
class Viewed:
    """The rows that are looked at. `heads` is None until the columns have been counted."""

    preview: Preview
    base: str
    heads: Sequence[ColumnHead] | None
    counted: int

    @property
    def first(self) -> int:
        return self.preview.offset + 1 if self.preview.rows else 0

    @property
    def last(self) -> int:
        return self.preview.offset + len(self.preview.rows)

    @property
    def before(self) -> int | None:
        """The offset of the page before."""
        return max(0, self.preview.offset - PAGE_ROWS) if self.preview.offset else None

    @property
    def after(self) -> int | None:
        return self.last if self.last < self.preview.total else None


@dataclass(frozen=True, slots=True)
class ClassCount:
    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Check:
    """What the latest check said, and the one that is under way.

    Attributes:
        report: a CheckReport's fields, with its findings as they are. None: never checked.
        near: examples of texts that are almost the same.
        dropped: rows that the import left out, by reason.
    """

    base: str
    report: Mapping[str, Any] | None
    checked_at: datetime | None
    classes: Sequence[ClassCount]
    class_count: int
    near: Sequence[Mapping[str, Any]]
    dropped: Sequence[tuple[Sentence, int]]
    job_id: str | None
    state: str
    word: str
    stage: str | None
    error: str | None

    @property
    def is_under_way(self) -> bool:
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """`unusable` says why there are no rows to show."""

    template: ClassVar[str] = "datasets/dataset.html"
    head: RepoHead
    viewed: Viewed | None
    unusable: ViveiroError | None
    check: Check | None
    card: Markup | None
    has_readme: bool
    size: int | None
    tags: Sequence[str]
    lineage: DatasetLineage
    run_words: Mapping[str, str]
    snippets: Sequence[ShownSnippet]


@dataclass(frozen=True, slots=True)
class ViewerPart:
    template: ClassVar[str] = "datasets/_viewer.html"
    viewed: Viewed


@dataclass(frozen=True, slots=True)
class HeadsPart:
    template: ClassVar[str] = "datasets/_heads.html"
    viewed: Viewed


@dataclass(frozen=True, slots=True)
class CellPart:
    template: ClassVar[str] = "datasets/_cell.html"
    cell: Cell


@dataclass(frozen=True, slots=True)
class CheckPart:
    template: ClassVar[str] = "datasets/_check.html"
    check: Check


def _dataset(namespace: str, name: str) -> RepoRef:
    return service.dataset_ref(f"{namespace}/{name}")


DatasetRefDep = Annotated[RepoRef, Depends(_dataset)]
Offset = Annotated[int, Query(ge=0, le=2**53)]


# Routes ---------------------------------------------------------------------------------------------------------------


@router.get("")
def dataset_page(
    request: Request,
    ref: DatasetRefDep,
    viewer: ViewerDep,
    hub: HubDep,
    split: str | None = None,
    offset: Offset = 0,
    check: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """htmx asks for other rows only."""
    repo = hub.get_repo(viewer, ref)
    if is_fragment(request):
        return render(request, viewer, ViewerPart(_rows(hub, viewer, repo, split, offset)))
    viewed, unusable = None, None
    try:
        viewed = _rows(hub, viewer, repo, split, offset)
    except (UnusableData, RevisionNotFound) as error:
        unusable = error
    except GatedRepo:  # the head of the page says so
        pass
    head = repo_head(request, viewer, hub, repo, tab="card")
    text = read_readme(hub, repo) if head.may_read_files else None
    card = render_markdown(text, base=head.base) if text is not None else Markup("")
    lineage = dataset_lineage(hub, viewer, repo)
    files = _files(hub, repo) if head.may_read_files else []
    page = DatasetPage(
        head=head,
        viewed=viewed,
        unusable=unusable,
        check=_check(hub, viewer, repo, _known_job(hub, viewer, repo, check)) if viewed is not None else None,
        card=card if card.strip() else None,
        has_readme=text is not None,
        size=sum(entry.size for entry in files) if files else None,
        tags=texts(repo.card.get("tags")),
        lineage=lineage,
        run_words={run.id: words.state(run.state.value) for run in lineage.runs},
        snippets=_snippets(public_url(request), repo, files),
    )
    return render(request, viewer, page)


@router.get("/statistics")
def show_statistics(
    request: Request, ref: DatasetRefDep, viewer: ViewerDep, hub: HubDep, split: str | None = None, offset: Offset = 0
) -> Response:
    """The heads of the columns, counted now if nobody has asked for them yet: a request of its own, for it may take a moment.

    Without scripts it is a link, and leads to the page with them.
    """
    viewed = _rows(hub, viewer, hub.get_repo(viewer, ref), split, offset, count=True)
    if not is_fragment(request):
        return go_to(request, f"/{ref.url_path}?split={viewed.preview.split}&offset={viewed.preview.offset}")
    return render(request, viewer, HeadsPart(viewed))


@router.get("/cell")
def show_cell(
    request: Request,
    ref: DatasetRefDep,
    viewer: ViewerDep,
    hub: HubDep,
    row: Offset = 0,
    column: str = "",
    split: str | None = None,
) -> Response:
    """A whole value, where the table shows its beginning. Without htmx as plain text."""
    cell = service.whole_cell(hub, viewer, ref, "main", split, row, column)
    if is_fragment(request):
        return render(request, viewer, CellPart(cell))
    text = cell.value if isinstance(cell.value, str) else orjson.dumps(cell.value).decode()
    return PlainTextResponse(text, headers=HEADERS)


@router.post("/check")
def start_check(request: Request, ref: DatasetRefDep, viewer: SignedInDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, ref)
    hub.require_files(viewer, repo)
    sha = hub.resolve(repo, "main")
    with hub.database.write() as session:
        job_id = service.start_check(session, viewer, repo.ref, sha)
    if is_fragment(request):
        return render(request, viewer, CheckPart(_check(hub, viewer, repo, _job(hub, viewer, repo, job_id))))
    return go_to(request, f"/{repo.ref.url_path}?check={job_id}#check")


@router.get("/check/{job_id}")
def show_check(request: Request, ref: DatasetRefDep, job_id: str, viewer: SignedInDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, ref)
    return render(request, viewer, CheckPart(_check(hub, viewer, repo, _job(hub, viewer, repo, job_id))))


# Rows and columns -----------------------------------------------------------------------------------------------------


def _rows(hub: Hub, viewer: Viewer, repo: Repo, split: str | None, offset: int, *, count: bool = False) -> Viewed:
    """With the heads of the columns where they have been counted already, or shall be."""
    preview = service.preview_rows(hub, viewer, repo.ref, "main", split, offset, PAGE_ROWS)
    base = f"/{repo.ref.url_path}"
    if not count and not statistics_path(hub.settings, repo, preview.revision, preview.split).exists():
        return Viewed(preview, base, None, 0)
    statistics = service.column_statistics(hub, viewer, repo.ref, preview.revision, preview.split)
    heads = [head_of(column, statistics.counted) for column in statistics.columns]
    return Viewed(preview, base, heads, statistics.counted if statistics.sampled else 0)


def head_of(column: ColumnStatistics, rows: int) -> ColumnHead:
    """Pure. Where values repeat they say more than lengths do."""
    empty = _percent(column.empty, rows) if column.empty else ""
    if column.values:
        told = Sentence("{count} different values", count=number(column.distinct or 0))
        values = [(value.value, _percent(value.rows, rows)) for value in column.values[:SHOWN_VALUES]]
        return ColumnHead([value.rows for value in column.values], told, values, empty)
    drawn = column.numbers or column.lengths
    bins = drawn.bins if drawn is not None else ()
    return ColumnHead([each.rows for each in bins] if len(bins) > 1 else (), _told(column), (), empty)


def _told(column: ColumnStatistics) -> Sentence | None:
    if column.numbers is not None:
        told = Sentence("{least} to {most}, half of them up to {median}", **_figures(column.numbers))
        return (
            told
            if column.numbers.least < column.numbers.most
            else Sentence("always {value}", value=_figure(column.numbers.least))
        )
    if column.lengths is not None and column.kind is ColumnKind.TEXT:
        if column.lengths.least == column.lengths.most:
            return Sentence("{count} characters each", count=number(column.lengths.most))
        return Sentence("{least} to {most} characters, half of them up to {median}", **_figures(column.lengths))
    if column.lengths is not None:
        return Sentence("{least} to {most} values, half of them up to {median}", **_figures(column.lengths))
    if column.earliest is not None:
        return Sentence("{earliest} to {latest}", earliest=column.earliest, latest=column.latest)
    return None


def _figures(of: Distribution) -> dict[str, str]:
    return {"least": _figure(of.least), "most": _figure(of.most), "median": _figure(of.median)}


def _figure(value: float) -> str:
    return number(value, 0 if float(value).is_integer() else 2)


def _percent(part: int, whole: int) -> str:
    share = 100 * part / max(whole, 1)
    return f"{number(share, 0 if share >= 1 else 1)} %"


# Checks ---------------------------------------------------------------------------------------------------------------


def _job(hub: Hub, viewer: Viewer, repo: Repo, job_id: str) -> Job:
    with hub.database.read() as session:
        job = visible_job(session, viewer, job_id)
    if job.kind != "dataset-check" or job.arguments.get("repo_id") != repo.name:
        raise JobNotFound(job_id)
    return job


def _known_job(hub: Hub, viewer: Viewer, repo: Repo, job_id: str | None) -> Job | None:
    """None also for one that is forgotten: its report may still be there."""
    try:
        return _job(hub, viewer, repo, job_id) if job_id else None
    except JobNotFound:
        return None


def _check(hub: Hub, viewer: Viewer, repo: Repo, job: Job | None) -> Check:
    report = service.read_check(hub, viewer, repo.ref)
    classes = [ClassCount(name, sum(counts.values())) for name, counts in (report or {}).get("classes", {}).items()]
    near = (report or {}).get("near_duplicates") or {}
    dropped = (report or {}).get("dropped", {}).get("counts", {})
    stage = (job.progress or {}).get("stage") if job is not None else None
    return Check(
        base=f"/{repo.ref.url_path}",
        report=report,
        checked_at=report["checked_at"] if report else None,
        classes=classes[:SHOWN_CLASSES],
        class_count=len(classes),
        near=near.get("examples", ())[:SHOWN_EXAMPLES],
        dropped=[(DROPPED[reason], rows) for reason, rows in dropped.items() if reason in DROPPED],
        job_id=job.id if job is not None else None,
        state=job.state.value if job is not None else "",
        word=words.state(job.state.value) if job is not None else "",
        stage=words.stage(stage) if stage else None,
        error=job.error if job is not None else None,
    )


# Beside the rows ------------------------------------------------------------------------------------------------------


def _files(hub: Hub, repo: Repo) -> Sequence[TreeEntry]:
    """Main's, up to a number that no dataset page needs to go beyond."""
    if repo.head_sha is None:
        return []
    entries = hub.list_tree(repo, repo.head_sha, recursive=True, limit=MOST_FILES)
    return [entry for entry in entries if entry.type == "file"]


def _snippets(server: str, repo: Repo, files: Sequence[TreeEntry]) -> Sequence[ShownSnippet]:
    table = next((entry.path for entry in files if PurePosixPath(entry.path).suffix in READERS), None)
    private = repo.visibility is Visibility.PRIVATE or repo.gated is not None
    snippets = dataset_snippets(server, repo.ref.repo_id, private=private, file=table)
    return [ShownSnippet(snippet, highlight(snippet.code, snippet.language)) for snippet in snippets]
