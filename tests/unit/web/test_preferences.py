import pytest

from tests.unit.web.conftest import HTMX, text_of


class TestChoosing:
    def test_a_language_stays_in_the_browser(self, site):
        browser = site.browser()
        browser.post("/-/preferences", data={"language": "pt-BR"})
        assert 'lang="pt-BR"' in browser.get("/login").text

    def test_counts_before_what_the_browser_asks_for(self, site):
        browser = site.browser(**{"Accept-Language": "pt-BR"})
        browser.post("/-/preferences", data={"language": "en"})
        assert '<html lang="en"' in browser.get("/login").text

    def test_a_language_that_nobody_translated_to_changes_nothing(self, site):
        browser = site.browser()
        answer = browser.post("/-/preferences", data={"language": "tlh"})
        assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_a_theme_is_drawn_by_the_server(self, site, theme):
        browser = site.browser()
        browser.post("/-/preferences", data={"theme": theme})
        assert f'data-theme="{theme}"' in browser.get("/login").text

    def test_a_theme_that_is_none_changes_nothing(self, site):
        answer = site.browser().post("/-/preferences", data={"theme": '"><script>'})
        assert "set-cookie" not in answer.headers

    def test_a_cookie_that_somebody_forged_is_ignored(self, site):
        browser = site.browser(Cookie='viveiro_theme="><script>alert(1)</script>; viveiro_language=tlh')
        page = browser.get("/login").text
        assert "<script>alert" not in page
        assert '<html lang="en"' in page

    def test_the_cookie_is_for_our_pages_only(self, site):
        cookie = site.browser().post("/-/preferences", data={"language": "pt"}).headers["set-cookie"]
        assert cookie.startswith("viveiro_language=pt-BR;")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/;" in cookie

    @pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"])
    def test_leads_back_to_our_own_pages_only(self, site, elsewhere):
        answer = site.browser().post("/-/preferences", data={"theme": "dark", "next": elsewhere})
        assert answer.headers["location"] == "/"

    def test_leads_back_to_where_one_was(self, site):
        answer = site.browser().post("/-/preferences", data={"theme": "dark", "next": "/models?search=x"})
        assert answer.headers["location"] == "/models?search=x"

    def test_by_htmx_draws_the_whole_page_anew(self, site):
        answer = site.browser(**HTMX).post("/-/preferences", data={"theme": "dark", "next": "/models"})
        assert answer.headers["hx-redirect"] == "/models"

    def test_is_kept_for_a_page_with_an_error(self, site):
        browser = site.browser()
        browser.post("/-/preferences", data={"language": "pt-BR", "theme": "dark"})
        page = browser.get("/alice/gone").text
        assert 'data-theme="dark"' in page
        assert "Erro 404" in text_of(page)
