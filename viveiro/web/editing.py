"""Changing a repo in the browser. Each change is a commit like those of other clients, with their permissions, rules and events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from viveiro.accounts.types import Viewer
from viveiro.errors import (
    AlreadyExists,
    InvalidInput,
    RevisionNotFound,
    StaleParent,
    TooLarge,
    Unprocessable,
    ViveiroError,
)
from viveiro.http.dependencies import BlobsDep, HubDep, ViewerDep
from viveiro.http.repo_addresses import RepoRefDep, RestDep, repo_routes
from viveiro.hub.discussions.service import AsPullRequest, begin_proposal
from viveiro.hub.service import CommitBuilder, Hub
from viveiro.hub.types import DeleteFile, DeleteFolder, Repo, TreeEntry
from viveiro.locale import translate
from viveiro.storage import BlobStore
from viveiro.types import RepoRef
from viveiro.web.files import MAX_TEXT_BYTES
from viveiro.web.navigation import go_to
from viveiro.web.receiving import IncomingFile, Upload, short_form
from viveiro.web.rendering import render
from viveiro.web.repo_head import Place, RepoHead, find_place, repo_head

router = APIRouter()

MAX_FORM_BYTES: Final = 3 * MAX_TEXT_BYTES + 64 * 2**10
"""A text in which every byte is written as %XX, and a commit's message."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed. `parent` is the commit that the text was read from."""

    path: str
    content: str = ""
    title: str = ""
    description: str = ""
    parent: str = ""
    how: str = ""
    """`propose`: as a pull request."""


@dataclass(frozen=True, slots=True)
class EditPage:
    """`suggested` is the commit's title if none is typed. `is_new`: the path is chosen, too. `stale`: somebody else changed the
    file meanwhile."""

    template: ClassVar[str] = "editing/edit.html"
    head: RepoHead
    place: Place
    draft: Draft
    suggested: str
    is_new: bool
    problem: str | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class DeletePage:
    template: ClassVar[str] = "editing/delete.html"
    head: RepoHead
    place: Place
    entry: TreeEntry
    draft: Draft
    suggested: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class UploadPage:
    template: ClassVar[str] = "editing/upload.html"
    head: RepoHead
    place: Place
    draft: Draft
    suggested: str
    problem: str | None = None


class NotEditable(Unprocessable):
    def __init__(self, path: str) -> None:
        super().__init__(
            "{path} cannot be edited here: it is no text, or longer than {most} bytes. Upload a new version instead.",
            path=path,
            most=MAX_TEXT_BYTES,
        )


# Editing a file -----------------------------------------------------------------------------------------------------------


@repo_routes(router, "/edit/{rest:path}", "GET")
def edit(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep) -> Response:
    place, head = _writable(request, viewer, hub, ref, rest)
    text = _editable_text(hub, place)
    draft = Draft(place.path, text.replace("\r\n", "\n"), parent=place.sha)
    return render(request, viewer, EditPage(head, place, draft, _update_title(place), is_new=False))


@repo_routes(router, "/edit/{rest:path}", "POST")
async def save(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, blobs: BlobsDep
) -> Response:
    place, head = await run_in_threadpool(_writable, request, viewer, hub, ref, rest)
    sent = await _form(request)
    return await run_in_threadpool(_save, request, viewer, hub, blobs, place, head, sent)


def _save(
    request: Request, viewer: Viewer, hub: Hub, blobs: BlobStore, place: Place, head: RepoHead, sent: Draft
) -> Response:
    draft = replace(sent, path=place.path)
    try:
        before = replace(place, sha=hub.resolve(place.repo, draft.parent or place.sha))
        content = with_line_ends_of(_editable_text(hub, before), draft.content)
        parent = _parent_of_edit(hub, before, place)
        change = _begin(viewer, hub, place, head, draft.how)
        _add(hub, blobs, place, change.builder, place.path, content)
        change.builder.finish(draft.title or _update_title(place), draft.description, parent)
    except StaleParent as error:
        # Their text is kept, and saving once more is a decision: from now on it is made upon what is there.
        draft = replace(draft, parent=hub.resolve(place.repo, place.revision))
        page = EditPage(head, place, draft, _update_title(place), is_new=False, stale=True)
        return render(request, viewer, page, status=error.status)
    except ViveiroError as error:
        page = EditPage(head, place, draft, _update_title(place), is_new=False, problem=error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, change.shown_at(head, head.at("blob", place.path)))


def _parent_of_edit(hub: Hub, before: Place, now: Place) -> str:
    """The head that the commit must find. Commits that left this file alone do not stand in the way."""
    there = hub.paths_info(now.repo, now.sha, [now.path])
    return now.sha if there and there[0].oid == hub.entry(before.repo, before.sha, before.path).oid else before.sha


