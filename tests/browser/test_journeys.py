"""What people come for, from the first click to the last, with the mouse and in both languages."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Say, Visit
from tests.browser.site import PASSWORD, TICKETS, Site

TRAINING_MS = 240_000
WORDS = "oil dripping off the cylinder, ram loses pressure while holding"
INTERPRETERS = {"InferenceClient": [sys.executable, "-"], "curl": ["bash", "-euo", "pipefail"]}


def sign_in(page: Page, say: Say, name: str, password: str = PASSWORD) -> None:
    page.get_by_role("link", name=say("Sign in"), exact=True).first.click()
    page.get_by_label(say("Name"), exact=True).fill(name)
    page.get_by_label(say("Password"), exact=True).fill(password)
    page.get_by_role("button", name=say("Sign in"), exact=True).click()
    expect(page.get_by_label(say("Your account: {name}", name=name))).to_be_visible()


def drop(target: Locator, file: Path) -> None:
    """As if it came from the file manager."""
    carried = target.page.evaluate_handle(
        """([name, text]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([text], name, { type: "text/csv" }));
            return carried;
        }""",
        [file.name, file.read_text()],
    )
    target.dispatch_event("dragover", {"dataTransfer": carried})
    target.dispatch_event("drop", {"dataTransfer": carried})


def accept_the_question(page: Page) -> None:
    page.once("dialog", lambda dialog: dialog.accept())


@pytest.fixture
def newcomer(site: Site, language: str) -> str:
    """Somebody for whom an administrator has just made an account."""
    name = f"nova-{language.lower()}"
    with site.client("root") as client:
        client.post("/api/v1/users", json={"name": name, "password": PASSWORD})
    return name


class TestANewcomer:
    @pytest.mark.timeout(600)
    def test_brings_a_table_leaves_comes_back_and_asks_the_model(
        self, newcomer: str, language: str, say: Say, visit: Visit
    ) -> None:
        page = visit("/", locale=language)
        sign_in(page, say, newcomer)
        page.goto("/runs/new")
        drop(page.get_by_text(say("Drop a table here, or choose one")), TICKETS)

        held = page.get_by_role("region", name=say("What it holds"))
        expect(held.get_by_label(say("Label to predict"))).to_have_value("category")
        expect(held.get_by_label(say("Text to learn from"))).to_have_value(re.compile("text_(en|pt)"))
        held.get_by_label(say("Text to learn from")).select_option("text_en")
        preview = held.get_by_role("group", name=say("The first rows"))
        expect(preview.get_by_role("row").nth(1)).to_contain_text("MT-0001")
        held.get_by_label(say("Label to predict")).select_option("ticket_id")
        expect(held.locator(".notice")).to_be_visible()  # a finding: each row has a label of its own
        held.get_by_label(say("Label to predict")).select_option("category")
        expect(held.locator(".notice")).to_have_count(0)
        page.get_by_role("textbox", name=say("Name of the model")).fill("triage")
        page.get_by_role("button", name=say("Start the run")).click()
        page.wait_for_url(re.compile(r"/runs/\w{12,}"))
        page.context.close()

        page = visit("/", locale=language)
        sign_in(page, say, newcomer)
        at_work = re.compile("|".join(map(say, ("At work", "Latest runs"))))  # it may have ended meanwhile
        page.get_by_role("region", name=at_work).get_by_role("listitem").get_by_role("link").first.click()
        report = page.get_by_role("region", name=say("How good it is"))
        expect(report).to_be_visible(timeout=TRAINING_MS)
        expect(report.get_by_text(say("this model")).first).to_be_visible()
        expect(page.get_by_role("region", name=say("Class by class"))).to_contain_text("hydraulic")

        page.get_by_role("button", name=say("Deploy"), exact=True).click()
        page.wait_for_url(f"**/endpoints/{newcomer}/triage", timeout=TRAINING_MS)
        page.get_by_role("link", name=say("To the model")).click()
        page.get_by_label(say("Text"), exact=True).fill(WORDS)
        page.get_by_role("button", name=say("Ask the model")).click()
        answers = page.get_by_role("region", name=say("Try it")).get_by_role("listitem")
        expect(answers.first).to_contain_text("%", timeout=TRAINING_MS)
        expect(answers.first).to_contain_text("hydraulic")


class TestADataScientist:
    def test_fills_a_dataset_in_the_browser_and_reads_a_long_value(
        self, site: Site, language: str, say: Say, visit: Visit, tmp_path: Path
    ) -> None:
        name, long = f"alice/notes-{language.lower()}", " ".join(f"word {number}" for number in range(300))
        site.hub("alice").create_repo(name, repo_type="dataset")
        for split in ("train", "test"):
            pq.write_table(pa.table({"text": [long]}), tmp_path / f"{split}.parquet")
        page = visit(f"/datasets/{name}/new/main/", "alice", locale=language)
        title = page.get_by_label(say("Commit title"))
        page.get_by_label(say("Name")).fill("docs/usage.md")
        expect(title).to_have_attribute("placeholder", say("Create {name}", name="usage.md"))
        page.get_by_role("button", name=say("Commit to {branch}", branch="main")).click()
        expect(page.get_by_role("heading", name="usage.md")).to_be_visible()
        page.goto(f"/datasets/{name}/upload/main/")
        page.get_by_label(say("Choose files, or drop them here")).set_input_files(sorted(tmp_path.iterdir()))
        expect(title).to_have_attribute("placeholder", say("Upload {count} files", count=2))
        page.get_by_role("button", name=say("Commit to {branch}", branch="main")).click()
        expect(page.get_by_role("link", name=say("Upload {count} files", count=2)).first).to_be_visible()
        page.goto(f"/datasets/{name}")
        page.get_by_text("word 0 word 1").click()
        page.get_by_role("link", name=say("Show all of it")).click()
        expect(page.get_by_text("word 299")).to_be_visible()


class TestAnOperator:
    def test_cancels_a_job(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        job_id = site.long_job(f"acai/too-long-{language.lower()}")
        page = visit("/jobs", "root", locale=language)
        row = page.get_by_role("row").filter(has=page.locator(f"a[href='/jobs/{job_id}']"))
        accept_the_question(page)
        row.get_by_role("button", name=say("Cancel: {kind}", kind=say("Adapt a model"))).click()
        page.goto(f"/jobs/{job_id}")
        expect(page.get_by_role("region", name=say("State"))).to_contain_text(say("cancelled"))

    def test_makes_a_token_and_revokes_it(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        name = f"laptop-{language.lower()}"
        page = visit("/settings/tokens", "root", locale=language)
        page.get_by_label(say("Name"), exact=True).fill(name)
        page.get_by_role("button", name=say("Make the token")).click()
        secret = page.get_by_text(re.compile("^hf_[A-Za-z0-9]{20,}$")).first.inner_text()

        def status() -> int:
            headers = {"Authorization": f"Bearer {secret}"}
            return httpx.get(f"{site.url}/api/whoami-v2", headers=headers, timeout=60).status_code

        assert status() == 200
        accept_the_question(page)
        page.get_by_role("button", name=say("Revoke {name}", name=name)).click()
        expect(page.get_by_text(say("The access token is revoked. From now on it opens nothing."))).to_be_visible()
        expect(page.get_by_role("row").filter(has_text=name)).to_have_count(0)
        assert status() == 401


Run = Callable[[str, str], str]


@pytest.fixture
def run(site: Site, tmp_path: Path) -> Run:
    """`run("curl", snippet)`: what it prints in a shell of Alice's that knows her token and nothing else of here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIVEIRO_", "HF_"))}
    environment = {**kept, "HOME": str(tmp_path), "HF_TOKEN": site.server.token("alice")}

    def run(program: str, snippet: str) -> str:
        return subprocess.run(
            INTERPRETERS[program],
            input=snippet,
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            timeout=240,
            check=True,
        ).stdout

    return run


