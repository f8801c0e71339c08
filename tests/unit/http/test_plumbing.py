"""What every answer has in common: errors that programs can read, a request id, addresses that clients can use."""

import errno
import json
import socket

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DataError, OperationalError

from tests.unit.http.conftest import make_app
from viveiro.errors import (
    AlreadyExists,
    EntryNotFound,
    Forbidden,
    GatedRepo,
    InvalidCredentials,
    NotAuthenticated,
    RangeNotSatisfiable,
    RepoNotFound,
    RevisionNotFound,
    TooManyRequests,
    ViveiroError,
)
from viveiro.http.errors import header_safe
from viveiro.http.urls import client_address, next_page, public_url


class Order(BaseModel):
    lines: list[int]


def app_that_raises(database, error: BaseException) -> FastAPI:
    app = make_app(database)

    @app.get("/{path:path}")
    def route(path: str) -> None:
        raise error

    return app


def answer_to(connect, database, error, path="/x"):
    with connect(app_that_raises(database, error)) as client:
        return client.get(path)


class TestErrors:
    """A domain's error becomes its status, `{"error": …}`, and the headers that huggingface_hub reads."""

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (RepoNotFound("acai/gone", "model"), 404, "RepoNotFound"),
            (RevisionNotFound("gone", "acai/tickets"), 404, "RevisionNotFound"),
            (EntryNotFound("gone", "acai/tickets", "main"), 404, "EntryNotFound"),
            (GatedRepo("acai/tickets", "model"), 403, "GatedRepo"),
            (Forbidden("No."), 403, "Forbidden"),
        ],
    )
    def test_status_and_code(self, connect, sqlite_database, error, status, code):
        answer = answer_to(connect, sqlite_database, error)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (status, code)
        assert answer.json() == {"error": str(error)}
        assert answer.headers["X-Error-Message"] == header_safe(str(error))

    def test_a_bad_token_is_told_in_the_words_that_clients_look_for(self, connect, sqlite_database):
        answer = answer_to(connect, sqlite_database, InvalidCredentials())
        assert answer.headers["X-Error-Message"] == "Invalid credentials in Authorization header"

    def test_what_exists_already_is_named_by_its_whole_address(self, connect, sqlite_database):
        answer = answer_to(connect, sqlite_database, AlreadyExists("It exists.", url="/datasets/acai/tickets"))
        assert answer.status_code == 409
        assert answer.json()["url"] == f"{answer.url.scheme}://{answer.url.netloc.decode()}/datasets/acai/tickets"

    def test_who_asks_too_often_learns_when_to_come_back(self, connect, sqlite_database):
        answer = answer_to(connect, sqlite_database, TooManyRequests("Wait.", retry_after_seconds=7))
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")

    def test_a_range_outside_the_file_learns_its_size(self, connect, sqlite_database):
        answer = answer_to(connect, sqlite_database, RangeNotSatisfiable(10))
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")

    @pytest.mark.parametrize(
        ("path", "scheme"),
        [
            ("/acai/tickets.git/info/refs", "Basic"),
            ("/acai/tickets.git/git-receive-pack", "Basic"),
            ("/acai/tickets.git/info/lfs/objects/batch", "Basic"),
            ("/api/whoami-v2", "Bearer"),
        ],
    )
    def test_git_is_asked_for_a_password_and_a_browser_is_not(self, connect, sqlite_database, path, scheme):
        answer = answer_to(connect, sqlite_database, NotAuthenticated(), path)
        assert answer.headers["WWW-Authenticate"] == f'{scheme} realm="Viveiro"'

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"lines": ["x"]}, "lines[0]: Input should be a valid integer"),
            ({}, "lines: Field required"),
            ([], "body: Input should be a valid dictionary"),
        ],
    )
    def test_an_invalid_request_learns_what_is_wrong_with_it(self, connect, sqlite_database, body, message):
        app = make_app(sqlite_database)

        @app.post("/orders")
        def order(order: Order) -> None: ...

        with connect(app) as client:
            answer = client.post("/orders", json=body)
        assert answer.status_code == 400
        assert message in answer.json()["error"]

    def test_what_is_no_json_is_said_to_be_none(self, connect, sqlite_database):
        with connect(make_app(sqlite_database)) as client:
            answer = client.post("/api/v1/session", content=b'{"name": ', headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert "JSON" in answer.json()["error"]

    def test_an_address_that_leads_nowhere_is_json_too(self, connect, sqlite_database):
        with connect(make_app(sqlite_database)) as client:
            missing, wrong = client.get("/nowhere"), client.put("/api/v1/session")
        assert (missing.status_code, missing.json()) == (404, {"error": "Not Found: GET /nowhere"})
        assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")

    def test_an_unexpected_error_is_logged_whole_and_told_in_one_sentence(self, connect, sqlite_database):
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            answer = answer_to(connect, sqlite_database, ZeroDivisionError("the secret is 42"))
        assert answer.status_code == 500
        assert "42" not in answer.text
        assert "ZeroDivisionError" not in answer.text
        failure = next(line for line in logs if line["event"] == "request_failed")
        assert failure["request_id"] == answer.headers["X-Request-Id"]
        assert failure["exc_info"]

    def test_an_answer_that_breaks_under_way_is_cut_not_completed(self, connect, sqlite_database):
        app = make_app(sqlite_database)

        @app.get("/broken")
        def broken() -> StreamingResponse:
            def chunks():
                yield b"one"
                raise ZeroDivisionError

            return StreamingResponse(chunks(), headers={"Content-Length": "6"})

        with connect(app) as client, pytest.raises(httpx.RemoteProtocolError, match=r"closed connection|disconnected"):
            client.get("/broken")

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (DataError("INSERT", {}, Exception("text fields cannot contain NUL")), 400),
            (OverflowError("Python int too large to convert to SQLite INTEGER"), 400),
            (OverflowError("math range error"), 500),
            (OperationalError("INSERT", {}, Exception("database is locked")), 503),
            (OperationalError("INSERT", {}, Exception("connection refused")), 503),
            (OperationalError("INSERT", {}, Exception("database or disk is full")), 507),
            (OperationalError("SELECT", {}, Exception("no such column: x")), 500),
            (OSError(errno.ENOSPC, "No space left on device"), 507),
            (PermissionError(errno.EACCES, "Permission denied"), 500),
        ],
    )
    def test_what_the_machine_refuses(self, connect, sqlite_database, error, status):
        assert answer_to(connect, sqlite_database, error).status_code == status

    def test_a_locked_database_is_told_as_busy(self, connect, sqlite_database):
        app = make_app(sqlite_database)

        @app.get("/impatient")
        def impatient() -> None:
            with sqlite_database.read() as session:
                session.execute(text("PRAGMA busy_timeout=1"))
                session.execute(text("DELETE FROM accounts"))

        with connect(app) as client, sqlite_database.write() as session:
            session.execute(text("DELETE FROM accounts"))
            answer = client.get("/impatient")
        assert answer.status_code == 503
        assert answer.headers["X-Error-Code"] == "Unavailable"


