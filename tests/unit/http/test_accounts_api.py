"""Signing in and managing accounts over HTTP, with the official client as judge where it has a say."""

import base64
from datetime import timedelta

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.unit.http.conftest import PASSWORD, make_app, serve_in_thread
from viveiro.accounts import service
from viveiro.accounts.types import Role, TokenRole
from viveiro.db import utc_now
from viveiro.types import Action


@pytest.fixture
def as_(url, tokens):
    """`as_("alice")` is a client with that access token; `as_(None)` has none."""
    clients = []

    def client(name: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {tokens[name]}"} if name else {}
        clients.append(httpx.Client(base_url=f"{url}/api/v1/", headers=headers, trust_env=False))
        return clients[-1]

    yield client
    for opened in clients:
        opened.close()


@pytest.fixture
def browser(as_):
    """Signed in as alice, with her cookie, from our own page."""
    client = as_(None)
    assert client.post("session", json={"name": "alice", "password": PASSWORD}).status_code == 200
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client


class TestWhoami:
    def test_the_official_client_learns_who_it_is(self, url, tokens):
        me = HfApi(endpoint=url, token=tokens["alice"]).whoami()
        assert (me["type"], me["name"], me["fullname"], me["email"]) == (
            "user",
            "alice",
            "Alice Açaí",
            "alice@example.org",
        )
        assert [(org["name"], org["fullname"], org["roleInOrg"]) for org in me["orgs"]] == [
            ("acai", "Açaí Ltda.", "admin")
        ]
        assert me["auth"]["accessToken"]["displayName"] == "alice"
        assert me["auth"]["accessToken"]["role"] == "write"
        assert me["auth"]["accessToken"]["createdAt"].endswith("Z")

    def test_a_fine_grained_one_tells_its_grants(self, url, tokens):
        described = HfApi(endpoint=url, token=tokens["alice-fine"]).whoami()["auth"]["accessToken"]
        assert described["role"] == "fineGrained"
        assert described["fineGrained"]["scoped"] == [
            {
                "entity": {"type": "repo", "name": "acai/tickets"},
                "permissions": ["inference.serverless.write", "repo.content.read", "repo.write"],
            }
        ]

    def test_the_official_client_calls_an_unknown_token_invalid(self, url):
        with pytest.raises(HfHubHTTPError, match="Invalid user token") as caught:
            HfApi(endpoint=url, token="hf_unknown").whoami()
        assert caught.value.response.status_code == 401
        assert caught.value.response.headers["X-Error-Message"] == "Invalid credentials in Authorization header"

    def test_without_a_token_it_asks_for_one(self, url):
        answer = httpx.get(f"{url}/api/whoami-v2")
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (401, "NotAuthenticated")

    def test_a_browser_session_is_someone_too(self, browser, url):
        me = browser.get(f"{url}/api/whoami-v2").json()
        assert (me["name"], me["auth"]) == ("alice", {"type": "cookie"})


class TestCredentials:
    def whoami(self, url, **headers):
        return httpx.get(f"{url}/api/whoami-v2", headers=headers)

    @pytest.mark.parametrize("user", ["alice", "anyone", "", "hf"])
    def test_git_sends_the_token_as_anyones_password(self, url, tokens, user):
        pair = base64.b64encode(f"{user}:{tokens['alice']}".encode()).decode()
        assert self.whoami(url, Authorization=f"Basic {pair}").json()["name"] == "alice"

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer hf_nonsense",
            "Basic !!!",
            "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode(),
            "Basic " + base64.b64encode(b"\xff\xfe").decode(),
            "Digest x",
            "hf_bare",
        ],
    )
    def test_a_header_that_proves_nothing_never_passes_for_none(self, url, header):
        answer = self.whoami(url, Authorization=header)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (401, "InvalidCredentials")

    def test_an_expired_one_is_refused(self, url, sqlite_database, tokens):
        with sqlite_database.write() as session:
            alice = service.get_account(session, "alice")
            soon = utc_now() + timedelta(seconds=0.05)
            secret = service.create_token(session, alice.id, "brief", TokenRole.READ, expires_at=soon).secret
        while utc_now() <= soon:
            pass
        assert self.whoami(url, Authorization=f"Bearer {secret}").status_code == 401

    def test_a_revoked_one_is_refused_at_once(self, url, as_, tokens):
        assert self.whoami(url, Authorization=f"Bearer {tokens['alice-read']}").status_code == 200
        assert as_("alice").delete("tokens/alice-read").json() == {"revoked": "alice-read"}
        assert self.whoami(url, Authorization=f"Bearer {tokens['alice-read']}").status_code == 401

    def test_its_last_use_shows(self, as_):
        alice = as_("alice")
        used = dict.fromkeys(("alice", "alice-read"))
        while used["alice"] is None:  # written after the answer has left
            used = {token["name"]: token["last_used_at"] for token in alice.get("tokens").json()}
        assert used["alice-read"] is None


