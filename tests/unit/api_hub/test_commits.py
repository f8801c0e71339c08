"""Commits as they come over the wire: line by line, all or nothing."""

import asyncio
import base64
import hashlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.unit.api_hub.conftest import KiB, ndjson
from viveiro.api.hub.commits import batches_of_lines
from viveiro.errors import TooLarge

HEADER = {"key": "header", "value": {"summary": "a title", "description": "a body"}}


def file(path: str, content: bytes = b"text") -> dict[str, object]:
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"key": "file", "value": value}


@pytest.fixture
def repo(site):
    return site.new_repo()


@pytest.fixture
def send(site, repo):
    """The answer to a commit of these lines by Alice."""

    def post(*lines, revision="main", user="alice", **params):
        content = lines[0] if isinstance(lines[0], bytes) else ndjson(lines)
        return site.as_(user).post(f"{repo}/commit/{revision}", content=content, params=params)

    return post


def paths(site, repo, revision="main"):
    return [entry["path"] for entry in site.as_("alice").get(f"{repo}/tree/{revision}?recursive=true").json()]


class TestLines:
    """Lines are cut wherever the network cut the body."""

    def lines(self, chunks, longest=100):
        async def arriving() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        async def gather():
            return [line async for batch in batches_of_lines(arriving(), longest) for line in batch]

        return asyncio.run(gather())

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
    def test_chunks_of_any_size_make_the_same_lines(self, size):
        body = b"one\ntwo\n\nthree"
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        assert self.lines(chunks) == [b"one", b"two", b"", b"three"]

    def test_a_line_without_end_is_refused_before_it_fills_memory(self):
        with pytest.raises(TooLarge, match="LFS"):
            self.lines([b"x" * 60, b"x" * 60])


