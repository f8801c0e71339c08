"""Waiting for work on a server that comes and goes."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from viveiro.cli.live import follow_run
from viveiro.client import Client, Refused, RunFailed, ServerUnreachable

RUN = "/api/v1/runs/1"


@contextmanager
def answering(*answers: tuple[int, Any], link: str = "") -> Iterator[str]:
    """The address of a server that gives these answers in turn, and the last one from then on. All but it have the link."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_last = len(left) == 1
            status, body = left[0] if is_last else left.pop(0)
            content = json.dumps(body).encode()
            self.send_response(status)
            if link and not is_last:
                self.send_header("Link", f'<{link}>; rel="next"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Not to the test's output."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def run(state: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"run_id": "1", "state": state, "error": None, "stage": None, **fields}


UNKNOWN_TOKEN = (401, {"error": "Invalid credentials in Authorization header"})


class TestPages:
    def test_the_next_one_is_asked_of_the_same_server_whatever_the_world_calls_it(self) -> None:
        """The access token of this machine is for nobody else, and the public name may not be known here."""
        public = "https://viveiro.invalid/api/models?cursor=2"
        with answering((200, ["a"]), (200, ["b"]), link=public) as url, Client(url, "hf_secret") as client:
            assert list(client.pages("/api/models", limit=1)) == ["a", "b"]


class TestFollowRun:
    def test_points_that_a_proxy_does_not_get_come_with_the_next_look(self) -> None:
        away, points = (502, {"error": "Bad Gateway"}), (200, [])
        answers = (run("running"), away, run("succeeded"), points)
        with answering(*answers) as url, Client(url) as client:
            assert follow_run(client, {"run_id": "1"})["state"] == "succeeded"


class TestWaitRun:
    def test_it_returns_the_run_that_succeeded(self) -> None:
        with answering(run("queued"), run("running"), run("succeeded")) as url, Client(url) as client:
            assert client.wait_run("1")["state"] == "succeeded"

    @pytest.mark.parametrize(
        ("state", "error", "said"),
        [("failed", "The disk is full.", "The disk is full. What it printed"), ("cancelled", None, "was cancelled")],
    )
    def test_a_run_without_a_model_raises_and_says_what_to_do(self, state: str, error: str | None, said: str) -> None:
        with answering(run(state, error=error)) as url, Client(url) as client:
            with pytest.raises(RunFailed, match=said) as failure:
                client.wait_run("1")
            assert failure.value.run["state"] == state

    def test_while_a_proxy_says_that_the_server_is_away_it_goes_on_asking(self) -> None:
        away = (502, {"error": "Bad Gateway"})
        with answering(run("running"), away, away, run("succeeded")) as url, Client(url) as client:
            assert client.wait_run("1")["state"] == "succeeded"

    def test_a_server_of_this_machine_that_was_started_anew_is_found_again(self, tmp_path: Path) -> None:
        """With another access token, at another port."""
        with answering(run("running"), UNKNOWN_TOKEN) as old, answering(run("succeeded")) as new:
            (tmp_path / "server.json").write_text(json.dumps({"url": new, "token": "hf_new", "pid": os.getpid()}))
            with Client(old, "hf_old", data_dir=tmp_path) as client:
                assert client.wait_run("1")["state"] == "succeeded"
                assert (client.url, client.token) == (new, "hf_new")

    def test_elsewhere_a_token_that_is_refused_stays_refused(self) -> None:
        with answering(UNKNOWN_TOKEN) as url, Client(url, "hf_old") as client, pytest.raises(Refused):
            client.wait_run("1")

    def test_what_is_not_there_is_not_waited_for(self, tmp_path: Path) -> None:
        missing = answering((404, {"error": "No run 1"}))
        with missing as url, Client(url, data_dir=tmp_path) as client, pytest.raises(Refused, match="No run 1"):
            list(client.changes(RUN))

    def test_nobody_there_at_all_is_said_at_once_by_other_requests(self) -> None:
        with answering(run("running")) as url:
            pass
        with Client(url) as client, pytest.raises(ServerUnreachable, match="viveiro serve"):
            client.get(RUN)
