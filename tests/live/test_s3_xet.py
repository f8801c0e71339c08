"""Xet where everything that is large lies in a bucket: xorbs too, and no client notices."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from tests.live.bucket import LiveBucket, live_bucket
from tests.live.conftest import Git
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.xet import StockClient, Xet, commit_file
from tests.xet import MiB, Packed, floats, pack
from viveiro.db import Database, utc_now
from viveiro.hub import jobs
from viveiro.hub.service import Hub
from viveiro.hub.xet.service import KEPT_FOR
from viveiro.settings import Settings
from viveiro.storage import open_store

numbers = count(1000)


@pytest.fixture(scope="module")
def bucket() -> Iterator[LiveBucket]:
    with live_bucket() as running:
        yield running


@pytest.fixture(scope="module")
def server(bucket: LiveBucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("xet-on-s3"), bucket.settings) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture(scope="module")
def api(server: RunningServer) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token("alice"))


@pytest.fixture
def repo(api: HfApi) -> str:
    return str(api.create_repo(f"alice/model-{next(numbers)}").repo_id)


@pytest.fixture
def client(server: RunningServer, tmp_path: Path) -> StockClient:
    return StockClient(server, "alice", tmp_path / "home")


@pytest.fixture
def content() -> bytes:
    """About 12 MiB that nobody sent before."""
    return floats(3 * MiB, seed=next(numbers))


@pytest.fixture
def packed() -> Packed:
    return pack(os.urandom(300_000) + floats(200_000, seed=next(numbers)))


@pytest.fixture
def hub(server: RunningServer, bucket: LiveBucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The server's hub as a job of its has it, for what jobs do after an hour, a day or weeks."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings(data_dir=server.data_dir, object_store=bucket.settings["VIVEIRO_OBJECT_STORE"])
    database = Database(server.database_url)
    with Hub(database, settings, open_store(settings)) as hub:
        yield hub
    database.close()


def stored_bytes(bucket: LiveBucket) -> int:
    return sum(item["Size"] for item in bucket.client.list_objects_v2(Bucket=bucket.name).get("Contents", []))


def keys(bucket: LiveBucket, namespace: str) -> list[str]:
    stored = bucket.keys()
    return [key for key in stored if key.startswith(f"team/a/{namespace}/")]


def findings(server: RunningServer, *, deep: bool = False) -> list[dict[str, object]]:
    with server.client() as administrator:
        report = administrator.post("/api/v1/hub/fsck", {"deep": deep})
    return [found for found in report["findings"] if found["problem"]]


class TestStockClient:
    """No setting but the hub's address."""

    def test_what_goes_up_lies_in_the_bucket_and_comes_down(
        self, server: RunningServer, bucket: LiveBucket, client: StockClient, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file = tmp_path / "model.safetensors"
        file.write_bytes(content)
        xorbs = keys(bucket, "xorbs")
        client.hf("upload", repo, file)
        assert len(keys(bucket, "xorbs")) > len(xorbs)
        assert keys(bucket, "sha256") == bucket.open_uploads() == []
        assert [path for path in (server.data_dir / "storage").rglob("*") if path.is_file()] == []
        fresh = StockClient(server, "alice", tmp_path / "elsewhere")
        fresh.hf("download", repo, "model.safetensors", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "model.safetensors").read_bytes() == content

    def test_an_edited_copy_sends_little(
        self, bucket: LiveBucket, client: StockClient, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file, edited = tmp_path / "a.bin", tmp_path / "b.bin"
        file.write_bytes(content)
        client.hf("upload", repo, file)
        before = stored_bytes(bucket)
        middle = len(content) // 2
        edited.write_bytes(content[:middle] + os.urandom(1000) + content[middle:])
        client.hf("upload", repo, edited)
        assert 0 < stored_bytes(bucket) - before < 0.05 * len(content)
        client.hf("download", repo, "b.bin", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "b.bin").read_bytes() == edited.read_bytes()

    def test_from_another_machine_the_same_file_adds_nothing(
        self, server: RunningServer, bucket: LiveBucket, client: StockClient, repo: str, content: bytes, tmp_path: Path
    ) -> None:
        file = tmp_path / "a.bin"
        file.write_bytes(content)
        client.hf("upload", repo, file)
        before = bucket.keys()
        StockClient(server, "alice", tmp_path / "elsewhere").hf("upload", repo, file, "b.bin")
        assert bucket.keys() == before

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
        assert (git.at(server).clone(repo, tmp_path / "clone") / "model.bin").read_bytes() == content


class TestPlainHttp:
    """Put together here: the bucket has no object with these bytes."""

    @pytest.fixture
    def url(self, server: RunningServer, repo: str, packed: Packed) -> str:
        Xet(server, "alice", repo).send(packed)
        commit_file(server, "alice", repo, "a.bin", packed.sha256, len(packed.content)).raise_for_status()
        return f"{server.url}/{repo}/resolve/main/a.bin"

    def test_whole_and_a_second_time(self, url: str, packed: Packed) -> None:
        for _ in range(2):
            answer = httpx.get(url)
            assert (answer.status_code, answer.content) == (200, packed.content)

    @pytest.mark.parametrize("span", [(0, 1), (299_990, 300_010), (70_000, 1_000_000), (1_099_999, 1_100_000)])
    def test_any_range(self, url: str, packed: Packed, span: tuple[int, int]) -> None:
        answer = httpx.get(url, headers={"Range": f"bytes={span[0]}-{span[1] - 1}"})
        assert (answer.status_code, answer.content) == (206, packed.content[slice(*span)])


class TestReconstruction:
    def test_its_links_give_the_ranges_that_it_names(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        told = xet.reconstruction(packed, Range="bytes=400000-700000").json()
        ((name, pieces),) = told["fetch_info"].items()
        for piece in pieces:
            span = piece["url_range"]
            data = httpx.get(piece["url"], headers={"Range": f"bytes={span['start']}-{span['end']}"})
            assert data.status_code == 206
            assert data.content == packed.xorbs[name][span["start"] : span["end"] + 1]

    def test_several_ranges_at_once(self, server: RunningServer, repo: str, packed: Packed) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        ((name, (fetch,)),) = xet.get(f"v2/reconstructions/{packed.xet_hash}").json()["xorbs"].items()
        answer = httpx.get(fetch["url"], headers={"Range": "bytes=5-9,100-299"})
        assert answer.status_code == 206
        boundary = answer.headers["content-type"].partition("boundary=")[2]
        parts = answer.content.split(f"--{boundary}".encode())[1:-1]
        xorb = packed.xorbs[name]
        assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts] == [xorb[5:10], xorb[100:300]]

    def test_its_links_lead_here_because_the_bucket_would_give_the_whole_xorb(
        self, server: RunningServer, repo: str, packed: Packed
    ) -> None:
        """Other people's files may lie in the same one."""
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        ((name, pieces),) = xet.reconstruction(packed).json()["fetch_info"].items()
        assert pieces[0]["url"].startswith(f"{server.url}/api/xet/data/{name}")
        span = {"Range": f"bytes=0-{len(packed.xorbs[name])}"}
        assert httpx.get(pieces[0]["url"], headers=span).status_code == 403


class TestWhatCameByLfs:
    """It lies in the bucket as it is, until a job puts it into xorbs."""

    @pytest.fixture
    def url(self, server: RunningServer, api: HfApi, repo: str, content: bytes) -> str:
        api.upload_file(path_or_fileobj=content, path_in_repo="a.bin", repo_id=repo)
        return f"{server.url}/{repo}/resolve/main/a.bin"

    def test_a_job_puts_it_into_xorbs(
        self, hub: Hub, bucket: LiveBucket, client: StockClient, repo: str, url: str, content: bytes, tmp_path: Path
    ) -> None:
        assert jobs.pack_contents(hub, utc_now() + timedelta(minutes=1))["failed"] == 0
        assert httpx.get(url, follow_redirects=True).content == content
        client.hf("download", repo, "a.bin", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "a.bin").read_bytes() == content
        assert bucket.open_uploads() == []
        assert jobs.pack_contents(hub, utc_now() + timedelta(minutes=1)) == {"packed": 0, "failed": 0}

    def test_who_was_sent_to_the_bucket_before_can_still_fetch_it(
        self, hub: Hub, bucket: LiveBucket, url: str, content: bytes
    ) -> None:
        sent_to = httpx.get(url).headers["location"]
        assert sent_to.startswith(bucket.url)
        jobs.pack_contents(hub, utc_now() + timedelta(minutes=1))
        rest = httpx.get(sent_to, headers={"Range": f"bytes={MiB}-"})
        assert (rest.status_code, rest.content) == (206, content[MiB:])
        assert "location" not in httpx.head(url).headers

    def test_when_no_such_link_can_be_left_it_is_there_once(
        self, hub: Hub, server: RunningServer, bucket: LiveBucket, url: str, content: bytes
    ) -> None:
        jobs.pack_contents(hub, utc_now() + timedelta(minutes=1))
        hub.blobs.sweep_doubles(utc_now() + timedelta(hours=1))
        assert keys(bucket, "sha256") == []
        assert httpx.get(url).content == content
        assert findings(server, deep=True) == []


class TestUpkeep:
    def test_what_nobody_needs_goes_when_no_client_can_remember_it(
        self, hub: Hub, server: RunningServer, bucket: LiveBucket, api: HfApi, repo: str, packed: Packed
    ) -> None:
        Xet(server, "alice", repo).send(packed)
        (xorb,) = packed.xorbs
        mine = f"team/a/xorbs/{xorb[:2]}/{xorb[2:4]}/{xorb}"
        api.delete_repo(repo)
        jobs.sweep_contents(hub, utc_now() + timedelta(days=2))
        hub.xet.sweep(utc_now() + timedelta(weeks=4))
        assert mine in keys(bucket, "xorbs")
        hub.xet.sweep(utc_now() + KEPT_FOR + timedelta(minutes=1))
        assert mine not in keys(bucket, "xorbs")
        assert findings(server) == []

    def test_gc_is_a_job_that_ends_well(self, server: RunningServer) -> None:
        with server.client() as administrator:
            job_id = administrator.post("/api/v1/hub/gc")["job_id"]
            (*_, job) = administrator.changes(f"/api/v1/jobs/{job_id}")
        assert job["state"] == "succeeded"
        assert findings(server) == []

    def test_fsck_names_what_the_bucket_lost_and_sending_it_again_mends_it(
        self, server: RunningServer, bucket: LiveBucket, repo: str, packed: Packed
    ) -> None:
        xet = Xet(server, "alice", repo)
        xet.send(packed)
        commit_file(server, "alice", repo, "a.bin", packed.sha256, len(packed.content)).raise_for_status()
        (xorb,) = packed.xorbs
        bucket.client.delete_object(Bucket=bucket.name, Key=f"team/a/xorbs/{xorb[:2]}/{xorb[2:4]}/{xorb}")
        assert {(found["repo"], found["fault"]) for found in findings(server)} >= {(repo, "missing-content")}
        xet.send_xorbs(packed)
        assert findings(server) == []


class TestKilled:
    """`kill -9` of the whole server while a client sends; the bucket lives on. Nothing half done is left."""

    def test_midway_through_an_upload(
        self, server: RunningServer, bucket: LiveBucket, client: StockClient, repo: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "large.bin"
        file.write_bytes(floats(18 * MiB, seed=next(numbers)))
        before = stored_bytes(bucket)
        sending = client.start("upload", repo, file)
        while stored_bytes(bucket) == before and sending.poll() is None:  # the first of two xorbs
            time.sleep(0.05)
        server.kill()
        sending.kill()
        sending.wait()
        server.start()
        client.hf("upload", repo, file)
        client.hf("download", repo, "large.bin", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "large.bin").read_bytes() == file.read_bytes()
        assert findings(server) == []


class TestTheStoreStops:
    def test_it_is_said_and_the_same_again_works(
        self, server: RunningServer, bucket: LiveBucket, repo: str, packed: Packed
    ) -> None:
        xet = Xet(server, "alice", repo)
        ((name, xorb),) = packed.xorbs.items()
        bucket.stop()
        refused = xet.send_xorb(name, xorb)
        bucket.start_again()
        assert refused.status_code == 503
        assert "does not answer" in refused.json()["error"]
        xet.send(packed)
        bucket.stop()
        refused = xet.get(f"v2/reconstructions/{packed.xet_hash}")
        (fetch,) = refused.json()["xorbs"][name]
        data = httpx.get(fetch["url"], headers={"Range": "bytes=0-9"}, timeout=60)
        bucket.start_again()
        assert data.status_code == 503
        assert httpx.get(fetch["url"], headers={"Range": "bytes=0-9"}).content == packed.xorbs[name][:10]