class TestCommit:
    def test_the_answer_says_where_the_commit_can_be_seen(self, site, repo, send):
        answer = send(HEADER, file("a/b.txt", b"hello")).json()
        assert len(answer["commitOid"]) == 40
        assert answer["commitUrl"] == f"{site.url}{repo.removeprefix('/api/models')}/commit/{answer['commitOid']}"
        assert answer["success"] is True
        assert "pullRequestUrl" not in answer
        first = site.as_().get(f"{repo}/commits/main").json()[0]
        assert (first["id"], first["title"], first["message"]) == (answer["commitOid"], "a title", "a body")

    def test_operations_of_every_kind_make_one_commit(self, site, repo, send):
        send(HEADER, file("keep"), file("gone"), file("folder/one"), file("folder/deep/two"))
        answer = send(
            HEADER,
            {"key": "deletedFile", "value": {"path": "gone"}},
            {"key": "deletedFolder", "value": {"path": "folder/"}},
            {"key": "file", "value": {"path": "plain", "content": "açaí", "encoding": "utf-8"}},
        )
        assert answer.status_code == 200
        assert paths(site, repo) == [".gitattributes", "keep", "plain"]

    def test_a_moved_branch_answers_412(self, send):
        first = send(HEADER, file("a")).json()["commitOid"]
        header = {"key": "header", "value": {**HEADER["value"], "parentCommit": first}}
        assert send(header, file("b")).status_code == 200
        refused = send(header, file("c"))
        assert refused.status_code == 412
        assert "The branch was updated since you opened this page" in refused.json()["error"]

    def test_a_missing_branch_is_a_missing_revision(self, send):
        refused = send(HEADER, file("a"), revision="nowhere")
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (404, "RevisionNotFound")

    def test_deleting_what_is_not_there_says_so(self, send):
        refused = send(HEADER, {"key": "deletedFile", "value": {"path": "nothing"}})
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (404, "EntryNotFound")
        assert "A file with this name doesn't exist" in refused.json()["error"]

    @pytest.mark.parametrize("path", ["..\\x", "../x", "/x", "a//b", ".git/config", "a/.GIT/b", "x" * 256, "a\0b", ""])
    def test_a_path_that_leaves_the_repo_or_breaks_disks_is_refused(self, site, repo, send, path):
        assert send(HEADER, file(path)).status_code == 422
        assert paths(site, repo) == [".gitattributes"]

    def test_content_that_was_never_uploaded_cannot_be_committed(self, send):
        oid = hashlib.sha256(b"elsewhere").hexdigest()
        value = {"path": "a.bin", "algo": "sha256", "oid": oid, "size": 9}
        assert send(HEADER, {"key": "lfsFile", "value": value}).status_code == 422

    def test_a_thousand_files_are_one_commit(self, site, repo, send):
        assert send(HEADER, *(file(f"d{n % 10}/f{n}", b"%d" % n) for n in range(1000))).status_code == 200
        assert len(site.as_().get(f"{repo}/tree/main/d3").json()) == 100


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("lines", "number", "why"),
        [
            (b"no json", 1, "JSON"),
            (b'{"key": "header", "value": {"summary": "x"}}\n{"key": "fi', 2, "JSON"),
            (b'{"key": "header", "value": {"summary": ""}}', 1, "summary"),
            (b'{"key": "renamedFile", "value": {}}', 1, "renamedFile"),
            (b"[1, 2]", 1, ""),
            (ndjson([HEADER, HEADER]), 2, "one header"),
            (ndjson([file("a")]), 1, "no header"),
            (ndjson([HEADER, {"key": "file", "value": {"path": "a", "content": "%%%"}}]), 2, "not base64"),
            (ndjson([HEADER, {"key": "lfsFile", "value": {"path": "a", "oid": "xyz"}}]), 2, "oid"),
        ],
    )
    def test_a_malformed_line_is_named_and_nothing_is_committed(self, site, repo, send, lines, number, why):
        refused = send(lines)
        assert refused.status_code == 400
        assert f"Line {number} of the commit" in refused.json()["error"]
        assert why in refused.json()["error"]
        assert len(site.as_().get(f"{repo}/commits/main").json()) == 1

    def test_a_malformed_line_is_not_sent_back_whole(self, send):
        refused = send(HEADER, {"key": "file", "value": {"content": "QQ==" * 5000}})
        assert refused.status_code == 400
        assert len(refused.text) < 1000

    def test_a_file_that_belongs_to_lfs_is_refused(self, send):
        assert send(HEADER, file("a.txt", b"x" * 64 * KiB)).status_code == 422
        assert send(HEADER, file("a.txt", b"x" * 64 * KiB * 4)).status_code == 413

    def test_a_half_sent_body_commits_nothing(self, site, repo):
        body = ndjson([HEADER, file("a"), file("b")])
        host, port = site.url.removeprefix("http://").split(":")
        request = (
            f"POST {repo}/commit/main HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {site.tokens['alice']}\r\n"
            f"Content-Length: {len(body) + 10}\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(request.encode() + body)
        assert paths(site, repo) == [".gitattributes"]
        assert len(site.as_().get(f"{repo}/commits/main").json()) == 1

    def test_a_pull_request_to_no_branch(self, send):
        refused = send(HEADER, file("a"), create_pr="1", revision="nowhere")
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (404, "RevisionNotFound")

    def test_only_those_who_may_write_do(self, send):
        assert send(HEADER, file("a"), user="bob").status_code == 403
        assert send(HEADER, file("a"), user="").status_code == 401
        assert send(HEADER, file("a"), user="alice-read").status_code == 403


class TestPreupload:
    def ask(self, site, repo, *files, **body):
        answer = site.as_("alice").post(f"{repo}/preupload/main", json={"files": list(files), **body})
        assert answer.status_code == 200, answer.text
        return {file["path"]: file for file in answer.json()["files"]}

    @pytest.mark.parametrize(
        ("path", "size", "sample", "mode"),
        [
            ("model.safetensors", 12, b"", "lfs"),
            ("corpus.txt", 64 * KiB, b"text", "lfs"),
            ("corpus.txt", 64 * KiB - 1, b"text", "regular"),
            ("logo", 12, b"\x89PNG\0", "lfs"),
            ("empty.safetensors", 0, b"", "regular"),
        ],
    )
    def test_it_says_how_each_file_travels(self, site, path, size, sample, mode):
        repo = site.new_repo()
        sent = {"path": path, "size": size, "sample": base64.b64encode(sample).decode()}
        assert self.ask(site, repo, sent)[path]["uploadMode"] == mode

    def test_the_repos_own_gitattributes_decide(self, site):
        repo = site.new_repo()
        site.commit(repo, {".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n"})
        modes = self.ask(site, repo, {"path": "a.png", "size": 10}, {"path": "a.safetensors", "size": 10})
        assert (modes["a.png"]["uploadMode"], modes["a.safetensors"]["uploadMode"]) == ("lfs", "regular")

    def test_it_names_the_object_at_each_path_so_that_clients_skip_it(self, site):
        repo = site.new_repo()
        site.commit(repo, {"a.txt": "hello"})
        blob = hashlib.sha1(b"blob 5\0hello", usedforsecurity=False).hexdigest()
        files = self.ask(site, repo, {"path": "a.txt", "size": 5}, {"path": "new.txt", "size": 5})
        assert (files["a.txt"]["oid"], files["new.txt"]["oid"]) == (blob, None)

    def test_what_gitignore_leaves_out_is_said(self, site):
        repo = site.new_repo()
        site.commit(repo, {".gitignore": "*.log\n"})
        files = [{"path": "a.log", "size": 1}, {"path": "b.txt", "size": 1}]
        stored = self.ask(site, repo, *files)
        assert (stored["a.log"]["shouldIgnore"], stored["b.txt"]["shouldIgnore"]) == (True, False)
        given = self.ask(site, repo, *files, gitIgnore="b.*")
        assert (given["a.log"]["shouldIgnore"], given["b.txt"]["shouldIgnore"]) == (False, True)
