"""Who may do what: one table, every viewer against every resource and action."""

import pytest

from viveiro.accounts.permissions import acts_in_full, can, may_infer, may_see, may_take_part
from viveiro.accounts.types import ANONYMOUS, SYSTEM, Grant, Role, TokenRole, TokenScope, Viewer
from viveiro.types import Action, Resource, Visibility

ALICE, ACAI = 1, 10
"""Alice's own account, and an organisation."""

ACTIONS = {"r": Action.READ, "w": Action.WRITE, "a": Action.ADMIN}


def member(role: Role, scope: TokenScope | None = None) -> Viewer:
    return Viewer(ALICE, "alice", roles={ALICE: Role.ADMIN, ACAI: role}, scope=scope)


def scope(role: TokenRole, *grants: Grant) -> TokenScope:
    return TokenScope(1, "laptop", role, grants)


def granted(resource: str, *actions: Action, inference: bool = False) -> TokenScope:
    return scope(TokenRole.FINE_GRAINED, Grant(resource, frozenset(actions), inference))


RESOURCES = {
    "public": Resource(ACAI, "acai/tickets", Visibility.PUBLIC),
    "gated": Resource(ACAI, "acai/tickets", Visibility.PUBLIC, gated=True),
    "private": Resource(ACAI, "acai/tickets", Visibility.PRIVATE),
}

VIEWERS = {
    "nobody": ANONYMOUS,
    "stranger": Viewer(2, "bob", roles={2: Role.ADMIN}),
    "reader": member(Role.READ),
    "writer": member(Role.WRITE),
    "org admin": member(Role.ADMIN),
    "administrator": Viewer(3, "root", is_admin=True, roles={3: Role.ADMIN}),
    "the system": SYSTEM,
    "org admin's read token": member(Role.ADMIN, scope(TokenRole.READ)),
    "org admin's write token": member(Role.ADMIN, scope(TokenRole.WRITE)),
    "reader's write token": member(Role.READ, scope(TokenRole.WRITE)),
    "org admin's inference token": member(Role.ADMIN, scope(TokenRole.INFERENCE)),
    "administrator's read token": Viewer(3, "root", is_admin=True, scope=scope(TokenRole.READ)),
    "administrator's inference token": Viewer(3, "root", is_admin=True, scope=scope(TokenRole.INFERENCE)),
    "token for the repo, read": member(Role.ADMIN, granted("acai/tickets", Action.READ)),
    "token for the repo, write": member(Role.ADMIN, granted("acai/tickets", Action.WRITE)),
    "token for the repo in other case": member(Role.ADMIN, granted("Acai/Tickets", Action.WRITE)),
    "token for the namespace, admin": member(Role.ADMIN, granted("acai", Action.ADMIN)),
    "token for the repo, infer": member(Role.ADMIN, granted("acai/tickets", inference=True)),
    "token for another repo": member(Role.ADMIN, granted("acai/ticket", Action.ADMIN, inference=True)),
    "token for another namespace": member(Role.ADMIN, granted("alice", Action.ADMIN, inference=True)),
    "stranger's token for the repo": Viewer(2, "bob", scope=granted("acai/tickets", Action.ADMIN, inference=True)),
}

#                                    public  gated  private   may infer on
TABLE = {
    "nobody":                          ("r",   "",    "",    ""),
    "stranger":                        ("r",   "",    "",    "public"),
    "reader":                          ("r",   "r",   "r",   "public gated private"),
    "writer":                          ("rw",  "rw",  "rw",  "public gated private"),
    "org admin":                       ("rwa", "rwa", "rwa", "public gated private"),
    "administrator":                   ("rwa", "rwa", "rwa", "public gated private"),
    "the system":                      ("rwa", "rwa", "rwa", "public gated private"),
    "org admin's read token":          ("r",   "r",   "r",   ""),
    "org admin's write token":         ("rwa", "rwa", "rwa", "public gated private"),
    "reader's write token":            ("r",   "r",   "r",   "public gated private"),
    "org admin's inference token":     ("r",   "",    "",    "public gated private"),
    "administrator's read token":      ("r",   "r",   "r",   ""),
    "administrator's inference token": ("r",   "",    "",    "public gated private"),
    "token for the repo, read":        ("r",   "r",   "r",   ""),
    "token for the repo, write":       ("rw",  "rw",  "rw",  ""),
    "token for the repo in other case": ("rw", "rw",  "rw",  ""),
    "token for the namespace, admin":  ("rwa", "rwa", "rwa", ""),
    "token for the repo, infer":       ("r",   "",    "",    "public gated private"),
    "token for another repo":          ("r",   "",    "",    ""),
    "token for another namespace":     ("r",   "",    "",    ""),
    "stranger's token for the repo":   ("r",   "",    "",    "public"),
}  # fmt: skip


