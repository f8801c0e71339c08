"""Who asks, and what they may do. Pure: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from viveiro.types import Action


class AccountKind(StrEnum):
    USER = "user"
    ORGANIZATION = "organization"


class Role(StrEnum):
    """What a member may do in an organisation. Each includes the ones above it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class TokenRole(StrEnum):
    """What an access token is good for, whatever its owner may do."""

    READ = "read"
    WRITE = "write"
    FINE_GRAINED = "fineGrained"
    INFERENCE = "inference"


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a fine-grained token: a namespace or `namespace/name`, and what may be done there."""

    resource: str
    actions: frozenset[Action]
    inference: bool = False


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The access token that a request came with. A browser session has none: it may do all that its user may."""

    token_id: int
    name: str
    role: TokenRole
    grants: tuple[Grant, ...] = ()
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """The one who asks. `roles` maps each account whose resources are theirs to the role there: their own, and their organisations'."""

    user_id: int | None = None
    name: str | None = None
    is_admin: bool = False
    roles: Mapping[int, Role] = field(default_factory=dict)
    scope: TokenScope | None = None
    address: str | None = None
    """Where the request came from, for the audit log."""

    @property
    def is_anonymous(self) -> bool:
        return self.user_id is None

    @property
    def owner_ids(self) -> list[int]:
        """Accounts whose private resources this viewer may see, before a fine-grained token narrows them."""
        return list(self.roles)


ANONYMOUS: Final = Viewer()

SYSTEM: Final = Viewer(name="system", is_admin=True)
"""The installation itself: set-up, imports, and jobs that nobody owns."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user or an organisation: whatever may own a namespace."""

    id: int
    kind: AccountKind
    name: str
    fullname: str
    """What people read. The name, where no other was given."""
    email: str | None
    is_admin: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """One end of a user's place in an organisation: the other end is what was asked about."""

    account: Account
    role: Role


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What may be shown of an access token: everything but the secret. `hint` is its last four characters."""

    id: int
    user_id: int
    name: str
    role: TokenRole
    grants: tuple[Grant, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token. The secret exists here and in the answer to its owner, and nowhere else."""

    secret: str = field(repr=False)
    access_token: AccessToken


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A new browser session. The secret becomes the cookie."""

    secret: str = field(repr=False)
    account: Account
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act: who did what to what, from where. Names are kept as they were, for accounts may go."""

    id: int
    at: datetime
    actor_id: int | None
    actor: str
    action: str
    target: str
    address: str | None
    details: dict[str, Any]
