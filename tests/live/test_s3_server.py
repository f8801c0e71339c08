"""A whole server whose large files lie in a bucket: its clients notice nothing."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from tests.live.bucket import LiveBucket, live_bucket
from tests.live.command_line import CommandLine
from tests.live.conftest import Git
from tests.live.running_server import TWO_USERS, RunningServer

MiB = 2**20
CONTENT = os.urandom(25 * MiB + 7)


@pytest.fixture(scope="module")
def bucket() -> Iterator[LiveBucket]:
    with live_bucket() as running:
        yield running


@pytest.fixture(scope="module")
def on_s3(bucket: LiveBucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {**bucket.settings, "VIVEIRO_LFS_PART_BYTES": str(6 * MiB), "VIVEIRO_LFS_THRESHOLD_BYTES": str(MiB)}
    with RunningServer(tmp_path_factory.mktemp("on-s3"), settings) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture(scope="module")
def api(on_s3: RunningServer) -> HfApi:
    return HfApi(endpoint=on_s3.url, token=on_s3.token("alice"))


@pytest.fixture(scope="module")
def model(api: HfApi) -> str:
    """A public model with one large file, sent in parts, and a small one."""
    api.create_repo("alice/model")
    api.upload_file(path_or_fileobj=CONTENT, path_in_repo="weights.bin", repo_id="alice/model")
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="alice/model")
    return "alice/model"


class TestClients:
    def test_what_was_uploaded_lies_in_the_bucket_and_not_on_the_disk(
        self, on_s3: RunningServer, bucket: LiveBucket, model: str
    ) -> None:
        digest = sha256(CONTENT).hexdigest()
        assert bucket.keys() == [f"team/a/sha256/{digest[:2]}/{digest[2:4]}/{digest}"]
        assert bucket.open_uploads() == []
        assert [path for path in (on_s3.data_dir / "storage").rglob("*") if path.is_file()] == []

    def test_the_official_client_downloads_it(self, api: HfApi, model: str, tmp_path: Path) -> None:
        assert Path(api.hf_hub_download(model, "weights.bin", cache_dir=tmp_path)).read_bytes() == CONTENT

    def test_a_range_is_those_bytes(self, on_s3: RunningServer, model: str) -> None:
        url = f"{on_s3.url}/{model}/resolve/main/weights.bin"
        headers = {"Range": f"bytes={16 * MiB - 3}-{16 * MiB + 3}"}
        answer = httpx.get(url, headers=headers, follow_redirects=True)
        assert answer.status_code == 206
        assert answer.content == CONTENT[16 * MiB - 3 : 16 * MiB + 4]

    def test_a_large_file_is_fetched_from_the_store_itself(
        self, on_s3: RunningServer, bucket: LiveBucket, model: str
    ) -> None:
        url = f"{on_s3.url}/{model}/resolve/main/weights.bin"
        for method in ("HEAD", "GET"):
            answer = httpx.request(method, url)
            assert answer.status_code == 302
            assert answer.headers["location"].startswith(f"{bucket.url}/content/team/a/sha256/")
            assert answer.headers["x-linked-size"] == str(len(CONTENT))
            assert answer.headers["etag"] == answer.headers["x-linked-etag"] == f'"{sha256(CONTENT).hexdigest()}"'
            assert len(answer.headers["x-repo-commit"]) == 40
        fetched = httpx.get(url, follow_redirects=True)
        assert fetched.content == CONTENT
        assert 'filename="weights.bin"' in fetched.headers["content-disposition"]

    def test_what_a_page_embeds_comes_from_the_server(self, on_s3: RunningServer, model: str) -> None:
        url = f"{on_s3.url}/{model}/resolve/main/weights.bin"
        answer = httpx.get(url, headers={"Sec-Fetch-Dest": "image", "Range": "bytes=0-9"})
        assert answer.status_code == 206
        assert answer.content == CONTENT[:10]

    def test_a_private_file_has_no_address_for_strangers(self, on_s3: RunningServer, api: HfApi, model: str) -> None:
        api.update_repo_settings(model, private=True)
        answer = httpx.get(f"{on_s3.url}/{model}/resolve/main/weights.bin")
        assert answer.status_code in (401, 404)
        assert "location" not in answer.headers
        api.update_repo_settings(model, private=False)

    def test_git_lfs_fetches_and_pushes(
        self, on_s3: RunningServer, api: HfApi, git: Git, model: str, tmp_path: Path
    ) -> None:
        folder = git.at(on_s3).clone(model, tmp_path / "clone")
        assert (folder / "weights.bin").read_bytes() == CONTENT
        (folder / "more.bin").write_bytes(CONTENT[: 9 * MiB])
        git.commit(folder)
        git.push(folder)
        assert Path(api.hf_hub_download(model, "more.bin", cache_dir=tmp_path)).read_bytes() == CONTENT[: 9 * MiB]

    def test_an_imported_table_is_read_from_the_bucket(
        self, on_s3: RunningServer, bucket: LiveBucket, tmp_path: Path
    ) -> None:
        table = tmp_path / "tickets.csv"
        table.write_text("text,label\n" + "".join(f"ticket {number},{number % 3}\n" for number in range(300)))
        run = CommandLine(on_s3)
        before = len(bucket.keys())
        run.printed("datasets", "import", table, "--name", "alice/tickets", "--label-column", "label", "--json")
        assert len(bucket.keys()) > before
        page = httpx.get(f"{on_s3.url}/datasets/alice/tickets", follow_redirects=True, timeout=60)
        assert "ticket 7" in page.text

    def test_all_that_was_promised_is_there(self, on_s3: RunningServer, model: str) -> None:
        with on_s3.client() as administrator:
            assert administrator.post("/api/v1/hub/fsck", {"deep": True})["clean"]
