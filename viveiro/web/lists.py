"""Lists of models, datasets and spaces: search, facets, order. Each choice is an address that can be kept and shared.

The counts beside the list come in a request of their own, so that nobody waits for them to read the list.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import QueryParams

from viveiro.errors import InvalidInput
from viveiro.http.dependencies import DatabaseDep, FacetsDep, ViewerDep
from viveiro.http.repo_addresses import KIND
from viveiro.hub.facets import GROUPS, FacetCounts, narrowed
from viveiro.hub.listing import cursor_of, list_repos, position_at
from viveiro.hub.types import Repo, RepoQuery, RepoSort
from viveiro.locale import Sentence, language_name, translate
from viveiro.types import RepoKind
from viveiro.web import words
from viveiro.web.rendering import is_fragment, render

router = APIRouter()

PER_PAGE: Final = 30
FEW_MATCHES: Final = 1000
"""Of a filtered list with no more repos than this, the counts know them all: it need not be searched for them."""
LONGEST_SEARCH: Final = 200

SORTS: Final = {
    RepoSort.TRENDING: Sentence("Trending"),
    RepoSort.LAST_MODIFIED: Sentence("Recently changed"),
    RepoSort.CREATED_AT: Sentence("Newest"),
    RepoSort.DOWNLOADS: Sentence("Most downloads"),
    RepoSort.LIKES: Sentence("Most likes"),
}
TITLES: Final = {
    RepoKind.MODEL: Sentence("Models"),
    RepoKind.DATASET: Sentence("Datasets"),
    RepoKind.SPACE: Sentence("Spaces"),
    RepoKind.KERNEL: Sentence("Kernels"),
}
GROUP_NAMES: Final = {
    "pipeline_tag": Sentence("Task"),
    "task_categories": Sentence("Task"),
    "library": Sentence("Library"),
    "language": Sentence("Language"),
    "license": Sentence("Licence"),
    "architecture": Sentence("Architecture"),
    "num_parameters": Sentence("Parameters"),
    "size_categories": Sentence("Rows"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What an address asks for. `chosen` has at most one value of each group; `others` are any other tags."""

    kind: RepoKind
    chosen: Mapping[str, str]
    others: tuple[str, ...]
    author: str | None
    search: str
    sort: RepoSort

    @classmethod
    def read(cls, kind: RepoKind, asked: QueryParams) -> "Selection":
        """Raises InvalidInput for an order that there is none of."""
        sort = asked.get("sort") or RepoSort.TRENDING.value
        if sort not in {each.value for each in RepoSort}:
            known = ", ".join(each.value for each in RepoSort)
            raise InvalidInput("Lists cannot be sorted by {name!r}. Known: {known}.", name=sort[:100], known=known)
        return cls(
            kind,
            {group: value for group in GROUPS[kind] if (value := asked.get(group))},
            tuple(dict.fromkeys(filter(None, asked.getlist("filter")))),
            asked.get("author") or None,
            " ".join(asked.get("search", "").split())[:LONGEST_SEARCH],
            RepoSort(sort),
        )

    def query(self) -> RepoQuery:
        """Raises InvalidInput for a range of parameters that is none."""
        query = RepoQuery(self.kind, tags=self.others, author=self.author, search=self.search, sort=self.sort)
        for group, value in self.chosen.items():
            query = narrowed(query, group, value)
        return replace(query, limit=PER_PAGE)

    @property
    def is_filtered(self) -> bool:
        return bool(self.chosen or self.others or self.author or self.search)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """As an address writes them; what goes without saying is left out."""
        pairs = [*self.chosen.items(), *(("filter", tag) for tag in self.others)]
        pairs += [("author", self.author)] if self.author else []
        pairs += [("search", self.search)] if self.search else []
        return pairs + ([("sort", self.sort.value)] if self.sort is not RepoSort.TRENDING else [])

    def address(self, path: str = "", **more: str) -> str:
        """Of the list that this chooses. `path` goes below the list's own."""
        encoded = urlencode([*self.pairs, *more.items()])
        return f"/{self.kind.plural}{path}{f'?{encoded}' if encoded else ''}"

    def toggled(self, group: str, value: str) -> "Selection":
        chosen = {name: known for name, known in self.chosen.items() if name != group}
        return replace(self, chosen=chosen if self.chosen.get(group) == value else {**chosen, group: value})

    def without(self, tag: str) -> "Selection":
        return replace(self, others=tuple(other for other in self.others if other != tag))


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a list can be narrowed to, or is. `repos` is None where nobody counted."""

    name: str
    address: str
    is_chosen: bool
    repos: int | None = None
    is_word: bool = False
    """Whether `name` is language, and no identifier."""


@dataclass(frozen=True, slots=True)
class ListPage:
    template: ClassVar[str] = "lists/list.html"
    title: str
    selection: Selection
    sorts: list[tuple[str, str]]
    repos: list[Repo]
    next_page: str | None
    chosen: list[Choice]


@dataclass(frozen=True, slots=True)
class FacetsPage:
    """`groups`: what each is called, and its values."""

    template: ClassVar[str] = "lists/facets.html"
    title: str
    selection: Selection
    total: int
    groups: list[tuple[str, list[Choice]]]


def _selection(kind: RepoKind, request: Request) -> Selection:
    return Selection.read(kind, request.query_params)


SelectionDep = Annotated[Selection, Depends(_selection)]


@router.get(f"/{KIND}")
def list_page(
    request: Request, selection: SelectionDep, viewer: ViewerDep, database: DatabaseDep, facets: FacetsDep
) -> Response:
    query = selection.query()
    if cursor := request.query_params.get("cursor"):
        query = replace(query, after=position_at(cursor, selection.sort))
    among = facets.matches(viewer, query, FEW_MATCHES) if query.is_filtered else None
    with database.read() as session:
        page = list_repos(session, viewer, query, among)
    listed = ListPage(
        title=TITLES[selection.kind],
        selection=selection,
        sorts=[(sort.value, translate(name)) for sort, name in SORTS.items()],
        repos=page.repos,
        next_page=selection.address(cursor=cursor_of(page.next, selection.sort)) if page.next else None,
        chosen=list(_chosen(selection)),
    )
    return render(request, viewer, listed, part="lists/_results.html" if is_fragment(request) else None)


@router.get(f"/{KIND}/-/facets")
def facets_page(request: Request, selection: SelectionDep, viewer: ViewerDep, facets: FacetsDep) -> Response:
    counts = facets.count(viewer, selection.query())
    page = FacetsPage(TITLES[selection.kind], selection, counts.total, list(_groups(selection, counts)))
    return render(request, viewer, page, part="lists/_facets.html" if is_fragment(request) else None)


def _groups(selection: Selection, counts: FacetCounts) -> Iterator[tuple[str, list[Choice]]]:
    for group, values in counts.groups.items():
        if values:
            yield GROUP_NAMES[group], [_choice(selection, group, value, repos) for value, repos in values]


def _choice(selection: Selection, group: str, value: str, repos: int | None = None) -> Choice:
    name, is_word = _named(group, value)
    return Choice(name, selection.toggled(group, value).address(), selection.chosen.get(group) == value, repos, is_word)


def _chosen(selection: Selection) -> Iterator[Choice]:
    """What narrows the list now; the address of each is the list without it."""
    for group, value in selection.chosen.items():
        yield _choice(selection, group, value)
    for tag in selection.others:
        yield Choice(tag, selection.without(tag).address(), is_chosen=True)
    if selection.author:
        yield Choice(selection.author, replace(selection, author=None).address(), is_chosen=True)


def _named(group: str, value: str) -> tuple[str, bool]:
    """What people read for a value, and whether that is language."""
    if group in ("pipeline_tag", "task_categories"):
        return translate(words.task(value)), value in words.TASKS
    if group == "language":
        return (name := language_name(value)), name != value
    if group == "num_parameters":
        return _range_name(value), False
    if group == "size_categories":
        return rows_name(value), False
    return value, False


def rows_name(value: str) -> str:
    """The Hub writes `n<1K`, `1K<n<10K` and `n>1T`; people read < 1K, 1K-10K and > 1T."""
    least, is_one, most = value.partition("n")
    if not is_one or most[:1] not in ("<", ">"):
        return value
    return f"{least.removesuffix('<')}-{most[1:]}" if least else f"{most[0]} {most[1:]}"


def _range_name(value: str) -> str:
    """`min:10M,max:100M` is 10M–100M."""
    bounds = dict(part.split(":", 1) for part in value.split(",") if ":" in part)
    least, most = bounds.get("min"), bounds.get("max")
    if least and most:
        return f"{least}-{most}"
    return f"≥ {least}" if least else f"≤ {most or value}"
