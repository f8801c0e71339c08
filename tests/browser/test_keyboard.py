"""Each journey without a mouse: Tab, Enter, Space, Escape and what is typed. Where the focus is can be seen at every stop."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Say, Visit
from tests.browser.site import PASSWORD, TICKETS, Site

MOST_STOPS = 120
WORDS = "oil dripping off the cylinder"

_FOCUS_IS_VISIBLE = """
() => {
  const focused = document.activeElement;
  if (focused === document.body) return true;
  const marks = [focused, ...(focused.labels ?? [])].flatMap((each) => [getComputedStyle(each), getComputedStyle(each, "::after")]);
  return marks.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0);
}
"""


def tab_to(wanted: Locator) -> None:
    """By Tab alone, from wherever the focus is."""
    page = wanted.page
    expect(wanted).to_be_visible()
    for _ in range(MOST_STOPS):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
        assert page.evaluate(_FOCUS_IS_VISIBLE), page.evaluate("() => document.activeElement.outerHTML")
    pytest.fail(f"Tab does not reach {wanted}")


def press(wanted: Locator, key: str = "Enter") -> None:
    tab_to(wanted)
    wanted.page.keyboard.press(key)


def type_into(wanted: Locator, text: str) -> None:
    tab_to(wanted)
    wanted.page.keyboard.press("Control+A")
    wanted.page.keyboard.type(text)


def accept_the_question(page: Page) -> None:
    """The browser's own dialog: Enter is its first button's."""
    page.once("dialog", lambda dialog: dialog.accept())


class TestTheFrameOfEveryPage:
    def test_the_first_stop_skips_to_the_content(self, visit: Visit, language: str, say: Say) -> None:
        page = visit("/", "alice", locale=language)
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name=say("Skip to the content"))
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()

    def test_a_menu_opens_closes_and_leads_on(self, visit: Visit, language: str, say: Say) -> None:
        page = visit("/", "alice", locale=language)
        menu = page.get_by_role("banner").locator("summary").first
        choice = page.get_by_role("banner").get_by_role("link", name=say("Adapt a model to your data"))
        press(menu)
        expect(choice).to_be_visible()
        page.keyboard.press("Escape")
        expect(choice).to_be_hidden()
        expect(menu).to_be_focused()
        page.keyboard.press("Space")
        press(choice)
        page.wait_for_url("**/runs/new")

    def test_language_and_colours_are_chosen(self, visit: Visit, say: Say, language: str) -> None:
        page = visit("/", "alice", locale=language)
        press(page.get_by_role("button", name=say("Dark"), exact=True))
        expect(page.locator("html[data-theme=dark]")).to_be_attached()


class TestANewcomer:
    @pytest.mark.timeout(600)
    def test_signs_in_and_starts_a_run(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        name = f"keys-{language.lower()}"
        with site.client("root") as client:
            client.post("/api/v1/users", json={"name": name, "password": PASSWORD})
        page = visit("/runs/new", locale=language)  # who has to sign in is led there and back
        type_into(page.get_by_label(say("Name"), exact=True), name)
        type_into(page.get_by_label(say("Password"), exact=True), PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs/new")

        with page.expect_file_chooser() as chooser:
            press(page.get_by_label(say("Drop a table here, or choose one")))
        chooser.value.set_files(TICKETS)
        expect(page.get_by_role("heading", name=say("What it holds"))).to_be_visible()
        type_into(page.get_by_role("textbox", name=say("Name of the model")), "by-keys")
        press(page.get_by_role("button", name=say("Start the run")))
        page.wait_for_url(re.compile(r"/runs/\w{12,}"))

        accept_the_question(page)
        press(page.get_by_role("button", name=say("Cancel the run")))
        expect(page.get_by_text(say("cancelled"), exact=True)).to_be_visible()

    @pytest.mark.timeout(600)
    def test_reads_the_report_deploys_and_asks(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        page = visit(f"/runs/{site.run}", "alice", locale=language)
        press(page.get_by_role("group").locator("summary").filter(has_text=say("Every score")))
        expect(page.get_by_role("group", name=say("Every score")).first).to_be_visible()
        page.keyboard.press("Control+Home")
        page.locator("body").evaluate("() => document.activeElement.blur()")
        press(page.get_by_role("button", name=say("Deploy"), exact=True))
        page.wait_for_url("**/endpoints/acai/triage", timeout=240_000)
        press(page.get_by_role("link", name=say("To the model")))
        type_into(page.get_by_label(say("Text"), exact=True), WORDS)
        page.keyboard.press("Control+Enter")
        answers = page.get_by_role("region", name=say("Try it")).get_by_role("listitem")
        expect(answers.first).to_contain_text("%")


class TestAnOperator:
    def test_makes_a_token_and_revokes_it(self, language: str, say: Say, visit: Visit) -> None:
        name = f"keys-{language.lower()}"
        page = visit("/settings/tokens", "root", locale=language)
        type_into(page.get_by_label(say("Name"), exact=True), name)
        page.keyboard.press("Enter")
        accept_the_question(page)
        press(page.get_by_role("button", name=say("Revoke {name}", name=name)), "Space")
        expect(page.get_by_text(say("The access token is revoked. From now on it opens nothing."))).to_be_visible()

    def test_cancels_a_job(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        job_id = site.long_job(f"acai/keys-{language.lower()}")
        page = visit(f"/jobs/{job_id}", "root", locale=language)
        accept_the_question(page)
        press(page.get_by_role("button", name=say("Cancel: {kind}", kind=say("Adapt a model"))))
        expect(page.get_by_role("region", name=say("State"))).to_contain_text(say("cancelled"))


class TestADeveloper:
    def test_chooses_a_snippet_and_copies_it(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        permissions = ["clipboard-read", "clipboard-write"]
        page = visit(f"/{site.model}", "alice", locale=language, permissions=permissions)
        snippets = page.get_by_role("region", name=say("Use this model"))
        tab_to(snippets.get_by_role("radio").first)
        page.keyboard.press("ArrowRight")
        press(snippets.get_by_role("button", name=say("Copy")))
        expect(snippets.get_by_role("button", name=say("Copied"))).to_be_visible()
        assert page.evaluate("() => navigator.clipboard.readText()").startswith("curl ")
