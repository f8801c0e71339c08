"""Who may do what in a discussion: one table, every act against everyone."""

import pytest

from viveiro.accounts.types import ANONYMOUS, Role, TokenRole, TokenScope, Viewer
from viveiro.hub.discussions.rules import ALLOWED, Act, may
from viveiro.types import Resource, Visibility

ALICE, BOB, ACAI = 1, 2, 10


def member(role: Role, user: int = ALICE, scope: TokenScope | None = None) -> Viewer:
    return Viewer(user, f"user{user}", roles={user: Role.ADMIN, ACAI: role}, scope=scope)


VIEWERS = {
    "nobody": ANONYMOUS,
    "someone": Viewer(3, "carol", roles={3: Role.ADMIN}),
    "author": Viewer(BOB, "bob", roles={BOB: Role.ADMIN}),
    "author's read token": Viewer(BOB, "bob", roles={BOB: Role.ADMIN}, scope=TokenScope(1, "t", TokenRole.READ)),
    "reader": member(Role.READ),
    "writer": member(Role.WRITE),
    "writer's read token": member(Role.WRITE, scope=TokenScope(1, "t", TokenRole.READ)),
    "administrator": Viewer(4, "root", is_admin=True),
}
SPEAKS = "open comment propose"
TIDIES = f"{SPEAKS} hide rename change-status commit"
TABLE = {
    "nobody": "",
    "someone": SPEAKS,
    "author": f"{TIDIES} edit",
    "author's read token": "",
    "reader": SPEAKS,
    "writer": f"{TIDIES} merge",
    "writer's read token": "",
    "administrator": f"{TIDIES} merge",
}


class TestMay:
    """Of what Bob began in a public repo of acai's."""

    def test_everyone_and_every_act_are_in_the_table(self) -> None:
        assert list(TABLE) == list(VIEWERS)
        assert ALLOWED.keys() == set(Act)

    @pytest.mark.parametrize("viewer", VIEWERS)
    @pytest.mark.parametrize("act", Act)
    def test_table(self, viewer: str, act: Act) -> None:
        resource = Resource(ACAI, "acai/tickets", Visibility.PUBLIC)
        assert may(VIEWERS[viewer], act, resource, BOB) == (act in TABLE[viewer].split())

    @pytest.mark.parametrize("act", Act)
    def test_an_author_whose_account_is_gone_is_nobody(self, act: Act) -> None:
        assert not may(ANONYMOUS, act, Resource(ACAI, "acai/tickets", Visibility.PUBLIC), None)

    @pytest.mark.parametrize("act", Act)
    def test_in_a_private_repo_even_the_author_must_be_let_in(self, act: Act) -> None:
        private = Resource(ACAI, "acai/tickets", Visibility.PRIVATE)
        assert not may(VIEWERS["author"], act, private, BOB)
        assert may(member(Role.READ, BOB), act, private, BOB) == (act is not Act.MERGE)
