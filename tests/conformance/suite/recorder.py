"""A pytest plugin that writes down which tests send a request to the server, and how each ends.

    pytest -p recorder --record results.json

It stands below the client, at its transports, so what a test replaces above them is not counted as a request.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

HUBS = {
    urlsplit(os.environ["HF_ENDPOINT"]).netloc: "",
    urlsplit(os.environ["CONFORMANCE_PUBLIC_ENDPOINT"]).netloc: "public ",
}
"""What each of the suite's two hubs is called in the record."""
NOBODYS = ("/api/telemetry/", "/api/agent-harnesses")
"""What the client sends by itself and does not wait for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, required=True, help="file that the results are written to, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config.getoption("--record")))


class Recorder:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._tests: dict[str, dict[str, Any]] = {}
        self._current: dict[str, Any] | None = None
        self._watch()

    def _watch(self) -> None:
        send, send_async = httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request

        def handle_request(transport: Any, request: Any) -> Any:
            response = send(transport, request)
            self._note(request, response)
            return response

        async def handle_async_request(transport: Any, request: Any) -> Any:
            response = await send_async(transport, request)
            self._note(request, response)
            return response

        httpx2.HTTPTransport.handle_request = handle_request
        httpx2.AsyncHTTPTransport.handle_async_request = handle_async_request

    def _note(self, request: Any, response: Any) -> None:
        url = urlsplit(str(request.url))
        if self._current is not None and url.netloc in HUBS and not url.path.startswith(NOBODYS):
            said = f"{HUBS[url.netloc]}{request.method} {url.path} {response.status_code}"
            self._current["requests"].append(said)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._current = {"test": item.nodeid, "outcome": "passed", "why": "", "requests": []}
        self._tests[item.nodeid] = self._current
        result = yield
        self._current = None
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """What only cleans up is not the test's."""
        current, self._current = self._current, None
        try:
            return (yield)
        finally:
            self._current = current

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            test = self._tests[report.nodeid]
            test["outcome"] = report.outcome
            test["why"] = _last_words(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tests[report.nodeid] = {
                "test": report.nodeid,
                "outcome": "failed",
                "why": _last_words(report),
                "requests": ["its module could not be read"],
            }

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(list(self._tests.values()), indent=1))


def _last_words(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash else str(report.longrepr)[-2000:]
