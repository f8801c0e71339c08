import re
from urllib.parse import quote

import pytest

from tests.unit.web.conftest import HTMX, PASSWORD, text_of
from viveiro.accounts.audit import record
from viveiro.accounts.service import create_user, get_account
from viveiro.accounts.types import Viewer
from viveiro.db import utc_now
from viveiro.errors import UserNotFound
from viveiro.jobs import logs, queries
from viveiro.jobs.service import enqueue, get_job
from viveiro.jobs.types import JobEventType, JobState
from viveiro.locale import Sentence
from viveiro.web import administration, jobs


def start(site, name="alice", kind="dataset-import", *, running=False, **arguments):
    """A job of somebody's; None: the installation's."""
    owner_id = None if name is None else site.viewer(name).user_id
    with site.database.write() as session:
        job_id = enqueue(session, kind, {"repo_id": "alice/tickets", **arguments}, owner_id=owner_id)
        if running:
            row = queries.lock(session, job_id)
            queries.record(session, row, JobEventType.STARTED, utc_now(), {"worker": "w-1"})
            row.progress, row.started_at = {"stage": "reading", "done": 3, "of": 8}, utc_now()
    return job_id


def end(site, job_id, error):
    with site.database.write() as session:
        row = queries.lock(session, job_id)
        queries.record(session, row, JobEventType.FAILED, utc_now(), {})
        row.error, row.finished_at = error, utc_now()


def state(site, job_id):
    with site.database.read() as session:
        return get_job(session, job_id)


class TestWhoMayComeIn:
    @pytest.mark.parametrize("path", ["/users", "/audit"])
    def test_administrators_only(self, site, path):
        assert site.browser("ada").get(path).status_code == 200
        answer = site.browser("alice").get(path)
        assert answer.status_code == 403
        assert "administrator" in text_of(answer.text)
        assert site.browser().get(path).headers["location"] == f"/login?next={quote(path, safe='')}"

    @pytest.mark.parametrize("path", ["/users", "/users/bob/password", "/users/bob/role", "/users/bob/delete"])
    def test_nobody_else_changes_users(self, site, path):
        data = {"name": "mallory", "role": "admin"}
        assert site.browser("alice").post(path, data=data).status_code == 403
        assert site.browser().post(path, data=data).status_code == 401
        with site.database.read() as session:
            assert not get_account(session, "bob").is_admin

    @pytest.mark.parametrize("path", ["/users", "/users/bob/password", "/users/bob/role", "/users/bob/delete"])
    def test_nor_does_another_site_through_an_administrators_browser(self, site, path):
        answer = site.browser("ada").post(
            path, data={"name": "mallory", "role": "admin"}, headers={"Origin": "https://evil.example"}
        )
        assert answer.status_code == 403

    def test_the_menu_shows_to_administrators_what_is_for_them(self, site):
        assert 'href="/audit"' in site.browser("ada").get("/").text
        assert 'href="/audit"' not in site.browser("alice").get("/").text


class TestUsers:
    @pytest.fixture
    def user(self, site):
        name = f"user-{next(site.numbers)}"
        with site.database.write() as session:
            create_user(session, name, password=PASSWORD)
        return name

    def test_are_made_with_a_password_that_is_shown_once_and_works(self, site):
        browser, name = site.browser("ada"), f"user-{next(site.numbers)}"
        answer = browser.post("/users", data={"name": name, "fullname": "Íris Ipê", "email": "iris@example.org"})
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        password = re.search(r'x-ref="text">([\w-]{20})<', answer.text)[1]
        assert password not in browser.get("/users").text
        signed_in = site.browser().post("/login", data={"name": name, "password": password})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/-/welcome")

    def test_cannot_share_a_name(self, site):
        answer = site.browser("ada").post("/users", data={"name": "Alice", "fullname": "Another"})
        assert answer.status_code == 409
        assert "is taken" in text_of(answer.text)
        assert 'value="Another"' in answer.text

    def test_get_a_new_password_and_lose_their_sessions(self, site, user):
        theirs = site.browser(user)
        answer = site.browser("ada").post(f"/users/{user}/password")
        password = re.search(r'x-ref="text">([\w-]{20})<', answer.text)[1]
        assert theirs.get("/settings/profile").status_code == 303
        assert site.browser().post("/login", data={"name": user, "password": password}).status_code == 303

    def test_become_administrators_and_are_so_no_longer(self, site, user):
        browser = site.browser("ada")
        browser.post(f"/users/{user}/role", data={"role": "admin"})
        assert site.browser(user).get("/users").status_code == 200
        browser.post(f"/users/{user}/role", data={"role": "user"})
        assert site.browser(user).get("/users").status_code == 403

    def test_the_last_administrator_stays_one(self, fresh_site):
        answer = fresh_site.browser("ada").post("/users/ada/role", data={"role": "user"})
        assert answer.status_code == 409
        assert "only administrator" in text_of(answer.text)

    def test_can_be_deleted(self, site, user):
        site.browser("ada").post(f"/users/{user}/delete")
        with pytest.raises(UserNotFound), site.database.read() as session:
            get_account(session, user)

    def test_cannot_be_deleted_while_they_own_something(self, site, user):
        site.new_repo(owner=user)
        answer = site.browser("ada").post(f"/users/{user}/delete")
        assert answer.status_code == 409
        assert "still owns" in text_of(answer.text)

    def test_that_are_many_go_on_on_another_page(self, fresh_site, monkeypatch):
        monkeypatch.setattr(administration, "PER_PAGE", 2)
        browser = fresh_site.browser("ada")
        first = browser.get("/users").text
        assert 'href="/users?after=alice"' in first
        second = browser.get("/users?after=alice").text
        assert 'action="/users/bob/delete"' in second
        assert 'rel="next"' not in second


