"""What holds of every page: said in the reader's language, usable by everyone, whole on a phone, readable without scripts."""

from importlib import import_module

import pytest
from fastapi.routing import iter_route_contexts

from tests.browser.chromium import Watch
from tests.browser.conftest import Visit
from tests.browser.in_page import axe_violations, headings, plain_texts, too_wide
from tests.browser.pages import NOT_PAGES, PAGES, PageRow
from tests.browser.site import Site
from viveiro.http.language import LANGUAGE_COOKIE
from viveiro.web import ROUTERS

PHONE = {"width": 390, "height": 844}

every_page = pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)


@pytest.fixture
def open_page(site: Site, visit: Visit, watch: Watch):
    """The page of a row, drawn."""

    def open_page(row: PageRow, **options: object):
        watch.expect(f"status of {row.status}")
        page = visit("about:blank", row.who, **options)
        answer = page.goto(row.path(site))
        assert answer.status == row.status
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
    def test_each_of_its_words_comes_from_the_catalogue(self, row: PageRow, site: Site, open_page) -> None:
        page = open_page(row)
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": "en-XA", "url": site.url}])
        page.reload()
        assert plain_texts(page) == []

    @every_page
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_on_desktop_and_phone(self, row: PageRow, scheme: str, open_page) -> None:
        page = open_page(row, color_scheme=scheme)
        on_desktop = axe_violations(page)
        page.set_viewport_size(PHONE)
        assert on_desktop + axe_violations(page) == []

    @every_page
    def test_it_does_not_scroll_sideways_on_a_phone(self, row: PageRow, language: str, open_page) -> None:
        page = open_page(row, viewport=PHONE, locale=language)
        assert too_wide(page) == []
        assert page.locator("html").get_attribute("lang") == language
        assert page.locator("h1").count() == 1

    @every_page
    def test_it_can_be_read_without_scripts(self, row: PageRow, open_page) -> None:
        page = open_page(row)
        without = open_page(row, java_script_enabled=False)
        assert headings(without) == headings(page) != []
