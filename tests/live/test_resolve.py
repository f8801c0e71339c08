"""Files of a revision over HTTP: HEAD, GET, ranges, conditions, and headers that protect whoever opens them."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_hf_file_metadata
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from tests.live.conftest import MakeRepo
from tests.live.running_server import RunningServer

MiB = 2**20
SMALL = b"0123456789"
LARGE = os.urandom(5 * MiB + 3)


@dataclass(frozen=True)
class Files:
    """A repo with a small file, kept in git, and a large one, kept by LFS."""

    http: httpx.Client
    repo: str
    sha: str

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(f"/{self.repo}/resolve/main/{path}", headers=_named(headers))

    def head(self, path: str, **headers: str) -> httpx.Response:
        return self.http.head(f"/{self.repo}/resolve/main/{path}", headers=_named(headers))


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def files(server: RunningServer, alice: HfApi) -> Iterator[Files]:
    alice.create_repo("alice/resolve")
    contents = {"small.txt": SMALL, "large.bin": LARGE, "empty.bin": b"", "folder/inside.txt": b"inside"}
    operations = [CommitOperationAdd(path, content) for path, content in contents.items()]
    sha = alice.create_commit("alice/resolve", operations, commit_message="Files").oid
    with httpx.Client(base_url=server.url, timeout=60) as http:
        yield Files(http, "alice/resolve", sha)


CONTENTS = {"small.txt": SMALL, "large.bin": LARGE}
both = pytest.mark.parametrize("path", CONTENTS)


class TestWhole:
    @both
    def test_the_content_comes_back(self, files: Files, path: str) -> None:
        answer = files.get(path)
        assert (answer.status_code, answer.content) == (200, CONTENTS[path])
        assert answer.headers["X-Repo-Commit"] == files.sha

    @both
    def test_head_says_what_get_would(self, files: Files, path: str) -> None:
        told, given = files.head(path), files.get(path)
        assert told.status_code == 200
        assert told.content == b""
        assert _lasting(told) == _lasting(given)
        assert told.headers["Content-Length"] == str(len(CONTENTS[path]))

    def test_the_etag_is_what_git_or_lfs_calls_the_content(self, files: Files) -> None:
        blob = sha256(LARGE).hexdigest()
        assert files.head("large.bin").headers["ETag"] == f'"{blob}"'
        assert files.head("large.bin").headers["X-Linked-ETag"] == f'"{blob}"'
        assert files.head("large.bin").headers["X-Linked-Size"] == str(len(LARGE))
        git_object = sha1(b"blob %d\0" % len(SMALL) + SMALL, usedforsecurity=False).hexdigest()
        assert files.head("small.txt").headers["ETag"] == f'"{git_object}"'

    def test_an_empty_file(self, files: Files) -> None:
        answer = files.get("empty.bin")
        assert (answer.status_code, answer.content) == (200, b"")

    def test_raw_is_what_git_holds(self, files: Files) -> None:
        assert files.http.get(f"/{files.repo}/raw/main/small.txt").content == SMALL
        pointer = files.http.get(f"/{files.repo}/raw/main/large.bin").content
        assert pointer.startswith(b"version https://git-lfs.github.com/spec/v1\n")

    def test_the_official_client_reads_the_same(self, files: Files, alice: HfApi, server: RunningServer) -> None:
        metadata = get_hf_file_metadata(f"{server.url}/{files.repo}/resolve/main/large.bin")
        assert (metadata.commit_hash, metadata.etag, metadata.size) == (
            files.sha,
            sha256(LARGE).hexdigest(),
            len(LARGE),
        )


def _lasting(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}


class TestRanges:
    @both
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=2-5", 2, 6),
            ("bytes=7-", 7, None),
            ("bytes=-3", -3, None),
            ("bytes=0-999999999999", 0, None),
            ("bytes=-999999999999", 0, None),
        ],
    )
    def test_a_part(self, files: Files, path: str, asked: str, start: int, stop: int | None) -> None:
        content = CONTENTS[path]
        answer = files.get(path, Range=asked)
        first = range(len(content))[start]
        assert answer.status_code == 206
        assert answer.content == content[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(content)}"
        assert answer.headers["X-Repo-Commit"] == files.sha

    @both
    @pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
    def test_a_part_behind_the_end(self, files: Files, path: str, asked: str) -> None:
        answer = files.get(path, Range=asked)
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(CONTENTS[path])}"

    @both
    @pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=-"])
    def test_what_is_no_single_range_gets_the_whole(self, files: Files, path: str, asked: str) -> None:
        answer = files.get(path, Range=asked)
        assert (answer.status_code, answer.content) == (200, CONTENTS[path])

    @both
    def test_a_download_resumes_only_the_version_it_began(self, files: Files, path: str) -> None:
        etag = files.head(path).headers["ETag"]
        assert files.get(path, Range="bytes=5-", If_Range=etag).status_code == 206
        assert files.get(path, Range="bytes=5-", If_Range='"another"').status_code == 200

    @both
    def test_an_unchanged_file_is_not_sent_again(self, files: Files, path: str) -> None:
        etag = files.head(path).headers["ETag"]
        answer = files.get(path, If_None_Match=f'"other", W/{etag}')
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
        assert answer.headers["X-Repo-Commit"] == files.sha
        assert files.get(path, If_None_Match='"other"').status_code == 200


class TestConnections:
    def test_a_connection_is_used_again_after_a_large_file(self, files: Files) -> None:
        with httpx.Client(base_url=files.http.base_url, limits=httpx.Limits(max_connections=1)) as one:
            for _ in range(5):
                assert one.get(f"/{files.repo}/resolve/main/large.bin").content == LARGE
                assert one.get(f"/{files.repo}/resolve/main/small.txt").content == SMALL
                assert one.head(f"/{files.repo}/resolve/main/large.bin").status_code == 200

    def test_requests_sent_ahead_are_answered_in_order(self, files: Files, server: RunningServer) -> None:
        request = f"GET /{files.repo}/resolve/main/{{}} HTTP/1.1\r\nHost: x\r\n{{}}\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            asked = [request.format("large.bin", ""), request.format("small.txt", "Connection: close\r\n")]
            connection.sendall("".join(asked).encode())
            received = b"".join(iter(lambda: connection.recv(MiB), b""))
        assert received.index(LARGE) < received.index(b"HTTP/1.1 200 OK", 10) < received.index(SMALL)

    def test_clients_that_leave_in_the_middle_disturb_nobody(self, files: Files) -> None:
        def leave(_: int) -> None:
            with files.http.stream("GET", f"/{files.repo}/resolve/main/large.bin") as answer:
                next(answer.iter_raw(1000))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(leave, range(40)))
        assert files.get("large.bin").content == LARGE

    def test_a_hundred_at_once(self, files: Files, server: RunningServer) -> None:
        expected = sha256(LARGE).digest()

        def fetch(_: int) -> bytes:
            return sha256(httpx.get(f"{server.url}/{files.repo}/resolve/main/large.bin", timeout=60).content).digest()

        with ThreadPoolExecutor(100) as threads:
            assert set(threads.map(fetch, range(100))) == {expected}


class TestRevisions:
    def test_branch_tag_commit_and_short_commit(self, files: Files, alice: HfApi) -> None:
        alice.create_branch(files.repo, branch="side/deep", exist_ok=True)
        alice.create_tag(files.repo, tag="v1.0", exist_ok=True)
        for revision in ("main", "refs%2Fheads%2Fmain", "side%2Fdeep", "v1.0", files.sha, files.sha[:8]):
            answer = files.http.get(f"/{files.repo}/resolve/{revision}/folder/inside.txt")
            assert (answer.status_code, answer.content) == (200, b"inside"), revision

    def test_a_branch_with_slashes_need_not_be_quoted(self, files: Files, alice: HfApi) -> None:
        alice.create_branch(files.repo, branch="side/deep", exist_ok=True)
        for revision in ("side/deep", "refs/heads/side/deep"):
            assert files.http.get(f"/{files.repo}/resolve/{revision}/folder/inside.txt").content == b"inside"

    def test_an_old_commit_keeps_its_files(self, files: Files, alice: HfApi, make_repo: MakeRepo) -> None:
        repo = make_repo()
        first = alice.upload_file(path_or_fileobj=b"first", path_in_repo="a.txt", repo_id=repo).oid
        alice.upload_file(path_or_fileobj=b"second", path_in_repo="a.txt", repo_id=repo)
        alice.create_commit(repo, [CommitOperationDelete("a.txt")], commit_message="Gone")
        assert files.http.get(f"/{repo}/resolve/{first}/a.txt").content == b"first"
        assert files.http.get(f"/{repo}/resolve/main/a.txt").status_code == 404


class TestMissing:
    def test_a_missing_file_says_in_which_commit(self, files: Files) -> None:
        for path in ("nothing.txt", "folder", "small.txt/inside", "..%2Fsmall.txt", ".git/config", "%00"):
            for answer in (files.get(path), files.head(path)):
                assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "EntryNotFound"), path
                assert answer.headers["X-Repo-Commit"] == files.sha

    @pytest.mark.parametrize("revision", ["nothing", "0" * 40, "refs%2Fpr%2F1", "%2F", "main%00", "-"])
    def test_a_missing_revision(self, files: Files, revision: str) -> None:
        answer = files.http.get(f"/{files.repo}/resolve/{revision}/small.txt")
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")

    def test_an_address_that_is_not_utf8(self, files: Files) -> None:
        assert files.http.get(f"/{files.repo}/resolve/main/%ff").status_code == 400

    def test_the_official_client_raises_its_own_errors(self, files: Files, alice: HfApi) -> None:
        with pytest.raises(RemoteEntryNotFoundError):
            alice.hf_hub_download(files.repo, "nothing.txt")
        with pytest.raises(RevisionNotFoundError):
            alice.hf_hub_download(files.repo, "small.txt", revision="nothing")
        with pytest.raises(RepositoryNotFoundError):
            alice.hf_hub_download("alice/nothing", "small.txt")


class TestWhoMayRead:
    def test_a_private_repo_is_missing_to_a_stranger(
        self, files: Files, alice: HfApi, server: RunningServer, make_repo: MakeRepo
    ) -> None:
        repo = make_repo("dataset", private=True)
        alice.upload_file(path_or_fileobj=SMALL, path_in_repo="a.txt", repo_id=repo, repo_type="dataset")
        address = f"/datasets/{repo}/resolve/main/a.txt"
        for headers in ({}, {"Authorization": f"Bearer {server.token('bob')}"}):
            answer = files.http.get(address, headers=headers)
            assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")
        own = files.http.get(address, headers={"Authorization": f"Bearer {server.token('alice')}"})
        assert own.content == SMALL


class TestNothingRuns:
    """A file that a stranger wrote does nothing in the browser of whoever opens it."""

    @pytest.mark.parametrize("name", ["page.html", "page.xhtml", "drawing.svg", "script.js", "feed.xml", "page.HTM"])
    def test_pages_and_scripts_are_shown_as_text_or_downloaded(
        self, files: Files, alice: HfApi, make_repo: MakeRepo, name: str
    ) -> None:
        repo = make_repo()
        alice.upload_file(path_or_fileobj=b"<script>alert(1)</script>", path_in_repo=name, repo_id=repo)
        headers = files.http.get(f"/{repo}/resolve/main/{name}").headers
        assert headers["Content-Type"] in ("text/plain; charset=utf-8", "application/octet-stream")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("sandbox")

    @pytest.mark.parametrize("name", ["two words.txt", 'quo"te;x=y.txt', "日本.txt", "a%0d%0ab.txt", "é\u0301.txt"])
    def test_a_name_cannot_break_out_of_its_header(
        self, files: Files, alice: HfApi, make_repo: MakeRepo, name: str
    ) -> None:
        repo = make_repo()
        alice.upload_file(path_or_fileobj=b"x", path_in_repo=name, repo_id=repo)
        answer = files.http.get(f"/{repo}/resolve/main/{quote(name, safe='')}")
        assert answer.content == b"x"
        disposition = answer.headers["Content-Disposition"]
        assert disposition.endswith(f"filename*=UTF-8''{quote(name, safe='')}")
        assert disposition.count('"') == 2


class TestDownloads:
    def test_a_snapshot_is_one_download(
        self, files: Files, alice: HfApi, server: RunningServer, make_repo: MakeRepo, tmp_path: Path
    ) -> None:
        repo = make_repo()
        operations = [CommitOperationAdd(f"{number}.txt", b"x") for number in range(5)]
        alice.create_commit(repo, [*operations, CommitOperationAdd("config.json", b"{}")], commit_message="Six")
        alice.snapshot_download(repo, cache_dir=tmp_path)
        httpx.get(f"{server.url}/{repo}/resolve/main/1.txt")
        deadline = time.monotonic() + 20  # counts are written down together, every few seconds
        while not alice.model_info(repo, expand=["downloads"]).downloads and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alice.model_info(repo, expand=["downloads"]).downloads == 1
