import re

import pytest

from tests.unit.web.conftest import PASSWORD, text_of
from viveiro.accounts.service import create_token, get_account, list_audit
from viveiro.accounts.types import Grant, TokenRole
from viveiro.types import Action
from viveiro.web.settings import GRANT_ROWS, GrantRow, TokenForm, grant_rows, grants_of


@pytest.fixture
def person(site):
    """Somebody who belongs to one test: what it changes, no other test sees."""
    from viveiro.accounts.service import create_user

    name = f"person-{next(site.numbers)}"
    with site.database.write() as session:
        create_user(session, name, password=PASSWORD)
    return name


def account(site, name):
    with site.database.read() as session:
        return get_account(session, name)


class TestTheProfile:
    def test_is_changed_by_its_owner(self, site, person):
        browser = site.browser(person)
        answer = browser.post("/settings/profile", data={"fullname": "Íris Ipê", "email": "iris@example.org"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/settings/profile?done=profile")
        assert (account(site, person).fullname, account(site, person).email) == ("Íris Ipê", "iris@example.org")
        page = browser.get("/settings/profile?done=profile").text
        assert 'value="Íris Ipê"' in page
        assert "Your profile is saved." in text_of(page)

    def test_can_be_emptied(self, site, person):
        browser = site.browser(person)
        browser.post("/settings/profile", data={"fullname": "Íris", "email": "iris@example.org"})
        browser.post("/settings/profile", data={"fullname": "", "email": ""})
        assert (account(site, person).fullname, account(site, person).email) == (person, None)

    def test_says_what_is_wrong_and_keeps_what_was_typed(self, site, person):
        answer = site.browser(person).post("/settings/profile", data={"fullname": "Íris", "email": "nowhere"})
        assert answer.status_code == 400
        assert "is not an e-mail address" in text_of(answer.text)
        assert 'value="Íris"' in answer.text
        assert 'value="nowhere"' in answer.text

    def test_shows_a_hostile_name_as_text(self, site, person):
        browser = site.browser(person)
        browser.post("/settings/profile", data={"fullname": '"><script>alert(1)</script>', "email": ""})
        assert "<script>alert" not in browser.get("/settings/profile").text

    def test_is_not_changed_from_another_site(self, site, person):
        answer = site.browser(person).post(
            "/settings/profile", data={"fullname": "Mallory"}, headers={"Origin": "https://evil.example"}
        )
        assert answer.status_code == 403
        assert account(site, person).fullname == person

    @pytest.mark.parametrize("path", ["/settings/profile", "/settings/tokens", "/settings"])
    def test_asks_a_stranger_to_sign_in(self, site, path):
        assert site.browser().get(path).headers["location"].startswith("/login?next=")


class TestThePassword:
    def test_changes_for_who_knows_the_current_one(self, site, person):
        here, elsewhere = site.browser(person), site.browser(person)
        answer = here.post("/settings/password", data={"current": PASSWORD, "password": "another sentence"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/settings/profile?done=password")
        assert here.get("/settings/profile").status_code == 200
        assert elsewhere.get("/settings/profile").status_code == 303
        signed_in = site.browser().post("/login", data={"name": person, "password": "another sentence"})
        assert signed_in.status_code == 303

    def test_does_not_for_a_browser_that_was_left_open(self, site, person):
        answer = site.browser(person).post("/settings/password", data={"current": "guess", "password": "mine from now"})
        assert answer.status_code == 401
        assert "not your current password" in text_of(answer.text)
        signed_in = site.browser().post("/login", data={"name": person, "password": PASSWORD})
        assert signed_in.status_code == 303

    def test_is_never_sent_back(self, site, person):
        answer = site.browser(person).post("/settings/password", data={"current": "guess", "password": "mine from now"})
        assert "mine from now" not in answer.text

    def test_is_not_changed_with_a_token_that_may_only_read(self, site, person):
        with site.database.write() as session:
            issued = create_token(session, account(site, person).id, "reader", TokenRole.READ)
        browser = site.browser(Authorization=f"Bearer {issued.secret}")
        answer = browser.post("/settings/password", data={"current": PASSWORD, "password": "another sentence"})
        assert answer.status_code == 403


class TestAccessTokens:
    def test_are_shown_once_and_never_again(self, site, person):
        browser = site.browser(person)
        answer = browser.post("/settings/tokens", data={"name": "laptop", "role": "write", "days": "30"})
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        [secret] = set(re.findall(r"hf_\w{20,}", answer.text))
        assert secret not in str(answer.url)
        later = browser.get("/settings/tokens").text
        assert secret not in later
        assert f"…{secret[-4:]}" in later

    def test_leave_no_secret_in_the_audit_log(self, site, person):
        answer = site.browser(person).post("/settings/tokens", data={"name": "laptop", "role": "write"})
        [secret] = set(re.findall(r"hf_\w{20,}", answer.text))
        with site.database.read() as session:
            entries = list_audit(session, actor=person, action="token.create")
        assert len(entries) == 1
        assert secret not in str(entries)

    def test_open_what_their_role_opens(self, site, person):
        answer = site.browser(person).post("/settings/tokens", data={"name": "reader", "role": "read"})
        secret = re.search(r"hf_\w{20,}", answer.text)[0]
        program = site.browser(Authorization=f"Bearer {secret}", Accept="application/json")
        assert program.get("/api/whoami-v2").json()["auth"]["accessToken"]["role"] == "read"
        assert program.post("/api/repos/create", json={"name": "x", "type": "model"}).status_code == 403

    def test_can_be_narrowed_to_one_repo(self, site, person):
        data = {
            "name": "deploy",
            "role": "fineGrained",
            "resource": ["acai/tickets", "alice", "", ""],
            "action": ["write", "", "", ""],
            "inference": ["1"],
        }
        assert site.browser(person).post("/settings/tokens", data=data).status_code == 201
        page = text_of(site.browser(person).get("/settings/tokens").text)
        assert "acai/tickets: write" in page
        assert "alice: inference" in page

    @pytest.mark.parametrize(
        ("data", "status", "reason"),
        [
            ({"name": " ", "role": "read"}, 400, "1 to 96 visible characters"),
            ({"name": "fine", "role": "fineGrained"}, 400, "needs at least one"),
            ({"name": "fine", "role": "fineGrained", "resource": ["nobody"], "action": ["read"]}, 404, "nobody"),
            ({"name": "fine", "role": "fineGrained", "resource": ["a b"], "action": ["read"]}, 400, "a b"),
            ({"name": "fine", "role": "fineGrained", "resource": ["acai"], "action": [""]}, 400, "allows nothing"),
        ],
    )
    def test_that_make_no_sense_are_refused_beside_what_was_typed(self, site, person, data, status, reason):
        answer = site.browser(person).post("/settings/tokens", data=data)
        assert answer.status_code == status
        assert reason in text_of(answer.text)
        assert f'value="{data["name"].strip()}"' in answer.text
        assert f'value="{data["role"]}" checked' in answer.text

    def test_have_a_name_of_their_own(self, site, person):
        browser = site.browser(person)
        browser.post("/settings/tokens", data={"name": "laptop", "role": "read"})
        answer = browser.post("/settings/tokens", data={"name": "laptop", "role": "read"})
        assert answer.status_code == 409
        assert "already has an access token" in text_of(answer.text)

    def test_open_nothing_once_they_are_revoked(self, site, person):
        browser = site.browser(person)
        answer = browser.post("/settings/tokens", data={"name": 'a/b "c"', "role": "write"})
        secret = re.search(r"hf_\w{20,}", answer.text)[0]
        revoked = browser.post("/settings/tokens/revoke", data={"name": 'a/b "c"'})
        assert revoked.headers["location"] == "/settings/tokens?done=revoked"
        program = site.browser(Authorization=f"Bearer {secret}", Accept="application/json")
        assert program.get("/api/whoami-v2").status_code == 401

    def test_are_revoked_by_their_owner_only(self, site, person):
        site.browser(person).post("/settings/tokens", data={"name": "laptop", "role": "write"})
        assert site.browser("bob").post("/settings/tokens/revoke", data={"name": "laptop"}).status_code == 404
        assert "laptop" in site.browser(person).get("/settings/tokens").text

    @pytest.mark.parametrize("path", ["/settings/tokens", "/settings/tokens/revoke"])
    def test_are_neither_made_nor_revoked_from_another_site(self, site, person, path):
        answer = site.browser(person).post(
            path, data={"name": "evil", "role": "write"}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert answer.status_code == 403

    def test_make_no_wider_ones(self, site, person):
        with site.database.write() as session:
            issued = create_token(session, account(site, person).id, "reader", TokenRole.READ)
        browser = site.browser(Authorization=f"Bearer {issued.secret}")
        assert browser.post("/settings/tokens", data={"name": "wider", "role": "write"}).status_code == 403


class TestTheLinesOfAFineGrainedToken:
    def test_are_as_many_as_the_form_has_however_many_were_sent(self):
        assert grant_rows([], [], []) == (GrantRow(),) * GRANT_ROWS
        assert len(grant_rows(["a"] * 9, ["read"] * 9, [])) == GRANT_ROWS

    def test_are_ticked_by_their_number(self):
        rows = grant_rows(["acai", " alice "], ["read", ""], [1])
        assert rows[:2] == (GrantRow("acai", "read", False), GrantRow("alice", "", True))

    def test_that_name_nothing_allow_nothing(self):
        form = TokenForm("x", TokenRole.FINE_GRAINED, 0, grant_rows(["", "acai"], ["write", "read"], [0]))
        assert grants_of(form) == [Grant("acai", frozenset({Action.READ}))]

    def test_of_another_role_are_left_out(self):
        assert grants_of(TokenForm("x", TokenRole.WRITE, 0, grant_rows(["acai"], ["read"], []))) == []