class TestHeaderSafe:
    """Headers are one line of latin-1."""

    @pytest.mark.parametrize(
        ("text", "safe"),
        [
            ("Bearer hf_…", "Bearer hf_..."),
            ("line\r\nX-Evil: 1", "line X-Evil: 1"),
            ("pão de queijo", "pão de queijo"),
            ("模型\x00", "???"),
        ],
    )
    def test_rule(self, text, safe):
        assert header_safe(text) == safe


class TestRequestId:
    """Every answer names its request: by the client's own id if it sent one."""

    @pytest.mark.parametrize("header", ["X-Request-Id", "X-Amzn-Trace-Id"])
    def test_the_clients_id_comes_back(self, connect, sqlite_database, header):
        with connect(make_app(sqlite_database)) as client:
            assert client.get("/nowhere", headers={header: "f00-ba7"}).headers["X-Request-Id"] == "f00-ba7"

    @pytest.mark.parametrize("evil", ["", "a b", "x" * 129, '"injected"'])
    def test_one_that_would_spoil_the_logs_is_replaced(self, connect, sqlite_database, evil):
        with connect(make_app(sqlite_database)) as client:
            answer = client.get("/nowhere", headers={"X-Request-Id": evil})
        assert len(answer.headers["X-Request-Id"]) == 24

    def test_two_requests_have_two(self, connect, sqlite_database):
        with connect(make_app(sqlite_database)) as client:
            first, second = client.get("/nowhere"), client.get("/nowhere")
        assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


class TestAddresses:
    """Proxies are believed only when the operator listed them."""

    FORWARDED = {  # noqa: RUF012 - a constant of this test
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "models.example.org",
        "X-Forwarded-For": "203.0.113.9, 198.51.100.7, 10.0.0.2",
    }

    def ask(self, connect, database, **settings):
        app = make_app(database, **settings)

        @app.get("/addresses")
        def addresses(request: Request) -> dict[str, str | None]:
            return {
                "public": public_url(request),
                "client": client_address(request),
                "next": next_page(request, cursor="x&y"),
            }

        with connect(app) as client:
            answer = client.get("/addresses?filter=a&filter=b&cursor=old", headers=self.FORWARDED).json()
            return answer, str(client.base_url)

    def test_a_stranger_cannot_claim_another_address(self, connect, sqlite_database):
        answer, own = self.ask(connect, sqlite_database)
        assert (answer["public"], answer["client"]) == (own.rstrip("/"), "127.0.0.1")

    @pytest.mark.parametrize("proxies", ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8"])
    def test_a_listed_proxy_is_believed(self, connect, sqlite_database, proxies):
        answer, _ = self.ask(connect, sqlite_database, trusted_proxies=proxies)
        assert answer["public"] == "https://models.example.org"

    def test_the_nearest_unlisted_hop_is_the_client(self, connect, sqlite_database):
        answer, _ = self.ask(connect, sqlite_database, trusted_proxies="127.0.0.1, 10.0.0.2")
        assert answer["client"] == "198.51.100.7"

    def test_the_setting_wins(self, connect, sqlite_database):
        answer, _ = self.ask(
            connect, sqlite_database, public_url="https://hub.example.org/", trusted_proxies="127.0.0.1"
        )
        assert answer["public"] == "https://hub.example.org"

    def test_the_next_page_keeps_the_filters(self, connect, sqlite_database):
        answer, _ = self.ask(connect, sqlite_database, public_url="https://hub.example.org")
        expected = '<https://hub.example.org/addresses?filter=a&filter=b&cursor=x%26y>; rel="next"'
        assert answer["next"] == expected


class TestHalfSentBody:
    def test_a_client_that_hangs_up_harms_nobody(self, connect, sqlite_database):
        with connect(make_app(sqlite_database)) as client:
            with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
                connection.sendall(
                    b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 1000\r\n\r\n" + json.dumps({"name": "alice"}).encode()
                )
            assert client.get("/nowhere").status_code == 404


def test_every_error_can_be_told():
    """No error class may forget its status: 500 is for what nobody foresaw."""
    assert [
        kind.__name__
        for kind in ViveiroError.__subclasses__()
        if kind.status == 500 and kind.__module__ == "viveiro.errors"
    ] == []
