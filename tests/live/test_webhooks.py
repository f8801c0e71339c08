"""Webhooks, made by the official client and received by what the client reads payloads with."""

import hashlib
import hmac
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any

import pytest
import uvicorn
from fastapi import FastAPI, Header
from huggingface_hub import HfApi, WebhookPayload, WebhookWatchedItem
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.waiting import wait_until

SECRET = "a shared secret"


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def event(self) -> tuple[str, str]:
        return self.payload["event"]["action"], self.payload["event"]["scope"]


@dataclass
class Listener:
    """A server of somebody else's: what it is sent, and what it answers by path."""

    answers: dict[str, int] = field(default_factory=dict)
    received: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def next(self, path: str) -> Received:
        """What comes next to this path."""
        while True:
            got = self.received.get(timeout=90)
            if got.path == path:
                return got

    def until(self, path: str, event: tuple[str, str]) -> Received:
        """What was told of earlier is passed over: listeners hear in their own time."""
        while (got := self.next(path)).event != event:
            pass
        return got

    def nothing_more(self, path: str) -> bool:
        return not any(got.path == path for got in list(self.received.queue))


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.received.put(Received(self.path, dict(self.headers), body))
            status = listener.answers.get(self.path, 200)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", listener.url("/elsewhere"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield listener
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose operator lets it reach 127.0.0.1, and nothing else that is private."""
    settings = {"VIVEIRO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
    with RunningServer(tmp_path_factory.mktemp("lan"), settings) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture(scope="module")
def alice(lan: RunningServer) -> HfApi:
    return HfApi(endpoint=lan.url, token=lan.token("alice"))


@pytest.fixture(scope="module")
def bob(lan: RunningServer) -> HfApi:
    return HfApi(endpoint=lan.url, token=lan.token("bob"))


WATCHES_ALICE = [WebhookWatchedItem(type="user", name="alice")]


class TestTheClient:
    def test_keeps_webhooks(self, alice: HfApi, bob: HfApi) -> None:
        made = alice.create_webhook(
            url="https://webhook.example/test",
            watched=[WebhookWatchedItem(type="user", name="alice"), {"type": "org", "name": "Acai"}],
            domains=["repo", "discussion"],
            secret=SECRET,
        )
        assert (made.url, made.secret, made.disabled, made.job) == ("https://webhook.example/test", SECRET, False, None)
        assert sorted((it.type, it.name) for it in made.watched) == [("org", "Acai"), ("user", "alice")]
        assert alice.get_webhook(made.id) == made
        assert made in alice.list_webhooks()
        changed = alice.update_webhook(made.id, url="https://webhook.example/new", domains=["repo"])
        assert (changed.url, changed.domains, changed.secret) == ("https://webhook.example/new", ["repo"], SECRET)
        assert changed.watched == made.watched
        assert alice.disable_webhook(made.id).disabled
        assert not alice.enable_webhook(made.id).disabled
        assert bob.list_webhooks() == []
        for forbidden in (bob.get_webhook, bob.enable_webhook, bob.disable_webhook, bob.delete_webhook):
            with pytest.raises(HfHubHTTPError, match="404"):
                forbidden(made.id)
        with pytest.raises(HfHubHTTPError, match="404"):
            bob.update_webhook(made.id, url="https://bob.example")
        alice.delete_webhook(made.id)
        with pytest.raises(HfHubHTTPError, match="404"):
            alice.get_webhook(made.id)

    @pytest.mark.parametrize(
        ("wish", "said"),
        [
            ({"url": "ftp://webhook.example"}, "begins with https"),
            ({"url": "https://user:word@webhook.example"}, "begins with https"),
            ({"url": "https://"}, "begins with https"),
            ({"url": "https://webhook.example/\n"}, "begins with https"),
            ({"url": "https://webhook.example:99999/"}, "begins with https"),
            ({"watched": []}, "Name what to watch"),
            ({"watched": [{"type": "user", "name": "a/b"}]}, "cannot be watched"),
            ({"watched": [{"type": "model", "name": "../.."}]}, "cannot be watched"),
            ({"watched": [{"type": "user", "name": f"u{number}"} for number in range(101)]}, "at most 100"),
            ({"secret": "two\nlines"}, "A secret travels in a header"),
            ({"secret": "x" * 257}, "A secret travels in a header"),
        ],
    )
    def test_is_told_what_is_wrong(self, alice: HfApi, wish: dict[str, Any], said: str) -> None:
        with pytest.raises(BadRequestError, match=said):
            alice.create_webhook(**{"url": "https://webhook.example", "watched": WATCHES_ALICE, **wish})

    @pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])  # noqa: S104 - an address to refuse
    def test_private_addresses_are_refused(self, alice: HfApi, host: str) -> None:
        with pytest.raises(HfHubHTTPError, match="VIVEIRO_ALLOWED_PRIVATE_HOSTS"):
            alice.create_webhook(url=f"http://{host}/", watched=WATCHES_ALICE)


class TestWhatIsTold:
    def test_from_the_creation_of_a_repo_to_its_end(self, alice: HfApi, listener: Listener) -> None:
        webhook = alice.create_webhook(url=listener.url("/life"), watched=WATCHES_ALICE, secret=SECRET)
        alice.create_repo("alice/life")
        created = listener.next("/life")
        assert created.event == ("create", "repo")
        commit = alice.upload_file(path_or_fileobj=b"Hi", path_in_repo="notes.txt", repo_id="alice/life")
        pushed = listener.next("/life")
        assert pushed.event == ("update", "repo.content")
        assert pushed.payload["updatedRefs"] == [
            {"ref": "refs/heads/main", "oldSha": commit_before(alice), "newSha": commit.oid}
        ]
        assert pushed.payload["repo"]["headSha"] == commit.oid
        assert pushed.payload["repo"]["url"]["web"] == f"{alice.endpoint}/alice/life"
        alice.update_repo_settings("alice/life", private=True)
        assert listener.next("/life").event == ("update", "repo.config")
        alice.move_repo("alice/life", "alice/after")
        moved = listener.next("/life")
        assert (moved.event, moved.payload["movedTo"]["name"]) == (("move", "repo"), "alice/after")
        alice.delete_repo("alice/after")
        assert listener.next("/life").event == ("delete", "repo")
        alice.delete_webhook(webhook.id)

    def test_is_signed(self, alice: HfApi, listener: Listener) -> None:
        webhook = alice.create_webhook(url=listener.url("/signed"), watched=WATCHES_ALICE, secret=SECRET)
        alice.create_repo("alice/signed")
        got = listener.next("/signed")
        assert got.headers["X-Webhook-Secret"] == SECRET
        timestamp, given = (part.partition("=")[2] for part in got.headers["X-Viveiro-Signature"].split(","))
        expected = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + got.body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(given, expected)
        assert abs(time.time() - int(timestamp)) < 300
        assert len(got.headers["X-Viveiro-Delivery"]) == 24
        alice.delete_webhook(webhook.id)

    def test_the_clients_own_server_understands_it(self, alice: HfApi) -> None:
        """A FastAPI route that takes its `WebhookPayload`, as `WebhooksServer` makes one beside a page that Gradio draws."""
        heard: queue.Queue[WebhookPayload] = queue.Queue()

        async def hear(payload: WebhookPayload, x_webhook_secret: Annotated[str, Header()]) -> dict[str, bool]:
            assert x_webhook_secret == SECRET
            heard.put(payload)
            return {"processed": True}

        app = FastAPI()
        app.post("/webhooks/heard")(hear)
        with serving(app) as url:
            webhook = alice.create_webhook(
                url=f"{url}/webhooks/heard",
                watched=[WebhookWatchedItem(type="dataset", name="alice/heard")],
                secret=SECRET,
            )
            alice.create_repo("alice/heard", repo_type="dataset", private=True)
            payload = heard.get(timeout=90)
            assert (payload.event.action, payload.event.scope) == ("create", "repo")
            assert (payload.repo.name, payload.repo.type, payload.repo.private) == ("alice/heard", "dataset", True)
            assert (payload.webhook.id, payload.webhook.version) == (webhook.id, 3)
            alice.delete_webhook(webhook.id)

    def test_only_what_the_owner_may_read(self, alice: HfApi, bob: HfApi, listener: Listener) -> None:
        spy = bob.create_webhook(url=listener.url("/spy"), watched=WATCHES_ALICE)
        alice.create_repo("alice/secret", private=True)
        alice.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="alice/secret")
        alice.delete_repo("alice/secret")
        alice.create_repo("alice/open")
        got = listener.next("/spy")
        assert got.payload["repo"]["name"] == "alice/open"
        bob.delete_webhook(spy.id)

    def test_a_watched_repo_is_followed_to_its_new_name(self, alice: HfApi, listener: Listener) -> None:
        alice.create_repo("alice/wanders")
        watched = [WebhookWatchedItem(type="model", name="alice/Wanders")]
        webhook = alice.create_webhook(url=listener.url("/wanders"), watched=watched)
        alice.move_repo("alice/wanders", "alice/settled")
        listener.until("/wanders", ("move", "repo"))
        wait_until(lambda: [it.name for it in alice.get_webhook(webhook.id).watched] == ["alice/settled"])
        alice.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="alice/settled")
        listener.until("/wanders", ("update", "repo.content"))
        alice.delete_webhook(webhook.id)


class TestDiscussions:
    def test_are_told_from_opening_to_closing(self, alice: HfApi, listener: Listener) -> None:
        alice.create_repo("alice/talked-about")
        watched = [WebhookWatchedItem(type="model", name="alice/talked-about")]
        webhook = alice.create_webhook(url=listener.url("/talk"), watched=watched, domains=["discussion"])
        alice.create_discussion("alice/talked-about", "A question", description="Why?")
        opened = listener.until("/talk", ("create", "discussion"))
        told = WebhookPayload.model_validate(opened.payload)
        assert told.discussion is not None
        assert told.comment is not None
        assert (told.discussion.num, told.discussion.title, told.discussion.isPullRequest) == (1, "A question", False)
        assert (told.comment.content, told.discussion.status) == ("Why?", "open")
        assert told.discussion.url.web == f"{alice.endpoint}/alice/talked-about/discussions/1"
        alice.comment_discussion("alice/talked-about", 1, "Because.")
        said = listener.until("/talk", ("create", "discussion.comment"))
        assert said.payload["comment"]["content"] == "Because."
        alice.change_discussion_status("alice/talked-about", 1, "closed")
        assert listener.until("/talk", ("update", "discussion")).payload["discussion"]["status"] == "closed"
        alice.delete_webhook(webhook.id)


class TestWhatDoesNotArrive:
    def test_is_sent_again_under_the_same_id(self, alice: HfApi, listener: Listener) -> None:
        listener.answers["/flaky"] = 503
        webhook = alice.create_webhook(url=listener.url("/flaky"), watched=WATCHES_ALICE)
        alice.create_repo("alice/flaky")
        first = listener.next("/flaky")
        listener.answers["/flaky"] = 200
        again = listener.next("/flaky")
        assert again.headers["X-Viveiro-Delivery"] == first.headers["X-Viveiro-Delivery"]
        assert again.body == first.body
        alice.delete_webhook(webhook.id)

    def test_is_not_taken_elsewhere_by_a_redirect(self, alice: HfApi, listener: Listener) -> None:
        listener.answers["/moved"] = 307
        webhook = alice.create_webhook(url=listener.url("/moved"), watched=WATCHES_ALICE)
        alice.create_repo("alice/redirected")
        listener.next("/moved")
        listener.next("/moved")
        assert listener.nothing_more("/elsewhere")
        alice.delete_webhook(webhook.id)


def commit_before(alice: HfApi) -> str:
    return alice.list_repo_commits("alice/life")[1].commit_id


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application on a port of its own; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
