"""Every SQL statement about accounts and credentials."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from viveiro.accounts.tables import (
    AccessTokenRow,
    AccountRow,
    AuditRow,
    BrowserSessionRow,
    DeviceLoginRow,
    FollowRow,
    MembershipRow,
    SignInAttemptRow,
)
from viveiro.accounts.types import Account, AccountKind, Role, TokenRole


def as_account(row: AccountRow) -> Account:
    return Account(
        row.id, AccountKind(row.kind), row.name, row.fullname or row.name, row.email, row.is_admin, row.created_at
    )


def account_named(session: Session, name: str) -> AccountRow | None:
    return session.scalar(select(AccountRow).where(AccountRow.folded_name == name.lower()))


def account(session: Session, account_id: int) -> AccountRow | None:
    return session.get(AccountRow, account_id)


def accounts(
    session: Session, kind: AccountKind, *, member_id: int | None, after: str | None, limit: int
) -> Sequence[AccountRow]:
    """In order of name, from after the one called `after`. `member_id`: only organisations that this user belongs to."""
    statement = select(AccountRow).where(AccountRow.kind == kind).order_by(AccountRow.folded_name).limit(limit)
    if after is not None:
        statement = statement.where(AccountRow.folded_name > after.lower())
    if member_id is not None:
        statement = statement.join(MembershipRow, MembershipRow.organization_id == AccountRow.id).where(
            MembershipRow.user_id == member_id
        )
    return session.scalars(statement).all()


def names(session: Session, account_ids: Iterable[int]) -> dict[int, str]:
    found = select(AccountRow.id, AccountRow.name).where(AccountRow.id.in_(set(account_ids)))
    return {row.id: row.name for row in session.execute(found)}


def first_admin(session: Session) -> AccountRow | None:
    return session.scalar(select(AccountRow).where(AccountRow.is_admin).order_by(AccountRow.id).limit(1))


def hold_admins(session: Session) -> int:
    """How many there are. Until the transaction ends, others who change that wait. SQLite has but one writer anyway."""
    admins = select(AccountRow.id).where(AccountRow.is_admin).order_by(AccountRow.id).with_for_update()
    return len(session.scalars(admins).all())


def members(session: Session, organization_id: int) -> Sequence[Row[AccountRow, str]]:
    return session.execute(
        select(AccountRow, MembershipRow.role)
        .join(MembershipRow, MembershipRow.user_id == AccountRow.id)
        .where(MembershipRow.organization_id == organization_id)
        .order_by(AccountRow.folded_name)
    ).all()


def organizations_of(session: Session, user_id: int) -> Sequence[Row[AccountRow, str]]:
    return session.execute(
        select(AccountRow, MembershipRow.role)
        .join(MembershipRow, MembershipRow.organization_id == AccountRow.id)
        .where(MembershipRow.user_id == user_id)
        .order_by(AccountRow.folded_name)
    ).all()


def hold_members(session: Session, organization_id: int) -> None:
    """Until the transaction ends, others who change its members wait. SQLite has but one writer anyway."""
    session.execute(select(AccountRow.id).where(AccountRow.id == organization_id).with_for_update())


def membership(session: Session, organization_id: int, user_id: int) -> MembershipRow | None:
    return session.get(MembershipRow, (organization_id, user_id))


def other_admins(session: Session, organization_id: int, user_id: int) -> int:
    """How many administer the organisation beside this user."""
    return (
        session.scalar(
            select(func.count()).where(
                MembershipRow.organization_id == organization_id,
                MembershipRow.role == Role.ADMIN,
                MembershipRow.user_id != user_id,
            )
        )
        or 0
    )


def organizations_left_without_admin(session: Session, user_id: int) -> Sequence[str]:
    """Names of the organisations that only this user administers."""
    mine = select(MembershipRow.organization_id).where(
        MembershipRow.user_id == user_id, MembershipRow.role == Role.ADMIN
    )
    others = select(MembershipRow.organization_id).where(
        MembershipRow.user_id != user_id, MembershipRow.role == Role.ADMIN
    )
    return session.scalars(
        select(AccountRow.name).where(AccountRow.id.in_(mine), AccountRow.id.not_in(others)).order_by(AccountRow.name)
    ).all()


def add_follow(session: Session, user_id: int, account_id: int) -> None:
    """Following twice is following once."""
    if session.get(FollowRow, (user_id, account_id)) is None:
        session.add(FollowRow(user_id=user_id, account_id=account_id))


def delete_follow(session: Session, user_id: int, account_id: int) -> None:
    session.execute(delete(FollowRow).where(FollowRow.user_id == user_id, FollowRow.account_id == account_id))


def followers(session: Session, account_id: int, *, after: int, limit: int) -> Sequence[AccountRow]:
    """In order of their keys."""
    found = select(AccountRow).join(FollowRow, FollowRow.user_id == AccountRow.id)
    found = found.where(FollowRow.account_id == account_id, AccountRow.id > after)
    return session.scalars(found.order_by(AccountRow.id).limit(limit)).all()


def followed_by(session: Session, user_id: int, kind: AccountKind, *, after: int, limit: int) -> Sequence[AccountRow]:
    """In order of their keys."""
    found = select(AccountRow).join(FollowRow, FollowRow.account_id == AccountRow.id)
    found = found.where(FollowRow.user_id == user_id, AccountRow.kind == kind, AccountRow.id > after)
    return session.scalars(found.order_by(AccountRow.id).limit(limit)).all()


def count_follows(session: Session, account_id: int) -> tuple[int, int]:
    """How many follow the account, and how many it follows."""
    follows = func.count(), func.coalesce(func.sum(case((FollowRow.account_id == account_id, 1), else_=0)), 0)
    either = or_(FollowRow.account_id == account_id, FollowRow.user_id == account_id)
    total, followers = session.execute(select(*follows).where(either)).one()
    return followers, total - followers


def is_following(session: Session, user_id: int, account_id: int) -> bool:
    return session.get(FollowRow, (user_id, account_id)) is not None


def set_password_hash(session: Session, user_id: int, password_hash: str) -> None:
    session.execute(update(AccountRow).where(AccountRow.id == user_id).values(password_hash=password_hash))


def delete_account(session: Session, account_id: int) -> None:
    session.execute(delete(AccountRow).where(AccountRow.id == account_id))


def _with_roles(*credential: SQLColumnExpression[Any]) -> Select[Any]:
    """A credential's owner and each of their organisations in one statement: a row per membership, or one with none."""
    return select(
        AccountRow.id,
        AccountRow.name,
        AccountRow.is_admin,
        MembershipRow.organization_id,
        MembershipRow.role,
        *credential,
    ).outerjoin(MembershipRow, MembershipRow.user_id == AccountRow.id)


