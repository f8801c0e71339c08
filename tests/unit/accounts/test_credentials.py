"""Passwords, browser sessions and access tokens: what opens the door, and what no longer does."""

import re
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from tests.unit.accounts.conftest import viewer
from viveiro.accounts import service
from viveiro.accounts.passwords import hash_password, verify_password
from viveiro.accounts.secrets import fingerprint
from viveiro.accounts.tables import AccessTokenRow, AccountRow, BrowserSessionRow, SignInAttemptRow
from viveiro.accounts.types import ANONYMOUS, Grant, Role, TokenRole
from viveiro.db import utc_now
from viveiro.errors import (
    AlreadyExists,
    InvalidCredentials,
    InvalidInput,
    InvalidRepoId,
    NotAuthenticated,
    TooManyRequests,
    UserNotFound,
)
from viveiro.types import Action

DAY = timedelta(days=1)
RIGHT = "correct horse"


@pytest.fixture
def alice(database):
    with database.write() as session:
        return service.create_user(session, "alice")


@pytest.fixture(scope="module")
def stored_hash():
    """argon2id takes its time: once is enough."""
    return hash_password(RIGHT)


@pytest.fixture
def alice_with_password(database, alice, stored_hash):
    with database.write() as session:
        session.execute(update(AccountRow).values(password_hash=stored_hash))
    return alice


class TestAccessTokens:
    def test_the_secret_is_one_that_clients_and_scanners_know(self, database, alice):
        with database.write() as session:
            secret = service.create_token(session, alice.id, "laptop", TokenRole.READ).secret
        assert re.fullmatch(r"hf_[A-Za-z0-9]{37}", secret)

    def test_only_its_hash_is_stored(self, database, alice):
        with database.write() as session:
            secret = service.create_token(session, alice.id, "laptop", TokenRole.READ).secret
        with database.read() as session:
            stored = session.execute(select(AccessTokenRow.__table__)).one()
        assert stored.sha256 == fingerprint(secret)
        assert all(secret not in str(value) for value in stored)

    def test_the_secret_is_not_in_what_logs_would_print(self, database, alice):
        with database.write() as session:
            issued = service.create_token(session, alice.id, "laptop", TokenRole.READ)
        assert issued.secret not in repr(issued)

    def test_it_brings_its_owners_roles_and_its_own_scope(self, session, people):
        grants = [Grant("acai/tickets", frozenset({Action.READ, Action.WRITE}), inference=True)]
        issued = service.create_token(session, people["bob"].user_id, "ci", TokenRole.FINE_GRAINED, grants)
        known = service.authenticate_token(session, issued.secret)
        assert (known.name, known.roles) == ("bob", people["bob"].roles)
        assert (known.scope.role, known.scope.grants) == (TokenRole.FINE_GRAINED, tuple(grants))

    def test_roles_are_those_of_now_not_of_when_it_was_issued(self, session, people):
        secret = service.create_token(session, people["bob"].user_id, "ci", TokenRole.WRITE).secret
        service.remove_member(session, "acai", "bob")
        assert list(service.authenticate_token(session, secret).roles.values()) == [Role.ADMIN]

    @pytest.mark.parametrize("secret", ["", "hf_", "hf_" + "x" * 37, "nonsense", "ç" * 10_000])
    def test_an_unknown_one_opens_nothing(self, database, secret):
        with database.read() as session, pytest.raises(InvalidCredentials):
            service.authenticate_token(session, secret)

    def test_an_expired_one_opens_nothing(self, database, alice):
        with database.write() as session:
            secret = service.create_token(
                session, alice.id, "laptop", TokenRole.READ, expires_at=utc_now() + DAY
            ).secret
            service.authenticate_token(session, secret)
            session.execute(update(AccessTokenRow).values(expires_at=utc_now()))
        with database.read() as session, pytest.raises(InvalidCredentials):
            service.authenticate_token(session, secret)

    def test_a_revoked_one_opens_nothing(self, database, alice):
        with database.write() as session:
            secret = service.create_token(session, alice.id, "laptop", TokenRole.READ).secret
        with database.write() as session:
            service.revoke_token(session, alice.id, "laptop")
        with database.read() as session, pytest.raises(InvalidCredentials):
            service.authenticate_token(session, secret)

    def test_two_of_one_user_need_two_names(self, session, people):
        service.create_token(session, people["bob"].user_id, "laptop", TokenRole.READ)
        service.create_token(session, people["alice"].user_id, "laptop", TokenRole.READ)
        with pytest.raises(AlreadyExists, match="laptop"):
            service.create_token(session, people["bob"].user_id, "laptop", TokenRole.READ)

    @pytest.mark.parametrize(
        ("role", "grants", "error"),
        [
            (TokenRole.FINE_GRAINED, [], InvalidInput),
            (TokenRole.WRITE, [Grant("acai", frozenset({Action.READ}))], InvalidInput),
            (TokenRole.FINE_GRAINED, [Grant("acai", frozenset())], InvalidInput),
            (TokenRole.FINE_GRAINED, [Grant("nobody/tickets", frozenset({Action.READ}))], UserNotFound),
            (TokenRole.FINE_GRAINED, [Grant("acai/../x", frozenset({Action.READ}))], InvalidRepoId),
        ],
    )
    def test_grants_that_mean_nothing_are_refused(self, session, people, role, grants, error):
        with pytest.raises(error):
            service.create_token(session, people["bob"].user_id, "ci", role, grants)

    def test_one_that_would_be_born_dead_is_refused(self, session, people):
        with pytest.raises(InvalidInput, match="past"):
            service.create_token(session, people["bob"].user_id, "ci", TokenRole.READ, expires_at=utc_now() - DAY)

    @pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 97])
    def test_a_name_is_something_to_recognise_it_by(self, session, people, name):
        with pytest.raises(InvalidInput, match="name"):
            service.create_token(session, people["bob"].user_id, name, TokenRole.READ)

    def test_name_grants_and_expiry_can_change_but_not_the_role(self, session, people):
        bob, grant = people["bob"].user_id, Grant("acai", frozenset({Action.READ}))
        service.create_token(session, bob, "ci", TokenRole.FINE_GRAINED, [Grant("bob", frozenset({Action.ADMIN}))])
        expires_at = utc_now() + DAY
        changed = service.update_token(session, bob, "ci", new_name="tests", grants=[grant], expires_at=expires_at)
        assert (changed.name, changed.grants, changed.expires_at) == ("tests", (grant,), expires_at)
        assert service.list_tokens(session, bob) == [changed]

    def test_revoking_one_that_is_not_there_says_how_to_see_them(self, session, people):
        with pytest.raises(service.AccessTokenNotFound, match="viveiro tokens list"):
            service.revoke_token(session, people["bob"].user_id, "ci")

    def test_revoking_by_name_does_not_mind_when_there_is_none(self, session, people):
        service.revoke_tokens_named(session, people["bob"].user_id, "ci")

    def test_its_last_use_is_written_once_a_minute(self, database, alice):
        with database.write() as session:
            secret = service.create_token(session, alice.id, "laptop", TokenRole.READ).secret
            scope = service.authenticate_token(session, secret).scope
            assert service.use_is_due(scope)
            service.note_use(session, scope)
            first = service.authenticate_token(session, secret).scope
            service.note_use(session, scope)
        with database.read() as session:
            again = service.authenticate_token(session, secret).scope
        assert not service.use_is_due(first)
        assert again.last_used_at == first.last_used_at


