"""Every error that a person or a program may see.

    ViveiroError
    ├── InvalidInput (400)          what was sent cannot be meant
    │   ├── InvalidRepoId  InvalidName  InvalidHash
    │   └── UnknownColumn  OneColumnTwice
    ├── NotAuthenticated (401)      no credential, or one that is no longer good
    │   ├── InvalidCredentials
    │   └── GatedRepoForStrangers
    ├── Forbidden (403)             known, but not allowed
    │   └── GatedRepo
    ├── NotFound (404)
    │   ├── RepoNotFound  RevisionNotFound  EntryNotFound
    │   │   └── RepoMoved (307)             └── NothingToDelete
    │   ├── BlobNotFound           the index knows it, the store does not
    │   └── UserNotFound  JobNotFound  DiscussionNotFound  …
    ├── Conflict (409)              the world already holds something that excludes this
    │   └── AlreadyExists  MergeConflict  LeaseLost  JobCancelled
    ├── StaleParent (412)           the branch moved under the caller
    ├── TooLarge (413)
    ├── RangeNotSatisfiable (416)
    ├── Unprocessable (422)         well formed, and still not acceptable
    │   ├── InvalidPath
    │   ├── ChecksumMismatch  SizeMismatch  MissingParts
    │   ├── UnreadableFile         no table can be read from it
    │   └── UnusableData           a table, but nothing can be learnt from it
    ├── TooManyRequests (429)
    ├── NotOffered (501)            part of the protocol, not of this installation
    ├── Unavailable (503)           try again later
    └── StorageFull (507)

Domains raise these; only `http/errors.py` knows which status they become. `code` travels in `X-Error-Code`, where
`huggingface_hub` turns `RepoNotFound`, `RevisionNotFound`, `EntryNotFound` and `GatedRepo` into its own exceptions.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar, Final

from viveiro.locale import Sentence, translate


class ViveiroError(Exception):
    """A sentence for people, with the next step in it: in English to logs and `str`, in the reader's language to people.

    The template stands literally where the error is raised, or in its class, and is found there by `make messages`.
    """

    status: ClassVar[int] = 500
    template: str

    def __init__(self, template: str, /, **fields: object) -> None:
        self.template = template
        self.fields = fields
        self.sentence = Sentence(template, **fields)
        super().__init__(self.sentence)

    @property
    def code(self) -> str:
        return type(self).__name__

    @property
    def told(self) -> Mapping[str, object]:
        """What clients read besides the sentence."""
        return {}

    def translated(self) -> str:
        """In the language of whoever is being answered."""
        return translate(self.sentence)


class InvalidInput(ViveiroError):
    status = 400


class InvalidRepoId(InvalidInput):
    def __init__(self, text: str) -> None:
        super().__init__(
            "{text!r} is not a repo id. Write namespace/name, with letters, digits, '-', '_' and '.', at most 96 characters.",
            text=text[:200],
        )


class InvalidName(InvalidInput):
    def __init__(self, text: str) -> None:
        super().__init__(
            "{text!r} cannot be a name. Use 1 to 96 letters, digits, '-', '_' and '.'; start and end with none of '-' and '.'.",
            text=text[:200],
        )


class InvalidHash(InvalidInput):
    def __init__(self, text: str) -> None:
        super().__init__("{text!r} is not a sha256. Write 64 lower-case hexadecimal digits.", text=text[:80])


class UnknownColumn(InvalidInput):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        columns = ", ".join(known)[:1000]
        near = get_close_matches(name, known, n=1)
        if near:
            super().__init__(
                "There is no column {name!r}. Did you mean {near!r}? Columns: {columns}.",
                name=name,
                near=near[0],
                columns=columns,
            )
        else:
            super().__init__("There is no column {name!r}. Columns: {columns}.", name=name, columns=columns)


class OneColumnTwice(InvalidInput):
    def __init__(self, name: str) -> None:
        super().__init__(
            "Column {name!r} cannot be both text and label. Name two: --text-column …, --label-column …", name=name
        )


class NotAuthenticated(ViveiroError):
    status = 401

    def __init__(
        self, template: str = "Sign in, or send an access token: Authorization: Bearer hf_…", **fields: object
    ) -> None:
        super().__init__(template, **fields)


class InvalidCredentials(NotAuthenticated):
    """An access token that is unknown, expired or revoked."""

    def __init__(self) -> None:
        # Clients compare with this very sentence, to tell a bad token from a missing repo.
        super().__init__("Invalid credentials in Authorization header")


class Forbidden(ViveiroError):
    status = 403


class GatedRepo(Forbidden):
    """`status`: of the request for access that whoever asks has made, if any."""

    def __init__(self, repo_id: object, kind: str, status: str | None = None) -> None:
        super().__init__(_GATED.get(status, _GATED[None]), repo_id=repo_id, kind=kind)


class GatedRepoForStrangers(NotAuthenticated):
    """The same, to someone who may be one of those let in."""

    code = "GatedRepo"

    def __init__(self, repo_id: object, kind: str) -> None:
        super().__init__(
            "Access to {kind} {repo_id} is restricted. Sign in, or send the access token of an account that was let in.",
            repo_id=repo_id,
            kind=kind,
        )


# Clients look for the first half of the first.
_GATED: Final = {
    None: Sentence(
        "Access to {kind} {repo_id} is restricted and you are not in the authorized list. Ask for access on its page."
    ),
    "pending": Sentence(
        "Access to {kind} {repo_id} is restricted and you are not in the authorized list. You have asked, and its owner has not "
        "answered yet."
    ),
    "rejected": Sentence(
        "Access to {kind} {repo_id} is restricted and you are not in the authorized list. You have asked, and its owner has "
        "declined."
    ),
}


class NotFound(ViveiroError):
    status = 404


class RepoNotFound(NotFound):
    def __init__(self, repo_id: object, kind: str) -> None:
        super().__init__(
            "No {kind} repo {repo_id}, or it is private and this token cannot see it. "
            "To create it: viveiro repos create {repo_id} --type {kind}",
            repo_id=repo_id,
            kind=kind,
        )


class RepoMoved(RepoNotFound):
    """Whoever asks may see it, under its new name. Where the old one stands in an address, the answer leads on (307)."""

    code = "RepoNotFound"

    def __init__(self, old: str, new: str, kind: str) -> None:
        NotFound.__init__(
            self, "The {kind} repo {old} is called {new} now. Use that name.", old=old, new=new, kind=kind
        )
        self.old = old
        self.new = new


class RevisionNotFound(NotFound):
    def __init__(self, revision: str, repo_id: object) -> None:
        super().__init__(
            "Invalid rev id: {revision}. {repo_id} has no such branch, tag or commit.",
            revision=revision,
            repo_id=repo_id,
        )


class EntryNotFound(NotFound):
    def __init__(self, path: str, repo_id: object, revision: str) -> None:
        super().__init__(
            "{path} does not exist in {repo_id} at revision {revision}.", path=path, repo_id=repo_id, revision=revision
        )


class NothingToDelete(EntryNotFound):
    """Clients know it as EntryNotFound, by this very sentence."""

    code = "EntryNotFound"

    def __init__(self, path: str, repo_id: object, revision: str) -> None:
        NotFound.__init__(
            self,
            "A file with this name doesn't exist: {path}, in {repo_id} at revision {revision}. Nothing was deleted.",
            path=path,
            repo_id=repo_id,
            revision=revision,
        )


class BlobNotFound(NotFound):
    def __init__(self, sha256: str) -> None:
        super().__init__(
            "Content {sha256} is not in the store. To find what else is missing: viveiro hub fsck", sha256=sha256
        )


class UserNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__("No user or organisation is called {name}. To see them: viveiro users list", name=name)


class JobNotFound(NotFound):
    def __init__(self, job_id: str) -> None:
        super().__init__("No job {job_id}, or it is not yours. To see yours: viveiro jobs list", job_id=job_id)


class DiscussionNotFound(NotFound):
    def __init__(self, number: int, repo_id: object) -> None:
        super().__init__("{repo_id} has no discussion or pull request {number}.", number=number, repo_id=repo_id)


class Conflict(ViveiroError):
    status = 409


class MergeConflict(Conflict):
    def __init__(self, branch: str, paths: Sequence[str]) -> None:
        super().__init__(
            "This cannot be merged by itself: {branch} has changed too, in {paths}. Bring the pull request up to date first: "
            "commit to it what these files should be.",
            branch=branch,
            paths=", ".join(paths[:20]) + (" …" if len(paths) > 20 else ""),
        )
        self.paths = tuple(paths)


class LeaseLost(Conflict):
    """An attempt that is no longer the job's current one wants to publish: it must stop, and leave nothing behind."""

    def __init__(self, job_id: str, attempt: int) -> None:
        super().__init__(
            "Attempt {attempt} of job {job_id} no longer holds it: the job ended, or goes on in a later attempt. "
            "To see what became of it: viveiro jobs info {job_id}",
            job_id=job_id,
            attempt=attempt,
        )