class TestJobs:
    def test_are_ones_own_and_everyones_to_an_administrator(self, site):
        own, others, nobodys = start(site), start(site, "bob"), start(site, None, "hub-sweep")
        mine = site.browser("alice").get("/jobs").text
        assert (own in mine, others in mine, nobodys in mine) == (True, False, False)
        everyones = site.browser("ada").get("/jobs").text
        assert (own in everyones, others in everyones, nobodys in everyones) == (True, True, True)
        assert "the installation" in text_of(everyones)

    def test_can_be_narrowed_by_state_and_kind(self, site):
        queued, running = start(site), start(site, kind="dataset-check", running=True)
        browser = site.browser("alice")
        by_state = browser.get("/jobs?state=running").text
        assert (queued in by_state, running in by_state) == (False, True)
        by_kind = browser.get("/jobs?kind=dataset-import").text
        assert (queued in by_kind, running in by_kind) == (True, False)

    def test_of_a_state_that_is_none_are_all(self, site):
        job_id = start(site)
        assert job_id in site.browser("alice").get("/jobs?state=nonsense").text

    def test_of_a_kind_that_nobody_has_are_none_and_there_is_a_way_back(self, site):
        page = site.browser("alice").get("/jobs?kind=%3Cscript%3E").text
        assert "No such jobs" in text_of(page)
        assert "<script>" not in page.replace('<script src="/static/', "")

    def test_name_the_repo_that_they_know_by_its_key(self, site):
        ref = site.new_repo(private=True)
        repo = site.hub.get_repo(site.viewer("alice"), ref)
        job_id = start(site, None, "hub-repack", repo_id=None, repo_pk=repo.pk)
        for page in ("/jobs?kind=hub-repack", f"/jobs/{job_id}"):
            assert repo.name in site.browser("ada").get(page).text

    def test_go_on_on_another_page(self, fresh_site, monkeypatch):
        monkeypatch.setattr(jobs, "PER_PAGE", 2)
        made = {start(fresh_site) for _ in range(3)}
        browser = fresh_site.browser("alice")
        first = browser.get("/jobs?state=queued").text
        address = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        second = browser.get(address).text
        assert "state=queued" in address
        assert {job_id for job_id in made if f"job-{job_id}" in first + second} == made
        assert sum(f"job-{job_id}" in second for job_id in made) == 1

    def test_are_asked_for_again_while_something_moves(self, fresh_site):
        browser = fresh_site.browser("alice")
        assert "hx-trigger" not in browser.get("/jobs").text
        start(fresh_site, running=True)
        page = browser.get("/jobs?state=running").text
        assert 'hx-get="/jobs?state=running"' in page
        part = browser.get("/jobs?state=running", headers=HTMX).text
        assert "<html" not in part
        assert '<progress value="3" max="8"' in part


