"""An installation with people and content in it, as the tests of pages and the screenshots find it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.live.running_server import RunningServer
from viveiro.client import Client
from viveiro.http.sign_in import SESSION_COOKIE

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "examples" / "maintenance" / "tickets.csv"
PASSWORD = "seeds and saplings"
PEOPLE: dict[str, Any] = {
    "users": [
        {"name": "root", "password": PASSWORD, "is_admin": True, "fullname": "Root Gardener"},
        {"name": "alice", "password": PASSWORD, "fullname": "Alice Açaí", "email": "alice@example.org"},
        {"name": "bob", "password": PASSWORD},
    ],
    "organizations": [{"name": "acai", "members": {"alice": "admin"}, "fullname": "Açaí Ltda."}],
    "tokens": [
        {"key": "ROOT", "user": "root"},
        {"key": "ALICE", "user": "alice"},
        {"key": "BOB", "user": "bob"},
    ],
}


@dataclass
class Site:
    """`root` administers, `alice` owns the organisation acai, `bob` is another user. All have PASSWORD."""

    server: RunningServer
    _sessions: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    def client(self, name: str) -> Client:
        return self.server.client(name)

    def session(self, name: str) -> dict[str, str]:
        """The cookie of a signed-in browser. One session each: hashing passwords takes its time."""
        if name not in self._sessions:
            answer = httpx.post(f"{self.url}/api/v1/session", json={"name": name, "password": PASSWORD}, timeout=120)
            self._sessions[name] = answer.raise_for_status().cookies[SESSION_COOKIE]
        return {"name": SESSION_COOKIE, "value": self._sessions[name], "url": self.url}

    def wait_for_job(self, client: Client, job_id: str) -> dict[str, Any]:
        *_, job = client.changes(f"/api/v1/jobs/{job_id}")
        assert job["state"] == "succeeded", job
        return job

    def import_table(self, name: str, file: Path, **columns: str) -> str:
        """A dataset of Alice's, from a file of this machine. Its repo id."""
        with self.client("alice") as client:
            started = client.put_file(
                "/api/v1/datasets/import", file, method="POST", name=name, file_name=file.name, **columns
            )
            self.wait_for_job(client, started["job_id"])
        return name

    @cached_property
    def dataset(self) -> str:
        """The maintenance tickets."""
        return self.import_table("acai/tickets", TICKETS, text_column="text_en", label_column="category")

    @cached_property
    def run(self) -> dict[str, Any]:
        """Of the starter, adapted to the tickets in seconds."""
        with self.client("alice") as client:
            params = {"method": "frozen"}
            started = client.start_run("text-classification", self.dataset, params=params, publish="acai/triage")
            return client.wait_run(started["run_id"])

    @cached_property
    def endpoint(self) -> str:
        """The repo id of the model that the run published, deployed."""
        with self.client("alice") as client:
            client.post("/api/v1/endpoints", json={"model": self.run["model"]})
        return str(self.run["model"])


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    settings = {"VIVEIRO_LOGIN_ATTEMPTS_PER_MINUTE": "1000"}
    with RunningServer(folder, settings=settings) as server:
        yield Site(server.seed(PEOPLE))
