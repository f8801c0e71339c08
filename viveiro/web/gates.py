"""Before the gate of a repo, where one asks; and behind it, where its owner answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from viveiro.accounts.types import Viewer
from viveiro.errors import ViveiroError
from viveiro.http.dependencies import HubDep, SignedInDep
from viveiro.http.repo_addresses import RepoRefDep, repo_routes
from viveiro.hub.gates import (
    GateForm,
    ask_access,
    count_access_requests,
    decide_access,
    form_of,
    grant_access,
    list_access_requests,
)
from viveiro.hub.service import Hub
from viveiro.hub.types import AccessRequest, AccessStatus
from viveiro.locale import Sentence
from viveiro.types import Action, RepoRef
from viveiro.web.navigation import go_to
from viveiro.web.rendering import render
from viveiro.web.repo_head import RepoHead, repo_head

router = APIRouter()

PER_PAGE: Final = 50
STATUSES: Final = {
    AccessStatus.PENDING: Sentence("Waiting"),
    AccessStatus.ACCEPTED: Sentence("Those let in"),
    AccessStatus.REJECTED: Sentence("Declined"),
}


@dataclass(frozen=True, slots=True)
class AskPage:
    """`answers` as they were typed, one for each question; `problem` is what was wrong with them."""

    template: ClassVar[str] = "repos/ask_access.html"
    head: RepoHead
    form: GateForm
    answers: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AccessPage:
    """`status` says which requests are shown; `user` is who was to be let in, and `problem` why not."""

    template: ClassVar[str] = "repos/access.html"
    head: RepoHead
    status: AccessStatus
    statuses: Mapping[AccessStatus, Sentence]
    counts: Mapping[AccessStatus, int]
    requests: Sequence[AccessRequest]
    more: str | None
    user: str = ""
    problem: str | None = None


@repo_routes(router, "/ask-access", "GET")
def ask_page(request: Request, ref: RepoRefDep, viewer: SignedInDep, hub: HubDep) -> Response:
    repo = hub.get_repo(viewer, ref)
    head = repo_head(request, viewer, hub, repo, tab="card")
    if head.may_read_files or head.access is not None:
        return go_to(request, head.base)
    form = form_of(repo.card)
    return render(request, viewer, AskPage(head, form, ("",) * len(form.questions)))


async def _sent(request: Request) -> Mapping[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


@repo_routes(router, "/ask-access", "POST")
def ask(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    sent: Annotated[Mapping[str, str], Depends(_sent)],
) -> Response:
    """Programs may send this too, with an access token: the Hub has no other address for it."""
    repo = hub.get_repo(viewer, ref)
    form = form_of(repo.card)
    answers = tuple(sent.get(f"answer-{number}", "") for number in range(len(form.questions)))
    given = {question.text: answer for question, answer in zip(form.questions, answers, strict=True)}
    try:
        ask_access(hub, viewer, repo, given)
    except ViveiroError as error:
        head = repo_head(request, viewer, hub, repo, tab="card")
        page = AskPage(head, form, answers, error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, f"/{repo.ref.url_path}")


@repo_routes(router, "/settings/access", "GET")
def access_page(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    status: AccessStatus = AccessStatus.PENDING,
    cursor: Annotated[str, Query(max_length=24)] = "",
) -> Response:
    return render(request, viewer, _page(request, viewer, hub, ref, status, cursor))


@repo_routes(router, "/settings/access", "POST")
def decide(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    request_id: Annotated[str, Form(max_length=24)] = "",
    decision: Annotated[AccessStatus, Form()] = AccessStatus.PENDING,
    status: Annotated[AccessStatus, Form()] = AccessStatus.PENDING,
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """`status` is what the list shows, which is come back to."""
    repo = hub.get_repo(viewer, ref, Action.WRITE)
    try:
        decide_access(hub, viewer, repo, decision, request_id=request_id, reason=reason.strip() or None)
    except ViveiroError as error:
        page = replace(_page(request, viewer, hub, ref, status), problem=error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, f"/{repo.ref.url_path}/settings/access?status={status}")


@repo_routes(router, "/settings/access/grant", "POST")
def grant(
    request: Request,
    ref: RepoRefDep,
    viewer: SignedInDep,
    hub: HubDep,
    user: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    repo = hub.get_repo(viewer, ref, Action.WRITE)
    try:
        grant_access(hub, viewer, repo, user.strip())
    except ViveiroError as error:
        page = _page(request, viewer, hub, ref, AccessStatus.ACCEPTED)
        return render(request, viewer, replace(page, user=user, problem=error.translated()), status=error.status)
    return go_to(request, f"/{repo.ref.url_path}/settings/access?status={AccessStatus.ACCEPTED}")


def _page(
    request: Request, viewer: Viewer, hub: Hub, ref: RepoRef, status: AccessStatus, cursor: str = ""
) -> AccessPage:
    repo = hub.get_repo(viewer, ref, Action.WRITE)
    head = repo_head(request, viewer, hub, repo, tab="access")
    found = list_access_requests(hub, repo, status, after=cursor, limit=PER_PAGE + 1)
    shown = found[:PER_PAGE]
    more = f"{head.base}/settings/access?status={status}&cursor={shown[-1].id}" if len(found) > PER_PAGE else None
    return AccessPage(head, status, STATUSES, count_access_requests(hub, repo), shown, more)
