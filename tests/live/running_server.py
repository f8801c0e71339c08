"""`viveiro serve` as operators run it: its own processes, its own port, its own data folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from viveiro.accounts.service import add_member, create_organization, create_token, create_user, get_account
from viveiro.accounts.types import Role, TokenRole, Viewer
from viveiro.client import Client
from viveiro.db import Database

START_SECONDS = 120

TWO_USERS: dict[str, Any] = {
    "users": [{"name": "alice"}, {"name": "bob"}],
    "organizations": [{"name": "acai", "members": {"alice": "admin"}}],
    "tokens": [{"key": "ALICE", "user": "alice"}, {"key": "BOB", "user": "bob"}],
}


class ServerDidNotStart(AssertionError):
    pass


@dataclass
class RunningServer:
    """Start it with `with`, or with start() and stop(). `kill()` is what bad luck does."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """More VIVEIRO_* variables."""
    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where the operator stands who starts it. None: where the tests run."""
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "viveiro", "serve", "--port", str(self.port)],
                env=self.environment(),
                stdout=output,
                stderr=output,
                cwd=self.folder,
            )
        self._wait()
        self.port = int(self.url.rpartition(":")[2])  # the next start takes the same
        return self

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VIVEIRO_", "HF_"))}
        return {**inherited, "VIVEIRO_DATA_DIR": str(self.data_dir), **self.settings}

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if (
                    self._address()["pid"] == self.process.pid
                    and httpx.get(f"{self.url}/readyz", timeout=30).is_success
                ):
                    return
            except (OSError, ValueError, KeyError, httpx.TransportError):
                time.sleep(0.05)
        raise ServerDidNotStart(self.log.read_text(errors="replace")[-4000:])

    def _address(self) -> dict[str, Any]:
        address: dict[str, Any] = json.loads((self.data_dir / "server.json").read_text())
        return address

    @property
    def log(self) -> Path:
        return self.data_dir / "test-serve.log"

    @property
    def url(self) -> str:
        return str(self._address()["url"])

    @property
    def admin_token(self) -> str:
        return str(self._address()["token"])

    @property
    def database_url(self) -> str:
        return self.settings.get("VIVEIRO_DATABASE_URL", f"sqlite:///{self.data_dir / 'viveiro.sqlite3'}")

    def token(self, name: str) -> str:
        """The write token of a seeded user, by name or key."""
        return self.tokens[name.upper()]

    def client(self, name: str | None = None) -> Client:
        return Client(self.url, self.token(name) if name else self.admin_token)

    def pids(self) -> dict[str, int]:
        """Process ids by name, as the supervisor tells them: web, worker, host …"""
        import socket

        from viveiro.settings import Settings

        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(Settings(data_dir=self.data_dir).sockets_dir / "supervisor.sock"))
            connection.sendall(b'{"op": "status"}\n')
            answer = json.loads(connection.makefile().readline())
        return {name: pid for name, pid in answer["processes"].items() if pid}

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def kill(self) -> None:
        """SIGKILL to the supervisor; the kernel takes the others."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def seed(self, wanted: Mapping[str, Any]) -> Self:
        """Make the users, organisations and tokens of a seed file, and remember the tokens by key."""
        database = Database(self.database_url)
        with database.write() as session:
            for user in wanted.get("users", ()):
                create_user(session, user["name"], **{name: user[name] for name in user if name != "name"})
            for organization in wanted.get("organizations", ()):
                first, *others = organization["members"].items()
                creator = get_account(session, first[0])
                viewer = Viewer(user_id=creator.id, name=creator.name, roles={creator.id: Role.ADMIN})
                create_organization(
                    session, organization["name"], creator=viewer, fullname=organization.get("fullname")
                )
                for name, role in others:
                    add_member(session, organization["name"], name, Role(role), by=viewer)
            for token in wanted.get("tokens", ()):
                owner = get_account(session, token["user"])
                issued = create_token(session, owner.id, token["key"], TokenRole(token.get("role", "write")))
                self.tokens[token["key"]] = issued.secret
        database.close()
        return self

    def seed_from(self, file: Path) -> Self:
        return self.seed(yaml.safe_load(file.read_text()))
