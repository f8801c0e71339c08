"""What strangers wrote is shown and never run; other sites can send forms here and achieve nothing."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.routing import iter_route_contexts
from huggingface_hub import CommitOperationAdd
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PATIENCE_MS, Watch
from tests.browser.conftest import Visit
from tests.browser.hostile import BRANCH, CARD, FILE_NAME, IMAGE, MARK, SCRIPT, SVG, running_attacker
from tests.browser.site import PASSWORD, Site
from viveiro.web import ROUTERS

REPO = "mallory/model"
DATASET = "mallory/rows"
TITLE = f"{SCRIPT} in a title"


@pytest.fixture(scope="module")
def mallory(site: Site) -> str:
    """A user whose every word is an attempt: name, card, files, branch, commits."""
    with site.client("root") as client:
        client.post("/api/v1/users", json={"name": "mallory", "password": PASSWORD, "fullname": f"{SCRIPT}{IMAGE}"})
        secret = client.post("/api/v1/tokens", json={"name": "all", "role": "write"}, user="mallory")["secret"]
    site.server.tokens["MALLORY"] = secret
    hub = site.hub("mallory")
    hub.create_repo(REPO)
    files = {"README.md": CARD, "evil.svg": SVG, FILE_NAME: f"{SCRIPT}{IMAGE}", "page.html": f"{SCRIPT}{IMAGE}"}
    hub.create_commit(
        REPO,
        [CommitOperationAdd(path, content.encode()) for path, content in files.items()],
        commit_message=TITLE,
        commit_description=f"{IMAGE}{SCRIPT}",
    )
    hub.create_branch(REPO, branch=BRANCH)
    return "mallory"


@pytest.fixture(scope="module")
def hostile_rows(site: Site, mallory: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset whose columns and labels are attempts."""
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    labels = [IMAGE, SCRIPT]
    lines = [f'{SCRIPT} the seed {number} {"a" * number},"{quoted(labels[number % 2])}"' for number in range(40)]
    file.write_text("\n".join([f'text,"{quoted(IMAGE)}"', *lines]))
    site.import_table(DATASET, file, owner="mallory", text_column="text", label_column=IMAGE)
    return DATASET


def quoted(cell: str) -> str:
    return cell.replace('"', '""')


@pytest.fixture
def look(visit: Visit, watch: Watch) -> Iterator[object]:
    """The page at an address, as Alice sees it. No dialog may open, nothing may have run when the test ends."""
    watch.expect("/x:0)")  # a picture that the card shows and the repo does not have
    pages: list[Page] = []
    dialogs: list[str] = []

    def look(path: str, who: str | None = "alice") -> Page:
        page = visit("about:blank", who)
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path)
        page.wait_for_load_state("networkidle")
        pages.append(page)
        return page

    yield look
    assert [page.evaluate(f"() => window.{MARK}") for page in pages] == [None] * len(pages)
    assert dialogs == []


class TestWhatStrangersWrote:
    @pytest.mark.parametrize(
        ("path", "shown"),
        [
            (f"/{REPO}", "A harmless heading"),
            (f"/{REPO}/tree/main", FILE_NAME),
            (f"/{REPO}/blob/main/README.md", "A harmless heading"),
            (f"/{REPO}/blob/main/README.md?plain=1", "A harmless heading"),
            (f"/{REPO}/blob/main/{quote(FILE_NAME)}", FILE_NAME),
            (f"/{REPO}/blob/main/page.html", SCRIPT),
            (f"/{REPO}/blob/main/evil.svg", "evil.svg"),
            (f"/{REPO}/commits/main", TITLE),
            (f"/{REPO}/tree/{quote(BRANCH, safe='')}", BRANCH),
            (f"/{REPO}/commits/{quote(BRANCH, safe='')}", BRANCH),
            ("/mallory", f"{SCRIPT}{IMAGE}"),
            ("/models?author=mallory", REPO),
            (f"/models?search={quote(SCRIPT)}", "main"),
            (f"/login?next={quote(SCRIPT)}", "main"),
        ],
    )
    def test_is_shown_and_does_not_run(self, path: str, shown: str, mallory: str, look) -> None:
        who = None if path.startswith("/login") else "alice"
        page = look(path, who)
        expect(page.locator("body")).to_contain_text(shown if shown != "main" else "Viveiro")
        assert page.locator("main").is_visible()

    def test_nor_do_commits(self, site: Site, mallory: str, look) -> None:
        sha = site.hub("mallory").model_info(REPO).sha
        expect(look(f"/{REPO}/commit/{sha}").get_by_text(TITLE).first).to_be_visible()

    def test_nor_do_columns_and_labels(self, hostile_rows: str, look) -> None:
        for path in (f"/datasets/{hostile_rows}", f"/runs/new?data={hostile_rows}"):
            page = look(path)
            expect(page.get_by_role("columnheader").filter(has_text=IMAGE).first).to_be_visible()
            expect(page.get_by_role("cell").filter(has_text=SCRIPT).first).to_be_visible()

    @pytest.mark.timeout(600)
    def test_nor_do_labels_of_a_model_and_settings_of_its_run(self, site: Site, hostile_rows: str, look) -> None:
        """Its labels come into the page as JSON, drawn by a script of ours."""
        with site.client("mallory") as client:
            run = client.start_run("text-classification", hostile_rows, publish="mallory/trained")
            client.wait_run(run["run_id"])
        site.deploy("mallory", "mallory/trained")
        expect(look(f"/runs/{run['run_id']}", "mallory").get_by_text(IMAGE).first).to_be_attached()
        page = look("/mallory/trained", "mallory")
        page.get_by_label("Text", exact=True).fill(SCRIPT)
        page.get_by_role("button", name="Ask the model").click()
        answers = page.get_by_role("region", name="Try it").get_by_role("listitem")
        expect(answers.filter(has_text=IMAGE)).to_be_visible()

    def test_the_table_that_is_dropped_is_only_looked_at(self, visit: Visit, look, tmp_path: Path) -> None:
        (tmp_path / "rows.csv").write_text(f'text,"{quoted(IMAGE)}"\n' + f"a text,{SCRIPT}\nanother,b\n" * 9)
        page = look("/runs/new")
        page.get_by_label("Drop a table here, or choose one").set_input_files(tmp_path / "rows.csv")
        expect(page.get_by_role("columnheader").filter(has_text=IMAGE).first).to_be_visible()

    @pytest.mark.parametrize("verb", ["resolve", "raw", "picture"])
    @pytest.mark.parametrize("file", ["evil.svg", "page.html"])
    def test_a_file_opened_by_itself_runs_nothing(
        self, verb: str, file: str, site: Site, mallory: str, browser: Browser
    ) -> None:
        """The browser says in its console that it refused: this one listens for nothing but what runs."""
        context = browser.new_context(base_url=site.url, accept_downloads=True)
        context.add_cookies([site.session("alice")])
        left: list[str] = []
        """What was asked for, and not stopped by the policy."""
        context.on("requestfinished", lambda request: left.append(request.url))
        context.on("requestfailed", lambda request: left.append(request.url) if request.failure != "csp" else None)
        answer = context.request.get(f"/{REPO}/{verb}/main/{file}", fail_on_status_code=False)
        assert answer.status == 404 or "sandbox" in answer.headers["content-security-policy"]
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto("/-/design")
        page.evaluate("(path) => { window.opened = window.open(path); }", f"/{REPO}/{verb}/main/{file}")
        page.wait_for_timeout(1000)
        assert [each.evaluate(f"() => window.{MARK}") for each in context.pages] == [None] * len(context.pages)
        assert [url for url in left if not url.startswith(site.url)] == []
        context.close()