class TestPasswords:
    def test_equal_passwords_have_different_hashes(self, stored_hash):
        assert hash_password(RIGHT) != stored_hash
        assert stored_hash.startswith("$argon2id$")

    def test_the_right_one_matches_and_no_other(self, stored_hash):
        assert verify_password(RIGHT, stored_hash) == (True, None)
        assert verify_password("correct horsE", stored_hash) == (False, None)

    @pytest.mark.parametrize("guess", ["", RIGHT, "a password that nobody has"])
    def test_nothing_matches_where_there_is_no_password(self, guess):
        assert verify_password(guess, None) == (False, None)

    def test_a_hash_of_weaker_parameters_is_renewed(self):
        weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(RIGHT)
        matches, renewed = verify_password(RIGHT, weak)
        assert matches
        assert "m=65536" in renewed


class TestSignIn:
    def sign_in(self, database, name="alice", password=RIGHT, address="192.0.2.1", limit=3, lasts=DAY):
        return service.sign_in(database, name, password, address=address, attempts_per_minute=limit, lasts=lasts)

    def test_the_right_password_opens_a_session(self, database, alice_with_password):
        issued = self.sign_in(database, name="ALICE")
        with database.read() as session:
            assert service.authenticate_session(session, issued.secret) == viewer(session, "alice")

    def test_the_session_is_stored_as_a_hash(self, database, alice_with_password):
        issued = self.sign_in(database)
        with database.read() as session:
            assert session.scalars(select(BrowserSessionRow.sha256)).all() == [fingerprint(issued.secret)]

    @pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", RIGHT), ("alice", "")])
    def test_a_wrong_name_and_a_wrong_password_read_the_same(self, database, alice_with_password, name, password):
        with pytest.raises(NotAuthenticated, match="The name or the password is wrong"):
            self.sign_in(database, name, password)

    def test_a_user_without_password_cannot(self, database, alice):
        with pytest.raises(NotAuthenticated):
            self.sign_in(database)

    def test_signing_out_ends_it(self, database, alice_with_password):
        secret = self.sign_in(database).secret
        with database.write() as session:
            service.sign_out(session, viewer(session, "alice"), secret)
            assert service.authenticate_session(session, secret) is ANONYMOUS

    def test_it_ends_by_itself(self, database, alice_with_password):
        secret = self.sign_in(database, lasts=timedelta(0)).secret
        with database.read() as session:
            assert service.authenticate_session(session, secret) is ANONYMOUS

    def test_a_new_password_ends_it(self, database, alice_with_password):
        secret = self.sign_in(database).secret
        with database.write() as session:
            service.update_user(session, "alice", password="another horse")
            assert service.authenticate_session(session, secret) is ANONYMOUS
        assert self.sign_in(database, password="another horse").account.name == "alice"

    def test_success_and_failure_are_in_the_audit_log_with_their_address(self, database, alice_with_password):
        self.sign_in(database)
        with pytest.raises(NotAuthenticated):
            self.sign_in(database, password="wrong")
        with database.read() as session:
            acts = [(e.actor, e.action, e.target, e.address) for e in service.list_audit(session, action="session")]
        assert acts == [
            ("anonymous", "session.refuse", "alice", "192.0.2.1"),
            ("alice", "session.create", "alice", "192.0.2.1"),
        ]