class JobCancelled(Conflict):
    """Someone cancelled the job before it published: it must stop, and leave nothing behind."""

    def __init__(self, job_id: str) -> None:
        super().__init__("Job {job_id} was cancelled. To see it: viveiro jobs info {job_id}", job_id=job_id)


class AlreadyExists(Conflict):
    """`url` is read by clients that said exist_ok."""

    def __init__(self, template: str, *, url: str | None = None, **fields: object) -> None:
        super().__init__(template, **fields)
        self.url = url

    @property
    def told(self) -> Mapping[str, object]:
        return {"url": self.url} if self.url else {}


class StaleParent(ViveiroError):
    status = 412

    def __init__(self) -> None:
        # Tests of `datasets` and `huggingface_hub` look for this very sentence.
        super().__init__("The branch was updated since you opened this page. Please refresh and try again.")


class TooLarge(ViveiroError):
    status = 413


class RangeNotSatisfiable(ViveiroError):
    status = 416

    def __init__(self, size: int) -> None:
        super().__init__("The requested range lies outside the file of {size} bytes.", size=size)
        self.size = size


class Unprocessable(ViveiroError):
    status = 422


class InvalidPath(Unprocessable):
    def __init__(self, path: str, why: str) -> None:
        super().__init__("{path!r} cannot be a path in a repo: {why}.", path=path[:300], why=why)


