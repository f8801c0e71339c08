from urllib.parse import quote

import pytest

from tests.unit.web.conftest import HTMX, text_of
from viveiro.web.rendering import HEADERS

HOSTILE = "<script>alert(1)</script>"


class TestAnErrorAsAPage:
    def test_says_what_was_wrong_and_leads_on(self, site):
        answer = site.browser().get("/alice/gone")
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert 'href="/"' in answer.text
        assert "404" in text_of(answer.text)

    def test_is_in_the_readers_language(self, site):
        english = text_of(site.browser().get("/alice/gone").text)
        portuguese = text_of(site.browser(**{"Accept-Language": "pt-BR"}).get("/alice/gone").text)
        assert "Nothing grows here" in english
        assert "Nothing grows here" not in portuguese
        assert "Erro 404" in portuguese

    def test_keeps_the_number_by_which_the_operator_finds_it(self, site):
        assert site.browser().get("/alice/gone").headers["x-request-id"]

    def test_keeps_when_to_come_back(self, site):
        answer = site.browser().delete("/login")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")

    def test_escapes_what_the_address_said(self, site):
        answer = site.browser().get(f"/alice/{quote(HOSTILE, safe='')}")
        assert answer.status_code >= 400
        assert HOSTILE not in answer.text
        assert "<script>alert" not in answer.text

    def test_offers_a_way_back_that_stays_an_attribute(self, site):
        answer = site.browser().get("/alice/gone?x=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        assert "<script>alert" not in answer.text

    @pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
    def test_is_json_for_a_program(self, site, accept):
        answer = site.browser(Accept=accept).get("/alice/gone")
        assert answer.status_code == 404
        assert "error" in answer.json()

    def test_is_json_for_whoever_asks_the_api(self, site):
        assert "error" in site.browser().get("/api/models/alice/gone").json()

    def test_is_a_fragment_for_htmx(self, site):
        answer = site.browser(**HTMX).get("/jobs")
        assert answer.status_code == 401
        assert 'role="alert"' in answer.text
        assert "<html" not in answer.text

    def test_is_a_whole_page_when_htmx_goes_back_in_history(self, site):
        answer = site.browser(**HTMX, **{"HX-History-Restore-Request": "true"}).get("/alice/gone")
        assert "<html" in answer.text


class TestWhoeverHasToSignIn:
    def test_is_led_there_and_back(self, site):
        answer = site.browser().get("/jobs?state=running")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=%2Fjobs%3Fstate%3Drunning"

    def test_gets_the_error_where_a_form_was_sent(self, site):
        answer = site.browser().post("/settings/profile", data={"fullname": "x"})
        assert answer.status_code == 401
        assert "Sign in" in text_of(answer.text)

    def test_is_not_led_anywhere_by_an_access_token_that_is_wrong(self, site):
        answer = site.browser(Authorization="Bearer hf_wrong").get("/jobs", headers={"Accept": "application/json"})
        assert answer.status_code == 401

    def test_sees_the_page_of_the_error_when_signed_in_without_the_rights(self, site):
        answer = site.browser("bob").get("/users")
        assert answer.status_code == 403
        assert "bob" in answer.text


class TestEveryPage:
    @pytest.mark.parametrize("path", ["/", "/login", "/-/design", "/alice", "/alice/gone"])
    def test_carries_the_policy_and_its_headers(self, site, path):
        answer = site.browser().get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS

    def test_so_does_the_way_to_sign_in(self, site):
        answer = site.browser().get("/jobs")
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS

    def test_allows_no_script_but_our_own_files(self):
        policy = HEADERS["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy

    @pytest.mark.parametrize("path", ["/", "/login", "/-/design", "/alice", "/alice/gone"])
    def test_has_no_script_or_style_of_its_own(self, site, path):
        page = site.browser().get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count('<script src="/static/')
