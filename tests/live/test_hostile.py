"""What bad luck and bad people send. Nothing is half published, the answer is clear, and the server lives on."""

import base64
import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download

from tests.conftest import missing
from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import TWO_USERS, RunningServer

MiB = 2**20
CLIENT_ERRORS = range(400, 500)


class Wire:
    """Requests as no well-behaved client would write them, with a user's access token."""

    def __init__(self, server: RunningServer, user: str = "alice") -> None:
        self.port = server.port
        self.token = server.token(user)
        self.http = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def commit(self, repo: str, lines: Iterable[object], *, kind: str = "models") -> httpx.Response:
        """Lines are JSON-encoded unless they are bytes already; the header comes by itself."""
        header = {"key": "header", "value": {"summary": "Hostile", "description": ""}}
        return self.commit_raw(repo, b"\n".join(_encoded(line) for line in (header, *lines)), kind=kind)

    def commit_raw(self, repo: str, body: bytes | Iterator[bytes], *, kind: str = "models") -> httpx.Response:
        headers = {"Content-Type": "application/x-ndjson"}
        return self.http.post(f"/api/{kind}/{repo}/commit/main", content=body, headers=headers)

    def upload_action(self, repo: str, content: bytes, *, size: int | None = None) -> dict[str, Any]:
        """Where the LFS batch API wants this content put."""
        wanted = {"oid": sha256(content).hexdigest(), "size": len(content) if size is None else size}
        body = {"operation": "upload", "transfers": ["basic"], "objects": [wanted], "hash_algo": "sha256"}
        headers = {"Accept": "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json"}
        answer = self.http.post(f"/{repo}.git/info/lfs/objects/batch", content=json.dumps(body), headers=headers)
        action: dict[str, Any] = answer.raise_for_status().json()["objects"][0]["actions"]["upload"]
        return action

    def put(self, action: dict[str, Any], content: bytes) -> httpx.Response:
        return self.http.put(action["href"], content=content, headers=action.get("header", {}))

    def create_repo(self, name: str) -> str:
        self.http.post("/api/repos/create", json={"name": name, "organization": "alice"}).raise_for_status()
        return f"alice/{name}"

    def list_files(self, repo: str) -> list[str]:
        return [entry["path"] for entry in self.http.get(f"/api/models/{repo}/tree/main").raise_for_status().json()]

    def say(self, *pieces: bytes, then_hang_up: bool = True) -> bytes:
        """Bytes on a bare socket; what came back before the connection ended."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if then_hang_up:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def _encoded(line: object) -> bytes:
    return line if isinstance(line, bytes) else json.dumps(line).encode()


def file_line(path: str, content: bytes = b"content") -> dict[str, Any]:
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"key": "file", "value": value}


def lfs_line(path: str, content: bytes) -> dict[str, Any]:
    value = {"path": path, "algo": "sha256", "oid": sha256(content).hexdigest(), "size": len(content)}
    return {"key": "lfsFile", "value": value}


@pytest.fixture(scope="module")
def wire(server: RunningServer) -> Iterator[Wire]:
    with Wire(server) as wire:
        yield wire


@pytest.fixture(autouse=True)
def _the_server_lives_on(server: RunningServer) -> Iterator[None]:
    """After every test in this file the same process answers, and has logged no failure of its own."""
    before, logged = server.pids(), server.log.stat().st_size
    yield
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert {name: server.pids()[name] for name in before} == before
    with server.log.open(errors="replace") as log:
        log.seek(logged)
        assert "request_failed" not in log.read()


BAD_PATHS = {
    "traversal": "../outside",
    "traversal inside": "a/../../outside",
    "dot": "a/./b",
    "absolute": "/etc/passwd",
    "empty part": "a//b",
    "empty": "",
    "folder": "a/",
    "backslash": "..\\outside",
    "drive": "a\\b",
    "git folder": ".git/config",
    "git folder below": "a/.git/hooks/post-checkout",
    "git folder, other case": ".GIT/config",
    "git folder for HFS+": ".g\u200dit/config",
    "git folder for NTFS": ".git./config",
    "git folder, short name": "git~1/config",
    "device": "aux",
    "device with extension": "models/CON.txt",
    "null": "a\0b",
    "newline": "a\nb",
    "escape sequence": "a\x1b[2Jb",
    "zero-width": "a\u200bb",
    "direction override": "harmless\u202egpj.exe",
    "256 bytes": "n" * 256,
    "256 bytes in UTF-8": "é" * 128,
    "deep": "/".join("a" * 200),
    "long": "/".join(["n" * 250] * 5),
}


class TestNames:
    @pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS.keys())
    def test_a_path_that_harms_whoever_downloads_it_is_refused(
        self, wire: Wire, alice: HfApi, repo: str, path: str
    ) -> None:
        refusal = wire.commit(repo, [file_line("good.txt"), file_line(path)])
        assert (refusal.status_code, refusal.headers["X-Error-Code"]) == (422, "InvalidPath")
        assert alice.list_repo_files(repo) == [".gitattributes"]

    def test_a_path_that_is_no_unicode_is_refused(self, wire: Wire, alice: HfApi, repo: str) -> None:
        refusal = wire.commit(repo, [b'{"key":"file","value":{"path":"a\\ud800b","content":"","encoding":"base64"}}'])
        assert refusal.status_code in (400, 422)
        assert alice.list_repo_files(repo) == [".gitattributes"]

    @pytest.mark.parametrize(
        "path", ["n" * 255, "é" * 127, "日本/モデル.txt", "a b/c#d?e%2Ff&g=h", "-rf", "~", "$HOME", "'\";`"]
    )
    def test_a_strange_path_that_harms_nobody_is_kept(self, wire: Wire, alice: HfApi, repo: str, path: str) -> None:
        assert wire.commit(repo, [file_line(path, b"kept")]).status_code == 200
        assert sorted(alice.list_repo_files(repo)) == sorted([".gitattributes", path])
        answer = wire.http.get(f"/{repo}/resolve/main/{quote(path)}", follow_redirects=True)
        assert (answer.status_code, answer.content) == (200, b"kept")

    @pytest.mark.parametrize(
        ("one", "other"),
        [("README.md", "readme.MD"), ("Data/a.txt", "data/b.txt"), ("stra\u00dfe", "STRASSE"), ("\u00e9", "e\u0301")],
        ids=["case", "case of a folder", "case folding", "composed and decomposed"],
    )
    def test_two_names_that_some_systems_cannot_tell_apart_exclude_each_other(
        self, wire: Wire, alice: HfApi, repo: str, one: str, other: str
    ) -> None:
        refused_together = wire.commit(repo, [file_line(one), file_line(other)])
        assert refused_together.status_code == 422
        assert wire.commit(repo, [file_line(one)]).status_code == 200
        assert wire.commit(repo, [file_line(other)]).status_code == 422
        assert set(alice.list_repo_files(repo)) == {".gitattributes", one}

    def test_letters_that_only_look_alike_are_different_names(self, wire: Wire, alice: HfApi, repo: str) -> None:
        latin, cyrillic = "model/a.txt", "model/\u0430.txt"
        wire.commit(repo, [file_line(latin, b"latin"), file_line(cyrillic, b"cyrillic")]).raise_for_status()
        assert {latin, cyrillic} <= set(alice.list_repo_files(repo))
        assert Path(alice.hf_hub_download(repo, cyrillic)).read_bytes() == b"cyrillic"

    @pytest.mark.parametrize(
        "name", ["m\u043edel", "modèle", "a b", "..", "-a", "a.", "a--b", "x.git", "n" * 97, "a\0b", "%2e%2e", ""]
    )
    def test_a_repo_cannot_be_called_so(self, wire: Wire, name: str) -> None:
        refusal = wire.http.post("/api/repos/create", json={"name": name, "organization": "alice", "type": "model"})
        assert refusal.status_code in (400, 422)
        assert refusal.json()["error"]

    @pytest.mark.parametrize(
        "name",
        ["..", ".git", "a..b", "a b", "a~b", "a^b", "a:b", "-a", "a.lock", "/a", "a/", "@{", "\x07", "refs/heads/../x"],
    )
    def test_a_branch_or_tag_cannot_be_called_so(self, wire: Wire, alice: HfApi, repo: str, name: str) -> None:
        branch = wire.http.post(f"/api/models/{repo}/branch/{quote(name, safe='')}", json={})
        tag = wire.http.post(f"/api/models/{repo}/tag/main", json={"tag": name})
        assert branch.status_code in CLIENT_ERRORS
        assert tag.status_code in CLIENT_ERRORS
        refs = alice.list_repo_refs(repo)
        assert ([ref.name for ref in refs.branches], refs.tags) == (["main"], [])

    @pytest.mark.parametrize(
        "path", ["..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "..%5c..%5cx", "%00", ".git/config"]
    )
    @pytest.mark.parametrize("verb", ["resolve", "tree", "raw"])
    def test_reading_never_leaves_the_repo(self, wire: Wire, repo: str, path: str, verb: str) -> None:
        prefix = "" if verb == "resolve" else "/api/models"
        answer = wire.say(
            f"GET {prefix}/{repo}/{verb}/main/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
            then_hang_up=False,
        )
        assert int(answer.split()[1]) in CLIENT_ERRORS
        assert b"root:" not in answer


class TestPushes:
    """The same rules hold for git, which lets a person write any tree they like."""

    def test_a_symbolic_link_is_refused(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        (clone / "link").symlink_to("/etc/passwd")
        git.commit(clone)
        self._is_refused(git, clone, alice, repo, "link")

    def test_a_submodule_is_refused(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        head = git("rev-parse", "HEAD", folder=clone).strip()
        git("update-index", "--add", "--cacheinfo", f"160000,{head},module", folder=clone)
        git("commit", "-qm", "module", folder=clone)
        self._is_refused(git, clone, alice, repo, "module")

    @pytest.mark.parametrize("name", ["..", ".git", "aux", ".GIT", "git~1", "a\\b", "n\nn"])
    def test_a_tree_with_a_bad_name_is_refused(
        self, git: Git, alice: HfApi, repo: str, tmp_path: Path, name: str
    ) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        commit = _commit_of_tree(git, clone, {name: b"content"})
        push = git.attempt("push", "origin", f"+{commit}:refs/heads/main", folder=clone)
        assert push.returncode != 0
        assert alice.list_repo_files(repo) == [".gitattributes"]

    def test_names_that_differ_in_case_are_refused(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        commit = _commit_of_tree(git, clone, {"README.md": b"1", "readme.md": b"2"})
        assert git.attempt("push", "origin", f"{commit}:refs/heads/work", folder=clone).returncode != 0
        assert [ref.name for ref in alice.list_repo_refs(repo).branches] == ["main"]

    @pytest.mark.parametrize("ref", ["refs/pr/7", "refs/keep/x", "refs/remotes/a", "refs/heads/HEAD"])
    def test_only_branches_and_tags_can_be_pushed(
        self, git: Git, alice: HfApi, repo: str, tmp_path: Path, ref: str
    ) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        assert git.attempt("push", "origin", f"HEAD:{ref}", folder=clone).returncode != 0
        assert ref not in git("ls-remote", "origin", folder=clone)

    def test_a_config_in_the_repo_runs_nothing(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        """`.lfsconfig` can send a client elsewhere and `.gitattributes` can name filters: both are only text to the server."""
        clone = git.clone(repo, tmp_path / "clone")
        (clone / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n[broken\n\xff")
        (clone / "a.txt").write_text("a")
        git.commit(clone)
        git.push(clone)
        assert alice.list_repo_files(repo) == [".gitattributes", "a.txt"]
        alice.upload_file(path_or_fileobj=b"\0b", path_in_repo="b.txt", repo_id=repo)
        assert Path(alice.hf_hub_download(repo, "b.txt")).read_bytes() == b"\0b"

    def test_garbage_instead_of_a_pack_is_refused(self, wire: Wire, alice: HfApi, repo: str) -> None:
        zero, new = "0" * 40, "a" * 40
        line = f"{zero} {new} refs/heads/evil\0report-status\n"
        body = f"{len(line) + 4:04x}{line}0000PACK".encode() + os.urandom(400)
        headers = {"Content-Type": "application/x-git-receive-pack-request"}
        wire.http.post(f"/{repo}.git/git-receive-pack", content=body, headers=headers)
        assert [ref.name for ref in alice.list_repo_refs(repo).branches] == ["main"]

    def _is_refused(self, git: Git, clone: Path, alice: HfApi, repo: str, named: str) -> None:
        push = git.attempt("push", folder=clone)
        assert push.returncode != 0
        assert named in push.stderr
        assert alice.list_repo_files(repo) == [".gitattributes"]


def _commit_of_tree(git: Git, clone: Path, files: dict[str, bytes]) -> str:
    """A commit on HEAD made without the index, which would refuse such names itself."""
    entries = b""
    for name, content in sorted(files.items()):
        (clone / ".blob").write_bytes(content)
        oid = git("hash-object", "-w", ".blob", folder=clone).strip()
        entries += b"100644 " + name.encode() + b"\0" + bytes.fromhex(oid)
    (clone / ".tree").write_bytes(entries)
    tree = git("hash-object", "-t", "tree", "-w", "--literally", ".tree", folder=clone).strip()
    return git("commit-tree", tree, "-p", "HEAD", "-m", "By hand", folder=clone).strip()


class TestSizes:
    def test_ten_thousand_files_arrive_in_one_commit(self, wire: Wire, alice: HfApi, repo: str) -> None:
        lines = (file_line(f"{number % 100}/{number}.txt", b"%d" % number) for number in range(10_000))
        assert wire.commit(repo, lines).status_code == 200
        assert len(alice.list_repo_files(repo)) == 10_001
        assert [commit.title for commit in alice.list_repo_commits(repo)] == ["Hostile", "initial commit"]
        assert Path(alice.hf_hub_download(repo, "77/4277.txt")).read_bytes() == b"4277"

    def test_empty_files_are_files(self, alice: HfApi, repo: str, git: Git, tmp_path: Path) -> None:
        names = ["empty.txt", "empty.bin", "folder/__init__.py", "empty.safetensors"]
        added = [CommitOperationAdd(name, b"") for name in names]
        alice.create_commit(repo, added, commit_message="Nothing in them")
        assert {path.path: path.size for path in alice.get_paths_info(repo, names)} == dict.fromkeys(names, 0)
        for folder in (Path(snapshot_download(repo)), git.clone(repo, tmp_path / "clone")):
            assert {name: (folder / name).read_bytes() for name in names} == dict.fromkeys(names, b"")

    def test_a_repo_may_lose_its_last_file(
        self, alice: HfApi, stranger: HfApi, repo: str, git: Git, tmp_path: Path
    ) -> None:
        alice.delete_file(".gitattributes", repo)
        assert alice.list_repo_files(repo) == []
        assert alice.model_info(repo, files_metadata=True).siblings == []
        assert not list(Path(snapshot_download(repo, token=False)).glob("*"))
        clone = git.clone(repo, tmp_path / "clone")
        assert [path.name for path in clone.iterdir()] == [".git"]
        alice.upload_file(path_or_fileobj=b"\0back", path_in_repo="back.bin", repo_id=repo)
        assert stranger.list_repo_files(repo)

    def test_a_small_file_may_not_pretend_to_be_regular_when_it_is_large(
        self, wire: Wire, alice: HfApi, repo: str
    ) -> None:
        refusal = wire.commit(repo, [file_line("large.txt", b"x" * (11 * MiB))])
        assert refusal.status_code in (413, 422)
        assert alice.list_repo_files(repo) == [".gitattributes"]

    def test_a_line_without_end_is_cut_off(self, wire: Wire, alice: HfApi, repo: str) -> None:
        def endless() -> Iterator[bytes]:
            yield b'{"key":"header","value":{"summary":"s"}}\n{"key":"file","value":{"path":"a","content":"'
            for _ in range(64):
                yield b"A" * MiB

        assert _status_of(lambda: wire.commit_raw(repo, endless())) in (413, "cut")
        assert alice.list_repo_files(repo) == [".gitattributes"]

    @pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
    @pytest.mark.parametrize("path", ["/api/repos/create", "/api/validate-yaml", "/api/models/alice/none/discussions"])
    def test_a_json_body_without_end_is_cut_off(self, wire: Wire, path: str, content_type: str) -> None:
        """Before it fills the memory, and whoever sends it."""

        def endless() -> Iterator[bytes]:
            yield b'{"name":"'
            for _ in range(64):
                yield b"A" * MiB

        headers = {"Content-Type": content_type, "Authorization": ""}
        assert _status_of(lambda: wire.http.post(path, content=endless(), headers=headers)) in (413, "cut")


def _status_of(request: Any) -> int | str:
    """A server that has heard enough may answer or hang up while the rest is still being sent."""
    try:
        status: int = request().status_code
    except httpx.TransportError:
        return "cut"
    return status


class TestBrokenBodies:
    HEADER = b'{"key":"header","value":{"summary":"s","description":""}}'

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\n\n",
            b"not json",
            b"[]",
            b"null",
            b'{"key":"header"}',
            HEADER,
            HEADER + b'\n{"key":"file","value":{"path":"a"',
            HEADER + b'\n{"key":"unknown","value":{}}',
            HEADER + b'\n{"key":"file","value":{"path":"a","content":"%%%","encoding":"base64"}}',
            HEADER + b'\n{"key":"file","value":{"path":"a","content":"YQ==","encoding":"rot13"}}',
            HEADER + b'\n{"key":"file","value":{"path":["a"],"content":"YQ==","encoding":"base64"}}',
            HEADER + b'\n{"key":"file","value":{"path":"\xff\xfe","content":"YQ==","encoding":"base64"}}',
            HEADER + b'\n{"key":"lfsFile","value":{"path":"a","algo":"sha256","oid":"../../etc/passwd","size":1}}',
            HEADER + b'\n{"key":"lfsFile","value":{"path":"a","algo":"md5","oid":"' + b"a" * 64 + b'","size":1}}',
            HEADER + b'\n{"key":"lfsFile","value":{"path":"a","algo":"sha256","oid":"' + b"a" * 64 + b'","size":-1}}',
            HEADER + b"\n" + b"[" * 100_000,
            b'{"key":"header","value":{"summary":"s","parentCommit":"--upload-pack=x"}}',
        ],
        ids=lambda body: body[-40:].decode("latin-1") or "nothing",
    )
    def test_a_commit_that_cannot_be_read_changes_nothing(
        self, wire: Wire, alice: HfApi, repo: str, body: bytes
    ) -> None:
        answer = wire.commit_raw(repo, body)
        assert answer.status_code in CLIENT_ERRORS or body == self.HEADER
        assert answer.status_code in CLIENT_ERRORS or answer.json()["success"]
        assert len(alice.list_repo_commits(repo)) == 1

    @pytest.mark.parametrize(
        "body",
        [b"{", b"[" * 100_000, b'{"name": NaN}', b"\xff\xfe", b'{"name": 1e400}', b'"text"', b'{"name": "\\ud800"}'],
        ids=["cut", "deep", "NaN", "not UTF-8", "huge number", "no object", "half a character"],
    )
    @pytest.mark.parametrize(
        "method_and_path", ["POST /api/repos/create", "DELETE /api/repos/delete", "POST /api/validate-yaml"]
    )
    def test_json_that_cannot_be_meant_is_refused(self, wire: Wire, method_and_path: str, body: bytes) -> None:
        method, path = method_and_path.split()
        answer = wire.http.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in CLIENT_ERRORS
        assert isinstance(answer.json(), dict)

    @pytest.mark.parametrize(
        "query",
        ["limit=-1", "limit=99999999999999999999", "limit=x", "cursor=x", "cursor=%ff%fe", "sort=password", "search=%00",
         "filter=%ff", "search=" + "%25" * 5000, "author='%3B--", "num_parameters=min:x", "search=%22", "filter=" + "a" * 20000],
        ids=lambda query: query[:30],
    )  # fmt: skip
    def test_a_strange_list_query_is_answered_or_refused(self, wire: Wire, query: str) -> None:
        answer = wire.http.get(f"/api/models?{query}")
        assert answer.status_code in (200, 400, 414, 422, 431)

    @pytest.mark.parametrize("number", [2**63, 10**30], ids=["past 64 bits", "far past"])
    @pytest.mark.parametrize(
        "path",
        ["/{repo}/discussions/{number}", "/api/models/{repo}/discussions/{number}", "/api/users/alice/likes?cursor={number}",
         "/api/models/{repo}/likers?cursor={number}", "/api/settings/repositories?cursor={number}"],
    )  # fmt: skip
    def test_a_number_that_no_database_holds_is_refused(self, wire: Wire, repo: str, path: str, number: int) -> None:
        assert wire.http.get(path.format(repo=repo, number=number)).status_code in (400, 404)

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            (b'{"title": "\\ud800"}', 400),
            (b'{"description": "\\ud800"}', 400),
            (b'{"position": 1' + b"0" * 30 + b"}", 200),
        ],
        ids=["half a character in a title", "and in a text", "behind everything"],
    )
    def test_a_strange_change_of_a_collection_is_made_or_refused(self, wire: Wire, change: bytes, status: int) -> None:
        made = wire.http.post("/api/collections", json={"title": os.urandom(8).hex()}).raise_for_status().json()
        headers = {"Content-Type": "application/json"}
        assert (
            wire.http.patch(f"/api/collections/{made['slug']}", content=change, headers=headers).status_code == status
        )

    @pytest.mark.parametrize("cursor", ["x", "%FF", "%C3%A9", "%F0%9F%98%80", "MSBh"])
    def test_a_cursor_of_no_list_is_refused(self, wire: Wire, repo: str, cursor: str) -> None:
        assert wire.http.get(f"/api/collections?cursor={cursor}").status_code == 400

    def test_a_header_of_a_megabyte_is_refused(self, wire: Wire) -> None:
        answer = wire.say(b"GET /api/models HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * MiB + b"\r\n\r\n")
        assert answer == b"" or int(answer.split()[1]) in CLIENT_ERRORS

    def test_noise_instead_of_http_is_refused(self, wire: Wire) -> None:
        for noise in (b"\x16\x03\x01\x02\x00", os.urandom(3000), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            answer = wire.say(noise)
            assert answer == b"" or int(answer.split()[1]) in CLIENT_ERRORS

    def test_two_lengths_for_one_body_are_refused(self, wire: Wire) -> None:
        """Request smuggling begins with a proxy and a server that believe different ones."""
        start = b"POST /api/validate-yaml HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        answer = wire.say(start + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}")
        assert answer == b"" or int(answer.split()[1]) in CLIENT_ERRORS

    def test_a_credential_that_is_no_text_is_refused(self, wire: Wire) -> None:
        for value in (
            b"Bearer \xff\xfe",
            b"Basic \xff",
            b"Basic AAAA",
            b"Negotiate x",
            b"Bearer ",
            b"Bearer " + b"x" * 9000,
        ):
            start = b"GET /api/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
            answer = wire.say(start + value + b"\r\n\r\n", then_hang_up=False)
            assert int(answer.split()[1]) in (400, 401)


CARDS = {
    "billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(f'*{old}' for _ in range(9))}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "python object": "a: !!python/object/apply:os.system ['touch /tmp/viveiro-was-here']\n",
    "itself": "a: &a\n  b: *a\n",
    "deep": "a: " + "[" * 5000 + "]" * 5000 + "\n",
    "a list": "- a\n- b\n",
    "a scalar": "42\n",
    "wrong types": "license: {a: 1}\ntags: 7\nlanguage: [[x]]\npipeline_tag: [1]\ndatasets: {}\nmodel-index: x\n",
    "odd keys": "1: a\n2020-01-01: b\nnull: c\n? [a, b]\n: d\n",
    "odd values": "a: 2020-01-01\nb: .nan\nc: .inf\nd: !!binary aGk=\ne: 0x7fffffffffffffffffff\n",
    "many tags": "tags: [" + ",".join(f"tag-{number}" for number in range(5000)) + "]\n",
    "markup": "license: <script>alert(1)</script>\ntags: ['\"><img src=x onerror=alert(1)>']\n",
    "control characters": 'license: "a\\0b\\e[2J"\n',
}  # fmt: skip


class TestCards:
    @pytest.mark.parametrize("front_matter", CARDS.values(), ids=CARDS.keys())
    @pytest.mark.parametrize("kind", ["models", "datasets"])
    def test_a_hostile_card_is_refused_or_only_text(
        self, wire: Wire, make_repo: MakeRepo, kind: str, front_matter: str
    ) -> None:
        repo = make_repo(kind.removesuffix("s"))
        card = f"---\n{front_matter}---\n# A card\n".encode()
        answer = wire.commit(repo, [file_line("README.md", card)], kind=kind)
        assert answer.status_code in (200, 400, 422)
        assert wire.http.get(f"/api/{kind}/{repo}").raise_for_status().json()["id"] == repo
        assert wire.http.get(f"/api/{kind}", params={"author": "alice", "full": "true"}).status_code == 200
        assert not Path("/tmp/viveiro-was-here").exists()

    @pytest.mark.parametrize("front_matter", CARDS.values(), ids=CARDS.keys())
    def test_it_is_validated_without_harm(self, wire: Wire, front_matter: str) -> None:
        body = {"content": f"---\n{front_matter}---\n", "repoType": "model"}
        answer = wire.http.post("/api/validate-yaml", json=body)
        assert answer.status_code in (200, 400)
        assert {"errors", "warnings"} <= answer.json().keys()

    @pytest.mark.parametrize(
        "content",
        [b"[" * 100_000, b"{", b"\xff\xfe", b'{"model_type": 7, "architectures": "x"}', b"[1]", b'{"a": NaN}', b""],
        ids=["deep", "cut", "not UTF-8", "wrong types", "a list", "NaN", "empty"],
    )
    def test_a_hostile_config_is_only_text(self, wire: Wire, repo: str, content: bytes) -> None:
        assert wire.commit(repo, [file_line("config.json", content)]).status_code == 200
        assert wire.http.get(f"/api/models/{repo}").status_code == 200

    @pytest.mark.parametrize(
        "content",
        [
            b"\xff" * 8,
            (2**62).to_bytes(8, "little") + b"{}",
            (9).to_bytes(8, "little") + b"[" * 9,
            b"12",
            b"\x02" + b"\0" * 7 + b"[]",
        ],
        ids=["huge", "longer than the file", "no JSON", "short", "a list"],
    )
    def test_a_hostile_weights_file_is_only_bytes(self, alice: HfApi, repo: str, content: bytes) -> None:
        alice.upload_file(path_or_fileobj=content, path_in_repo="model.safetensors", repo_id=repo)
        assert alice.model_info(repo).safetensors is None


class TestHalfSent:
    """A connection that ends early leaves nothing behind."""

    def test_half_a_commit_commits_nothing(self, wire: Wire, alice: HfApi, repo: str) -> None:
        body = b"\n".join([TestBrokenBodies.HEADER, _encoded(file_line("a.txt")), _encoded(file_line("b.txt"))]) + b"\n"
        head = self._head("POST", f"/api/models/{repo}/commit/main", wire, f"Content-Length: {len(body) + 100}")
        wire.say(head + body)
        assert alice.list_repo_files(repo) == [".gitattributes"]

    def test_half_a_commit_in_chunks_commits_nothing(self, wire: Wire, alice: HfApi, repo: str) -> None:
        body = b"\n".join([TestBrokenBodies.HEADER, _encoded(file_line("a.txt"))]) + b"\n"
        head = self._head("POST", f"/api/models/{repo}/commit/main", wire, "Transfer-Encoding: chunked")
        wire.say(head + b"%x\r\n%s\r\n" % (len(body), body))
        assert alice.list_repo_files(repo) == [".gitattributes"]

    def test_half_a_big_file_is_not_stored(self, wire: Wire, alice: HfApi, repo: str, server: RunningServer) -> None:
        content = b"\0half" * MiB
        href = httpx.URL(wire.upload_action(repo, content)["href"])
        before = _stored_bytes(server)
        head = self._head("PUT", href.raw_path.decode(), wire, f"Content-Length: {len(content)}")
        wire.say(head + content[: len(content) // 2])
        assert wire.commit(repo, [lfs_line("big.bin", content)]).status_code == 422
        assert _stored_bytes(server) == before

    def test_one_who_stays_silent_keeps_nobody_waiting(self, wire: Wire, alice: HfApi, repo: str) -> None:
        head = self._head("POST", f"/api/models/{repo}/commit/main", wire, "Content-Length: 100000")
        silent = [socket.create_connection(("127.0.0.1", wire.port)) for _ in range(60)]
        for connection in silent:
            connection.sendall(head + TestBrokenBodies.HEADER + b"\n")
        alice.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo)
        for connection in silent:
            connection.close()
        assert len(alice.list_repo_commits(repo)) == 2

    def _head(self, method: str, path: str, wire: Wire, *headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {wire.token}", *headers]
        return "\r\n".join([*lines, "", ""]).encode()


def _stored_bytes(server: RunningServer) -> int:
    """Everything in the blob store, unfinished files included."""
    return sum(path.stat().st_size for path in (server.data_dir / "storage").rglob("*") if path.is_file())


class TestHashes:
    def test_content_that_is_not_what_its_hash_says_is_refused(
        self, wire: Wire, repo: str, server: RunningServer
    ) -> None:
        action, before = wire.upload_action(repo, b"\0announced"), _stored_bytes(server)
        refusal = wire.put(action, b"\0different")
        assert (refusal.status_code, refusal.headers["X-Error-Code"]) == (422, "ChecksumMismatch")
        assert _stored_bytes(server) == before
        assert wire.commit(repo, [lfs_line("a.bin", b"\0announced")]).status_code == 422

    @pytest.mark.parametrize("sent", [b"\0announced, and more", b"\0ann", b""], ids=["more", "less", "nothing"])
    def test_content_of_another_size_is_refused(self, wire: Wire, repo: str, sent: bytes) -> None:
        refusal = wire.put(wire.upload_action(repo, b"\0announced"), sent)
        assert refusal.status_code in (400, 413, 422)
        assert wire.commit(repo, [lfs_line("a.bin", b"\0announced")]).status_code == 422

    def test_a_size_that_lies_about_stored_content_is_refused(self, wire: Wire, repo: str) -> None:
        content = b"\0stored"
        wire.put(wire.upload_action(repo, content), content).raise_for_status()
        line = lfs_line("a.bin", content)
        line["value"]["size"] = 10**12
        assert wire.commit(repo, [line]).status_code == 422

    def test_knowing_a_hash_gives_no_access_to_content(
        self, wire: Wire, alice: HfApi, bob: HfApi, server: RunningServer, make_repo: MakeRepo
    ) -> None:
        """Bob names the hash of Alice's private file: by commit, by pointer text, by batch and by download."""
        secret, private = b"\0" + os.urandom(20), make_repo(private=True)
        alice.upload_file(path_or_fileobj=secret, path_in_repo="secret.bin", repo_id=private)
        bob.create_repo("bob/thief")
        oid = sha256(secret).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(secret)}\n".encode()
        wanted = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(secret)}]}
        with Wire(server, "bob") as thief:
            assert thief.commit("bob/thief", [lfs_line("stolen.bin", secret)]).status_code == 422
            assert thief.commit("bob/thief", [file_line("stolen.bin", pointer)]).status_code == 422
            assert thief.upload_action("bob/thief", secret)["href"]
            (answer,) = thief.http.post("/bob/thief.git/info/lfs/objects/batch", json=wanted).json()["objects"]
            assert "actions" not in answer

    @pytest.mark.parametrize("oid", ["../../../etc/passwd", "a" * 63, "A" * 64, "", "a" * 65, "é" * 64])
    def test_what_is_no_hash_is_refused(self, wire: Wire, repo: str, oid: str) -> None:
        body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": 1}]}
        answer = wire.http.post(f"/{repo}.git/info/lfs/objects/batch", json=body)
        assert answer.status_code in (400, 422) or "actions" not in answer.json()["objects"][0]