class TestCan:
    """What is public is anyone's to read; all else takes the person's yes and the access token's."""

    def test_every_viewer_is_in_the_table(self):
        assert list(TABLE) == list(VIEWERS)

    @pytest.mark.parametrize("viewer", VIEWERS)
    @pytest.mark.parametrize("resource", RESOURCES)
    @pytest.mark.parametrize("letter", ACTIONS)
    def test_table(self, viewer, resource, letter):
        allowed = dict(zip(RESOURCES, TABLE[viewer], strict=False))[resource]
        assert can(VIEWERS[viewer], ACTIONS[letter], RESOURCES[resource]) == (letter in allowed)

    def test_a_users_own_namespace_is_theirs(self):
        assert can(member(Role.READ), Action.ADMIN, Resource(ALICE, "alice/notes"))

    def test_a_grant_on_a_repo_does_not_open_its_namespace(self):
        viewer = member(Role.ADMIN, granted("acai/tickets", Action.ADMIN))
        assert not can(viewer, Action.WRITE, Resource(ACAI, "acai"))


class TestMayInfer:
    """Computing costs: it takes a session, or an access token that says so, and the person's right to read."""

    @pytest.mark.parametrize("viewer", VIEWERS)
    @pytest.mark.parametrize("resource", RESOURCES)
    def test_table(self, viewer, resource):
        assert may_infer(VIEWERS[viewer], RESOURCES[resource]) == (resource in TABLE[viewer][3].split())


SPEAK_UP = {
    "stranger": "public gated",
    "reader": "public gated private",
    "writer": "public gated private",
    "org admin": "public gated private",
    "administrator": "public gated private",
    "org admin's write token": "public gated private",
    "reader's write token": "public gated private",
    "token for the repo, write": "public gated private",
    "token for the repo in other case": "public gated private",
    "token for the namespace, admin": "public gated private",
    "stranger's token for the repo": "public gated",
}


class TestMayTakePart:
    """Any person who sees a repo may discuss it; an access token speaks for them only where it may write."""

    @pytest.mark.parametrize("viewer", VIEWERS)
    @pytest.mark.parametrize("resource", RESOURCES)
    def test_table(self, viewer, resource):
        assert may_take_part(VIEWERS[viewer], RESOURCES[resource]) == (resource in SPEAK_UP.get(viewer, "").split())


class TestMaySee:
    """A gated repo is seen by all and read by few; a private one is missing."""

    @pytest.mark.parametrize(
        ("viewer", "resource", "seen"),
        [
            ("nobody", "public", True),
            ("nobody", "gated", True),
            ("nobody", "private", False),
            ("reader", "private", True),
            ("org admin's inference token", "private", False),
        ],
    )
    def test_rule(self, viewer, resource, seen):
        assert may_see(VIEWERS[viewer], RESOURCES[resource]) == seen


class TestActsInFull:
    """Who may hand out credentials: only those whose own credential takes nothing away."""

    @pytest.mark.parametrize(
        ("viewer", "full"),
        [
            ("org admin", True),
            ("org admin's write token", True),
            ("org admin's read token", False),
            ("org admin's inference token", False),
            ("token for the namespace, admin", False),
        ],
    )
    def test_rule(self, viewer, full):
        assert acts_in_full(VIEWERS[viewer]) == full
