"""A real Chromium that reaches this machine's servers and nothing else, and what a page must not do in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, WebError, sync_playwright

ARGUMENTS = (
    "--no-sandbox",  # CI runs as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    # The last two fill the address bar of each new window: pages of Chromium's own, 100 ms of a processor.
    "--disable-features=OptimizationHints,MediaRouter,Translate,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
PATIENCE_MS = 60_000
"""Only a hang fails: a busy machine takes its time."""


def chromium_program() -> str | None:
    """CHROMIUM names another one than the first on PATH."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def running_chromium(program: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS], timeout=PATIENCE_MS)
        yield browser
        browser.close()


@dataclass
class Watch:
    """Listens to browser contexts. `complaints` should stay empty.

    A test that provokes an error says so before: `watch.expect("status of 404")`, any part of the complaint.
    """

    origin: str
    heard: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("requestfailed", self._failed)

    def expect(self, part: str) -> None:
        self.expected.append(part)

    @property
    def complaints(self) -> list[str]:
        return [complaint for complaint in self.heard if not any(part in complaint for part in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        """What the policy (CSP) blocks, and answers of 4xx and 5xx, are errors of the console too."""
        if message.type in ("error", "warning", "assert"):
            where = message.location
            self.heard.append(f"console {message.type}: {message.text} ({where['url']}:{where['lineNumber']})")

    def _error(self, error: WebError) -> None:
        self.heard.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        """Also those that fail: the attempt counts."""
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.heard.append(f"outside request: {request.method} {request.url}")

    def _failed(self, request: Request) -> None:
        """Leaving a page ends what it was still loading, and a download is "aborted" once it is one: nothing failed."""
        if request.failure != "net::ERR_ABORTED":
            self.heard.append(f"failed request: {request.method} {request.url}: {request.failure}")
