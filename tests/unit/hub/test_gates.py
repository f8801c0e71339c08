"""A gated repo is seen by all, and its files are for those who were let in."""

import pytest

from tests.unit.hub.house import House
from viveiro.accounts.access_tokens import authenticate_token, create_token
from viveiro.accounts.types import ANONYMOUS, Grant, TokenRole, Viewer
from viveiro.errors import GatedRepo, GatedRepoForStrangers, InvalidInput, NotAuthenticated, UserNotFound
from viveiro.hub.gates import (
    AccessRequestNotFound,
    AlreadyDecided,
    GateForm,
    NotGated,
    Question,
    access_request_of,
    ask_access,
    count_access_requests,
    decide_access,
    form_of,
    grant_access,
    list_access_requests,
)
from viveiro.hub.moving import move_repo
from viveiro.hub.types import AccessStatus, AddLfsFile, Gate, Repo
from viveiro.types import Action, RepoId, RepoRef, Visibility

PENDING, ACCEPTED, REJECTED = AccessStatus.PENDING, AccessStatus.ACCEPTED, AccessStatus.REJECTED


def gated(house: House, gate: Gate = "manual") -> Repo:
    return house.hub.update_repo(house.alice, house.model().ref, gated=gate)


class TestAsking:
    def test_waits_for_the_owner(self, house: House) -> None:
        repo = gated(house)
        assert ask_access(house.hub, house.bob, repo, {}).status is PENDING
        with pytest.raises(GatedRepo, match="has not answered yet"):
            house.hub.require_files(house.bob, repo)

    def test_is_answered_at_once_where_the_gate_opens_by_itself(self, house: House) -> None:
        repo = gated(house, "auto")
        with pytest.raises(GatedRepo, match="Ask for access"):
            house.hub.require_files(house.bob, repo)
        assert ask_access(house.hub, house.bob, repo, {}).status is ACCEPTED
        house.hub.require_files(house.bob, repo)

    def test_twice_is_asking_once(self, house: House) -> None:
        repo = gated(house)
        first = ask_access(house.hub, house.bob, repo, {})
        decide_access(house.hub, house.alice, repo, REJECTED, user="bob", reason="no")
        again = ask_access(house.hub, house.bob, repo, {})
        assert (again.id, again.status, again.reason) == (first.id, REJECTED, "no")

    def test_takes_an_account(self, house: House) -> None:
        repo = gated(house)
        with pytest.raises(NotAuthenticated):
            ask_access(house.hub, ANONYMOUS, repo, {})
        with pytest.raises(GatedRepoForStrangers):
            house.hub.require_files(ANONYMOUS, repo)
        assert access_request_of(house.hub, ANONYMOUS, repo) is None

    def test_takes_a_gate(self, house: House) -> None:
        with pytest.raises(NotGated):
            ask_access(house.hub, house.bob, house.model(), {})

    def test_takes_the_answers_that_the_card_asks_for(self, house: House) -> None:
        repo = gated(house)
        card = b"---\nextra_gated_fields:\n  Purpose: text\n  I agree: checkbox\n---\n# Seeds"
        house.write(repo, {"README.md": card})
        repo = house.again(repo)
        with pytest.raises(InvalidInput, match="I agree"):
            ask_access(house.hub, house.bob, repo, {"Purpose": "to sow"})
        with pytest.raises(InvalidInput, match="longer than"):
            ask_access(house.hub, house.bob, repo, {"Purpose": "x" * 501, "I agree": "yes"})
        asked = ask_access(house.hub, house.bob, repo, {"Purpose": "to sow", "I agree": "yes", "Else": "ignored"})
        assert asked.fields == {"Purpose": "to sow", "I agree": "yes"}


class TestDeciding:
    @pytest.fixture
    def repo(self, house: House) -> Repo:
        repo = gated(house)
        ask_access(house.hub, house.bob, repo, {})
        return repo

    def test_lets_in_and_shuts_out_again(self, house: House, repo: Repo) -> None:
        decide_access(house.hub, house.alice, repo, ACCEPTED, user="bob")
        assert house.hub.may_read_files(house.bob, repo)
        for status in (PENDING, REJECTED):
            decide_access(house.hub, house.alice, repo, status, user="Bob")
            assert not house.hub.may_read_files(house.bob, repo)

    def test_is_by_user_or_by_request(self, house: House, repo: Repo) -> None:
        (request,) = list_access_requests(house.hub, repo, PENDING, limit=10)
        decide_access(house.hub, house.alice, repo, ACCEPTED, request_id=request.id)
        (accepted,) = list_access_requests(house.hub, repo, ACCEPTED, limit=10)
        assert (accepted.id, accepted.name) == (request.id, "bob")
        assert list_access_requests(house.hub, repo, ACCEPTED, after=request.id, limit=10) == []
        assert count_access_requests(house.hub, repo) == {ACCEPTED: 1}

    def test_the_same_twice_is_refused(self, house: House, repo: Repo) -> None:
        with pytest.raises(AlreadyDecided):
            decide_access(house.hub, house.alice, repo, PENDING, user="bob")

    def test_what_was_never_asked_is_missing(self, house: House, repo: Repo) -> None:
        other = house.hub.update_repo(house.alice, house.model("alice/other").ref, gated="manual")
        (request,) = list_access_requests(house.hub, repo, PENDING, limit=10)
        with pytest.raises(AccessRequestNotFound):
            decide_access(house.hub, house.alice, other, ACCEPTED, request_id=request.id)  # another repo's
        with pytest.raises(AccessRequestNotFound):
            decide_access(house.hub, house.alice, other, ACCEPTED, user="bob")
        with pytest.raises(UserNotFound):
            decide_access(house.hub, house.alice, repo, ACCEPTED, user="nobody")

    def test_needs_a_gate(self, house: House, repo: Repo) -> None:
        repo = house.hub.update_repo(house.alice, repo.ref, gated=False)
        with pytest.raises(NotGated):
            decide_access(house.hub, house.alice, repo, ACCEPTED, user="bob")


