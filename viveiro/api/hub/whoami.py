"""`GET /api/whoami-v2`: what `hf auth login` and `HfApi.whoami()` read."""

from typing import Any, Final

from fastapi import APIRouter

from viveiro.accounts.service import get_token, get_user, memberships_of
from viveiro.accounts.types import AccessToken, Grant, Membership
from viveiro.http.dependencies import DatabaseDep, SignedInDep
from viveiro.types import Action

router = APIRouter(tags=["hub"])

_PERMISSIONS: Final = {
    Action.READ: ["repo.content.read"],
    Action.WRITE: ["repo.content.read", "repo.write"],
    Action.ADMIN: ["repo.content.read", "repo.write", "repo.settings.write"],
}
"""The Hub's words for what a fine-grained access token may do."""


@router.get("/api/whoami-v2")
def whoami(viewer: SignedInDep, database: DatabaseDep) -> dict[str, Any]:
    assert viewer.user_id is not None  # SignedInDep let only users in
    with database.read() as session:
        user = get_user(session, viewer.user_id)
        memberships = memberships_of(session, user.id)
        access_token = get_token(session, viewer.scope.token_id) if viewer.scope else None
    return {
        "type": "user",
        "id": str(user.id),
        "name": user.name,
        "fullname": user.fullname,
        "email": user.email,
        "avatarUrl": "",
        "isPro": False,
        "canPay": False,
        "orgs": [_organization(membership) for membership in memberships],
        "auth": {"type": "cookie"} if access_token is None else _access_token(access_token),
    }


def _organization(membership: Membership) -> dict[str, Any]:
    return {
        "type": "org",
        "id": str(membership.account.id),
        "name": membership.account.name,
        "fullname": membership.account.fullname,
        "avatarUrl": "",
        "isEnterprise": False,
        "canPay": False,
        "roleInOrg": membership.role,
    }


def _access_token(access_token: AccessToken) -> dict[str, Any]:
    described: dict[str, Any] = {
        "displayName": access_token.name,
        "role": access_token.role,
        "createdAt": access_token.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if access_token.grants:
        scoped = [_scoped(grant) for grant in access_token.grants]
        described["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scoped}
    return {"type": "access_token", "accessToken": described}


def _scoped(grant: Grant) -> dict[str, Any]:
    permissions = {permission for action in grant.actions for permission in _PERMISSIONS[action]}
    if grant.inference:
        permissions.add("inference.serverless.write")
    kind = "repo" if "/" in grant.resource else "namespace"
    return {"entity": {"type": kind, "name": grant.resource}, "permissions": sorted(permissions)}
