"""Who asks for the files of a gated repo, and who lets them in.

A gated repo is seen by all. Its card may say what to tell those who ask, and what to ask them (`extra_gated_*`, as on the Hub).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from viveiro.accounts.service import can, get_account, record, viewer_of_user
from viveiro.accounts.types import AccountKind, Viewer
from viveiro.db import utc_now
from viveiro.errors import InvalidInput, NotAuthenticated, NotFound
from viveiro.hub import queries
from viveiro.hub.service import Hub
from viveiro.hub.types import AccessRequest, AccessStatus, Repo
from viveiro.types import Action

MOST_QUESTIONS: Final = 20
LONGEST_ANSWER: Final = 500
YES: Final = "yes"
"""The answer of a box that was ticked."""

QuestionKind: TypeAlias = Literal["text", "checkbox", "select"]


class NotGated(InvalidInput):
    def __init__(self, repo: Repo) -> None:
        super().__init__(
            "{repo} is not gated: who sees it may read it. To gate it: viveiro repos update {name} --type {kind} --gated manual",
            repo=repo.ref,
            name=repo.name,
            kind=repo.kind,
        )


class AccessRequestNotFound(NotFound):
    def __init__(self, who: str, repo: Repo) -> None:
        super().__init__("{who} has not asked for access to {repo}.", who=who, repo=repo.ref)


class AlreadyDecided(NotFound):
    """404 and not 409: no such request is left to be decided so, and clients are told this status."""

    def __init__(self, request: AccessRequest) -> None:
        super().__init__("The request of {user} is {status} already.", user=request.name, status=request.status)


@dataclass(frozen=True, slots=True)
class Question:
    """Of an owner to whoever asks. `options` are those of a select."""

    text: str
    kind: QuestionKind
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateForm:
    """What stands before the gate. Texts are the owner's, None where they wrote none."""

    heading: str | None
    prompt: str | None
    button: str | None
    questions: tuple[Question, ...]


def form_of(card: Mapping[str, Any]) -> GateForm:
    """Cards may hold anything: what is no text or question is left out. Pure."""
    asked = card.get("extra_gated_fields")
    questions = [_question(str(name), kind) for name, kind in asked.items()] if isinstance(asked, dict) else []
    return GateForm(
        heading=_text(card.get("extra_gated_heading")),
        prompt=_text(card.get("extra_gated_prompt")) or _text(card.get("extra_gated_description")),
        button=_text(card.get("extra_gated_button_content")),
        questions=tuple(questions[:MOST_QUESTIONS]),
    )


def _question(name: str, kind: Any) -> Question:
    if isinstance(kind, dict):
        offered = kind.get("options")
        options = [_option(option) for option in offered] if isinstance(offered, list) else []
        named = tuple(option for option in options if option)
        return Question(name, "select", named) if kind.get("type") == "select" and named else Question(name, "text")
    return Question(name, "checkbox" if kind == "checkbox" else "text")


def _option(option: Any) -> str | None:
    """Some cards give a label and a value."""
    return _text(option.get("value")) if isinstance(option, dict) else _text(option)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def ask_access(hub: Hub, viewer: Viewer, repo: Repo, answers: Mapping[str, str]) -> AccessRequest:
    """The viewer's request, as it was if they had asked before. Let in at once where the gate opens by itself.

    Args:
        answers: by the text of the question.
    """
    user_id = _user_id(viewer)
    if repo.gated is None:
        raise NotGated(repo)
    fields = _checked(form_of(repo.card), answers)
    status = AccessStatus.ACCEPTED if repo.gated == "auto" else AccessStatus.PENDING
    with hub.database.write() as session:
        before = queries.access_request(session, repo.pk, user_id=user_id)
        if before is not None:
            return before
        queries.add_access_request(session, repo.pk, user_id, status, asked=True, fields=fields, at=utc_now())
        record(session, viewer, "repo.access.ask", str(repo.ref), status=status)
        made = queries.access_request(session, repo.pk, user_id=user_id)
    assert made is not None  # in the same transaction
    return made


