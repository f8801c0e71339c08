"""A browser at a real server. What a page does wrong fails the test that looked at it, whatever that test was about."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import PATIENCE_MS, Watch, chromium_program, running_chromium
from tests.browser.site import Site, running_site
from tests.conftest import missing
from viveiro.locale import Sentence, translator

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Shared by all tests of a process: each makes what it changes."""
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file only: Playwright keeps an event loop in the main thread, and other files run theirs there."""
    program = chromium_program()
    if program is None:
        missing("chromium", "apt-get install -y --no-install-recommends chromium, or name one: CHROMIUM=…")
        raise AssertionError
    with running_chromium(program) as browser:
        yield browser


@pytest.fixture(params=["en", "pt-BR"])
def language(request: pytest.FixtureRequest) -> str:
    """What the browser asks for."""
    return str(request.param)


Say = Callable[..., str]


@pytest.fixture
def say(language: str) -> Say:
    """A sentence of ours as this browser's user reads it: `say("Sign in")`."""

    def say(sentence: str, **fields: object) -> str:
        return Sentence(sentence, **fields).translated(translator(language))

    return say


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    watch = Watch(site.url)
    yield watch
    assert watch.complaints == []


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, site: Site, watch: Watch) -> Iterator[Visit]:
    """`visit("/runs", "alice", locale="pt-BR")`: the page in a new window of somebody who is signed in, or of nobody.

    More options are Playwright's, for a new context.
    """
    contexts: list[BrowserContext] = []

    def visit(path: str, who: str | None = None, **options: object) -> Page:
        context = browser.new_context(**{"base_url": site.url, "reduced_motion": "reduce", "locale": "en", **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        watch.over(context)
        if who is not None:
            context.add_cookies([site.session(who)])
        page = context.new_page()
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
