"""The LFS routes, as a client that follows the specification speaks to them."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx

LFS = "application/vnd.git-lfs+json"


@dataclass(frozen=True)
class Lfs:
    """The LFS routes as a client sees them, with somebody's access token or none."""

    url: str
    token: str | None

    def batch(self, repo: str, operation: str, *contents: bytes, transfers: tuple[str, ...] = ("basic",)) -> Any:
        wanted = [{"oid": sha256(content).hexdigest(), "size": len(content)} for content in contents]
        return self.ask(repo, operation, wanted, transfers).raise_for_status().json()

    def ask(
        self, repo: str, operation: str, wanted: list[dict[str, Any]], transfers: tuple[str, ...] = ("basic",)
    ) -> httpx.Response:
        headers = {"Accept": LFS, "Content-Type": LFS}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = {"operation": operation, "transfers": transfers, "objects": wanted, "hash_algo": "sha256"}
        return httpx.post(f"{self.url}/{repo}.git/info/lfs/objects/batch", json=body, headers=headers)

    def actions(self, repo: str, content: bytes, *transfers: str) -> dict[str, Any]:
        """Where to upload."""
        (answer,) = self.batch(repo, "upload", content, transfers=transfers or ("basic",))["objects"]
        actions: dict[str, Any] = answer["actions"]
        return actions

    def is_there(self, repo: str, content: bytes) -> bool:
        (answer,) = self.batch(repo, "upload", content)["objects"]
        return "actions" not in answer