class TestSession:
    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self, as_):
        answer = as_(None).post("session", json={"name": "Alice", "password": PASSWORD})
        cookie = answer.headers["Set-Cookie"]
        assert answer.json()["name"] == "alice"
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie  # plain HTTP on loopback

    def test_over_https_the_cookie_travels_only_there(self, sqlite_database, tokens):
        app = make_app(sqlite_database, public_url="https://hub.example.org")
        with serve_in_thread(app) as url:
            answer = httpx.post(f"{url}/api/v1/session", json={"name": "alice", "password": PASSWORD})
        assert "; Secure" in answer.headers["Set-Cookie"]

    def test_a_wrong_password_is_refused_without_saying_which_part(self, as_):
        client = as_(None)
        answers = [
            client.post("session", json={"name": name, "password": "wrong horse"}).json() for name in ("alice", "zoe")
        ]
        assert answers[0] == answers[1]

    def test_too_many_wrong_ones_must_wait(self, as_):
        client = as_(None)
        for _ in range(3):
            assert client.post("session", json={"name": "alice", "password": "wrong horse"}).status_code == 401
        answer = client.post("session", json={"name": "alice", "password": PASSWORD})
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60

    def test_signing_out_ends_it_even_for_who_kept_the_cookie(self, browser):
        kept = dict(browser.cookies)
        assert browser.delete("session").json() == {"signed_in": False}
        assert not browser.cookies
        assert (
            browser.get("tokens", headers={"Cookie": f"viveiro_session={kept['viveiro_session']}"}).status_code == 401
        )

    def test_an_old_cookie_counts_as_none(self, as_, url):
        answer = as_(None).get(f"{url}/api/whoami-v2", headers={"Cookie": "viveiro_session=old"})
        assert answer.headers["X-Error-Code"] == "NotAuthenticated"


