"""Big files on the wire: where `batch` sends them, and what arrives, or does not."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.live.conftest import MakeRepo
from tests.live.lfs import Lfs
from tests.live.running_server import RunningServer
from tests.xet import pack

MiB = 2**20


@pytest.fixture
def lfs(server: RunningServer) -> Lfs:
    return Lfs(server.url, server.token("alice"))


@pytest.fixture
def content() -> bytes:
    return os.urandom(3 * MiB + 5)


class TestBatch:
    def test_what_is_missing_is_asked_for_and_what_is_there_is_not(self, lfs: Lfs, repo: str, content: bytes) -> None:
        upload = lfs.actions(repo, content)["upload"]
        assert httpx.put(upload["href"], content=content).status_code == 200
        assert lfs.is_there(repo, content)
        assert not lfs.is_there(repo, content + b"more")

    def test_a_link_needs_no_credential_and_minds_none(self, lfs: Lfs, repo: str, content: bytes) -> None:
        upload = lfs.actions(repo, content)["upload"]
        for headers in ({}, {"Authorization": f"Bearer {lfs.token}"}, {"Authorization": "Bearer hf_wrong"}):
            assert httpx.put(upload["href"], content=content, headers=headers).status_code == 200

    def test_objects_are_judged_one_by_one(self, lfs: Lfs, repo: str) -> None:
        good = {"oid": "a" * 64, "size": 5}
        bad = [{"oid": "A" * 64, "size": 5}, {"oid": "../../x", "size": 5}, {"oid": "a" * 64, "size": -1}]
        answers = lfs.ask(repo, "upload", [good, *bad]).json()["objects"]
        assert "actions" in answers[0]
        assert [answer["error"]["code"] for answer in answers[1:]] == [422, 422, 422]

    def test_what_the_repo_does_not_have_cannot_be_downloaded(self, lfs: Lfs, repo: str, content: bytes) -> None:
        (answer,) = lfs.batch(repo, "download", content)["objects"]
        assert answer["error"]["code"] == 404

    def test_the_hash_of_somebody_elses_file_opens_nothing(
        self, lfs: Lfs, server: RunningServer, repo: str, bob: HfApi, content: bytes
    ) -> None:
        bob.create_repo("bob/treasure", private=True, exist_ok=True)
        bobs = Lfs(server.url, server.token("bob"))
        httpx.put(bobs.actions("bob/treasure", content)["upload"]["href"], content=content).raise_for_status()
        assert not lfs.is_there(repo, content)
        (answer,) = lfs.batch(repo, "download", content)["objects"]
        assert answer["error"]["code"] == 404
        commit = {"path": "stolen.bin", "algo": "sha256", "oid": sha256(content).hexdigest(), "size": len(content)}
        lines = f'{{"key":"header","value":{{"summary":"Steal"}}}}\n{{"key":"lfsFile","value":{json.dumps(commit)}}}'
        headers = {"Authorization": f"Bearer {lfs.token}", "Content-Type": "application/x-ndjson"}
        stolen = httpx.post(f"{server.url}/api/models/{repo}/commit/main", content=lines, headers=headers)
        assert 400 <= stolen.status_code < 500

    def test_another_hash_algorithm_is_refused(self, lfs: Lfs, repo: str) -> None:
        body = {"operation": "upload", "objects": [], "hash_algo": "sha512"}
        headers = {"Authorization": f"Bearer {lfs.token}"}
        answer = httpx.post(f"{lfs.url}/{repo}/info/lfs/objects/batch", json=body, headers=headers)
        assert answer.status_code == 400
        assert "sha256" in answer.json()["message"]

    def test_the_one_is_taken_by_either_of_its_names(self, lfs: Lfs, repo: str) -> None:
        body = {"operation": "upload", "objects": [], "hash_algo": "sha_256"}
        headers = {"Authorization": f"Bearer {lfs.token}"}
        httpx.post(f"{lfs.url}/{repo}/info/lfs/objects/batch", json=body, headers=headers).raise_for_status()

    @pytest.mark.parametrize(("user", "scope"), [("alice", "main"), ("bob", "main?create_pr=1")])
    def test_those_who_know_xet_are_sent_there(
        self, server: RunningServer, repo: str, user: str, scope: str, content: bytes
    ) -> None:
        """Bob, who only reads, may send what he is about to propose."""
        lfs = Lfs(server.url, server.token(user))
        answer = lfs.batch(repo, "upload", content, transfers=("basic", "multipart", "xet"))
        upload = answer["objects"][0]["actions"]["upload"]
        assert (answer["transfer"], upload["href"]) == (
            "xet",
            f"{server.url}/api/models/{repo}/xet-write-token/{scope}",
        )
        renewed = httpx.get(upload["href"], headers={"Authorization": f"Bearer {lfs.token}"}).json()
        assert renewed["casUrl"] == upload["header"]["X-Xet-Cas-Url"]
        packed = pack(content)
        for token in (upload["header"]["X-Xet-Access-Token"], renewed["accessToken"]):
            headers = {"Authorization": f"Bearer {token}"}
            for name, xorb in packed.xorbs.items():
                httpx.post(
                    f"{renewed['casUrl']}/v1/xorbs/default/{name}", content=xorb, headers=headers
                ).raise_for_status()
            httpx.post(f"{renewed['casUrl']}/v1/shards", content=packed.shard, headers=headers).raise_for_status()
        assert lfs.is_there(repo, content)

    def test_locks_are_not_offered(self, lfs: Lfs, repo: str) -> None:
        answer = httpx.post(f"{lfs.url}/{repo}.git/info/lfs/locks/verify", json={})
        assert answer.status_code == 404
        assert "locks" in answer.json()["message"]


class TestWhoMay:
    def test_a_stranger_is_asked_who_they_are(self, server: RunningServer, repo: str, content: bytes) -> None:
        answer = Lfs(server.url, None).ask(repo, "upload", [{"oid": "a" * 64, "size": 1}])
        assert answer.status_code == 401
        assert answer.headers["LFS-Authenticate"] == answer.headers["WWW-Authenticate"] == 'Basic realm="Viveiro"'

    def test_a_private_repo_is_missing_to_others(self, server: RunningServer, make_repo: MakeRepo) -> None:
        private = make_repo(private=True)
        wanted = [{"oid": "a" * 64, "size": 1}]
        for repo in (private, "alice/was-never-there"):
            assert Lfs(server.url, server.token("bob")).ask(repo, "download", wanted).status_code == 404
            assert Lfs(server.url, None).ask(repo, "download", wanted).status_code == 401

    def test_a_reader_uploads_what_they_propose(self, server: RunningServer, bob: HfApi, repo: str) -> None:
        """And can commit it to no branch."""
        wanted = [{"oid": "a" * 64, "size": 1}]
        assert Lfs(server.url, server.token("bob")).ask(repo, "upload", wanted).status_code == 200
        with pytest.raises(HfHubHTTPError) as refused:
            bob.upload_file(path_or_fileobj=b"\0large", path_in_repo="weights.bin", repo_id=repo)
        assert refused.value.response.status_code == 403

    @pytest.mark.parametrize("harm", [lambda link: link[:-1], lambda link: link.replace(".", "x."), lambda _: "x"])
    def test_a_changed_link_is_worth_nothing(self, lfs: Lfs, repo: str, content: bytes, harm: Any) -> None:
        address, _, link = lfs.actions(repo, content)["upload"]["href"].partition("?link=")
        answer = httpx.put(f"{address}?link={harm(link)}", content=content)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (403, "InvalidLink")
        assert not lfs.is_there(repo, content)

    def test_a_link_to_download_does_not_upload(self, lfs: Lfs, repo: str, content: bytes) -> None:
        httpx.put(lfs.actions(repo, content)["upload"]["href"], content=content).raise_for_status()
        (answer,) = lfs.batch(repo, "download", content)["objects"]
        assert httpx.put(answer["actions"]["download"]["href"], content=content).status_code == 403

    def test_a_link_dies_with_its_repo(self, lfs: Lfs, alice: HfApi, repo: str, content: bytes) -> None:
        upload = lfs.actions(repo, content)["upload"]
        alice.delete_repo(repo)
        assert httpx.put(upload["href"], content=content).status_code == 404
        alice.create_repo(repo)
        assert httpx.put(upload["href"], content=content).status_code == 404


class TestSending:
    """A blob is there whole and verified, or not at all."""

    def test_wrong_content(self, lfs: Lfs, repo: str, content: bytes) -> None:
        answer = httpx.put(lfs.actions(repo, content)["upload"]["href"], content=bytes(len(content)))
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "ChecksumMismatch")
        assert not lfs.is_there(repo, content)

    @pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"x", lambda _: b""])
    def test_wrong_size(self, lfs: Lfs, repo: str, content: bytes, change: Any) -> None:
        answer = httpx.put(lfs.actions(repo, content)["upload"]["href"], content=change(content))
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "SizeMismatch")
        assert not lfs.is_there(repo, content)

    def test_a_body_without_a_length(self, lfs: Lfs, repo: str, content: bytes) -> None:
        pieces = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
        assert httpx.put(lfs.actions(repo, content)["upload"]["href"], content=pieces).status_code == 200
        assert lfs.is_there(repo, content)

    def test_no_bytes_at_all(self, lfs: Lfs, repo: str) -> None:
        if not lfs.is_there(repo, b""):
            assert httpx.put(lfs.actions(repo, b"")["upload"]["href"], content=b"").status_code == 200
        assert lfs.is_there(repo, b"")

    def test_a_connection_that_breaks_leaves_nothing(
        self, lfs: Lfs, server: RunningServer, repo: str, content: bytes
    ) -> None:
        path = lfs.actions(repo, content)["upload"]["href"].removeprefix(server.url)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode())
            connection.sendall(content[: len(content) // 2])
        upload = lfs.actions(repo, content)["upload"]  # and again: it is still asked for, and still taken
        assert httpx.put(upload["href"], content=content).status_code == 200
        assert list((server.data_dir / "storage" / "incoming").iterdir()) == []

    def test_the_same_content_by_several_at_once(self, lfs: Lfs, repo: str, content: bytes) -> None:
        href = lfs.actions(repo, content)["upload"]["href"]
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: httpx.put(href, content=content, timeout=60), range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8
        assert lfs.is_there(repo, content)

    def test_verifying(self, lfs: Lfs, repo: str, content: bytes) -> None:
        actions = lfs.actions(repo, content)
        said = {"oid": sha256(content).hexdigest(), "size": len(content)}
        assert httpx.post(actions["verify"]["href"], json=said).status_code == 404
        httpx.put(actions["upload"]["href"], content=content).raise_for_status()
        assert httpx.post(actions["verify"]["href"], json=said).status_code == 200
        assert httpx.post(actions["verify"]["href"], json={**said, "size": 1}).status_code == 422


class TestFetching:
    def test_by_the_link_and_in_parts(self, lfs: Lfs, repo: str, content: bytes) -> None:
        httpx.put(lfs.actions(repo, content)["upload"]["href"], content=content).raise_for_status()
        (answer,) = lfs.batch(repo, "download", content)["objects"]
        href = answer["actions"]["download"]["href"]
        assert httpx.get(href).content == content
        part = httpx.get(href, headers={"Range": "bytes=100-"})
        assert (part.status_code, part.content) == (206, content[100:])
