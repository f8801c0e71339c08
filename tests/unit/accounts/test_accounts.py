"""Users, organisations, members: on SQLite and PostgreSQL alike."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.unit.accounts.conftest import viewer
from viveiro.accounts import service
from viveiro.accounts.names import RESERVED, check_name
from viveiro.accounts.types import ANONYMOUS, SYSTEM, AccountKind, Role, Viewer
from viveiro.db import Database
from viveiro.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    InvalidInput,
    InvalidName,
    NotAuthenticated,
    NotFound,
    UserNotFound,
)
from viveiro.hub.tables import RepoRow
from viveiro.types import Action


def at_once(database: Database, actions: Sequence[Callable[[Session], object]]) -> list[bool]:
    """Begin them together, each in a transaction of its own. Which of them were allowed."""
    together = Barrier(len(actions))

    def run(action: Callable[[Session], object]) -> bool:
        together.wait()
        try:
            with database.write() as session:
                action(session)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


class TestNames:
    """Users and organisations share one namespace, without regard to case."""

    @pytest.mark.parametrize("name", ["__DUMMY_HUB_USER__", "a", "A.b-c_9", "0" * 96])
    def test_unusual_names_are_legal(self, name):
        assert check_name(name, ANONYMOUS) == name

    @pytest.mark.parametrize(
        "name", ["", "-a", "a-", ".a", "a.", "a..b", "a--b", "a/b", "a b", "açaí", "аlice", "0" * 97, "a\n"]
    )
    def test_a_name_that_could_not_be_part_of_an_address_is_refused(self, name):
        with pytest.raises(InvalidName):
            check_name(name, SYSTEM)

    @pytest.mark.parametrize("name", ["models", "datasets", "spaces", "api", "settings", "login", "Models"])
    def test_names_of_our_own_pages_are_refused_even_to_set_up(self, name):
        with pytest.raises(InvalidInput, match="reserved"):
            check_name(name, SYSTEM)

    def test_only_set_up_may_make_an_account_called_admin(self):
        assert check_name("admin", SYSTEM) == "admin"
        with pytest.raises(InvalidInput, match="reserved"):
            check_name("Admin", Viewer(1, "ada", is_admin=True))

    def test_reserved_names_are_written_in_lower_case(self):
        assert {name.lower() for name in RESERVED} == RESERVED

    @pytest.mark.parametrize("taken", ["alice", "ALICE", "acai", "Acai"])
    def test_a_name_is_taken_whatever_its_case_and_kind(self, session, people, taken):
        with pytest.raises(AlreadyExists, match="taken"):
            service.create_user(session, taken)

    def test_an_organisation_cannot_take_a_users_name(self, session, people):
        with pytest.raises(AlreadyExists):
            service.create_organization(session, "Bob", creator=people["alice"])

    def test_an_account_is_found_whatever_the_case(self, session, people):
        assert service.get_account(session, "ALICE").name == "alice"

    def test_an_unknown_name_says_how_to_see_the_known_ones(self, session):
        with pytest.raises(UserNotFound, match="viveiro users list"):
            service.get_account(session, "nobody")


class TestUsers:
    def test_a_user_without_full_name_goes_by_the_name(self, session):
        assert service.create_user(session, "dora").fullname == "dora"

    def test_what_is_not_given_stays_and_an_empty_text_clears(self, session):
        service.create_user(session, "dora", email="dora@example.org", fullname="Dora")
        changed = service.update_user(session, "dora", fullname="")
        assert (changed.email, changed.fullname) == ("dora@example.org", "dora")

    @pytest.mark.parametrize("email", ["nobody", "a@b\nBcc: c", "@" * 400])
    def test_what_is_no_address_is_refused(self, session, email):
        with pytest.raises(InvalidInput, match="e-mail"):
            service.create_user(session, "dora", email=email)

    @pytest.mark.parametrize("password", ["", "short", "x" * 1025])
    def test_a_password_is_neither_short_nor_endless(self, session, password):
        with pytest.raises(InvalidInput, match="8 to 1024"):
            service.create_user(session, "dora", password=password)

    def test_the_first_administrator_is_the_oldest(self, session):
        assert service.first_administrator(session) is None
        service.create_user(session, "dora")
        service.create_user(session, "eva", is_admin=True)
        service.create_user(session, "fabio", is_admin=True)
        assert service.first_administrator(session).name == "eva"

    def test_users_are_listed_by_name_page_by_page(self, session, people):
        first = service.list_accounts(session, AccountKind.USER, limit=2)
        rest = service.list_accounts(session, AccountKind.USER, after=first[-1].name, limit=10)
        assert [account.name for account in [*first, *rest]] == ["alice", "bob", "carol", "root_"]

    def test_the_last_administrator_cannot_go_or_step_down(self, session, people):
        with pytest.raises(Conflict, match="only administrator"):
            service.delete_user(session, "root_")
        with pytest.raises(Conflict, match="only administrator"):
            service.update_user(session, "root_", is_admin=False)
        service.update_user(session, "alice", is_admin=True)
        service.delete_user(session, "root_")

    def test_of_two_administrators_who_step_down_at_once_one_stays(self, database):
        with database.write() as session:
            for name in ("alice", "bob"):
                service.create_user(session, name, is_admin=True)
        for _ in range(5):
            stepped_down = at_once(
                database, [partial(service.update_user, name=name, is_admin=False) for name in ("alice", "bob")]
            )
            assert sorted(stepped_down) == [False, True]
            with database.write() as session:
                for name in ("alice", "bob"):
                    service.update_user(session, name, is_admin=True)

    def test_who_owns_a_repo_cannot_be_deleted(self, database, session, people):
        session.add(_repo_of(people["carol"].user_id, "carol/notes"))
        session.flush()
        with pytest.raises(Conflict, match="viveiro repos list --author carol"):
            service.delete_user(session, "carol")
        session.rollback()

    def test_the_only_administrator_of_an_organisation_cannot_be_deleted(self, session, people):
        with pytest.raises(Conflict, match="only administrator of acai"):
            service.delete_user(session, "alice")

    def test_memberships_and_credentials_go_with_a_user(self, session, people):
        secret = service.create_token(session, people["bob"].user_id, "laptop", "read").secret
        service.delete_user(session, "BOB")
        assert [member.account.name for member in service.list_members(session, "acai")] == ["alice"]
        with pytest.raises(NotAuthenticated):
            service.authenticate_token(session, secret)

    def test_an_organisation_is_no_user(self, session, people):
        with pytest.raises(UserNotFound):
            service.delete_user(session, "acai")


class TestOrganizations:
    """Members read, write or administer. Someone always administers."""

    def test_the_creator_administers_it(self, session, people):
        service.create_organization(session, "cupuacu", creator=people["carol"])
        owner = service.get_account(session, "cupuacu")
        assert viewer(session, "carol").roles[owner.id] is Role.ADMIN

    def test_a_stranger_to_the_installation_creates_none(self, session):
        with pytest.raises(NotAuthenticated):
            service.create_organization(session, "cupuacu", creator=ANONYMOUS)

    def test_adding_a_member_again_changes_the_role(self, session, people):
        service.add_member(session, "ACAI", "bob", Role.READ, by=people["alice"])
        assert [(member.account.name, member.role) for member in service.list_members(session, "acai")] == [
            ("alice", Role.ADMIN),
            ("bob", Role.READ),
        ]

    def test_a_user_sees_where_they_belong(self, session, people):
        assert [(m.account.name, m.role) for m in service.memberships_of(session, people["bob"].user_id)] == [
            ("acai", Role.WRITE)
        ]

    @pytest.mark.parametrize("who", ["bob", "carol"])
    def test_only_its_administrators_change_it(self, session, people, who):
        for act in (
            lambda by: service.add_member(session, "acai", "carol", Role.READ, by=by),
            lambda by: service.remove_member(session, "acai", "alice", by=by),
            lambda by: service.update_organization(session, "acai", fullname="Mine", by=by),
            lambda by: service.delete_organization(session, "acai", by=by),
        ):
            with pytest.raises(Forbidden):
                act(people[who])

    def test_an_administrator_of_the_installation_may_too(self, session, people):
        service.add_member(session, "acai", "carol", Role.READ, by=people["root_"])
        assert len(service.list_members(session, "acai")) == 3

    def test_a_member_may_leave(self, session, people):
        service.remove_member(session, "acai", "bob", by=people["bob"])
        assert len(service.list_members(session, "acai")) == 1

    def test_of_two_administrators_who_leave_at_once_one_stays(self, database):
        with database.write() as session:
            viewers = []
            for name in ("alice", "bob"):
                service.create_user(session, name)
                viewers.append(viewer(session, name))
        for number in range(5):
            organization = f"org-{number}"
            with database.write() as session:
                service.create_organization(session, organization, creator=viewers[0])
                service.add_member(session, organization, "bob", Role.ADMIN, by=SYSTEM)
            left = at_once(
                database,
                [partial(service.remove_member, organization=organization, user=it.name, by=it) for it in viewers],
            )
            assert sorted(left) == [False, True]

    def test_the_last_administrator_stays(self, session, people):
        with pytest.raises(Conflict, match="without an administrator"):
            service.remove_member(session, "acai", "alice", by=people["alice"])
        with pytest.raises(Conflict, match="without an administrator"):
            service.add_member(session, "acai", "alice", Role.WRITE, by=people["alice"])

    def test_removing_who_is_no_member_says_so(self, session, people):
        with pytest.raises(NotFound, match="no member"):
            service.remove_member(session, "acai", "carol", by=people["alice"])

    def test_one_that_owns_a_repo_cannot_be_deleted(self, session, people):
        session.add(_repo_of(service.get_account(session, "acai").id, "acai/tickets"))
        session.flush()
        with pytest.raises(Conflict, match="still owns"):
            service.delete_organization(session, "acai", by=people["alice"])
        session.rollback()

    def test_an_empty_one_can(self, session, people):
        service.delete_organization(session, "acai", by=people["alice"])
        assert service.memberships_of(session, people["alice"].user_id) == []

    def test_a_member_lists_only_their_own(self, session, people):
        service.create_organization(session, "cupuacu", creator=people["carol"])
        bobs = service.list_accounts(session, AccountKind.ORGANIZATION, member_id=people["bob"].user_id)
        assert [organization.name for organization in bobs] == ["acai"]


class TestRequireNamespace:
    """Whether something may be created under a name."""

    @pytest.mark.parametrize(
        ("who", "namespace", "action"),
        [("alice", "alice", Action.ADMIN), ("bob", "acai", Action.WRITE), ("root_", "carol", Action.WRITE)],
    )
    def test_who_may_gets_the_account(self, session, people, who, namespace, action):
        assert service.require_namespace(session, people[who], namespace.upper(), action).name == namespace

    @pytest.mark.parametrize(
        ("who", "namespace", "action"),
        [("alice", "bob", Action.WRITE), ("bob", "acai", Action.ADMIN), ("carol", "acai", Action.READ)],
    )
    def test_who_may_not_is_told_what_it_takes(self, session, people, who, namespace, action):
        with pytest.raises(Forbidden, match=f"{action} in the namespace {namespace}"):
            service.require_namespace(session, people[who], namespace, action)

    def test_who_has_not_signed_in_is_asked_to(self, session, people):
        with pytest.raises(NotAuthenticated):
            service.require_namespace(session, ANONYMOUS, "acai", Action.WRITE)


class TestAuditLog:
    """Each act is written down with it, or neither happens."""

    def test_acts_are_listed_newest_first(self, session, people):
        newest, *_ = service.list_audit(session)
        assert (newest.actor, newest.action, newest.target) == ("alice", "org.member.add", "acai")
        assert newest.details == {"user": "bob", "role": "write"}

    def test_set_up_acts_as_the_system(self, session, people):
        assert {entry.actor for entry in service.list_audit(session, action="user.create")} == {"system"}

    def test_a_scope_means_all_its_acts(self, session, people):
        assert {entry.action for entry in service.list_audit(session, action="org")} == {"org.create", "org.member.add"}

    def test_entries_come_page_by_page(self, session, people):
        everything = service.list_audit(session)
        first = service.list_audit(session, limit=2)
        assert first + service.list_audit(session, before=first[-1].id) == everything

    def test_an_act_that_fails_leaves_no_entry(self, database):
        def create_twice() -> None:
            with database.write() as session:
                service.create_user(session, "dora")
                service.create_user(session, "Dora")

        with pytest.raises(AlreadyExists):
            create_twice()
        with database.read() as session:
            assert service.list_audit(session) == []

    @pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
    def test_the_database_itself_refuses_to_rewrite_it(self, database, statement):
        with database.write() as session:
            service.create_user(session, "dora")
        with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
            session.execute(text(statement))


def _repo_of(owner_id: int, name: str) -> RepoRow:
    return RepoRow(
        kind="model", owner_id=owner_id, name=name, folded_name=name, storage_key="0" * 32, visibility="public"
    )