def _checked(form: GateForm, answers: Mapping[str, str]) -> dict[str, str]:
    given = {question.text: answers.get(question.text, "").strip() for question in form.questions}
    for question in form.questions:
        answer = given[question.text]
        if not answer or (question.kind == "select" and answer not in question.options):
            raise InvalidInput("An answer is missing: {question}", question=question.text[:200])
        if len(answer) > LONGEST_ANSWER:
            raise InvalidInput(
                "An answer is longer than {most} characters: {question}",
                most=LONGEST_ANSWER,
                question=question.text[:200],
            )
    return given


def access_request_of(hub: Hub, viewer: Viewer, repo: Repo) -> AccessRequest | None:
    """The viewer's own."""
    if viewer.user_id is None:
        return None
    with hub.database.read() as session:
        return queries.access_request(session, repo.pk, user_id=viewer.user_id)


# For whoever may write: `repo` is what `get_repo(…, Action.WRITE)` gave ----------------------------------------------------


def list_access_requests(
    hub: Hub, repo: Repo, status: AccessStatus, *, after: str = "", limit: int
) -> list[AccessRequest]:
    """The next page: after the last one's id."""
    with hub.database.read() as session:
        return queries.access_requests(session, repo.pk, status, after=after, limit=limit)


def count_access_requests(hub: Hub, repo: Repo) -> dict[AccessStatus, int]:
    with hub.database.read() as session:
        return queries.count_access_requests(session, repo.pk)


def decide_access(
    hub: Hub,
    viewer: Viewer,
    repo: Repo,
    status: AccessStatus,
    *,
    user: str | None = None,
    request_id: str | None = None,
    reason: str | None = None,
) -> AccessRequest:
    """Accept, reject, or put back to pending, which closes the gate again. By the user's name or the request's id.

    Raises:
        NotGated, UserNotFound, AccessRequestNotFound
        AlreadyDecided: it has that status.
    """
    if repo.gated is None:
        raise NotGated(repo)
    with hub.database.write() as session:
        user_id = get_account(session, user, AccountKind.USER).id if user is not None else None
        request = queries.access_request(session, repo.pk, user_id=user_id, request_id=request_id)
        if request is None:
            raise AccessRequestNotFound(user or request_id or "", repo)
        if not queries.decide_access_request(session, request.id, status, reason):
            raise AlreadyDecided(request)
        record(session, viewer, f"repo.access.{status}", str(repo.ref), user=request.name)
        decided = queries.access_request(session, repo.pk, request_id=request.id)
    assert decided is not None
    return decided


def grant_access(hub: Hub, viewer: Viewer, repo: Repo, user: str) -> AccessRequest:
    """Let somebody in, whether they asked or not.

    Raises:
        NotGated, UserNotFound
        InvalidInput: they may read its files already.
    """
    if repo.gated is None:
        raise NotGated(repo)
    with hub.database.write() as session:
        account = get_account(session, user, AccountKind.USER)
        before = queries.access_request(session, repo.pk, user_id=account.id)
        is_let_in = before is not None and before.status is AccessStatus.ACCEPTED
        if is_let_in or can(viewer_of_user(session, account.id), Action.READ, repo.resource):
            raise InvalidInput("{user} may read the files of {repo} already.", user=account.name, repo=repo.ref)
        accepted = AccessStatus.ACCEPTED
        queries.add_access_request(session, repo.pk, account.id, accepted, asked=False, fields={}, at=utc_now())
        if before is not None:
            queries.decide_access_request(session, before.id, accepted, None)
        record(session, viewer, "repo.access.grant", str(repo.ref), user=account.name)
        granted = queries.access_request(session, repo.pk, user_id=account.id)
    assert granted is not None
    return granted


def _user_id(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise NotAuthenticated
    return viewer.user_id
