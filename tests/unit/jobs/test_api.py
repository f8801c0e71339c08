"""`/api/v1/jobs`, and `viveiro jobs` on top of it."""

import json
import threading
import time
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from tests.unit.http.conftest import serve_in_thread
from viveiro.accounts.access_tokens import create_token
from viveiro.accounts.service import create_organization, create_user, viewer_of_user
from viveiro.accounts.types import Grant, TokenRole
from viveiro.api.v1 import jobs
from viveiro.cli.jobs import app as command
from viveiro.db import utc_now
from viveiro.http.errors import install_error_handlers
from viveiro.jobs import leases
from viveiro.jobs.logs import log_path
from viveiro.jobs.types import Ending, Outcome
from viveiro.types import Action

ROUTES = [("GET", ""), ("GET", "/events"), ("GET", "/logs"), ("POST", "/cancel")]


class People:
    """Accounts and a client for each access token, on a real server."""

    def __init__(self, database, url):
        self.url = url
        self.ids, self.tokens = {}, {}
        with database.write() as session:
            for name in ("alice", "bob", "root"):
                self.ids[name] = create_user(session, name, is_admin=name == "root").id
                self.tokens[name] = create_token(session, self.ids[name], "cli", TokenRole.WRITE).secret
            alice = viewer_of_user(session, self.ids["alice"])
            self.ids["acai"] = create_organization(session, "acai", creator=alice).id
            self.tokens["alice-reads"] = create_token(session, self.ids["alice"], "reads", TokenRole.READ).secret
            grant = Grant("alice/model", frozenset([Action.WRITE]))
            fine = create_token(session, self.ids["alice"], "fine", TokenRole.FINE_GRAINED, [grant])
            self.tokens["alice-for-one-repo"] = fine.secret

    def client(self, name):
        headers = {"Authorization": f"Bearer {self.tokens[name]}"} if name else {}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, trust_env=False)

    def get(self, name, path, **options):
        with self.client(name) as client:
            return client.get(path, **options)


@pytest.fixture
def database_url(tmp_path):
    """What the routes ask of SQL is tested on both databases elsewhere."""
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


@pytest.fixture
def people(queue):
    app = FastAPI()
    app.state.settings, app.state.database = queue.settings, queue.database
    app.include_router(jobs.router)
    install_error_handlers(app)
    with serve_in_thread(app) as url:
        yield People(queue.database, url)


def finish(queue, job, outcome=Outcome(Ending.RETURNED)):  # noqa: B008 - frozen
    with queue.database.write() as session:
        leases.finish(session, job.id, job.attempt, outcome, queue.settings.job_retry_delay)


def write_log(queue, job_id, text):
    path = log_path(queue.settings, job_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


class TestWhoSeesWhat:
    @pytest.fixture
    def job_of_alice(self, queue, people):
        return queue.enqueue("greet", {"name": "a"}, owner_id=people.ids["alice"])

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("stranger", ["bob", "alice-for-one-repo"])
    def test_someone_elses_job_is_missing(self, people, job_of_alice, method, path, stranger):
        with people.client(stranger) as client:
            answer = client.request(method, f"/jobs/{job_of_alice}{path}")
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "JobNotFound")

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_nobody_sees_anything_without_signing_in(self, people, job_of_alice, method, path):
        with people.client(None) as client:
            assert client.request(method, f"/jobs/{job_of_alice}{path}").status_code == 401
            assert client.get("/jobs").status_code == 401

    def test_a_list_holds_ones_own_and_an_administrator_sees_all(self, queue, people, job_of_alice):
        of_acai = queue.enqueue("greet", owner_id=people.ids["acai"])
        of_nobody = queue.enqueue("greet")
        seen = {name: {job["id"] for job in people.get(name, "/jobs").json()} for name in people.tokens}
        assert seen == {
            "alice": {job_of_alice, of_acai},
            "alice-reads": {job_of_alice, of_acai},
            "alice-for-one-repo": set(),
            "bob": set(),
            "root": {job_of_alice, of_acai, of_nobody},
        }

    def test_to_read_is_not_to_cancel(self, people, job_of_alice):
        with people.client("alice-reads") as client:
            assert client.get(f"/jobs/{job_of_alice}").status_code == 200
            assert client.post(f"/jobs/{job_of_alice}/cancel").status_code == 403

    def test_the_owner_cancels(self, people, job_of_alice):
        with people.client("alice") as client:
            assert client.post(f"/jobs/{job_of_alice}/cancel").json()["state"] == "cancelled"


class TestLists:
    def test_go_on_where_the_page_before_ended(self, queue, people):
        ids = sorted((queue.enqueue("greet") for _ in range(5)), reverse=True)
        first = people.get("root", "/jobs", params={"limit": 3})
        rest = people.get("root", first.links["next"]["url"])
        assert [job["id"] for job in [*first.json(), *rest.json()]] == ids
        assert "next" not in rest.links

    def test_are_filtered(self, queue, people):
        job_id = queue.enqueue("talk")
        queue.enqueue("greet")
        queue.cancel(queue.enqueue("talk"))
        found = people.get("root", "/jobs", params={"kind": "talk", "state": "queued"}).json()
        assert [job["id"] for job in found] == [job_id]

    def test_an_unknown_state_is_refused(self, people):
        assert people.get("root", "/jobs", params={"state": "asleep"}).status_code == 400


