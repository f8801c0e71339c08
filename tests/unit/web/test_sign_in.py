import re

import pytest

from tests.unit.web.conftest import PASSWORD, serve_site, text_of
from viveiro.accounts.service import create_user
from viveiro.http.sign_in import SESSION_COOKIE


def sign_in(browser, name="alice", password=PASSWORD, **more):
    return browser.post("/login", data={"name": name, "password": password, **more})


def is_signed_in(browser):
    return 'action="/logout"' in browser.get("/").text


class TestSigningIn:
    def test_opens_a_session_for_this_browser_only(self, site):
        browser = site.browser()
        answer = sign_in(browser, next="/models")
        assert (answer.status_code, answer.headers["location"]) == (303, "/models")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert is_signed_in(browser)
        assert not is_signed_in(site.browser())

    def test_shows_what_was_wrong_in_the_form_and_keeps_the_name(self, site):
        answer = sign_in(site.browser(), "alice", "wrong password", next="/jobs")
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert 'value="alice"' in answer.text
        assert 'name="next" value="/jobs"' in answer.text
        assert "wrong password" not in answer.text
        assert 'role="alert"' in answer.text

    def test_says_the_same_whether_the_name_or_the_password_is_wrong(self, site):
        known, unknown = (sign_in(site.browser(), name, "wrong password") for name in ("alice", "alica"))
        assert text_of(known.text).replace("alice", "") == text_of(unknown.text).replace("alica", "")

    def test_escapes_the_name_that_was_typed(self, site):
        answer = sign_in(site.browser(), '"><script>alert(1)</script>')
        assert "<script>alert" not in answer.text

    @pytest.mark.parametrize(
        "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"]
    )
    def test_leads_to_no_other_site(self, site, elsewhere):
        page = site.browser().get("/login", params={"next": elsewhere})
        assert 'name="next" value="/"' in page.text
        browser = site.browser()
        sign_in(browser)
        assert sign_in(browser, next=elsewhere).headers["location"] in ("/", "/-/welcome")
        assert browser.get("/login", params={"next": elsewhere}).headers["location"] == "/"

    def test_is_passed_over_by_who_is_signed_in_already(self, site):
        answer = site.browser("alice").get("/login?next=/jobs")
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")

    @pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
    def test_is_refused_from_another_site(self, site, headers):
        answer = sign_in(site.browser(**headers))
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    def test_waits_after_too_many_guesses_and_says_how_long(self, tmp_path, everyones_hash):
        with serve_site(tmp_path, everyones_hash, login_attempts_per_minute=2) as site:
            for _ in range(2):
                sign_in(site.browser(), password="wrong password")
            answer = sign_in(site.browser())
            assert answer.status_code == 429
            seconds = answer.headers["retry-after"]
            assert seconds in text_of(answer.text)
            assert 'name="password"' in answer.text


class TestSigningOut:
    def test_ends_the_session_here_and_for_whoever_copied_the_cookie(self, site):
        browser, copy = site.browser("alice"), site.browser()
        secret = browser.cookies[SESSION_COOKIE]
        copy.cookies.set(SESSION_COOKIE, secret, domain="127.0.0.1", path="/")
        answer = browser.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert not is_signed_in(browser)
        assert not is_signed_in(copy)

    def test_twice_is_no_error(self, site):
        browser = site.browser("alice")
        browser.post("/logout")
        assert browser.post("/logout").status_code == 303

    def test_is_refused_from_another_site(self, site):
        browser = site.browser("alice")
        assert browser.post("/logout", headers={"Origin": "https://evil.example"}).status_code == 403
        assert is_signed_in(browser)


class TestTheFirstVisit:
    @pytest.fixture
    def newcomer(self, site):
        """Somebody whom an administrator has just made."""
        name = f"newcomer-{next(site.numbers)}"
        with site.database.write() as session:
            create_user(session, name, password=PASSWORD)
        return name

    def test_leads_to_the_welcome_once(self, site, newcomer):
        assert sign_in(site.browser(), newcomer).headers["location"] == "/-/welcome"
        assert sign_in(site.browser(), newcomer).headers["location"] == "/"

    def test_leads_where_somebody_wanted_to_go_if_they_did(self, site, newcomer):
        assert sign_in(site.browser(), newcomer, next="/models").headers["location"] == "/models"

    def test_of_a_stranger_begins_with_signing_in(self, site):
        assert site.browser().get("/-/welcome").headers["location"] == "/login?next=%2F-%2Fwelcome"

    def test_shows_how_to_point_tools_at_this_server(self, site, newcomer):
        page = site.browser(newcomer).get("/-/welcome").text
        assert f"export HF_ENDPOINT={site.url}" in page
        assert 'href="/runs/new"' in page

    def test_a_password_of_ones_own_ends_all_other_sessions_and_keeps_this_one(self, site, newcomer):
        here, elsewhere = site.browser(newcomer), site.browser(newcomer)
        answer = here.post("/-/welcome/password", data={"current": PASSWORD, "password": "a short sentence"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/-/welcome#token")
        assert is_signed_in(here)
        assert not is_signed_in(elsewhere)
        assert sign_in(site.browser(), newcomer, "a short sentence").status_code == 303
        assert 'action="/-/welcome/password"' not in here.get("/-/welcome").text

    def test_a_password_takes_the_one_that_was_given(self, site, newcomer):
        answer = site.browser(newcomer).post(
            "/-/welcome/password", data={"current": "guessed", "password": "a short sentence"}
        )
        assert answer.status_code == 401
        assert "not your current password" in text_of(answer.text)

    def test_a_password_that_is_too_short_is_refused_with_the_reason(self, site, newcomer):
        answer = site.browser(newcomer).post("/-/welcome/password", data={"current": PASSWORD, "password": "short"})
        assert answer.status_code == 400
        assert "8 to 1024 characters" in text_of(answer.text)

    def test_shows_a_token_of_ones_own_once_in_the_lines_to_copy(self, site, newcomer):
        browser = site.browser(newcomer)
        answer = browser.post("/-/welcome/token", data={"name": "my computer"})
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        secret = re.search(r"export HF_TOKEN=(hf_\w+)", answer.text)[1]
        who = site.browser(Authorization=f"Bearer {secret}", Accept="*/*").get("/api/whoami-v2")
        assert who.json()["name"] == newcomer
        again = browser.get("/-/welcome").text
        assert secret not in again
        assert "export HF_TOKEN=hf_…" in again
        assert 'action="/-/welcome/token"' not in again

    def test_says_what_is_wrong_with_a_token_beside_it(self, site, newcomer):
        answer = site.browser(newcomer).post("/-/welcome/token", data={"name": "   "})
        assert answer.status_code == 400
        assert "1 to 96 visible characters" in text_of(answer.text)