@pytest.fixture(scope="module")
def attacker() -> Iterator[int]:
    with running_attacker() as port:
        yield port


def routes_that_change() -> list[str]:
    routers = [import_module(module).router for module in ROUTERS]
    routes = [route for router in routers for route in iter_route_contexts(router.routes) if "POST" in route.methods]
    return sorted(route.path for route in routes)


def filled(route: str) -> str:
    """An address of that route, about things of Alice's."""
    for field, value in {
        "kind:kind": "models",
        "namespace": "alice",
        "name": "seedling",
        "rest:path": "main/a",
    }.items():
        route = route.replace(f"{{{field}}}", value)
    return re.sub(r"\{\w+(:int)?\}", "0", route)


class TestOtherSites:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    @pytest.mark.parametrize("route", sorted(set(routes_that_change()) - {"/-/preferences"}))
    def test_their_forms_change_nothing(
        self, route: str, host: str, site: Site, attacker: int, browser: Browser
    ) -> None:
        """From another port the cookies come along, from another site they do not: it is refused in either case."""
        context = browser.new_context()
        context.add_cookies([site.session("root")])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://{host}:{attacker}/form?to={quote(site.url + filled(route))}")
        with page.expect_navigation() as navigation:
            page.get_by_role("button", name="Win").click()
        assert navigation.value.request.method == "POST"
        assert navigation.value.status in (401, 403)
        context.close()

    def test_they_may_choose_a_language_but_lead_nobody_away(self, site: Site, attacker: int, browser: Browser) -> None:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://localhost:{attacker}/form?to={quote(site.url + '/-/preferences')}")
        page.get_by_role("button", name="Win").click()
        page.wait_for_url(f"{site.url}/**")
        page.context.close()

    def test_a_link_of_theirs_leads_nobody_back_to_them(self, site: Site, attacker: int, browser: Browser) -> None:
        """Referer is theirs; where to go after signing in is ours."""
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://localhost:{attacker}/link?to={quote(site.url + '/login')}")
        page.get_by_role("link", name="Win").click()
        sign_in(page)
        expect(page.get_by_label("Your account: bob")).to_be_visible()
        assert page.url.startswith(site.url)
        page.context.close()

    @pytest.mark.parametrize(
        "wanted",
        [
            "//evil.example",
            "https://evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "http:evil.example",
            f"javascript:window.{MARK}=1",
            "///evil.example",
            "/..//evil.example",
        ],
    )
    def test_signing_in_and_choosing_a_language_stay_here(
        self, wanted: str, site: Site, visit: Visit, watch: Watch
    ) -> None:
        watch.expect("status of 404")  # where a path of ours leads that nothing lies at
        page = visit(f"/login?next={quote(wanted, safe='')}")
        page.get_by_role("button", name="Português").click()
        page.get_by_role("button", name="English").click()
        assert page.url.startswith(f"{site.url}/")
        page.goto(f"/login?next={quote(wanted, safe='')}")
        sign_in(page)
        expect(page.get_by_label("Your account: bob")).to_be_visible()
        assert page.url.startswith(f"{site.url}/")
        assert page.evaluate(f"() => window.{MARK}") is None


def sign_in(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("bob")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
