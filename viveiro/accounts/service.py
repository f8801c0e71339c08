"""What accounts can do: users, organisations and their members. Credentials have files of their own; all is named here.

Whoever acts is `by`; each act is in the audit log, in the same transaction. SYSTEM acts at set-up.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from viveiro.accounts import queries
from viveiro.accounts.access_tokens import (
    AccessTokenNotFound,
    authenticate_token,
    create_token,
    get_token,
    list_tokens,
    move_grants,
    note_use,
    revoke_token,
    revoke_tokens_named,
    update_token,
    use_is_due,
    viewer_of_token,
    viewer_of_user,
)
from viveiro.accounts.audit import list_audit, record
from viveiro.accounts.first_steps import chose_password, made_token, signs_in_for_the_first_time
from viveiro.accounts.names import check_name
from viveiro.accounts.passwords import hash_password
from viveiro.accounts.permissions import (
    NOBODY,
    acts_in_full,
    can,
    may_infer,
    may_see,
    may_speak,
    may_take_part,
    visible_owners,
)
from viveiro.accounts.sign_in import authenticate_password, authenticate_session, sign_in, sign_out
from viveiro.accounts.tables import AccountRow, MembershipRow
from viveiro.accounts.types import SYSTEM, Account, AccountKind, Membership, Role, Viewer
from viveiro.errors import AlreadyExists, Conflict, Forbidden, InvalidInput, NotAuthenticated, NotFound, UserNotFound
from viveiro.types import Action, Resource

__all__ = [
    "NOBODY",
    "AccessTokenNotFound",
    "acts_in_full",
    "add_member",
    "administers",
    "authenticate_password",
    "authenticate_session",
    "authenticate_token",
    "can",
    "chose_password",
    "count_follows",
    "create_organization",
    "create_token",
    "create_user",
    "delete_organization",
    "delete_user",
    "first_administrator",
    "follow",
    "get_account",
    "get_token",
    "get_user",
    "is_following",
    "list_accounts",
    "list_audit",
    "list_followed",
    "list_followers",
    "list_members",
    "list_tokens",
    "made_token",
    "may_infer",
    "may_see",
    "may_speak",
    "may_take_part",
    "memberships_of",
    "move_grants",
    "names_of",
    "note_use",
    "record",
    "remove_member",
    "require_namespace",
    "revoke_token",
    "revoke_tokens_named",
    "sign_in",
    "sign_out",
    "signs_in_for_the_first_time",
    "unfollow",
    "update_organization",
    "update_token",
    "update_user",
    "use_is_due",
    "viewer_of_token",
    "viewer_of_user",
    "visible_owners",
]


def create_user(
    session: Session,
    name: str,
    *,
    password: str | None = None,
    email: str | None = None,
    fullname: str | None = None,
    is_admin: bool = False,
    by: Viewer = SYSTEM,
) -> Account:
    """Without a password, the user has access tokens only."""
    # First of all: the transaction takes its lock with its first statement, and hashing is slow.
    password_hash = None if password is None else hash_password(password)
    row = AccountRow(
        kind=AccountKind.USER,
        name=check_name(name, by),
        folded_name=name.lower(),
        fullname=fullname or None,
        email=_check_email(email),
        password_hash=password_hash,
        is_admin=is_admin,
    )
    _add(session, row)
    record(session, by, "user.create", name, is_admin=is_admin)
    return queries.as_account(row)


def update_user(
    session: Session,
    name: str,
    *,
    password: str | None = None,
    email: str | None = None,
    fullname: str | None = None,
    is_admin: bool | None = None,
    by: Viewer = SYSTEM,
) -> Account:
    """Change what is given and leave the rest; an empty text clears. A new password ends the user's browser sessions."""
    password_hash = None if password is None else hash_password(password)
    row = _find(session, name, AccountKind.USER)
    if password_hash is not None:
        row.password_hash = password_hash
        queries.delete_browser_sessions_of(session, row.id)
    if email is not None:
        row.email = _check_email(email)
    if fullname is not None:
        row.fullname = fullname or None
    if is_admin is not None:
        _check_an_admin_remains(session, row, stays=is_admin)
        row.is_admin = is_admin
    record(session, by, "user.update", row.name, is_admin=row.is_admin, password_changed=password is not None)
    return queries.as_account(row)