def _editable_text(hub: Hub, place: Place) -> str:
    entry = hub.entry(place.repo, place.sha, place.path)
    if entry.type != "file" or entry.size > MAX_TEXT_BYTES:
        raise NotEditable(place.path)
    content = b"".join(hub.stream_file(place.repo, entry))
    try:
        if b"\0" not in content:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise NotEditable(place.path)


def with_line_ends_of(before: str, after: str) -> str:
    """Forms send every line's end as CR LF. A file keeps its own. Pure."""
    text = after.replace("\r\n", "\n")
    return text.replace("\n", "\r\n") if "\r\n" in before else text


# A new file ---------------------------------------------------------------------------------------------------------------


@repo_routes(router, "/new/{rest:path}", "GET")
def new(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep) -> Response:
    """The address names a folder, or the whole path of a file that is not there."""
    place, head = _writable(request, viewer, hub, ref, rest)
    there = hub.paths_info(place.repo, place.sha, [place.path])
    path = f"{place.path}/" if there and there[0].type == "directory" else place.path
    draft = Draft(path, parent=place.sha)
    return render(request, viewer, EditPage(head, place, draft, _create_title(path), is_new=True))


@repo_routes(router, "/new/{rest:path}", "POST")
async def create(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, blobs: BlobsDep
) -> Response:
    place, head = await run_in_threadpool(_writable, request, viewer, hub, ref, rest)
    draft = await _form(request)
    return await run_in_threadpool(_create, request, viewer, hub, blobs, place, head, draft)


def _create(
    request: Request, viewer: Viewer, hub: Hub, blobs: BlobStore, place: Place, head: RepoHead, draft: Draft
) -> Response:
    path = draft.path.strip()
    try:
        if hub.paths_info(place.repo, place.sha, [path]):
            raise AlreadyExists("{path} is there already. Choose another name, or edit that file.", path=path)
        change = _begin(viewer, hub, place, head, draft.how)
        _add(hub, blobs, place, change.builder, path, draft.content.replace("\r\n", "\n"))
        change.builder.finish(draft.title or _create_title(path), draft.description, place.sha)
    except ViveiroError as error:
        page = EditPage(head, place, draft, _create_title(path), is_new=True, problem=error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, change.shown_at(head, head.at("blob", path)))


def _add(hub: Hub, blobs: BlobStore, place: Place, builder: CommitBuilder, path: str, content: str) -> None:
    patterns = hub.lfs_patterns(place.repo, place.sha)
    file = IncomingFile(path, hub=hub, repo=place.repo, blobs=blobs, builder=builder, patterns=patterns)
    file.write(content.encode("utf-8", "replace"))
    file.finish()


# Deleting -----------------------------------------------------------------------------------------------------------------


@repo_routes(router, "/delete/{rest:path}", "GET")
def ask_to_delete(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep) -> Response:
    place, head = _writable(request, viewer, hub, ref, rest)
    entry = hub.entry(place.repo, place.sha, place.path)
    return render(request, viewer, DeletePage(head, place, entry, Draft(place.path), _delete_title(place)))


@repo_routes(router, "/delete/{rest:path}", "POST")
async def delete(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep) -> Response:
    place, head = await run_in_threadpool(_writable, request, viewer, hub, ref, rest)
    draft = await _form(request)
    return await run_in_threadpool(_delete, request, viewer, hub, place, head, draft)


def _delete(request: Request, viewer: Viewer, hub: Hub, place: Place, head: RepoHead, draft: Draft) -> Response:
    entry = hub.entry(place.repo, place.sha, place.path)
    try:
        change = _begin(viewer, hub, place, head, draft.how)
        change.builder.add(DeleteFile(place.path) if entry.type == "file" else DeleteFolder(place.path))
        change.builder.finish(draft.title or _delete_title(place), draft.description)
    except ViveiroError as error:
        page = DeletePage(head, place, entry, draft, _delete_title(place), problem=error.translated())
        return render(request, viewer, page, status=error.status)
    return go_to(request, change.shown_at(head, head.at("tree", _folder_that_is_left(hub, place))))


def _folder_that_is_left(hub: Hub, place: Place) -> str:
    """A folder goes with its last file."""
    sha = hub.resolve(place.repo, place.revision)
    folder = place.folder
    while folder and not hub.paths_info(place.repo, sha, [folder]):
        folder = folder.rpartition("/")[0]
    return folder


# Uploading ----------------------------------------------------------------------------------------------------------------


@repo_routes(router, "/upload/{rest:path}", "GET")
def choose_files(request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep) -> Response:
    place, head = _writable(request, viewer, hub, ref, rest)
    return render(request, viewer, UploadPage(head, place, Draft(place.path), _upload_title([])))


