"""Access tokens: issued once, known by their hash, narrowed by a role, and gone when revoked."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from viveiro.accounts import queries
from viveiro.accounts.audit import record
from viveiro.accounts.secrets import fingerprint, new_access_token
from viveiro.accounts.tables import AccessTokenRow
from viveiro.accounts.types import SYSTEM, AccessToken, Grant, IssuedToken, Role, TokenRole, TokenScope, Viewer
from viveiro.db import utc_now
from viveiro.errors import AlreadyExists, InvalidCredentials, InvalidInput, NotFound, UserNotFound
from viveiro.types import Action, RepoId, is_name

_USE_WRITTEN_EVERY: Final = timedelta(minutes=1)


class AccessTokenNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__("No access token is called {name!r}. To see yours: viveiro tokens list", name=name)


def create_token(
    session: Session,
    user_id: int,
    name: str,
    role: TokenRole,
    grants: Iterable[Grant] = (),
    expires_at: datetime | None = None,
    *,
    by: Viewer = SYSTEM,
) -> IssuedToken:
    """The answer holds the secret, for the only time."""
    grants = tuple(grants)
    _check_name(name)
    _check_grants(session, role, grants)
    _check_expiry(expires_at)
    secret = new_access_token()
    row = AccessTokenRow(
        user_id=user_id,
        name=name,
        sha256=fingerprint(secret),
        hint=secret[-4:],
        role=role,
        grants=[_grant_to_json(grant) for grant in grants],
        expires_at=expires_at,
    )
    session.add(row)
    _flush_unless_taken(session, name)
    record(session, by, "token.create", name, user_id=user_id, role=role, grants=row.grants)
    return IssuedToken(secret, _as_access_token(row))


def list_tokens(session: Session, user_id: int) -> list[AccessToken]:
    return [_as_access_token(row) for row in queries.access_tokens_of(session, user_id)]


def get_token(session: Session, token_id: int) -> AccessToken:
    row = queries.access_token(session, token_id)
    if row is None:
        raise AccessTokenNotFound(str(token_id))
    return _as_access_token(row)


def update_token(
    session: Session,
    user_id: int,
    name: str,
    *,
    new_name: str | None = None,
    grants: Iterable[Grant] | None = None,
    expires_at: datetime | None = None,
    by: Viewer = SYSTEM,
) -> AccessToken:
    """Change what is given and leave the rest. The secret and the role stay what they were."""
    row = _find(session, user_id, name)
    if new_name is not None:
        _check_name(new_name)
        row.name = new_name
    if grants is not None:
        grants = tuple(grants)
        _check_grants(session, TokenRole(row.role), grants)
        row.grants = [_grant_to_json(grant) for grant in grants]
    if expires_at is not None:
        _check_expiry(expires_at)
        row.expires_at = expires_at
    _flush_unless_taken(session, row.name)
    record(session, by, "token.update", name, user_id=user_id, name_now=row.name, grants=row.grants)
    return _as_access_token(row)


def revoke_token(session: Session, user_id: int, name: str, *, by: Viewer = SYSTEM) -> None:
    """From the next request on, it opens nothing."""
    session.delete(_find(session, user_id, name))
    session.flush()  # or a new token of the same name would be written before this one goes
    record(session, by, "token.revoke", name, user_id=user_id)


def revoke_tokens_named(session: Session, user_id: int, name: str, *, by: Viewer = SYSTEM) -> None:
    """The same, for a caller that does not know whether there is one."""
    if queries.access_token_named(session, user_id, name) is not None:
        revoke_token(session, user_id, name, by=by)


def move_grants(session: Session, old: str, new: str, *, keep: bool) -> None:
    """A repo has another name: what fine-grained tokens allow there goes with it. `keep`: the old name means another repo too."""
    for row in queries.access_tokens_naming(session, old):
        lines: list[dict[str, Any]] = []
        for line in row.grants:
            is_its = line["resource"].lower() == old.lower()
            lines += [line] if keep or not is_its else []
            lines += [{**line, "resource": new}] if is_its else []
        row.grants = lines


def authenticate_token(session: Session, secret: str) -> Viewer:
    """Raises InvalidCredentials for one that is unknown, expired or revoked. One indexed SELECT."""
    rows = queries.access_token_with_owner(session, fingerprint(secret))
    if not rows or (rows[0].expires_at is not None and rows[0].expires_at <= utc_now()):
        raise InvalidCredentials
    row = rows[0]
    grants = tuple(_grant_from_json(grant) for grant in row.grants)
    scope = TokenScope(row.token_id, row.token_name, TokenRole(row.token_role), grants, row.last_used_at)
    return viewer_from(rows, scope)


def viewer_of_token(session: Session, token_id: int) -> Viewer:
    """Someone who showed this access token a while ago. Raises InvalidCredentials when it has expired or was revoked since."""
    row = queries.access_token(session, token_id)
    if row is None or (row.expires_at is not None and row.expires_at <= utc_now()):
        raise InvalidCredentials
    grants = tuple(_grant_from_json(grant) for grant in row.grants)
    scope = TokenScope(row.id, row.name, TokenRole(row.role), grants, row.last_used_at)
    return viewer_from(queries.user_with_roles(session, row.user_id), scope)


def viewer_of_user(session: Session, user_id: int) -> Viewer:
    """Someone acting through no request: the owner of a job. With all of their rights."""
    rows = queries.user_with_roles(session, user_id)
    if not rows:
        raise UserNotFound(str(user_id))
    return viewer_from(rows, scope=None)


def viewer_from(rows: Iterable[Row[Any]], scope: TokenScope | None) -> Viewer:
    rows = list(rows)
    owner = rows[0]
    roles = {owner.id: Role.ADMIN}
    roles.update((row.organization_id, Role(row.role)) for row in rows if row.organization_id is not None)
    return Viewer(owner.id, owner.name, owner.is_admin, roles, scope)


def use_is_due(scope: TokenScope) -> bool:
    """Whether this use is worth writing down: the time of last use is kept to the minute."""
    return scope.last_used_at is None or utc_now() - scope.last_used_at > _USE_WRITTEN_EVERY


def note_use(session: Session, scope: TokenScope) -> None:
    now = utc_now()
    queries.touch_access_token(session, scope.token_id, now, now - _USE_WRITTEN_EVERY)


def _find(session: Session, user_id: int, name: str) -> AccessTokenRow:
    row = queries.access_token_named(session, user_id, name)
    if row is None:
        raise AccessTokenNotFound(name)
    return row


def _flush_unless_taken(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise AlreadyExists(
            "This user already has an access token called {name!r}. Choose another name, "
            "or revoke that one: viveiro tokens delete {name}",
            name=name,
        ) from error


def _check_name(name: str) -> None:
    if not (name.strip() and name.isprintable() and len(name) <= 96):
        raise InvalidInput("An access token needs a name of 1 to 96 visible characters, to recognise it by.")


def _check_grants(session: Session, role: TokenRole, grants: tuple[Grant, ...]) -> None:
    if (role is TokenRole.FINE_GRAINED) != bool(grants):
        raise InvalidInput(
            "Grants belong to a fine-grained access token, and it needs at least one, such as acai/tickets:read,write"
        )
    for grant in grants:
        namespace = grant.resource if is_name(grant.resource) else RepoId.parse(grant.resource).namespace
        if queries.account_named(session, namespace) is None:
            raise UserNotFound(namespace)
        if not (grant.actions or grant.inference):
            raise InvalidInput(
                "The grant on {resource} allows nothing. Name actions or inference.", resource=grant.resource
            )


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= utc_now():
        raise InvalidInput("The access token would expire in the past. Give a moment that is still to come.")


def _grant_to_json(grant: Grant) -> dict[str, Any]:
    return {"resource": grant.resource, "actions": sorted(grant.actions), "inference": grant.inference}


def _grant_from_json(stored: dict[str, Any]) -> Grant:
    return Grant(stored["resource"], frozenset(map(Action, stored["actions"])), stored["inference"])


def _as_access_token(row: AccessTokenRow) -> AccessToken:
    return AccessToken(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        role=TokenRole(row.role),
        grants=tuple(_grant_from_json(grant) for grant in row.grants),
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