# Built once: every request runs one of these, and building costs as much as running.
_ACCESS_TOKEN_WITH_OWNER: Final = (
    _with_roles(
        AccessTokenRow.id.label("token_id"),
        AccessTokenRow.name.label("token_name"),
        AccessTokenRow.role.label("token_role"),
        AccessTokenRow.grants,
        AccessTokenRow.expires_at,
        AccessTokenRow.last_used_at,
    )
    .join(AccessTokenRow, AccessTokenRow.user_id == AccountRow.id)
    .where(AccessTokenRow.sha256 == bindparam("sha256"))
)
_BROWSER_SESSION_WITH_OWNER: Final = (
    _with_roles(BrowserSessionRow.expires_at)
    .join(BrowserSessionRow, BrowserSessionRow.user_id == AccountRow.id)
    .where(BrowserSessionRow.sha256 == bindparam("sha256"))
)


def access_token_with_owner(session: Session, sha256: str) -> Sequence[Row[Any]]:
    return session.execute(_ACCESS_TOKEN_WITH_OWNER, {"sha256": sha256}).all()


def browser_session_with_owner(session: Session, sha256: str) -> Sequence[Row[Any]]:
    return session.execute(_BROWSER_SESSION_WITH_OWNER, {"sha256": sha256}).all()


def user_with_roles(session: Session, user_id: int) -> Sequence[Row[Any]]:
    return session.execute(_with_roles().where(AccountRow.id == user_id)).all()