@repo_routes(router, "/upload/{rest:path}", "POST")
async def upload(
    request: Request, ref: RepoRefDep, rest: RestDep, viewer: ViewerDep, hub: HubDep, blobs: BlobsDep
) -> Response:
    place, head = await run_in_threadpool(_writable, request, viewer, hub, ref, rest)
    change = await run_in_threadpool(_begin, viewer, hub, place, head)
    patterns = await run_in_threadpool(hub.lfs_patterns, place.repo, place.sha)
    with Upload(hub, place.repo, blobs, change.builder, patterns) as received:
        await received.receive(request)
    return await run_in_threadpool(_commit_upload, request, viewer, hub, place, head, change, received)


def _commit_upload(
    request: Request, viewer: Viewer, hub: Hub, place: Place, head: RepoHead, change: "_Change", received: Upload
) -> Response:
    draft = Draft(
        received.fields.get("folder", place.path).strip("/"),
        title=received.fields.get("title", ""),
        description=received.fields.get("description", ""),
    )
    try:
        if received.problem is not None:
            raise received.problem
        if not received.paths:
            raise InvalidInput("Choose at least one file.")
        if received.fields.get("how") == "propose" and change.proposal is None:
            # Which button was pressed is known when all has arrived.
            change = change.proposed(hub, viewer, place)
        change.builder.finish(draft.title or _upload_title(received.paths), draft.description)
    except ViveiroError as error:
        page = UploadPage(head, place, draft, _upload_title([]), problem=error.translated())
        return render(request, viewer, page, part=_error_part(request), status=error.status)
    return go_to(request, change.shown_at(head, head.at("tree", draft.path)))


def _error_part(request: Request) -> str | None:
    """`upload.js` shows the sentence in the page that is there; a form without it gets the page."""
    return "editing/_problem.html" if "hx-request" in request.headers else None


# Titles of commits for which nobody writes one, in the language of whoever commits: the forms show the same in grey. -----


def _update_title(place: Place) -> str:
    return translate("Update {name}", name=place.name)


def _create_title(path: str) -> str:
    """While the name is not typed yet, it is open."""
    return translate("Create {name}", name=path.rpartition("/")[2] or "…")


def _delete_title(place: Place) -> str:
    return translate("Delete {name}", name=place.name)


def _upload_title(paths: Sequence[str]) -> str:
    if len(paths) > 1:
        return translate("Upload {count} files", count=len(paths))
    return translate("Upload {name}", name=paths[0].rpartition("/")[2] if paths else "…")


# Shared -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Change:
    """A commit in the making. `proposal`: it will be a pull request."""

    builder: CommitBuilder
    proposal: AsPullRequest | None = None

    def proposed(self, hub: Hub, viewer: Viewer, place: Place) -> "_Change":
        """The same, as a pull request."""
        _, proposal = begin_proposal(hub, viewer, place.repo, place.revision)
        self.builder.redirect(proposal)
        return _Change(self.builder, proposal)

    def shown_at(self, head: RepoHead, otherwise: str) -> str:
        """Where to look at what was made."""
        if self.proposal is None:
            return otherwise
        return f"{head.base}/discussions/{self.proposal.opened[0].number}"


def _begin(viewer: Viewer, hub: Hub, place: Place, head: RepoHead, how: str = "") -> _Change:
    if head.editing == "propose" or how == "propose":
        return _Change(*begin_proposal(hub, viewer, place.repo, place.revision))
    return _Change(hub.begin_commit(viewer, place.repo, place.revision))


def _writable(request: Request, viewer: Viewer, hub: Hub, ref: RepoRef, rest: Sequence[str]) -> tuple[Place, RepoHead]:
    """Only branches and pull requests grow: from anywhere else there is nothing to commit onto."""
    place = find_place(hub, viewer, ref, rest)
    head = repo_head(request, viewer, hub, place.repo, tab="files", revision=place.revision)
    if head.editing is None:
        hub.require_upload(viewer, place.repo)
        _refuse_fixed(hub, viewer, place.repo, place.revision)
    return place, head


def _refuse_fixed(hub: Hub, viewer: Viewer, repo: Repo, revision: str) -> None:
    try:
        hub.begin_commit(viewer, repo, revision)
    except RevisionNotFound:
        raise Unprocessable(
            "{revision} is a tag or a commit, and stays as it is. Open the file on a branch to change it.",
            revision=revision,
        ) from None


async def _form(request: Request) -> Draft:
    too_long = TooLarge("This text is longer than {most} bytes. Upload it as a file instead.", most=MAX_TEXT_BYTES)
    sent = await short_form(request, MAX_FORM_BYTES, too_long)
    known = {name: value for name, value in sent.items() if name in Draft.__slots__}
    return Draft(**{"path": "", **known})
