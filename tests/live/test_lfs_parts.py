"""Uploads larger than a part: they arrive in parts, survive the server, and are verified as a whole."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from tests.live.lfs import Lfs
from tests.live.running_server import TWO_USERS, RunningServer

MiB = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Parts of 1 MiB, so that a small file has several; and it may be killed."""
    folder = tmp_path_factory.mktemp("parts")
    with RunningServer(folder, settings={"VIVEIRO_LFS_PART_BYTES": str(MiB)}) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture
def alice(server: RunningServer) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token("alice"))


@pytest.fixture
def repo(alice: HfApi, request: pytest.FixtureRequest) -> str:
    name = f"alice/{request.node.name.replace('_', '-')[:80]}"
    alice.create_repo(name)
    return name


@pytest.fixture
def lfs(server: RunningServer) -> Lfs:
    return Lfs(server.url, server.token("alice"))


@pytest.fixture
def content() -> bytes:
    return os.urandom(3 * MiB + 5)


class TestParts:
    def upload(self, lfs: Lfs, repo: str, content: bytes) -> tuple[str, list[str]]:
        """Where to complete, and where each part goes."""
        upload = lfs.actions(repo, content, "basic", "multipart")["upload"]
        header = dict(upload["header"])
        assert header.pop("chunk_size") == str(MiB)
        assert list(header) == [str(number) for number in range(1, -(-len(content) // MiB) + 1)]
        return upload["href"], list(header.values())

    def put_part(self, content: bytes, number: int, href: str) -> dict[str, Any]:
        answer = httpx.put(href, content=content[(number - 1) * MiB : number * MiB])
        assert answer.status_code == 200
        return {"partNumber": number, "etag": answer.headers["ETag"]}

    def complete(self, href: str, content: bytes, parts: list[dict[str, Any]]) -> httpx.Response:
        return httpx.post(href, json={"oid": sha256(content).hexdigest(), "parts": parts})

    def test_in_any_order(self, lfs: Lfs, repo: str, content: bytes) -> None:
        href, addresses = self.upload(lfs, repo, content)
        numbered = list(enumerate(addresses, 1))
        parts = [self.put_part(content, number, address) for number, address in reversed(numbered)]
        assert self.complete(href, content, parts[::-1]).status_code == 200
        assert lfs.is_there(repo, content)

    def test_the_official_client_does_it(
        self, server: RunningServer, alice: HfApi, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        operations = [CommitOperationAdd("large.bin", content), CommitOperationAdd("small.bin", b"\0small")]
        alice.create_commit(repo, operations, commit_message="Two files")
        for path, expected in (("large.bin", content), ("small.bin", b"\0small")):
            assert Path(alice.hf_hub_download(repo, path, cache_dir=tmp_path)).read_bytes() == expected

    def test_a_client_without_multipart_sends_it_in_one_piece(self, lfs: Lfs, repo: str, content: bytes) -> None:
        upload = lfs.actions(repo, content, "basic")["upload"]
        assert "header" not in upload
        assert httpx.put(upload["href"], content=content).status_code == 200

    def test_it_goes_on_after_the_server_was_killed(
        self, server: RunningServer, lfs: Lfs, repo: str, content: bytes
    ) -> None:
        href, addresses = self.upload(lfs, repo, content)
        first = self.put_part(content, 1, addresses[0])
        server.kill()
        server.start()
        arrived = httpx.head(addresses[0])
        assert (arrived.status_code, arrived.headers["ETag"]) == (200, first["etag"])
        assert httpx.head(addresses[1]).status_code == 404
        rest = [self.put_part(content, number, address) for number, address in list(enumerate(addresses, 1))[1:]]
        assert self.complete(href, content, [first, *rest]).status_code == 200
        assert lfs.is_there(repo, content)

    def test_asking_again_finds_the_parts_again(self, lfs: Lfs, repo: str, content: bytes) -> None:
        _, addresses = self.upload(lfs, repo, content)
        self.put_part(content, 2, addresses[1])
        _, again = self.upload(lfs, repo, content)
        assert [httpx.head(address).status_code for address in again] == [404, 200, 404, 404]

    def test_completing_twice_is_the_same_as_once(self, lfs: Lfs, repo: str, content: bytes) -> None:
        href, addresses = self.upload(lfs, repo, content)
        parts = [self.put_part(content, number, address) for number, address in enumerate(addresses, 1)]
        assert [self.complete(href, content, parts).status_code for _ in range(2)] == [200, 200]

    def test_a_missing_part_is_named(self, lfs: Lfs, repo: str, content: bytes) -> None:
        href, addresses = self.upload(lfs, repo, content)
        answer = self.complete(href, content, [self.put_part(content, 1, addresses[0])])
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "MissingParts")
        assert "2, 3, 4" in answer.json()["message"]

    def test_parts_that_add_up_to_something_else(self, lfs: Lfs, repo: str, content: bytes) -> None:
        href, addresses = self.upload(lfs, repo, content)
        wrong = bytes(len(content))
        parts = [self.put_part(wrong, number, address) for number, address in enumerate(addresses, 1)]
        assert self.complete(href, content, parts).headers["X-Error-Code"] == "ChecksumMismatch"
        assert not lfs.is_there(repo, content)
        assert {httpx.head(address).status_code for address in addresses} == {404}

    def test_a_part_of_the_wrong_size_or_number(self, lfs: Lfs, repo: str, content: bytes) -> None:
        _, addresses = self.upload(lfs, repo, content)
        assert httpx.put(addresses[0], content=content[:100]).status_code == 422
        assert httpx.put(addresses[0], content=content[: MiB + 1]).status_code == 422
        beyond = addresses[0].replace("/parts/1?", "/parts/5?")
        assert httpx.put(beyond, content=b"x").status_code == 422
        assert httpx.head(addresses[0]).status_code == 404

    def test_a_part_that_was_replaced_since_is_noticed(self, lfs: Lfs, repo: str, content: bytes) -> None:
        href, addresses = self.upload(lfs, repo, content)
        parts = [self.put_part(content, number, address) for number, address in enumerate(addresses, 1)]
        self.put_part(content, 1, addresses[0])
        assert "replaced" in self.complete(href, content, parts).json()["message"]

    def test_parts_in_one_repo_are_nothing_in_another(self, lfs: Lfs, alice: HfApi, repo: str, content: bytes) -> None:
        _, addresses = self.upload(lfs, repo, content)
        for number, address in enumerate(addresses, 1):
            self.put_part(content, number, address)
        alice.create_repo("alice/other", exist_ok=True)
        href, others = self.upload(lfs, "alice/other", content)
        assert {httpx.head(address).status_code for address in others} == {404}
        assert self.complete(href, content, []).status_code == 422
