"""What holds of every page: said in the reader's language, usable by everyone, whole on a phone, readable without scripts."""

from collections.abc import Callable
from importlib import import_module

import pytest
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Page

from tests.browser.chromium import Watch
from tests.browser.conftest import Visit
from tests.browser.in_page import axe_violations, headings, plain_texts, too_wide
from tests.browser.pages import NOT_PAGES, PAGES, PageRow
from tests.browser.site import Site
from viveiro.http.language import LANGUAGE_COOKIE
from viveiro.web import ROUTERS

PHONE = {"width": 390, "height": 844}

every_page = pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(site: Site, visit: Visit, watch: Watch) -> OpenPage:
    """The page of a row, in the language that its reader chose before."""

    def open_page(row: PageRow, *, language: str = "en", **options: object) -> Page:
        watch.expect(f"status of {row.status}")
        page = visit("about:blank", row.who, **options)
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": site.url}])
        answer = page.goto(row.path(site))
        assert answer is not None
        assert answer.status == row.status
        page.wait_for_function("() => !document.querySelector('.htmx-request')")  # parts that it asks for by itself
        return page

    return open_page


def test_no_page_is_left_out(site: Site) -> None:
    """A new page needs a row in `pages.py` before it can be merged; what is no page needs a reason there."""
    routers = [import_module(module).router for module in ROUTERS]
    routes = [route for router in routers for route in iter_route_contexts(router.routes) if "GET" in route.methods]

    def route_of(path: str) -> str | None:
        return next((route.path for route in routes if route.path_regex.match(path)), None)

    looked_at = {route_of(row.path(site).partition("?")[0]) for row in PAGES if row.status == 200}
    assert {route.path for route in routes} == looked_at | NOT_PAGES.keys()


class TestEveryPage:
    @every_page
    def test_each_of_its_words_comes_from_the_catalogue(self, row: PageRow, open_page: OpenPage) -> None:
        assert plain_texts(open_page(row, language="en-XA")) == []

    @every_page
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_on_desktop_and_phone(self, row: PageRow, scheme: str, open_page: OpenPage) -> None:
        page = open_page(row, color_scheme=scheme)
        on_desktop = axe_violations(page)
        page.set_viewport_size(PHONE)
        assert on_desktop + axe_violations(page) == []

    @every_page
    def test_it_is_whole_on_a_phone_and_without_scripts(self, row: PageRow, open_page: OpenPage) -> None:
        """In Portuguese, whose words are longer."""
        page = open_page(row, language="pt-BR", viewport=PHONE)
        assert too_wide(page) == []
        assert page.locator("html").get_attribute("lang") == "pt-BR"
        assert page.locator("h1").count() == 1
        without = open_page(row, language="pt-BR", viewport=PHONE, java_script_enabled=False)
        assert headings(without) == headings(page) != []