class TestADeveloper:
    @pytest.mark.parametrize("program", INTERPRETERS)
    def test_copies_a_snippet_that_runs_as_it_is(
        self, program: str, site: Site, language: str, say: Say, visit: Visit, run: Run
    ) -> None:
        permissions = ["clipboard-read", "clipboard-write"]
        page = visit(f"/{site.model}", "alice", locale=language, permissions=permissions)
        snippets = page.get_by_role("region", name=say("Use this model"))
        snippets.get_by_text(program, exact=True).click()
        snippets.get_by_role("button", name=say("Copy")).click()
        expect(snippets.get_by_role("button", name=say("Copied"))).to_be_visible()
        copied = page.evaluate("() => navigator.clipboard.readText()")
        assert site.url in copied
        assert "score" in run(program, copied)


class TestAGatedModel:
    def test_is_asked_for_and_opened_to_who_asked(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        name = f"acai/orchard-{language.lower()}"
        hub = site.hub("alice")
        hub.create_repo(name)
        hub.upload_file(
            path_or_fileobj=b"---\nlicense: mit\n---\n# Kept behind the gate", path_in_repo="README.md", repo_id=name
        )
        hub.update_repo_settings(name, gated="manual")

        bob = visit(f"/{name}", "bob", locale=language)
        bob.get_by_role("button", name=say("Ask for access")).click()
        expect(bob.get_by_text("Kept behind the gate")).to_have_count(0)

        alice = visit(f"/{name}", "alice", locale=language)
        alice.get_by_role("navigation", name=say("Pages of this repository")).get_by_role(
            "link", name=say("Access")
        ).click()
        alice.get_by_role("button", name=say("Let in {name}", name="bob")).click()
        alice.get_by_role("link", name=say("Those let in")).click()
        expect(alice.get_by_role("button", name=say("Close the gate to {name}", name="bob"))).to_be_visible()

        bob.reload()
        expect(bob.get_by_text("Kept behind the gate")).to_be_visible()


class TestARepoThatMoves:
    def test_goes_to_a_new_organisation_and_its_old_address_leads_there(
        self, site: Site, language: str, say: Say, visit: Visit
    ) -> None:
        old, organization = f"alice/cutting-{language.lower()}", f"meadow-{language.lower()}"
        site.hub("alice").create_repo(old)
        page = visit("/organizations/new", "alice", locale=language)
        page.get_by_label(say("Name"), exact=True).fill(organization)
        page.get_by_role("button", name=say("Create the organisation")).click()
        page.get_by_label(say("User's name")).fill("bob")
        page.get_by_role("button", name=say("Add"), exact=True).click()
        expect(page.get_by_role("button", name=say("Remove {name}", name="bob"))).to_be_visible()

        page.goto(f"/{old}/settings")
        page.get_by_label(say("Owner"), exact=True).select_option(organization)
        page.get_by_label(say("Name"), exact=True).fill("grafted")
        page.get_by_label(say("Type the name that it has now to confirm")).fill(old)
        page.get_by_role("button", name=say("Rename or move")).click()
        page.wait_for_url(f"**/{organization}/grafted/settings")
        page.goto(f"/{old}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("grafted")

        page.get_by_role("link", name=say("Duplicate"), exact=True).click()
        page.get_by_label(say("Name"), exact=True).fill(f"grafted-{language.lower()}")
        page.get_by_role("button", name=say("Duplicate"), exact=True).click()
        page.wait_for_url(f"**/alice/grafted-{language.lower()}")


class TestAReader:
    def test_proposes_a_change_that_its_owner_merges(self, site: Site, language: str, say: Say, visit: Visit) -> None:
        repo = f"acai/garden-{language.lower()}"
        site.hub("alice").create_repo(repo)
        site.hub("alice").upload_file(path_or_fileobj=b"One tree.\n", path_in_repo="notes.txt", repo_id=repo)

        bobs = visit(f"/{repo}/blob/main/notes.txt", "bob", locale=language)
        bobs.get_by_role("link", name=say("Edit"), exact=True).click()
        bobs.get_by_label(say("Content"), exact=True).fill("Two trees.\n")
        bobs.get_by_label(say("Commit title"), exact=True).fill("Count again")
        bobs.get_by_role("button", name=say("Open a pull request")).click()
        expect(bobs.get_by_role("heading", name="Count again")).to_be_visible()
        bobs.get_by_label(say("Your comment")).fill("There are **two**.")
        bobs.get_by_role("button", name=say("Comment"), exact=True).click()
        expect(bobs.get_by_text("two", exact=True)).to_be_visible()

        alices = visit(f"/{repo}", "alice", locale=language)
        alices.get_by_role("link", name=re.compile(say("Discussions"))).click()
        alices.get_by_role("link", name="Count again").click()
        alices.get_by_role("link", name=re.compile(say("Changes"))).click()
        expect(alices.get_by_text("Two trees.")).to_be_visible()
        alices.get_by_role("link", name=re.compile(say("Conversation"))).click()
        alices.get_by_role("button", name=say("Merge into {branch}", branch="main")).click()
        expect(alices.get_by_text(say("merged this"))).to_be_visible()
        answer = httpx.get(f"{site.url}/{repo}/resolve/main/notes.txt")
        assert answer.text == "Two trees.\n"