class TestDiskFull:
    """On a real file system of 64 MiB that really is full."""

    @pytest.fixture(scope="class")
    @classmethod
    def small(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
        folder = tmp_path_factory.mktemp("small-disk")
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "viveiro-test", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            missing("mount", "a small file system needs root with CAP_SYS_ADMIN")
        try:
            with RunningServer(folder / "data") as running:
                yield running.seed(TWO_USERS)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    @pytest.fixture
    def wire(self, small: RunningServer) -> Iterator[Wire]:
        with Wire(small) as wire:
            yield wire

    @pytest.fixture
    def filler(self, small: RunningServer) -> Iterator["Filler"]:
        filler = Filler(small.data_dir / "filler")
        yield filler
        filler.remove()

    def test_a_big_file_that_does_not_fit_is_refused_whole(self, small: RunningServer, wire: Wire) -> None:
        repo, content, before = wire.create_repo("big"), os.urandom(MiB) * 70, _stored_bytes(small)
        self._said_clearly(wire.put(wire.upload_action(repo, content), content))
        assert _stored_bytes(small) == before
        assert wire.commit(repo, [lfs_line("big.bin", content)]).status_code == 422

    def test_a_commit_that_does_not_fit_is_refused_whole(self, wire: Wire, filler: "Filler") -> None:
        repo = wire.create_repo("regular")
        lines = [file_line(f"{number}.txt", os.urandom(200_000).hex().encode()) for number in range(5)]
        filler.leave(100 * 1024)
        self._said_clearly(wire.commit(repo, lines))
        assert wire.list_files(repo) == [".gitattributes"]
        filler.remove()
        assert wire.commit(repo, lines).status_code == 200
        assert len(wire.list_files(repo)) == 6

    def test_a_push_that_does_not_fit_is_refused_whole(
        self, small: RunningServer, wire: Wire, filler: "Filler", git: Git, tmp_path: Path
    ) -> None:
        repo = wire.create_repo("pushed")
        clone = git.at(small).clone(repo, tmp_path / "clone")
        (clone / "a.txt").write_text(os.urandom(MiB).hex())
        git.commit(clone)
        filler.leave(100 * 1024)
        assert git.attempt("push", folder=clone).returncode != 0
        assert wire.list_files(repo) == [".gitattributes"]
        filler.remove()
        git.push(clone)
        assert wire.list_files(repo) == [".gitattributes", "a.txt"]

    def test_a_full_database_is_said_and_survived(self, wire: Wire, filler: "Filler") -> None:
        filler.leave(0)
        answer = wire.http.post("/api/repos/create", json={"name": "no-room", "organization": "alice"})
        self._said_clearly(answer)
        assert wire.http.get("/api/models").status_code == 200
        filler.remove()
        assert wire.http.get("/api/models/alice/no-room").status_code == 404
        assert wire.list_files(wire.create_repo("no-room")) == [".gitattributes"]

    def _said_clearly(self, refusal: httpx.Response) -> None:
        assert (refusal.status_code, refusal.headers["X-Error-Code"]) == (507, "StorageFull")
        assert "full" in refusal.json()["error"]


class Filler:
    """A file that takes the room of a file system."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def leave(self, size: int) -> None:
        """Take all but so many bytes, with pages that are only found to be there by writing them."""
        self.remove()
        disk = os.statvfs(self._path.parent)
        with self._path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            file.write(b"\0" * (disk.f_bavail * disk.f_frsize - size))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
