"""Start a run: from a file to a model that has learnt from it, for somebody who has never trained one.

One form on one page, whose parts appear as they can be answered: data, what was found in it, how to learn, start. What is
typed travels in the address until it is sent, so the page works without scripts and survives a mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from viveiro.accounts.service import memberships_of
from viveiro.accounts.types import Role, Viewer
from viveiro.datasets import service as datasets
from viveiro.datasets.naming import name_of_file
from viveiro.datasets.types import Cell, Finding, ValueCount
from viveiro.errors import InvalidInput, JobNotFound, RepoNotFound, UnusableData, ViveiroError
from viveiro.http.dependencies import HubDep, SettingsDep, SignedInDep
from viveiro.http.files import CHUNK_BYTES, receive_body
from viveiro.http.visible_jobs import visible_job
from viveiro.hub.folders import check_may_publish
from viveiro.hub.imports import STARTER
from viveiro.hub.listing import list_repos
from viveiro.hub.service import Hub
from viveiro.hub.types import Repo, RepoQuery, RepoSort
from viveiro.locale import Sentence, number
from viveiro.settings import Settings
from viveiro.training import service as training
from viveiro.training.description import Revision, RunDescription, parse_params
from viveiro.types import RepoId, RepoKind, RepoRef
from viveiro.web import words
from viveiro.web.navigation import go_to
from viveiro.web.rendering import is_fragment, readable_size, render
from viveiro.web.run_form import (
    Problems,
    RunForm,
    Setting,
    methods_of,
    read_form,
    settings_of,
    trainable_tasks,
    visibility_of,
    wanted_run,
)

router = APIRouter(prefix="/runs/new")

SHOWN_ROWS: Final = 8
SHOWN_DATASETS: Final = 8
SHOWN_CLASSES: Final = 12
MOST_BASES: Final = 20
MOST_NAMES_TRIED: Final = 20
LONGEST_FILE_NAME: Final = 200
BASE_TASKS: Final = ("sentence-similarity", "feature-extraction", "fill-mask")
"""Of models that encode texts, and so can be adapted."""
FORMATS: Final = {
    "csv": Sentence("table with separators (CSV)"),
    "json_lines": Sentence("one JSON object a line"),
    "json": Sentence("list of JSON objects"),
    "parquet": Sentence("Parquet"),
    "folder": Sentence("folder of texts"),
}
DELIMITERS: Final = {
    ",": Sentence("comma"),
    ";": Sentence("semicolon"),
    "\t": Sentence("tab"),
    "|": Sentence("vertical bar"),
}
COLUMN_TYPES: Final = {
    "string": Sentence("text"),
    "integer": Sentence("whole number"),
    "number": Sentence("number"),
    "boolean": Sentence("yes or no"),
    "list": Sentence("list"),
}
ROLES: Final = {
    "text": Sentence("the text"),
    "label": Sentence("the label"),
    "identifier": Sentence("identifier"),
    "date": Sentence("date"),
}
"""Of columns, where there is something to say."""


@dataclass(frozen=True, slots=True)
class FoundColumn:
    name: str
    type: str
    role: str
    """Empty where it plays none."""
    empty_share: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a file or a dataset holds, as far as the form shows it.

    Attributes:
        rows_are_estimated: the file was not read to its end.
        facts: pairs of a name and what is known.
        classes: the commonest ones.
    """

    name: str
    rows: int
    rows_are_estimated: bool
    facts: Sequence[tuple[Sentence, str]]
    columns: Sequence[FoundColumn]
    preview: Sequence[Sequence[Cell]]
    text_column: str
    label_column: str
    separator: str | None
    class_count: int
    classes: Sequence[ValueCount]
    findings: Sequence[Finding]

    @property
    def order(self) -> Sequence[int]:
        """Of the columns in the preview: what matters comes first, and so is seen on a phone too."""
        first = (self.text_column, self.label_column)
        rank = {name: place for place, name in enumerate(first)}
        names = [column.name for column in self.columns]
        return sorted(range(len(names)), key=lambda at: rank.get(names[at], len(first)))

    @property
    def is_usable(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def shown_classes(self) -> Sequence[ValueCount]:
        return self.classes[:SHOWN_CLASSES]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of what a run will need; being measured until `result` or `error` is there."""

    job_id: str
    state: str
    word: str
    error: str | None
    time: str
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class NewRunPage:
    template: ClassVar[str] = "new_run/new_run.html"
    form: RunForm
    problems: Mapping[str, ViveiroError]
    found: Found | None
    datasets: Sequence[Repo]
    search: str
    tasks: Sequence[tuple[str, str]]
    methods: Sequence[str]
    settings: Sequence[Setting]
    bases: Sequence[str]
    starter: str
    namespaces: Sequence[str]
    estimate: Estimate | None
    address: Mapping[str, str]
    """What the form says, for addresses."""


@dataclass(frozen=True, slots=True)
class EstimatePart:
    template: ClassVar[str] = "new_run/_estimate.html"
    estimate: Estimate


async def _sent(request: Request, _viewer: SignedInDep) -> RunForm:
    """The body's fields, once it is known that it comes from one of our own pages."""
    async with request.form(max_files=0) as sent:
        return read_form(dict(sent.items()))


def _asked(request: Request) -> RunForm:
    return read_form(dict(request.query_params.items()))


SentForm = Annotated[RunForm, Depends(_sent)]
AskedForm = Annotated[RunForm, Depends(_asked)]


# Routes ---------------------------------------------------------------------------------------------------------------


@router.get("")
def new_run(
    request: Request,
    viewer: SignedInDep,
    hub: HubDep,
    settings: SettingsDep,
    form: AskedForm,
    search: Annotated[str, Query(alias="q", max_length=200)] = "",
    estimate: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """htmx asks for what was found with other columns."""
    problems = Problems()
    with problems.about("columns"):
        _ = form.columns
    found, form = _look(hub, settings, viewer, form, problems)
    if found is not None:
        form = _suggest(hub, viewer, form, found)
    elif is_fragment(request) and problems:
        raise problems.first
    page = _page(hub, viewer, form, problems, found, search=search, estimate=estimate)
    part = "new_run/_found.html" if is_fragment(request) else None
    return render(request, viewer, page, part=part, status=problems.status)


@router.post("/data")
async def receive(
    request: Request, viewer: SignedInDep, hub: HubDep, settings: SettingsDep, base: str = "", file_name: str = ""
) -> Response:
    """A file: as the body, with its name in the address, or as a form sends it without scripts."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else None
        async with contextmanager_in_threadpool(datasets.receive_file(settings, size)) as incoming:
            await receive_body(request, incoming.file.write)
        return go_to(request, await _note(settings, viewer, incoming.upload_id, file_name, base))
    async with request.form(max_files=1, max_fields=10) as sent:
        file, base = sent.get("file"), str(sent.get("base", ""))
        if not isinstance(file, UploadFile) or not file.filename:
            return await run_in_threadpool(_without_file, request, viewer, hub, base)
        async with contextmanager_in_threadpool(datasets.receive_file(settings, file.size)) as incoming:
            while chunk := await file.read(CHUNK_BYTES):
                await run_in_threadpool(incoming.file.write, chunk)
        return go_to(request, await _note(settings, viewer, incoming.upload_id, file.filename, base))


async def _note(settings: Settings, viewer: Viewer, upload_id: str, file_name: str, base: str) -> str:
    """Whose file it is; the address where its owner goes on."""
    assert viewer.user_id is not None
    plain = PureWindowsPath(file_name).name[:LONGEST_FILE_NAME] or "table"  # whose parts are cut at both slashes
    await run_in_threadpool(datasets.note_upload, settings, upload_id, viewer.user_id, plain)
    return _address(RunForm(upload=upload_id, base=base))


def _without_file(request: Request, viewer: Viewer, hub: Hub, base: str) -> Response:
    problems = Problems()
    with problems.about("data"):
        raise InvalidInput("No file was chosen. Choose one, then send it.")
    return render(request, viewer, _page(hub, viewer, RunForm(base=base), problems, None), status=problems.status)


@router.post("")
def start(request: Request, viewer: SignedInDep, hub: HubDep, settings: SettingsDep, sent: SentForm) -> Response:
    problems = Problems()
    found, form = _look(hub, settings, viewer, sent, problems)
    wanted = wanted_run(form, problems)
    with problems.about("params"):
        parse_params(datasets.trainable(form.task), form.params)
    _check_names(hub, viewer, form, problems)
    with problems.about("columns"):
        _refuse_useless(form, found)
    if not problems:
        with problems.about(""):
            return go_to(request, f"/runs/{_start(hub, settings, viewer, form, wanted)}")
    return render(request, viewer, _page(hub, viewer, form, problems, found), status=problems.status)


@router.post("/estimate")
def estimate(request: Request, viewer: SignedInDep, hub: HubDep, settings: SettingsDep, sent: SentForm) -> Response:
    """Of a run on a dataset that is here already. Its rows are measured with, so it takes a moment and a worker."""
    problems = Problems()
    found, form = _look(hub, settings, viewer, sent, problems)
    wanted = wanted_run(form, problems)
    if not problems:
        with problems.about("estimate"):
            _, job_id = training.estimate_run(hub, viewer, wanted)
            if is_fragment(request):
                return render(request, viewer, EstimatePart(_estimate(hub, viewer, job_id)))
            return go_to(request, _address(form, estimate=job_id))
    if is_fragment(request):
        raise problems.first
    return render(request, viewer, _page(hub, viewer, form, problems, found), status=problems.status)


@router.get("/estimate/{job_id}")
def show_estimate(job_id: str, request: Request, viewer: SignedInDep, hub: HubDep) -> Response:
    return render(request, viewer, EstimatePart(_estimate(hub, viewer, job_id)))


def _address(form: RunForm, **more: str) -> str:
    return f"/runs/new?{urlencode({**form.address(), **more})}"


# What starts, and what may not ------------------------------------------------------------------------------------------


def _start(hub: Hub, settings: Settings, viewer: Viewer, form: RunForm, wanted: RunDescription) -> str:
    """The run's id. Where data is imported first, there is no run yet, but a page at this id tells how far it is."""
    if not form.upload:
        return training.start_run(hub, viewer, wanted).id
    options = form.options(datasets.open_upload(settings, viewer, form.upload).file_name)
    ref, visibility = datasets.dataset_ref(form.dataset), visibility_of(form)
    return training.start_import_and_run(hub, viewer, ref, form.upload, options, visibility, wanted)


def _check_names(hub: Hub, viewer: Viewer, form: RunForm, problems: Problems) -> None:
    if form.upload:
        with problems.about("dataset_name"):
            check_may_publish(hub, viewer, datasets.dataset_ref(form.dataset))
    with problems.about("model_name"):
        check_may_publish(hub, viewer, RepoRef(RepoKind.MODEL, RepoId.parse(form.model)))


def _refuse_useless(form: RunForm, found: Found | None) -> None:
    """Of an upload: what is known of a dataset may be known of other columns."""
    if form.upload and found is not None and not found.is_usable:
        raise UnusableData("Nothing can be learnt from this file yet. What is missing is said above the preview.")


# What there is to learn from --------------------------------------------------------------------------------------------


def _look(
    hub: Hub, settings: Settings, viewer: Viewer, form: RunForm, problems: Problems
) -> tuple[Found | None, RunForm]:
    """What the data holds, and the form with the columns that are shown. None, and no data in the form, where it is unusable."""
    form = replace(form, task=form.task or next(iter(trainable_tasks())))
    if not form.has_data:
        return None, form
    with problems.about("data"):
        found = (
            _in_upload(settings, viewer, form, problems) if form.upload else _in_dataset(hub, viewer, form, problems)
        )
        return found, replace(form, text_column=found.text_column, label_column=found.label_column)
    return None, replace(form, upload="", data="")


def _in_upload(settings: Settings, viewer: Viewer, form: RunForm, problems: Problems) -> Found:
    upload = datasets.open_upload(settings, viewer, form.upload)
    try:
        seen = datasets.inspect_upload(settings, viewer, form.upload, form.options(upload.file_name))
    except InvalidInput as error:  # the columns that were named
        problems.found.setdefault("columns", error)
        seen = datasets.inspect_upload(settings, viewer, form.upload)
    facts: list[tuple[Sentence, str]] = [
        (Sentence("Size"), readable_size(upload.size)),
        (Sentence("Format"), FORMATS[seen.format]),
    ]
    if seen.delimiter is not None:
        facts.append((Sentence("Separator"), DELIMITERS.get(seen.delimiter, seen.delimiter)))
    if seen.encoding is not None:
        facts.append((Sentence("Encoding"), seen.encoding))
    return Found(
        name=upload.file_name,
        rows=seen.rows,
        rows_are_estimated=seen.is_estimate,
        facts=facts,
        columns=[
            FoundColumn(column.name, COLUMN_TYPES[column.type], ROLES.get(column.role, ""), column.empty_share)
            for column in seen.columns
        ],
        preview=seen.preview[:SHOWN_ROWS],
        text_column=seen.text_column or "",
        label_column=seen.label_column or "",
        separator=seen.separator,
        class_count=seen.class_count,
        classes=seen.classes,
        findings=seen.findings,
    )


def _in_dataset(hub: Hub, viewer: Viewer, form: RunForm, problems: Problems) -> Found:
    named = Revision.parse(form.data)
    ref = RepoRef(RepoKind.DATASET, named.repo_id)
    preview = datasets.preview_rows(hub, viewer, ref, named.revision, limit=SHOWN_ROWS)
    dataset = datasets.open_revision(hub, viewer, ref, preview.revision)
    columns = _columns_of(dataset, form, problems)
    text, label = columns.get("text", ""), columns.get("label", "")
    statistics = datasets.column_statistics(hub, viewer, ref, preview.revision, preview.split)
    known = {column.name: column for column in statistics.columns}
    classes = known.get(label)
    return Found(
        name=preview.dataset,
        rows=sum(preview.splits.values()),
        rows_are_estimated=False,
        facts=[(Sentence("Rows of {split}", split=split), number(rows)) for split, rows in preview.splits.items()],
        columns=[
            FoundColumn(
                column.name,
                column.kind.sentence,
                ROLES["text"] if column.name == text else ROLES["label"] if column.name == label else "",
                (known[column.name].empty or 0) / max(statistics.counted, 1),
            )
            for column in preview.columns
        ],
        preview=preview.rows,
        text_column=text,
        label_column=label,
        separator=None,
        class_count=(classes.distinct or 0) if classes is not None else 0,
        classes=classes.values if classes is not None else (),
        findings=_findings(hub, viewer, ref, dataset, columns),
    )


def _columns_of(dataset: "datasets.OpenDataset", form: RunForm, problems: Problems) -> dict[str, str]:
    task = form.task if form.task in trainable_tasks() else next(iter(trainable_tasks()))
    with problems.about("columns"):
        return datasets.choose_columns(dataset, task, form.columns)
    return datasets.choose_columns(dataset, task, {})


def _findings(
    hub: Hub, viewer: Viewer, ref: RepoRef, dataset: "datasets.OpenDataset", columns: Mapping[str, str]
) -> Sequence[Finding]:
    """Of the latest check, if that looked at these columns; else of the import. Which columns are used, the form shows."""
    report = datasets.read_check(hub, viewer, ref, dataset.sha)
    if report is not None and {role: report[f"{role}_column"] for role in columns} == columns:
        return [finding for finding in report["findings"] if finding.code != "unused_columns"]
    return [Finding.from_json(finding) for finding in dataset.import_report.get("findings", ())]


# The page ---------------------------------------------------------------------------------------------------------------


def _suggest(hub: Hub, viewer: Viewer, form: RunForm, found: Found) -> RunForm:
    """Names that are free yet, and who sees what."""
    own = viewer.name or ""
    form = replace(
        form,
        dataset_namespace=form.dataset_namespace or own,
        model_namespace=form.model_namespace or own,
        visibility=form.visibility or "private",
    )
    data = form.dataset_name or name_of_file(found.name.rpartition("/")[2])
    if form.upload and not form.dataset_name:
        data = _free_name(hub, viewer, RepoKind.DATASET, form.dataset_namespace, data)
    model = form.model_name or _free_name(hub, viewer, RepoKind.MODEL, form.model_namespace, f"{data}-model")
    return replace(form, dataset_name=data if form.upload else "", model_name=model)


def _free_name(hub: Hub, viewer: Viewer, kind: RepoKind, namespace: str, name: str) -> str:
    candidates = [name, *(f"{name}-{number}" for number in range(2, MOST_NAMES_TRIED))]
    for candidate in candidates:
        try:
            hub.get_repo(viewer, RepoRef(kind, RepoId.parse(f"{namespace}/{candidate}")), follow=True)
        except RepoNotFound:
            return candidate
        except InvalidInput:  # the namespace is none: said when it is sent
            return name
    return name


def _page(
    hub: Hub,
    viewer: Viewer,
    form: RunForm,
    problems: Problems,
    found: Found | None,
    *,
    search: str = "",
    estimate: str = "",
) -> NewRunPage:
    known = trainable_tasks()
    task = known.get(form.task) or next(iter(known.values()))
    with hub.database.read() as session:
        query = RepoQuery(RepoKind.DATASET, search=search, sort=RepoSort.LAST_MODIFIED, limit=SHOWN_DATASETS)
        shown = [] if form.has_data else list_repos(session, viewer, query).repos
        bases = _bases(session, viewer) if form.has_data else []
        namespaces = _namespaces(session, viewer)
    return NewRunPage(
        form=form,
        problems=problems.found,
        found=found,
        datasets=shown,
        search=search,
        tasks=[(name, words.task(name)) for name in known],
        methods=methods_of(task),
        settings=settings_of(task),
        bases=_with(bases, form.base),
        starter=STARTER.repo_id.name,
        namespaces=_with(_with(namespaces, form.dataset_namespace), form.model_namespace),
        estimate=_known_estimate(hub, viewer, estimate),
        address=form.address(),
    )


def _bases(session: Session, viewer: Viewer) -> list[str]:
    """Encoders whose weights are here, most downloaded first; the starter, which needs no name, aside."""
    queries = [
        RepoQuery(RepoKind.MODEL, pipeline_tag=tag, sort=RepoSort.DOWNLOADS, limit=MOST_BASES) for tag in BASE_TASKS
    ]
    found = [repo for query in queries for repo in list_repos(session, viewer, query).repos]
    usable = sorted((repo for repo in found if repo.safetensors), key=lambda repo: -repo.downloads)
    return [repo.name for repo in usable if repo.ref != STARTER][:MOST_BASES]


def _namespaces(session: Session, viewer: Viewer) -> list[str]:
    """Where the viewer may make repos: their own first."""
    assert viewer.user_id is not None
    assert viewer.name is not None
    places = memberships_of(session, viewer.user_id)
    return [viewer.name, *(place.account.name for place in places if place.role is not Role.READ)]


def _with(names: list[str], name: str) -> list[str]:
    """What was typed is kept, even where it is not among those that are offered."""
    return names if not name or name in names else [*names, name]


def _known_estimate(hub: Hub, viewer: Viewer, job_id: str) -> Estimate | None:
    """None also for one that is forgotten: its address still holds the form."""
    try:
        return _estimate(hub, viewer, job_id) if job_id else None
    except JobNotFound:
        return None


def _estimate(hub: Hub, viewer: Viewer, job_id: str) -> Estimate:
    with hub.database.read() as session:
        job = visible_job(session, viewer, job_id)
    if job.kind != "run-estimate":
        raise JobNotFound(job_id)
    result: Mapping[str, Any] = job.result or {}
    return Estimate(
        job_id=job.id,
        state=job.state.value,
        word=words.state(job.state.value),
        error=job.error,
        time=words.duration(result["seconds"]) if result else "",
        memory_bytes=result.get("memory_bytes", 0),
        disk_bytes=result.get("disk_bytes", 0),
    )
