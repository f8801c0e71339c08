"""Xet on the wire, without the reference client: for what it would never send."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import HfApi, constants
from huggingface_hub.hf_api import RepoFile

from tests.live.running_server import RunningServer
from tests.xet import Packed


class Xet:
    """One who has an access token for one repo, or none."""

    def __init__(self, server: RunningServer, name: str | None, repo: str, scope: str = "write", rest: str = "main"):
        self.url, self.repo = server.url, repo
        headers = {"Authorization": f"Bearer {server.token(name)}"} if name else {}
        self.asked = httpx.get(f"{server.url}/api/models/{repo}/xet-{scope}-token/{rest}", headers=headers)
        told = self.asked.json()
        self.cas, self.token = told.get("casUrl"), told.get("accessToken")

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, path: str, content: bytes) -> httpx.Response:
        return httpx.post(f"{self.cas}/{path}", content=content, headers=self.headers, timeout=60)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.cas}/{path}", headers={**self.headers, **headers})

    def head(self, path: str) -> httpx.Response:
        return httpx.head(f"{self.cas}/{path}", headers=self.headers)

    def send_xorb(self, name: str, xorb: bytes) -> httpx.Response:
        return self.post(f"v1/xorbs/default/{name}", xorb)

    def send_xorbs(self, packed: Packed) -> list[bool]:
        answers = [self.send_xorb(name, xorb).raise_for_status() for name, xorb in packed.xorbs.items()]
        return [answer.json()["was_inserted"] for answer in answers]

    def send(self, packed: Packed) -> None:
        self.send_xorbs(packed)
        self.post("v1/shards", packed.shard).raise_for_status()

    def reconstruction(self, packed: Packed, **headers: str) -> httpx.Response:
        return self.get(f"v1/reconstructions/{packed.xet_hash}", **headers)


class StockClient:
    """huggingface_hub in a process of its own, with nothing set but where the hub is, who asks, and what is said here."""

    def __init__(self, server: RunningServer, user: str | None, home: Path, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VIVEIRO_"))}
        self._environment = {**kept, "HF_ENDPOINT": server.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        if user:
            self._environment["HF_TOKEN"] = server.token(user)
        self._environment.update(environment)

    def hf(self, *arguments: str | Path) -> str:
        done = self.run(str(Path(sys.executable).with_name("hf")), *map(str, arguments))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, statements: str, **environment: str) -> str:
        done = self.run(sys.executable, "-c", statements, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read_by_http(self, repo: str, path: str) -> bytes:
        """As who told it to leave Xet alone."""
        read = f"from huggingface_hub import hf_hub_download; print(hf_hub_download({repo!r}, {path!r}))"
        return Path(self.python(read, HF_HUB_DISABLE_XET="1").strip()).read_bytes()

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self._environment, **environment}, capture_output=True, text=True, timeout=300, check=False
        )

    def start(self, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        command = [str(Path(sys.executable).with_name("hf")), *map(str, arguments)]
        return subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stored_bytes(server: RunningServer, namespace: str = "xorbs") -> int:
    folder = server.data_dir / "storage" / namespace
    return sum(file.stat().st_size for file in folder.glob("??/??/*"))


def came_by_xet(api: HfApi, repo: str, kind: str = "model", revision: str = "main") -> dict[str, bool]:
    """Of each large file, by its path. What came by LFS is put into xorbs no sooner than an hour later."""
    listed = api.list_repo_tree(repo, recursive=True, repo_type=kind, revision=revision)
    files = [entry for entry in listed if isinstance(entry, RepoFile) and entry.lfs is not None]
    return {file.path: file.xet_hash is not None for file in files}


def commit_file(server: RunningServer, user: str, repo: str, path: str, oid: str, size: int) -> httpx.Response:
    """A commit of content that is said to have been uploaded."""
    value: dict[str, Any] = {"path": path, "algo": "sha256", "oid": oid, "size": size}
    lines = "\n".join(
        json.dumps(line)
        for line in ({"key": "header", "value": {"summary": "Add"}}, {"key": "lfsFile", "value": value})
    )
    headers = {"Authorization": f"Bearer {server.token(user)}", "Content-Type": "application/x-ndjson"}
    return httpx.post(f"{server.url}/api/models/{repo}/commit/main", content=lines, headers=headers)


@contextlib.contextmanager
def by_xet() -> Iterator[None]:
    """The official client in this process sends large files as it does with nothing set."""
    before, constants.HF_HUB_DISABLE_XET = constants.HF_HUB_DISABLE_XET, False
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before