class TestCrossSite:
    """A cookie acts only from our own pages; a header acts from anywhere."""

    def post(self, browser, **headers):
        browser.headers.pop("Sec-Fetch-Site")
        return browser.post("orgs", json={"name": "cupuacu"}, headers=headers).status_code

    def test_our_own_page_may(self, browser):
        assert self.post(browser, **{"Sec-Fetch-Site": "same-origin"}) == 201

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
    def test_another_site_may_not(self, browser, site):
        assert self.post(browser, **{"Sec-Fetch-Site": site}) == 403

    def test_an_older_browser_is_judged_by_origin(self, browser):
        assert self.post(browser, Origin="http://evil.example.org") == 403
        browser.headers["Sec-Fetch-Site"] = ""
        own = str(browser.base_url).partition("/api")[0]
        assert self.post(browser, Origin=own) == 201

    def test_who_says_nothing_may_not(self, browser):
        assert self.post(browser) == 403

    def test_reading_is_always_allowed(self, browser):
        assert browser.get("orgs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200

    def test_an_access_token_needs_none_of_this(self, as_):
        answer = as_("alice").post("orgs", json={"name": "cupuacu"}, headers={"Origin": "http://evil.example.org"})
        assert answer.status_code == 201

    def test_no_other_site_may_sign_a_browser_in(self, as_):
        credentials = {"name": "alice", "password": PASSWORD}
        assert as_(None).post("session", json=credentials, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


class TestUsers:
    def test_an_administrator_makes_changes_and_deletes(self, as_):
        ada = as_("ada")
        made = ada.post("users", json={"name": "dora", "password": PASSWORD, "email": "dora@example.org"})
        assert (made.status_code, made.json()["name"]) == (201, "dora")
        assert ada.patch("users/dora", json={"fullname": "Dora"}).json()["fullname"] == "Dora"
        assert ada.delete("users/dora").json() == {"deleted": "dora"}
        assert ada.get("users/dora").headers["X-Error-Code"] == "UserNotFound"

    def test_no_answer_holds_a_hash(self, as_):
        assert "argon2" not in as_("ada").get("users").text

    def test_the_list_comes_page_by_page(self, as_):
        answer = as_("ada").get("users", params={"limit": 2})
        rest = as_("ada").get(answer.links["next"]["url"])
        assert [user["name"] for user in answer.json() + rest.json()] == ["ada", "alice", "bob"]
        assert "next" not in rest.links

    @pytest.mark.parametrize("who", ["alice", "alice-read", "alice-fine"])
    def test_only_administrators_do(self, as_, who):
        client = as_(who)
        assert client.get("users").status_code == 403
        assert client.post("users", json={"name": "dora"}).status_code == 403
        assert client.delete("users/bob").status_code == 403
        assert client.get("audit").status_code == 403

    def test_nobody_makes_themselves_administrator(self, as_):
        assert as_("alice").patch("users/alice", json={"is_admin": True}).status_code == 403

    def test_users_describe_themselves_and_nobody_else(self, as_):
        assert as_("alice").patch("users/ALICE", json={"fullname": "A."}).json()["fullname"] == "A."
        assert as_("bob").patch("users/alice", json={"fullname": "B."}).status_code == 403
        assert as_("bob").get("users/alice").status_code == 403

    def test_changing_ones_own_password_takes_the_old_one(self, as_):
        alice = as_("alice")
        assert alice.patch("users/alice", json={"password": "another horse"}).status_code == 401
        change = {"password": "another horse", "current_password": PASSWORD}
        assert alice.patch("users/alice", json=change).status_code == 200
        assert as_(None).post("session", json={"name": "alice", "password": "another horse"}).status_code == 200

    def test_an_administrator_sets_anothers_without_knowing_it(self, as_):
        assert as_("ada").patch("users/bob", json={"password": "bobs own horse"}).status_code == 200
        assert as_(None).post("session", json={"name": "bob", "password": "bobs own horse"}).status_code == 200


class TestOrganizations:
    def test_any_user_makes_one_and_gives_roles_in_it(self, as_):
        alice = as_("alice")
        assert alice.post("orgs", json={"name": "cupuacu", "fullname": "Cupuaçu"}).status_code == 201
        assert alice.put("orgs/cupuacu/members/bob", json={"role": "write"}).json()["role"] == "write"
        members = [
            (member["account"]["name"], member["role"]) for member in as_("bob").get("orgs/cupuacu/members").json()
        ]
        assert members == [("alice", "admin"), ("bob", "write")]
        assert alice.delete("orgs/cupuacu/members/bob").json() == {"removed": "bob"}
        assert alice.patch("orgs/cupuacu", json={"fullname": "C."}).json()["fullname"] == "C."
        assert alice.delete("orgs/cupuacu").json() == {"deleted": "cupuacu"}

    def test_one_sees_ones_own_and_an_administrator_all(self, as_):
        assert [organization["name"] for organization in as_("alice").get("orgs").json()] == ["acai"]
        assert as_("bob").get("orgs").json() == []
        assert [organization["name"] for organization in as_("ada").get("orgs").json()] == ["acai"]

    @pytest.mark.parametrize("who", ["bob", "alice-read", "alice-fine", "alice-infer"])
    def test_it_takes_the_role_and_a_credential_that_carries_it(self, as_, who):
        client = as_(who)
        assert client.put("orgs/acai/members/bob", json={"role": "admin"}).status_code == 403
        assert client.delete("orgs/acai").status_code == 403

    def test_a_role_is_one_of_three(self, as_):
        answer = as_("alice").put("orgs/acai/members/bob", json={"role": "king"})
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (400, "InvalidInput")


class TestTokens:
    def test_the_secret_is_shown_once(self, as_, url):
        alice = as_("alice")
        issued = alice.post("tokens", json={"name": "ci", "role": "read", "expires_in_days": 30}).json()
        assert HfApi(endpoint=url, token=issued["secret"]).whoami()["name"] == "alice"
        assert issued["access_token"]["hint"] == issued["secret"][-4:]
        assert issued["secret"] not in alice.get("tokens").text

    def test_a_fine_grained_one_keeps_its_grants(self, as_):
        line = {"resource": "acai", "actions": ["read"], "inference": True}
        issued = as_("alice").post("tokens", json={"name": "ci", "role": "fineGrained", "grants": [line]}).json()
        assert issued["access_token"]["grants"] == [line]

    @pytest.mark.parametrize("who", ["alice-read", "alice-fine", "alice-infer"])
    def test_a_narrow_one_cannot_mint_a_wider_one(self, as_, who):
        client = as_(who)
        assert client.post("tokens", json={"name": "wide", "role": "write"}).status_code == 403
        assert client.patch("tokens/alice", json={"name": "stolen"}).status_code == 403
        assert client.patch("users/alice", json={"password": PASSWORD}).status_code == 403

    def test_an_administrator_names_whose(self, as_):
        ada = as_("ada")
        assert ada.post("tokens", params={"user": "bob"}, json={"name": "ci", "role": "read"}).status_code == 201
        assert {token["name"] for token in ada.get("tokens", params={"user": "bob"}).json()} == {"bob", "ci"}
        assert ada.delete("tokens/ci", params={"user": "bob"}).status_code == 200
        assert as_("bob").get("tokens", params={"user": "alice"}).status_code == 403

    def test_name_and_expiry_change(self, as_):
        changed = as_("alice").patch("tokens/alice-read", json={"name": "reader", "expires_in_days": 1}).json()
        assert changed["name"] == "reader"
        assert changed["expires_at"] is not None


class TestAudit:
    def test_acts_over_http_name_who_and_from_where(self, as_):
        as_("alice").post("orgs", json={"name": "cupuacu"})
        newest = as_("ada").get("audit").json()[0]
        assert (newest["actor"], newest["action"], newest["target"], newest["address"]) == (
            "alice",
            "org.create",
            "cupuacu",
            "127.0.0.1",
        )

    def test_it_comes_page_by_page(self, as_):
        ada = as_("ada")
        pages = [ada.get("audit", params={"limit": 4, "action": "user"})]
        assert "next" not in pages[0].links
        answer = ada.get("audit", params={"limit": 4, "action": "token"})
        rest = ada.get(answer.links["next"]["url"])
        assert len(answer.json() + rest.json()) == 6

    def test_no_secret_is_in_it(self, as_, tokens):
        text = as_("ada").get("audit").text
        assert not [secret for secret in tokens.values() if secret in text]


def test_roles_in_urls_and_tables_are_the_same_words():
    assert [role.value for role in Role] == [action.value for action in Action]