class TestAJob:
    def test_shows_its_state_arguments_and_log(self, site):
        job_id = start(site, running=True, note="<script>alert(1)</script>")
        path = logs.log_path(site.settings, job_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first\n" + "line\n" * jobs.LOG_LINES + "<b>last</b>\n")
        page = site.browser("alice").get(f"/jobs/{job_id}").text
        assert "running" in text_of(page)
        assert "Started work" in text_of(page)
        assert "&lt;b&gt;last&lt;/b&gt;" in page
        assert "first\n" not in page
        assert "<script>alert" not in page

    def test_says_why_it_failed_in_the_readers_language(self, site):
        job_id = start(site, running=True)
        end(site, job_id, Sentence("It was told to stop."))
        english = text_of(site.browser("alice").get(f"/jobs/{job_id}").text)
        portuguese = text_of(site.browser("alice", **{"Accept-Language": "pt-BR"}).get(f"/jobs/{job_id}").text)
        assert "It was told to stop." in english
        assert "It was told to stop." not in portuguese

    def test_is_live_until_it_has_ended(self, site):
        job_id = start(site, running=True)
        browser = site.browser("alice")
        part = browser.get(f"/jobs/{job_id}", headers=HTMX).text
        assert "<html" not in part
        assert f'hx-get="/jobs/{job_id}"' in part
        end(site, job_id, "It broke.")
        assert "hx-get" not in browser.get(f"/jobs/{job_id}", headers=HTMX).text

    def test_of_somebody_else_is_missing(self, site):
        job_id = start(site)
        assert site.browser("bob").get(f"/jobs/{job_id}").status_code == 404
        assert site.browser("bob").post(f"/jobs/{job_id}/cancel").status_code == 404
        assert state(site, job_id).state is JobState.QUEUED

    def test_can_be_cancelled_by_its_owner(self, site):
        job_id = start(site)
        answer = site.browser("alice").post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{job_id}")
        assert state(site, job_id).state is JobState.CANCELLED
        assert f'action="/jobs/{job_id}/cancel"' not in site.browser("alice").get(f"/jobs/{job_id}").text

    def test_can_be_cancelled_by_an_administrator(self, site):
        job_id = start(site, running=True)
        site.browser("ada").post(f"/jobs/{job_id}/cancel")
        assert state(site, job_id).cancel_requested
        assert "stopping" in text_of(site.browser("alice").get(f"/jobs/{job_id}").text)

    def test_is_not_cancelled_from_another_site(self, site):
        job_id = start(site)
        answer = site.browser("alice").post(f"/jobs/{job_id}/cancel", headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert state(site, job_id).state is JobState.QUEUED

    def test_leads_to_the_run_that_it_works_for(self, site):
        job_id = start(site, kind="import-and-run")
        assert f'href="/runs/{job_id}"' in site.browser("alice").get(f"/jobs/{job_id}").text


@pytest.fixture(scope="module")
def marked(site):
    """Acts that no other test does."""
    with site.database.write() as session:
        record(session, Viewer(name="zoe", address="192.0.2.7"), "repo.create", "zoe/first", visibility="private")
        record(session, Viewer(name="zoe"), "token.create", "<script>alert(1)</script>", role="read", grants=[])
        record(session, Viewer(name="yan"), "repo.delete", "zoe/first")


class TestTheAuditLog:
    def read(self, site, query):
        return site.browser("ada").get(f"/audit?{query}").text

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("actor=zoe", 2),
            ("actor=yan", 1),
            ("actor=zoe&action=repo", 1),
            ("actor=zoe&action=repo.create", 1),
            ("action=repo.delete&target=zoe/first", 1),
            ("target=zoe/first", 2),
            ("actor=+zoe+&action=", 2),
        ],
    )
    def test_can_be_narrowed(self, site, marked, query, count):
        assert self.read(site, query).count('<time datetime="') == count

    def test_says_who_did_what_to_what_from_where(self, site, marked):
        said = text_of(self.read(site, "actor=zoe&action=repo"))
        assert "zoe repo.create zoe/first 192.0.2.7 visibility=private" in said

    def test_shows_what_a_stranger_wrote_as_text(self, site, marked):
        page = self.read(site, "actor=zoe&action=token")
        assert "<script>alert" not in page
        assert "role=read" in page

    def test_with_no_such_entry_leads_back(self, site):
        page = self.read(site, "actor=nobody%22%3E%3Cscript%3E")
        assert "No such entries" in text_of(page)
        assert "><script>" not in page.replace('<script src="/static/', "")

    def test_goes_on_on_another_page(self, site, marked, monkeypatch):
        monkeypatch.setattr(administration, "PER_PAGE", 1)
        browser = site.browser("ada")
        first = browser.get("/audit?actor=zoe").text
        address = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        assert address.startswith("/audit?actor=zoe&before=")
        second = browser.get(address).text
        assert "repo.create" in second
        assert 'rel="next"' not in second