class ChecksumMismatch(Unprocessable):
    def __init__(self, announced: str, actual: str) -> None:
        super().__init__(
            "The content has sha256 {actual}, not the announced {announced}. Nothing was stored. Send it again.",
            announced=announced,
            actual=actual,
        )


class SizeMismatch(Unprocessable):
    def __init__(self, announced: int, actual: int) -> None:
        super().__init__(
            "{announced} bytes were announced and {actual} arrived. Nothing was stored. Send it again.",
            announced=announced,
            actual=actual,
        )


class MissingParts(Unprocessable):
    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(
            "Parts of this upload have not arrived: {numbers}. Send them, then complete it again.",
            numbers=", ".join(map(str, numbers[:20])) + (" …" if len(numbers) > 20 else ""),
        )


class UnreadableFile(Unprocessable):
    pass


class UnusableData(Unprocessable):
    pass


class TooManyRequests(ViveiroError):
    status = 429

    def __init__(self, template: str, *, retry_after_seconds: int, **fields: object) -> None:
        super().__init__(template, **fields)
        self.retry_after_seconds = retry_after_seconds


class NotOffered(ViveiroError):
    status = 501


class Unavailable(ViveiroError):
    status = 503

    def __init__(self, template: str, *, retry_after_seconds: int | None = None, **fields: object) -> None:
        super().__init__(template, **fields)
        self.retry_after_seconds = retry_after_seconds


class StorageFull(ViveiroError):
    status = 507

    def __init__(
        self,
        template: str = "The disk that holds the data folder is full. Nothing was changed. Free space there, then try again.",
        **fields: object,
    ) -> None:
        super().__init__(template, **fields)