def create_organization(session: Session, name: str, *, creator: Viewer, fullname: str | None = None) -> Account:
    """The creator becomes its first administrator."""
    if creator.user_id is None and creator is not SYSTEM:
        raise NotAuthenticated
    row = AccountRow(
        kind=AccountKind.ORGANIZATION,
        name=check_name(name, creator),
        folded_name=name.lower(),
        fullname=fullname or None,
    )
    _add(session, row)
    if creator.user_id is not None:
        session.add(MembershipRow(organization_id=row.id, user_id=creator.user_id, role=Role.ADMIN))
    record(session, creator, "org.create", name)
    return queries.as_account(row)


def update_organization(session: Session, name: str, *, fullname: str, by: Viewer = SYSTEM) -> Account:
    row = _administered(session, name, by)
    row.fullname = fullname or None
    record(session, by, "org.update", row.name)
    return queries.as_account(row)


def add_member(session: Session, organization: str, user: str, role: Role, *, by: Viewer = SYSTEM) -> Membership:
    """Make the user a member, or give a member another role."""
    owner = _administered(session, organization, by)
    member = _find(session, user, AccountKind.USER)
    queries.hold_members(session, owner.id)  # or two administrators could step down at once, and none be left
    row = queries.membership(session, owner.id, member.id)
    if row is None:
        session.add(MembershipRow(organization_id=owner.id, user_id=member.id, role=role))
    else:
        _check_member_may_go(session, owner, row, stays=role is Role.ADMIN)
        row.role = role
    record(session, by, "org.member.add", owner.name, user=member.name, role=role)
    return Membership(queries.as_account(member), role)


def remove_member(session: Session, organization: str, user: str, *, by: Viewer = SYSTEM) -> None:
    """An administrator of the organisation may, and members may leave."""
    member = _find(session, user, AccountKind.USER)
    leaves = by.user_id == member.id and acts_in_full(by)
    owner = (
        _find(session, organization, AccountKind.ORGANIZATION) if leaves else _administered(session, organization, by)
    )
    queries.hold_members(session, owner.id)
    row = queries.membership(session, owner.id, member.id)
    if row is None:
        raise NotFound(
            "{user} is no member of {name}. To see who is: viveiro orgs members list {name}",
            user=member.name,
            name=owner.name,
        )
    _check_member_may_go(session, owner, row, stays=False)
    session.delete(row)
    record(session, by, "org.member.remove", owner.name, user=member.name)


def list_members(session: Session, organization: str) -> list[Membership]:
    owner = _find(session, organization, AccountKind.ORGANIZATION)
    return [Membership(queries.as_account(row), Role(role)) for row, role in queries.members(session, owner.id)]


def memberships_of(session: Session, user_id: int) -> list[Membership]:
    """The organisations that a user belongs to, and their role in each."""
    return [Membership(queries.as_account(row), Role(role)) for row, role in queries.organizations_of(session, user_id)]


def follow(session: Session, viewer: Viewer, name: str) -> Account:
    """A user, or an organisation."""
    user_id, account = _follower(viewer), get_account(session, name)
    if user_id == account.id:
        raise InvalidInput("Following oneself leads nowhere.")
    queries.add_follow(session, user_id, account.id)
    return account


def unfollow(session: Session, viewer: Viewer, name: str) -> Account:
    account = get_account(session, name)
    queries.delete_follow(session, _follower(viewer), account.id)
    return account