class TestLettingIn:
    def test_needs_no_request_and_tells_no_address(self, house: House) -> None:
        repo = gated(house)
        assert grant_access(house.hub, house.alice, repo, "BOB").email is None
        assert house.hub.may_read_files(house.bob, repo)

    def test_answers_a_request_that_was_made(self, house: House) -> None:
        repo = gated(house)
        asked = ask_access(house.hub, house.bob, repo, {})
        assert grant_access(house.hub, house.alice, repo, "bob").id == asked.id

    @pytest.mark.parametrize("user", ["bob", "alice", "root_"])
    def test_is_refused_of_who_reads_already(self, house: House, user: str) -> None:
        repo = gated(house)
        grant_access(house.hub, house.alice, repo, "bob")
        with pytest.raises(InvalidInput, match="already"):
            grant_access(house.hub, house.alice, repo, user)

    def test_is_for_people(self, house: House) -> None:
        house.organization("acai", house.alice)
        with pytest.raises(UserNotFound):
            grant_access(house.hub, house.alice, gated(house), "acai")


class TestWhoWasLetIn:
    @pytest.fixture
    def repo(self, house: House) -> Repo:
        repo = gated(house)
        grant_access(house.hub, house.alice, repo, "bob")
        return repo

    def narrow(self, house: House, *resources: str) -> Viewer:
        grants = [Grant(resource, frozenset({Action.READ})) for resource in resources]
        with house.database.write() as session:
            assert house.bob.user_id is not None
            issued = create_token(session, house.bob.user_id, "narrow", TokenRole.FINE_GRAINED, grants)
        with house.database.read() as session:
            return authenticate_token(session, issued.secret)

    def test_reads_and_writes_nothing(self, house: House, repo: Repo) -> None:
        with pytest.raises(Exception, match="not write it"):
            house.hub.get_repo(house.bob, repo.ref, Action.WRITE)

    def test_reads_by_a_token_only_what_the_token_covers(self, house: House, repo: Repo) -> None:
        assert not house.hub.may_read_files(self.narrow(house, "bob"), repo)

    def test_reads_by_a_token_made_for_the_repo(self, house: House, repo: Repo) -> None:
        assert house.hub.may_read_files(self.narrow(house, "alice/seeds"), repo)

    def test_sees_nothing_of_it_once_it_is_private(self, house: House, repo: Repo) -> None:
        repo = house.hub.update_repo(house.alice, repo.ref, visibility=Visibility.PRIVATE)
        assert not house.hub.may_read_files(house.bob, repo)

    def test_is_let_in_again_when_the_gate_closes_again(self, house: House, repo: Repo) -> None:
        house.hub.update_repo(house.alice, repo.ref, gated=False)
        assert house.hub.may_read_files(house.bob, house.hub.update_repo(house.alice, repo.ref, gated="auto"))

    def test_stays_let_in_when_the_repo_moves(self, house: House, repo: Repo) -> None:
        assert house.hub.may_read_files(house.bob, move_repo(house.hub, house.alice, repo.ref, RepoId("alice", "x")))

    def test_may_copy_its_large_files_into_a_repo_of_their_own(self, house: House, repo: Repo) -> None:
        """A commit may name content of any repo that its author reads."""
        oid = house.store(b"\0shared" * 20_000, repo)
        own = house.hub.create_repo(house.bob, RepoRef(repo.kind, RepoId("bob", "own")))
        builder = house.hub.begin_commit(house.bob, own, "main")
        builder.add(AddLfsFile("model.safetensors", oid))
        builder.finish("Copy")
        assert house.paths(own) == ["model.safetensors"]


class TestForm:
    def test_is_what_the_card_says(self) -> None:
        card = {
            "extra_gated_heading": "Before you read on",
            "extra_gated_prompt": "These are seeds.",
            "extra_gated_button_content": "I agree",
            "extra_gated_fields": {
                "Name": "text",
                "Country": "country",
                "I agree": "checkbox",
                "Purpose": {"type": "select", "options": ["Research", {"label": "Other", "value": "other"}]},
            },
        }
        assert form_of(card) == GateForm(
            "Before you read on",
            "These are seeds.",
            "I agree",
            (
                Question("Name", "text"),
                Question("Country", "text"),
                Question("I agree", "checkbox"),
                Question("Purpose", "select", ("Research", "other")),
            ),
        )

    @pytest.mark.parametrize(
        "fields",
        [None, [], "x", 3, {"a": None}, {"a": {"type": "select"}}, {"a": {"type": "select", "options": [3]}}, {1: []}],
    )
    def test_survives_what_a_card_may_hold(self, fields: object) -> None:
        form = form_of({"extra_gated_prompt": 7, "extra_gated_fields": fields})
        assert form.prompt is None
        assert all(question.kind == "text" for question in form.questions)

    def test_asks_no_more_than_people_answer(self) -> None:
        assert len(form_of({"extra_gated_fields": {f"q{number}": "text" for number in range(100)}}).questions) == 20