class TestEvents:
    def test_behind_a_number(self, queue, people):
        job_id = queue.enqueue("greet")
        queue.claim()
        events = people.get("root", f"/jobs/{job_id}/events", params={"after": 1}).json()
        assert [(event["seq"], event["type"]) for event in events] == [(2, "started")]

    def test_stream_until_the_job_has_ended(self, queue, people):
        job_id = queue.enqueue("greet")
        job = queue.claim()
        seen = []
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
        with people.client("root") as client, client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
            for line in answer.iter_lines():
                seen.append(line)
                if line == "event: started":
                    finish(queue, job, Outcome(Ending.RETURNED, result=5))
        assert [line for line in seen if line.startswith(("id:", "event:"))] == [
            "event: started",
            "id: 2",
            "event: succeeded",
            "id: 3",
        ]
        data = [json.loads(line.removeprefix("data: ")) for line in seen if line.startswith("data:")]
        assert data[-1]["data"] == {"result": 5}

    def test_a_browser_that_comes_back_after_the_end_is_told_to_stay_away(self, queue, people):
        job_id = queue.enqueue("greet")
        queue.cancel(job_id)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "2"}
        assert people.get("root", f"/jobs/{job_id}/events", headers=headers).status_code == 204


class TestLogs:
    @pytest.fixture
    def job_id(self, queue):
        job_id = queue.enqueue("greet")
        write_log(queue, job_id, "one\ntwo\nthree\n")
        return job_id

    def test_are_text(self, people, job_id):
        answer = people.get("root", f"/jobs/{job_id}/logs")
        assert answer.text == "one\ntwo\nthree\n"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize(("lines", "text"), [(0, ""), (1, "three\n"), (9, "one\ntwo\nthree\n")])
    def test_of_the_last_lines(self, people, job_id, lines, text):
        assert people.get("root", f"/jobs/{job_id}/logs", params={"tail": lines}).text == text

    def test_of_a_range(self, people, job_id):
        answer = people.get("root", f"/jobs/{job_id}/logs", headers={"Range": "bytes=4-"})
        assert (answer.status_code, answer.headers["Content-Range"], answer.text) == (
            206,
            "bytes 4-13/14",
            "two\nthree\n",
        )

    def test_of_a_range_behind_the_end(self, people, job_id):
        assert people.get("root", f"/jobs/{job_id}/logs", headers={"Range": "bytes=14-"}).status_code == 416

    def test_of_a_job_that_printed_nothing_are_empty(self, queue, people):
        assert people.get("root", f"/jobs/{queue.enqueue('greet')}/logs").text == ""

    def test_are_followed_until_the_job_has_ended(self, queue, people, job_id):
        job = queue.claim()
        seen = []
        with (
            people.client("root") as client,
            client.stream("GET", f"/jobs/{job_id}/logs", params={"follow": True, "tail": 1}) as answer,
        ):
            for line in answer.iter_lines():
                seen.append(line)
                if line == "three":
                    write_log(queue, job_id, "four\n")
                    finish(queue, job)
        assert seen == ["three", "four"]


class TestCommandLine:
    """Data on stdout, talk on stderr."""

    @pytest.fixture
    def run(self, people, monkeypatch):
        def run(*arguments):
            monkeypatch.setenv("VIVEIRO_URL", people.url)
            monkeypatch.setenv("VIVEIRO_TOKEN", people.tokens["root"])
            result = CliRunner().invoke(command, arguments, catch_exceptions=False)
            assert result.exit_code == 0
            return result

        return run

    def test_list(self, queue, run):
        job_id = queue.enqueue("greet")
        heading, line = run("list").stdout.splitlines()
        assert heading.split()[:3] == ["ID", "KIND", "STATE"]
        assert line.split()[:3] == [job_id, "greet", "queued"]
        assert json.loads(run("list", "--json").stdout)[0]["id"] == job_id

    def test_info(self, queue, run):
        job_id = queue.enqueue("greet", {"name": "you"})
        shown = run("info", job_id)
        assert "arguments: {'name': 'you'}" in shown.stdout
        assert f"viveiro jobs logs {job_id}" in shown.stderr
        assert json.loads(run("info", job_id, "--json").stdout)["state"] == "queued"

    def test_cancel(self, queue, run):
        waiting = queue.enqueue("greet", run_at=utc_now() + timedelta(hours=1))
        running, ended = queue.enqueue("greet"), queue.enqueue("greet", priority=1)
        finish(queue, queue.claim())
        queue.claim()
        assert "is cancelled" in run("cancel", waiting).stderr
        assert "already ended: succeeded" in run("cancel", ended).stderr
        assert "was asked to stop" in run("cancel", running).stderr
        assert json.loads(run("cancel", running, "--json").stdout)["cancel_requested"] is True

    def test_logs_follow_the_job_to_its_end(self, queue, run):
        job_id = queue.enqueue("greet")
        job = queue.claim()
        write_log(queue, job_id, "one\n")
        threading.Thread(
            target=lambda: (time.sleep(0.3), write_log(queue, job_id, "two\n"), finish(queue, job))
        ).start()
        assert run("logs", job_id, "--follow").stdout == "one\ntwo\n"
        assert run("logs", job_id, "--tail", "1").stdout == "two\n"
        assert [json.loads(line)["type"] for line in run("logs", job_id, "--json").stdout.splitlines()] == [
            "queued",
            "started",
            "succeeded",
        ]

    def test_of_a_long_job_all_events_are_told(self, queue, run):
        job_id = queue.enqueue("greet")
        job = queue.claim()
        progress = [{"type": "progress", "data": {"done": number}} for number in range(1001)]
        with queue.database.write() as session:
            leases.report(session, job.id, job.attempt, progress)
        finish(queue, job)
        events = [json.loads(line) for line in run("logs", job_id, "--json").stdout.splitlines()]
        assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
        assert (len(events), events[-1]["type"]) == (1004, "succeeded")