def _follower(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise NotAuthenticated
    return viewer.user_id


def list_followers(session: Session, account: Account, *, after: int = 0, limit: int) -> list[Account]:
    """The next page: after the last one's id."""
    return [queries.as_account(row) for row in queries.followers(session, account.id, after=after, limit=limit)]


def list_followed(session: Session, user: Account, kind: AccountKind, *, after: int = 0, limit: int) -> list[Account]:
    """Whom a user follows. The next page: after the last one's id."""
    rows = queries.followed_by(session, user.id, kind, after=after, limit=limit)
    return [queries.as_account(row) for row in rows]


def count_follows(session: Session, account: Account) -> tuple[int, int]:
    """How many follow the account, and how many it follows."""
    return queries.count_follows(session, account.id)


def is_following(session: Session, viewer: Viewer, account: Account) -> bool:
    return viewer.user_id is not None and queries.is_following(session, viewer.user_id, account.id)


def delete_user(session: Session, name: str, *, by: Viewer = SYSTEM) -> None:
    """Refused while anything depends on the user. Credentials and memberships go too."""
    row = _find(session, name, AccountKind.USER)
    _check_an_admin_remains(session, row, stays=False)
    if alone := queries.organizations_left_without_admin(session, row.id):
        raise Conflict(
            "{name} is the only administrator of {organizations}. Name another first: "
            "viveiro orgs members add {first} USER --role admin",
            name=row.name,
            organizations=", ".join(alone),
            first=alone[0],
        )
    _delete(session, row)
    record(session, by, "user.delete", row.name)


def delete_organization(session: Session, name: str, *, by: Viewer = SYSTEM) -> None:
    """Refused while it owns anything. Its members stay users."""
    row = _administered(session, name, by)
    _delete(session, row)
    record(session, by, "org.delete", row.name)


def get_account(session: Session, name: str, kind: AccountKind | None = None) -> Account:
    """Found whatever the case of the letters. Raises UserNotFound, also when the name is of another kind."""
    return queries.as_account(_find(session, name, kind))


def get_user(session: Session, user_id: int) -> Account:
    row = queries.account(session, user_id)
    if row is None:
        raise UserNotFound(str(user_id))
    return queries.as_account(row)


def list_accounts(
    session: Session, kind: AccountKind, *, member_id: int | None = None, after: str | None = None, limit: int = 100
) -> Sequence[Account]:
    rows = queries.accounts(session, kind, member_id=member_id, after=after, limit=limit)
    return [queries.as_account(row) for row in rows]


def names_of(session: Session, account_ids: Iterable[int]) -> dict[int, str]:
    """The names of these accounts; those that are gone are left out."""
    return queries.names(session, account_ids)


def first_administrator(session: Session) -> Account | None:
    """The longest-standing one. None on a fresh installation."""
    row = queries.first_admin(session)
    return None if row is None else queries.as_account(row)


def require_namespace(session: Session, viewer: Viewer, namespace: str, action: Action) -> Account:
    """The account that owns the namespace, if the viewer may do this in it."""
    account = get_account(session, namespace)
    if can(viewer, action, Resource(account.id, account.name)):
        return account
    if viewer.is_anonymous:
        raise NotAuthenticated
    raise Forbidden(
        "You don't have the rights to {action} in the namespace {namespace}: it takes its owner, a member with that role, "
        "or an access token that grants it.",
        action=action,
        namespace=account.name,
    )


def administers(viewer: Viewer, organization: Account) -> bool:
    return can(viewer, Action.ADMIN, Resource(organization.id, organization.name))


def _administered(session: Session, organization: str, by: Viewer) -> AccountRow:
    row = _find(session, organization, AccountKind.ORGANIZATION)
    require_namespace(session, by, row.name, Action.ADMIN)
    return row


def _find(session: Session, name: str, kind: AccountKind | None = None) -> AccountRow:
    row = queries.account_named(session, name)
    if row is None or kind not in (None, row.kind):
        raise UserNotFound(name)
    return row


def _delete(session: Session, row: AccountRow) -> None:
    try:
        queries.delete_account(session, row.id)
    except IntegrityError as error:
        # The tables of higher domains point here, and say so themselves: this one knows none of them.
        raise Conflict(
            "{name} still owns repositories, or work on them. Delete those first; to see them: "
            "viveiro repos list --author {name}",
            name=row.name,
        ) from error


def _add(session: Session, row: AccountRow) -> None:
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise AlreadyExists(
            "The name {name} is taken, by a user or an organisation. Choose another.", name=row.name
        ) from error


def _check_email(email: str | None) -> str | None:
    if not email:
        return None
    if "@" not in email or not email.isprintable() or len(email) > 320:
        raise InvalidInput("{email!r} is not an e-mail address. Write it as someone@example.org", email=email[:320])
    return email


def _check_an_admin_remains(session: Session, row: AccountRow, *, stays: bool) -> None:
    # Held, or two administrators could step down at once, and none be left.
    if row.is_admin and not stays and queries.hold_admins(session) == 1:
        raise Conflict(
            "{name} is the only administrator. Name another first: viveiro users update NAME --admin", name=row.name
        )


def _check_member_may_go(session: Session, owner: AccountRow, row: MembershipRow, *, stays: bool) -> None:
    if row.role == Role.ADMIN and not stays and not queries.other_admins(session, owner.id, row.user_id):
        raise Conflict(
            "{name} would be left without an administrator. Name another first: "
            "viveiro orgs members add {name} USER --role admin",
            name=owner.name,
        )
