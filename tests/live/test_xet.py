"""Large files by Xet, which today's clients use without being asked."""

import json
import os
import time
from hashlib import sha256
from itertools import count
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationCopy, HfApi

from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.waiting import wait_until
from tests.live.xet import StockClient, Xet, commit_file, stored_bytes
from tests.xet import MiB, Packed, chunk, floats, pack, shard_of_file, xorb_of

numbers = count(1)


@pytest.fixture
def content() -> bytes:
    """About 12 MiB that nobody sent before."""
    return floats(3 * MiB, seed=next(numbers))


@pytest.fixture
def packed() -> Packed:
    return pack(os.urandom(300_000) + floats(200_000, seed=next(numbers)))


@pytest.fixture
def client(server: RunningServer, tmp_path: Path) -> StockClient:
    return StockClient(server, "alice", tmp_path / "home")


@pytest.fixture
def secret(make_repo: MakeRepo) -> str:
    return make_repo(private=True)


class TestStockClient:
    """No setting but the hub's address."""

    def test_what_goes_up_comes_down(
        self, server: RunningServer, client: StockClient, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file = tmp_path / "model.safetensors"
        file.write_bytes(content)
        plain_before = stored_bytes(server, "sha256")
        client.hf("upload", repo, file)
        assert stored_bytes(server, "sha256") == plain_before
        client.hf("download", repo, "model.safetensors", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "model.safetensors").read_bytes() == content

    def test_a_whole_repo_of_any_kind(
        self, client: StockClient, make_repo: MakeRepo, content: bytes, tmp_path: Path
    ) -> None:
        for kind in ("model", "dataset", "space"):
            repo = make_repo(kind, private=True)
            folder = tmp_path / kind
            (folder / "deep").mkdir(parents=True)
            (folder / "deep" / "one.bin").write_bytes(content[:MiB])
            (folder / "two.bin").write_bytes(content[MiB:])
            (folder / "small.txt").write_text("regular")
            client.hf("upload", repo, folder, "--repo-type", kind)
            down = tmp_path / f"{kind}-down"
            client.python(
                "from huggingface_hub import snapshot_download;"
                f"snapshot_download({repo!r}, repo_type={kind!r}, local_dir={str(down)!r})"
            )
            assert (down / "deep" / "one.bin").read_bytes() == content[:MiB]
            assert (down / "two.bin").read_bytes() == content[MiB:]
            assert (down / "small.txt").read_text() == "regular"

    def test_an_edited_copy_sends_little(
        self, server: RunningServer, client: StockClient, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file, edited = tmp_path / "a.bin", tmp_path / "b.bin"
        file.write_bytes(content)
        client.hf("upload", repo, file)
        before = stored_bytes(server)
        middle = len(content) // 2
        edited.write_bytes(content[:middle] + os.urandom(1000) + content[middle:])
        client.hf("upload", repo, edited)
        assert 0 < stored_bytes(server) - before < 0.05 * len(content)
        client.hf("download", repo, "b.bin", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "b.bin").read_bytes() == edited.read_bytes()

    def test_a_second_person_sends_only_what_is_not_public_yet(
        self, server: RunningServer, client: StockClient, bob: HfApi, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file, edited = tmp_path / "a.bin", tmp_path / "b.bin"
        file.write_bytes(content)
        edited.write_bytes(content + os.urandom(1000))
        client.hf("upload", repo, file)
        before = stored_bytes(server)
        bob.create_repo("bob/builds-on-it", exist_ok=True)
        StockClient(server, "bob", tmp_path / "bobs").hf("upload", "bob/builds-on-it", edited)
        assert 0 < stored_bytes(server) - before < 0.1 * len(content)

    def test_the_same_file_again_after_its_repo_was_deleted(
        self, client: StockClient, alice: HfApi, content: bytes, tmp_path: Path
    ) -> None:
        """The client remembers that its chunks are here: they must be, and it must be allowed to use them."""
        file = tmp_path / "again.bin"
        file.write_bytes(content)
        for _ in range(2):
            alice.create_repo("alice/comes-and-goes", private=True)
            client.hf("upload", "alice/comes-and-goes", file)
            alice.delete_repo("alice/comes-and-goes")

    def test_two_people_at_one_machine_send_the_same_file(
        self, server: RunningServer, repo: str, bob: HfApi, secret: str, content: bytes, tmp_path: Path
    ) -> None:
        """What one client remembers of Alice's private repo must not fail Bob."""
        bob.create_repo("bob/same-machine", exist_ok=True)
        file = tmp_path / "shared.bin"
        file.write_bytes(content)
        StockClient(server, "alice", tmp_path / "home").hf("upload", secret, file)
        StockClient(server, "bob", tmp_path / "home").hf("upload", "bob/same-machine", file)

    def test_a_client_told_not_to_reads_it_by_http(
        self, client: StockClient, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file = tmp_path / "model.bin"
        file.write_bytes(content)
        client.hf("upload", repo, file)
        assert client.read_by_http(repo, "model.bin") == content

    def test_and_git_clones_it(
        self, server: RunningServer, client: StockClient, repo: str, content: bytes, tmp_path: Path, git: Git
    ) -> None:
        file = tmp_path / "model.bin"
        file.write_bytes(content)
        client.hf("upload", repo, file)
        assert (git.clone(repo, tmp_path / "clone") / "model.bin").read_bytes() == content

    def test_what_came_by_http_is_read_by_it(
        self, client: StockClient, alice: HfApi, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        alice.upload_file(path_or_fileobj=content, path_in_repo="model.bin", repo_id=repo)
        client.hf("download", repo, "model.bin", "--local-dir", tmp_path)
        assert (tmp_path / "model.bin").read_bytes() == content


class TestPlainHttp:
    """The same bytes for everybody else, put together as they leave."""

    @pytest.fixture
    def url(self, server: RunningServer, repo: str, packed: Packed) -> str:
        Xet(server, "alice", repo).send(packed)
        commit_file(server, "alice", repo, "a.bin", packed.sha256, len(packed.content)).raise_for_status()
        return f"{server.url}/{repo}/resolve/main/a.bin"

    def test_whole(self, url: str, packed: Packed) -> None:
        answer = httpx.get(url)
        assert answer.content == packed.content
        assert answer.headers["etag"] == f'"{packed.sha256}"'

    def test_a_second_time_it_is_put_together_already(self, server: RunningServer, url: str, packed: Packed) -> None:
        kept = server.data_dir / "cache" / "rebuilt" / "sha256" / packed.sha256[:2] / packed.sha256[2:4] / packed.sha256
        assert not kept.exists()
        assert httpx.get(url).content == packed.content
        wait_until(kept.exists)
        assert httpx.get(url).content == packed.content
        assert httpx.get(url, headers={"Range": "bytes=5-9"}).content == packed.content[5:10]

    @pytest.mark.parametrize(
        "span", [(0, 1), (0, 300_000), (299_990, 300_010), (70_000, 1_000_000), (1_099_999, 1_100_000)]
    )
    def test_any_range(self, url: str, packed: Packed, span: tuple[int, int]) -> None:
        answer = httpx.get(url, headers={"Range": f"bytes={span[0]}-{span[1] - 1}"})
        assert (answer.status_code, answer.content) == (206, packed.content[slice(*span)])

    def test_a_range_behind_the_end(self, url: str, packed: Packed) -> None:
        assert httpx.get(url, headers={"Range": f"bytes={len(packed.content)}-"}).status_code == 416

    def test_head_tells_how_to_fetch_it_by_xet(
        self, server: RunningServer, repo: str, url: str, packed: Packed
    ) -> None:
        answer = httpx.head(url)
        assert answer.headers["x-xet-hash"] == packed.xet_hash
        assert int(answer.headers["x-linked-size"]) == len(packed.content)
        token = httpx.get(answer.links["xet-auth"]["url"]).json()
        told = httpx.get(
            answer.links["xet-reconstruction-info"]["url"], headers={"Authorization": f"Bearer {token['accessToken']}"}
        )
        assert sum(term["unpacked_length"] for term in told.json()["terms"]) == len(packed.content)

    def test_hub_js_asks_about_it_only(self, url: str, packed: Packed) -> None:
        accept = "application/vnd.xet-fileinfo+json, */*"
        answer = httpx.get(url, headers={"Range": "bytes=0-0", "Accept": accept})
        assert answer.headers["content-type"] == "application/vnd.xet-fileinfo+json"
        assert answer.json() == {"hash": packed.xet_hash, "etag": packed.sha256, "size": len(packed.content)}
        assert answer.links.keys() == {"xet-auth", "xet-reconstruction-info"}

    def test_lists_tell_the_hash_too(self, server: RunningServer, repo: str, url: str, packed: Packed) -> None:
        tree = httpx.get(f"{server.url}/api/models/{repo}/tree/main").json()
        (listed,) = (entry for entry in tree if entry["path"] == "a.bin")
        assert listed["xetHash"] == packed.xet_hash
        (named,) = httpx.post(f"{server.url}/api/models/{repo}/paths-info/main", json={"paths": ["a.bin"]}).json()
        assert named["xetHash"] == packed.xet_hash


class TestReconstruction:
    def test_each_part_can_be_fetched_by_its_links(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        told = xet.reconstruction(packed, Range="bytes=400000-700000").json()
        (pieces,) = told["fetch_info"].values()
        for piece in pieces:
            span = piece["url_range"]
            data = httpx.get(piece["url"], headers={"Range": f"bytes={span['start']}-{span['end']}"})
            assert (data.status_code, len(data.content)) == (206, span["end"] - span["start"] + 1)
        assert sum(term["unpacked_length"] for term in told["terms"]) >= 300_001

    def test_a_link_is_for_the_bytes_of_its_file_only(self, server: RunningServer, repo: str) -> None:
        """Two files in one xorb: whoever may read one must not read the other by its link."""
        one, other = os.urandom(100_000), os.urandom(100_000)
        name, xorb = xorb_of(one, other)
        xet = Xet(server, "alice", repo)
        xet.send_xorb(name, xorb).raise_for_status()
        first, second = (shard_of_file(name, [content], first=at) for at, content in enumerate((one, other)))
        for shard, _ in (first, second):
            xet.post("v1/shards", shard).raise_for_status()
        (piece,) = xet.get(f"v1/reconstructions/{first[1]}").json()["fetch_info"][name]
        span = piece["url_range"]
        assert span == {"start": 0, "end": 100_007}
        assert httpx.get(piece["url"], headers={"Range": "bytes=0-100007"}).content == xorb[:100_008]
        for asked in ("bytes=0-100008", "bytes=100008-200015", "bytes=0-10,100010-100020"):
            assert httpx.get(piece["url"], headers={"Range": asked}).status_code == 403
        assert httpx.get(piece["url"]).status_code == 400
        assert httpx.get(piece["url"].replace(name, "0" * 64), headers={"Range": "bytes=0-1"}).status_code == 403

    def test_several_ranges_at_once(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        (pieces,) = xet.reconstruction(packed).json()["fetch_info"].values()
        ((_, xorb),) = packed.xorbs.items()
        answer = httpx.get(pieces[0]["url"], headers={"Range": "bytes=5-9,100-299"})
        assert answer.status_code == 206
        boundary = answer.headers["content-type"].partition("boundary=")[2]
        assert len(answer.content) == int(answer.headers["content-length"])
        parts = answer.content.split(f"--{boundary}".encode())[1:-1]
        assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts] == [xorb[5:10], xorb[100:300]]

    def test_of_the_second_kind_names_each_xorb_once(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        told = xet.get(f"v2/reconstructions/{packed.xet_hash}").json()
        ((name, fetch),) = told["xorbs"].items()
        assert [term["hash"] for term in told["terms"]] == [name]
        (run,) = fetch[0]["ranges"]
        span = run["bytes"]
        data = httpx.get(fetch[0]["url"], headers={"Range": f"bytes={span['start']}-{span['end']}"})
        assert data.content == packed.xorbs[name]
        assert run["chunks"] == told["terms"][0]["range"]

    def test_questions_without_an_answer_in_bytes(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        (name,) = packed.xorbs
        size = xet.head(f"v1/files/{packed.xet_hash}")
        assert (size.status_code, size.headers["content-length"]) == (200, str(len(packed.content)))
        assert xet.head(f"v1/xorbs/default/{name}").status_code == 200
        assert xet.head(f"v1/xorbs/default/{'1' * 64}").status_code == 404
        assert xet.post(f"v1/xorb-grants/default/{name}", b"{}").status_code == 404
        assert xet.post("v1/telemetry", b"{}").status_code == 200
        assert httpx.post(f"{server.url}/v1/telemetry", content=b"{}").status_code == 200

    def test_what_does_not_exist(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        assert xet.reconstruction(packed).status_code == 404
        xet.send(packed)
        assert xet.reconstruction(packed, Range=f"bytes={len(packed.content)}-").status_code == 416
        assert xet.get("v1/reconstructions/nonsense").status_code == 400


class TestProgress:
    """Verifying 100 GB takes minutes: the client is told how far it has come."""

    def test_ends_with_the_result(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send_xorbs(packed)
        lines = [json.loads(line) for line in xet.post("v2/shards", packed.shard).text.splitlines()]
        assert {line["type"] for line in lines[:-1]} == {"validating"}
        assert lines[-2]["verified"] == lines[-2]["total"] == len(packed.content)
        assert lines[-1] == {"type": "result"}
        assert commit_file(server, "alice", repo, "a.bin", packed.sha256, len(packed.content)).status_code == 200

    def test_or_with_the_error(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send_xorbs(packed)
        refused = xet.post("v2/shards", packed.shard_with(sha256="1" * 64))
        last = json.loads(refused.text.splitlines()[-1])
        assert (last["type"], last["retryable"]) == ("error", False)
        assert "has sha256" in last["message"]


class TestNothingIsBelieved:
    @pytest.fixture
    def xet(self, server: RunningServer, repo: str) -> Xet:
        return Xet(server, "alice", repo)

    def test_a_sha256_that_is_not_the_contents(
        self, server: RunningServer, xet: Xet, repo: str, packed: Packed
    ) -> None:
        """Otherwise anybody could give the hash of a well-known file to other bytes."""
        known = sha256(b"a well-known file").hexdigest()
        xet.send_xorbs(packed)
        refused = xet.post("v1/shards", packed.shard_with(sha256=known))
        assert (refused.status_code, known in refused.json()["error"]) == (400, True)
        assert commit_file(server, "alice", repo, "a.bin", known, len(packed.content)).status_code == 422
        assert commit_file(server, "alice", repo, "a.bin", packed.sha256, len(packed.content)).status_code == 422

    def test_a_file_hash_that_is_not_the_files(self, xet: Xet, packed: Packed) -> None:
        xet.send_xorbs(packed)
        assert xet.post("v1/shards", packed.shard_with(xet_hash="1" * 64)).status_code == 400

    def test_a_term_whose_chunks_the_sender_does_not_know(self, xet: Xet, packed: Packed) -> None:
        xet.send_xorbs(packed)
        terms = int.from_bytes(packed.shard[48 + 36 : 48 + 40], "little")
        at = 48 * (2 + terms)
        changed = packed.shard[:at] + bytes(32) + packed.shard[at + 32 :]
        assert xet.post("v1/shards", changed).status_code == 400

    def test_a_xorb_under_another_name(self, xet: Xet, packed: Packed) -> None:
        ((_, xorb),) = packed.xorbs.items()
        assert xet.send_xorb("1" * 64, xorb).status_code == 400
        assert xet.send_xorb("no-hash", xorb).status_code == 400

    def test_a_shard_before_its_xorbs(self, xet: Xet, packed: Packed) -> None:
        refused = xet.post("v1/shards", packed.shard)
        assert (refused.status_code, "has not been sent" in refused.json()["error"]) == (400, True)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\0",
            os.urandom(100_000),
            chunk(bytes(1000), size=10),
            chunk(bytes(128 * 1024)) * 513,
            chunk(b"x") * 9000,
        ],
        ids=["empty", "cut", "noise", "liar", "too large", "too many"],
    )
    def test_bodies_of_all_kinds(self, xet: Xet, body: bytes) -> None:
        assert xet.send_xorb("1" * 64, body).status_code == 400
        assert xet.post("v1/shards", body[:MiB]).status_code == 400


class TestAHashGivesNoAccess:
    """Bob knows every hash of Alice's private repo."""

    @pytest.fixture
    def bobs(self, server: RunningServer, bob: HfApi) -> Xet:
        bob.create_repo("bob/thief", exist_ok=True)
        return Xet(server, "bob", "bob/thief")

    @pytest.fixture
    def alices(self, server: RunningServer, secret: str, packed: Packed) -> Xet:
        xet = Xet(server, "alice", secret)
        xet.send(packed)
        return xet

    def test_he_gets_no_token_for_her_repo(self, server: RunningServer, secret: str) -> None:
        for name in ("bob", None):
            for scope, rest in (("read", "main"), ("write", "main"), ("write", "None?create_pr=1")):
                assert Xet(server, name, secret, scope, rest).asked.status_code == 404

    def test_a_shard_that_names_her_xorbs_is_answered_as_if_they_were_missing(
        self, bobs: Xet, alices: Xet, packed: Packed
    ) -> None:
        refused = bobs.post("v1/shards", packed.shard)
        unknown = pack(os.urandom(200_000))
        missing = bobs.post("v1/shards", unknown.shard)
        assert refused.status_code == missing.status_code == 400
        ((hers, _),), ((nobodys, _),) = packed.xorbs.items(), unknown.xorbs.items()
        assert refused.json()["error"].replace(hers, "") == missing.json()["error"].replace(nobodys, "")

    def test_her_file_cannot_be_put_together(self, bobs: Xet, alices: Xet, packed: Packed) -> None:
        unknown = pack(os.urandom(1000))
        refused, missing = bobs.reconstruction(packed), bobs.reconstruction(unknown)
        assert refused.status_code == missing.status_code == 404
        assert refused.json()["error"].replace(packed.xet_hash, "") == missing.json()["error"].replace(
            unknown.xet_hash, ""
        )

    def test_her_sha256_cannot_be_committed(
        self, server: RunningServer, bobs: Xet, alices: Xet, packed: Packed
    ) -> None:
        assert commit_file(server, "bob", "bob/thief", "a.bin", packed.sha256, len(packed.content)).status_code == 422

    def test_a_xorb_that_she_has_is_new_to_him(self, bobs: Xet, alices: Xet, packed: Packed) -> None:
        """He who has all of it may send it, and learns nothing by that."""
        assert bobs.send_xorbs(packed) == [True]
        assert bobs.send_xorbs(packed) == [False]
        bobs.post("v1/shards", packed.shard).raise_for_status()

    def test_he_may_build_from_what_is_public(
        self, server: RunningServer, bobs: Xet, repo: str, packed: Packed
    ) -> None:
        Xet(server, "alice", repo).send(packed)
        bobs.post("v1/shards", packed.shard).raise_for_status()

    def test_a_token_for_one_repo_is_none_for_another(
        self, server: RunningServer, alices: Xet, repo: str, packed: Packed
    ) -> None:
        assert Xet(server, "alice", repo, "read").reconstruction(packed).status_code == 404

    def test_a_read_token_does_not_write(self, server: RunningServer, repo: str, packed: Packed) -> None:
        reader = Xet(server, "bob", repo, "read")
        ((name, xorb),) = packed.xorbs.items()
        assert reader.send_xorb(name, xorb).status_code == 401
        assert Xet(server, "bob", repo, "write").asked.status_code == 403
        assert Xet(server, None, repo, "write").asked.status_code == 401

    def test_to_propose_a_change_it_is_enough_to_read(self, server: RunningServer, repo: str, packed: Packed) -> None:
        Xet(server, "bob", repo, "write", "None?create_pr=1").send(packed)
        assert Xet(server, None, repo, "write", "None?create_pr=1").asked.status_code == 401

    def test_but_not_with_an_access_token_that_only_reads(self, server: RunningServer, repo: str) -> None:
        with server.client("bob") as account:
            server.tokens["READS"] = account.post("/api/v1/tokens", {"name": "reads", "role": "read"})["secret"]
        assert Xet(server, "reads", repo, "write", "None?create_pr=1").asked.status_code == 403

    def test_nor_longer_than_the_access_token_lasts(self, server: RunningServer, repo: str, packed: Packed) -> None:
        with server.client("bob") as account:
            server.tokens["SHORT"] = account.post("/api/v1/tokens", {"name": "short", "role": "write"})["secret"]
            xet = Xet(server, "short", repo, "write", "None?create_pr=1")
            account.delete("/api/v1/tokens/short")
        ((name, xorb),) = packed.xorbs.items()
        assert xet.send_xorb(name, xorb).status_code == 401

    def test_tokens_end_with_what_gave_them(self, server: RunningServer, alice: HfApi, packed: Packed) -> None:
        alice.create_repo("alice/short-lived")
        xet = Xet(server, "alice", "alice/short-lived")
        xet.send(packed)
        (piece,) = next(iter(xet.reconstruction(packed).json()["fetch_info"].values()))
        fetch = {"Range": "bytes=0-10"}
        assert httpx.get(piece["url"], headers=fetch).status_code == 206
        alice.delete_repo("alice/short-lived")
        alice.create_repo("alice/short-lived")
        assert httpx.get(piece["url"], headers=fetch).status_code == 404
        assert xet.reconstruction(packed).status_code == 404

    @pytest.mark.parametrize("token", ["x", "nonsense.", "a.b", "hf_abc"])
    def test_no_token_of_ours(self, server: RunningServer, repo: str, token: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.token = token
        assert xet.reconstruction(packed).status_code == 401


class TestKilled:
    """`kill -9` of the whole server while a client sends: nothing half done is left, and sending again succeeds."""

    def test_midway_through_an_upload(self, tmp_path: Path) -> None:
        with RunningServer(tmp_path / "data") as server:
            server.seed(TWO_USERS)
            HfApi(endpoint=server.url, token=server.token("alice")).create_repo("alice/killed")
            file = tmp_path / "large.bin"
            file.write_bytes(floats(24 * MiB, seed=next(numbers)))
            client = StockClient(server, "alice", tmp_path / "home")
            for enough in (
                1,
                60 * MiB,
            ):  # in the middle of the xorbs; about when the last ones come and the shard follows
                sending = client.start("upload", "alice/killed", file)
                while stored_bytes(server) < enough and sending.poll() is None:
                    time.sleep(0.02)
                server.kill()
                sending.kill()
                sending.wait()
                server.start()
            client.hf("upload", "alice/killed", file)
            client.hf("download", "alice/killed", "large.bin", "--local-dir", tmp_path / "down")
            assert (tmp_path / "down" / "large.bin").read_bytes() == file.read_bytes()
            with server.client() as admin:
                report = admin.post("/api/v1/hub/fsck", {"deep": True})
            assert [found for found in report["findings"] if found["problem"]] == []


class TestCopies:
    """What lies in a repo that one may read need not travel twice."""

    def test_a_copy_on_the_server_is_offered_by_xet_too(
        self, server: RunningServer, alice: HfApi, secret: str, repo: str, packed: Packed
    ) -> None:
        Xet(server, "alice", secret).send(packed)
        commit_file(server, "alice", repo, "copy.bin", packed.sha256, len(packed.content)).raise_for_status()
        (copy,) = alice.get_paths_info(repo, "copy.bin")
        assert copy.xet_hash == packed.xet_hash
        assert Xet(server, None, repo, "read").reconstruction(packed).status_code == 200

    def test_the_client_copies_between_repos(
        self, server: RunningServer, alice: HfApi, secret: str, repo: str, packed: Packed
    ) -> None:
        Xet(server, "alice", secret).send(packed)
        commit_file(server, "alice", secret, "a.bin", packed.sha256, len(packed.content)).raise_for_status()
        operation = CommitOperationCopy(
            src_path_in_repo="a.bin", path_in_repo="b.bin", src_repo_id=secret, src_repo_type="model"
        )
        alice.create_commit(repo, operations=[operation], commit_message="Copy")
        (copy,) = alice.get_paths_info(repo, "b.bin")
        assert (copy.lfs.sha256, copy.xet_hash) == (packed.sha256, packed.xet_hash)

    def test_and_nobody_copies_what_they_cannot_read(
        self, server: RunningServer, bob: HfApi, secret: str, repo: str, packed: Packed
    ) -> None:
        Xet(server, "alice", secret).send(packed)
        bob.create_repo("bob/copies", exist_ok=True)
        asked = {"target": {"type": "model", "name": "bob/copies"}, "files": [{"sha256": packed.sha256}]}
        headers = {"Authorization": f"Bearer {server.token('bob')}"}
        url = f"{server.url}/api/models/{{}}/lfs-files/duplicate"
        assert httpx.post(url.format(secret), json=asked, headers=headers).status_code == 404
        refused = httpx.post(url.format(repo), json=asked, headers=headers)
        assert refused.json()["failed"][0]["sha256"] == packed.sha256
        to_alice = {**asked, "target": {"type": "model", "name": repo}}
        assert httpx.post(url.format("bob/copies"), json=to_alice, headers=headers).status_code == 403

    def test_a_duplicated_repo_too(self, server: RunningServer, alice: HfApi, repo: str, packed: Packed) -> None:
        Xet(server, "alice", repo).send(packed)
        commit_file(server, "alice", repo, "a.bin", packed.sha256, len(packed.content)).raise_for_status()
        alice.duplicate_repo(repo, "alice/xet-duplicate")
        (copy,) = alice.get_paths_info("alice/xet-duplicate", "a.bin")
        assert copy.xet_hash == packed.xet_hash
