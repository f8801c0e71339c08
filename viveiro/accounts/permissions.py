"""Who may do what. Pure: the viewer and the resource carry all that the answer depends on."""

from typing import Final

from viveiro.accounts.types import Grant, Role, TokenRole, TokenScope, Viewer
from viveiro.types import Action, Resource, Visibility

NOBODY: Final = 0
"""No account has this id: what it owns is for administrators."""

_RANK: Final = {action: rank for rank, action in enumerate(Action)}
_ALLOWED_BY_ROLE: Final = {Role.READ: Action.READ, Role.WRITE: Action.WRITE, Role.ADMIN: Action.ADMIN}
_INFERRING: Final = frozenset({TokenRole.INFERENCE, TokenRole.WRITE})


def can(viewer: Viewer, action: Action, resource: Resource) -> bool:
    """Whether this viewer, with the credential they came with, may do this.

    What is public and not gated is anyone's to read, whatever the credential. All else takes two yeses: the person's
    and the access token's, which can only narrow what the person may do.
    """
    if action is Action.READ and resource.visibility is Visibility.PUBLIC and not resource.gated:
        return True
    return _person_can(viewer, action, resource) and _token_can(viewer.scope, action, resource)


def may_see(viewer: Viewer, resource: Resource) -> bool:
    """Whether its existence may be told. A gated repo is seen by all and read by few; a private one is missing."""
    return resource.visibility is Visibility.PUBLIC or can(viewer, Action.READ, resource)


def may_take_part(viewer: Viewer, resource: Resource) -> bool:
    """Whether this viewer may speak up about the resource, or propose changes to it: any person who sees it.

    An access token says it in its person's name, so it must be one that may write there.
    """
    return not viewer.is_anonymous and may_see(viewer, resource) and _token_can(viewer.scope, Action.WRITE, resource)


def may_speak(viewer: Viewer) -> bool:
    """Whether there is anything at all that this viewer may take part in."""
    scope = viewer.scope
    if viewer.is_anonymous:
        return False
    if scope is None or scope.role is TokenRole.WRITE:
        return True
    return any(_includes(granted, Action.WRITE) for grant in scope.grants for granted in grant.actions)


def may_infer(viewer: Viewer, resource: Resource) -> bool:
    """Whether this viewer may have the resource's model compute: that costs, so a stranger may not even if it is public."""
    if viewer.is_anonymous and not viewer.is_admin:
        return False
    is_open = resource.visibility is Visibility.PUBLIC and not resource.gated
    if not (is_open or _person_can(viewer, Action.READ, resource)):
        return False
    scope = viewer.scope
    if scope is None or scope.role in _INFERRING:
        return True
    return any(grant.inference and _covers(grant, resource) for grant in scope.grants)


def visible_owners(viewer: Viewer) -> list[int] | None:
    """Whose jobs and runs this viewer may list: of whom `can` lets them read what bears no repo's name. None: everyone's."""
    if can(viewer, Action.READ, Resource(NOBODY, "")):
        return None
    return [owner_id for owner_id in viewer.owner_ids if can(viewer, Action.READ, Resource(owner_id, ""))]


def acts_in_full(viewer: Viewer) -> bool:
    """Whether the credential leaves the person all their rights: a browser session, or an access token of role write."""
    return viewer.scope is None or viewer.scope.role is TokenRole.WRITE


def _person_can(viewer: Viewer, action: Action, resource: Resource) -> bool:
    if viewer.is_admin:
        return True
    if action is Action.READ and resource.let_in and resource.visibility is Visibility.PUBLIC:
        return True
    role = viewer.roles.get(resource.owner_id)
    return role is not None and _includes(_ALLOWED_BY_ROLE[role], action)


def _token_can(scope: TokenScope | None, action: Action, resource: Resource) -> bool:
    if scope is None or scope.role is TokenRole.WRITE:
        return True
    if scope.role is TokenRole.READ:
        return action is Action.READ
    return any(
        _covers(grant, resource) and any(_includes(granted, action) for granted in grant.actions)
        for grant in scope.grants
    )


def _covers(grant: Grant, resource: Resource) -> bool:
    """A grant on a namespace covers all that the namespace owns."""
    granted, name = grant.resource.lower(), resource.name.lower()
    return granted in (name, name.partition("/")[0])


def _includes(granted: Action, action: Action) -> bool:
    return _RANK[granted] >= _RANK[action]