def access_tokens_of(session: Session, user_id: int) -> Sequence[AccessTokenRow]:
    return session.scalars(
        select(AccessTokenRow).where(AccessTokenRow.user_id == user_id).order_by(AccessTokenRow.name)
    ).all()


def access_token_named(session: Session, user_id: int, name: str) -> AccessTokenRow | None:
    return session.scalar(select(AccessTokenRow).where(AccessTokenRow.user_id == user_id, AccessTokenRow.name == name))


def access_tokens_naming(session: Session, resource: str) -> Sequence[AccessTokenRow]:
    """Fine-grained tokens whose grants hold this text, and perhaps others that are only like it."""
    held = func.lower(cast(AccessTokenRow.grants, Text)).contains(resource.lower(), autoescape=True)
    return session.scalars(
        select(AccessTokenRow).where(AccessTokenRow.role == TokenRole.FINE_GRAINED, held).order_by(AccessTokenRow.id)
    ).all()


def access_token(session: Session, token_id: int) -> AccessTokenRow | None:
    return session.get(AccessTokenRow, token_id)


def touch_access_token(session: Session, token_id: int, now: datetime, unless_after: datetime) -> None:
    """Also guards against writing the same minute twice, from two processes."""
    session.execute(
        update(AccessTokenRow)
        .where(
            AccessTokenRow.id == token_id,
            or_(AccessTokenRow.last_used_at.is_(None), AccessTokenRow.last_used_at < unless_after),
        )
        .values(last_used_at=now)
    )


def delete_browser_sessions(session: Session, *conditions: ColumnElement[bool]) -> None:
    session.execute(delete(BrowserSessionRow).where(*conditions))


def delete_browser_session(session: Session, sha256: str) -> None:
    delete_browser_sessions(session, BrowserSessionRow.sha256 == sha256)


def delete_browser_sessions_of(session: Session, user_id: int) -> None:
    delete_browser_sessions(session, BrowserSessionRow.user_id == user_id)


def device_login(session: Session, device_sha256: str) -> DeviceLoginRow | None:
    return session.get(DeviceLoginRow, device_sha256)


def device_login_shown(session: Session, user_code: str) -> DeviceLoginRow | None:
    return session.scalar(select(DeviceLoginRow).where(DeviceLoginRow.user_code == user_code))


def count_device_logins(session: Session, address: str | None) -> int:
    counted = select(func.count()).select_from(DeviceLoginRow).where(DeviceLoginRow.address == address)
    return session.scalar(counted) or 0


def delete_device_logins_before(session: Session, now: datetime) -> None:
    session.execute(delete(DeviceLoginRow).where(DeviceLoginRow.expires_at <= now))


def delete_expired(session: Session, now: datetime, attempts_before: datetime) -> None:
    delete_browser_sessions(session, BrowserSessionRow.expires_at < now)
    session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.at < attempts_before))


def sign_in_attempts(session: Session, key: str, since: datetime) -> tuple[int, datetime | None]:
    """How many, and when the oldest was."""
    count, oldest = session.execute(
        select(func.count(), func.min(SignInAttemptRow.at)).where(
            SignInAttemptRow.key == key, SignInAttemptRow.at > since
        )
    ).one()
    return count, oldest


def delete_sign_in_attempts(session: Session, ids: Sequence[int]) -> None:
    session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.id.in_(ids)))


def audit_entries(
    session: Session,
    *,
    actor: str | None,
    action: str | None,
    target: str | None,
    before: int | None,
    limit: int,
) -> Sequence[AuditRow]:
    """Newest first. `action` may be a scope (`token`) or a whole name (`token.create`)."""
    statement = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if actor is not None:
        statement = statement.where(AuditRow.actor == actor)
    if action is not None:
        statement = statement.where(
            or_(AuditRow.action == action, AuditRow.action.startswith(f"{action}.", autoescape=True))
        )
    if target is not None:
        statement = statement.where(AuditRow.target == target)
    if before is not None:
        statement = statement.where(AuditRow.id < before)
    return session.scalars(statement).all()