class TestThrottle:
    """So many failures a minute for one name or one address, and no more."""

    def fail(self, database, name, address, limit=2):
        with pytest.raises(NotAuthenticated):
            service.authenticate_password(database, name, "wrong", address=address, attempts_per_minute=limit)

    def refuse(self, database, name, address, limit=2):
        with pytest.raises(TooManyRequests) as caught:
            service.authenticate_password(database, name, "wrong", address=address, attempts_per_minute=limit)
        return caught.value

    def test_one_name_from_many_addresses(self, database):
        self.fail(database, "alice", "192.0.2.1")
        self.fail(database, "Alice", "192.0.2.2")
        error = self.refuse(database, "ALICE", "192.0.2.3")
        assert 0 < error.retry_after_seconds <= 60
        self.fail(database, "bob", "192.0.2.3")

    def test_many_names_from_one_address(self, database):
        self.fail(database, "alice", "192.0.2.1")
        self.fail(database, "bob", "192.0.2.1")
        self.refuse(database, "carol", "192.0.2.1")

    def test_an_ipv6_block_counts_as_one_address(self, database):
        self.fail(database, "alice", "2001:db8::1")
        self.fail(database, "bob", "2001:db8::2")
        self.refuse(database, "carol", "2001:db8:0:0:ffff::3")
        self.fail(database, "carol", "2001:db8:0:1::3")

    def test_waiting_a_minute_helps(self, database):
        self.fail(database, "alice", None, limit=1)
        self.refuse(database, "alice", None, limit=1)
        with database.write() as session:
            session.execute(update(SignInAttemptRow).values(at=utc_now() - timedelta(seconds=61)))
        self.fail(database, "alice", None, limit=1)

    def test_the_right_password_does_not_count(self, database, alice_with_password):
        for _ in range(3):
            service.authenticate_password(database, "alice", RIGHT, address=None, attempts_per_minute=1)

    def test_a_success_of_one_does_not_forgive_the_failures_of_another(self, database, alice_with_password):
        self.fail(database, "bob", "192.0.2.1")
        service.authenticate_password(database, "alice", RIGHT, address="192.0.2.1", attempts_per_minute=2)
        self.fail(database, "bob", "192.0.2.1")
        self.refuse(database, "carol", "192.0.2.1")


class TestRenewal:
    def test_a_revoked_tokens_name_is_free_in_the_same_transaction(self, database):
        with database.write() as session:
            user = service.create_user(session, "renata")
            service.create_token(session, user.id, "laptop", TokenRole.WRITE)
        with database.write() as session:
            service.revoke_tokens_named(session, user.id, "laptop")
            renewed = service.create_token(session, user.id, "laptop", TokenRole.WRITE)
        with database.read() as session:
            assert service.authenticate_token(session, renewed.secret).name == "renata"
