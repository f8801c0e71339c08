"""Who may do what in discussions and pull requests. Pure: one table, in the manner of `accounts.permissions`."""

from enum import StrEnum
from typing import Final

from viveiro.accounts.service import can, may_take_part
from viveiro.accounts.types import Viewer
from viveiro.errors import Forbidden, NotAuthenticated
from viveiro.hub.types import Repo
from viveiro.types import Action, Resource


class Act(StrEnum):
    OPEN = "open"
    COMMENT = "comment"
    EDIT = "edit"
    """A comment."""
    HIDE = "hide"
    """A comment."""
    RENAME = "rename"
    CHANGE_STATUS = "change-status"
    PROPOSE = "propose"
    """Changes: a pull request."""
    COMMIT = "commit"
    """To a pull request."""
    MERGE = "merge"


class Part(StrEnum):
    """What somebody is in a discussion."""

    PARTICIPANT = "participant"
    """Any person who sees the repo."""
    AUTHOR = "author"
    """Of the discussion; of the comment, where it is about one."""
    WRITER = "writer"
    """May write to the repo."""


ALLOWED: Final = {
    Act.OPEN: {Part.PARTICIPANT},
    Act.COMMENT: {Part.PARTICIPANT},
    Act.EDIT: {Part.AUTHOR},
    Act.HIDE: {Part.AUTHOR, Part.WRITER},
    Act.RENAME: {Part.AUTHOR, Part.WRITER},
    Act.CHANGE_STATUS: {Part.AUTHOR, Part.WRITER},
    Act.PROPOSE: {Part.PARTICIPANT},
    Act.COMMIT: {Part.AUTHOR, Part.WRITER},
    Act.MERGE: {Part.WRITER},
}
"""What is about files takes the right to read them besides: `Hub.require_files`."""


def may(viewer: Viewer, act: Act, resource: Resource, author_id: int | None = None) -> bool:
    """`author_id`: of the discussion, or of the comment that it is about. None: its author's account is gone."""
    if not may_take_part(viewer, resource):
        return False
    parts = {Part.PARTICIPANT}
    if viewer.user_id is not None and viewer.user_id == author_id:
        parts.add(Part.AUTHOR)
    if can(viewer, Action.WRITE, resource):
        parts.add(Part.WRITER)
    return not parts.isdisjoint(ALLOWED[act])


def require(viewer: Viewer, act: Act, repo: Repo, author_id: int | None = None) -> None:
    """Raises NotAuthenticated or Forbidden. That the viewer sees the repo has been looked at before."""
    if may(viewer, act, repo.resource, author_id):
        return
    if viewer.is_anonymous:
        raise NotAuthenticated
    if not may_take_part(viewer, repo.resource):
        raise Forbidden(
            "This access token only reads. To take part in what is discussed about {repo}, use one that may write there.",
            repo=repo.ref,
        )
    raise Forbidden(
        "In {repo}, this takes the author of what it is about, or somebody who may write to the repo.", repo=repo.ref
    )
