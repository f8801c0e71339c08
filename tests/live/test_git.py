"""`git clone`, `fetch` and `push`, by the git program and by git-lfs."""

import gzip
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError

from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import RunningServer
from tests.live.uploading import descendants

MiB = 2**20


@pytest.fixture
def clone(git: Git, repo: str, tmp_path: Path) -> Path:
    return git.clone(repo, tmp_path / "clone")


def head(api: HfApi, repo: str, revision: str = "main") -> str:
    return str(api.model_info(repo, revision=revision).sha)


class TestCloning:
    @pytest.mark.parametrize("suffix", ["", ".git", "/"])
    def test_a_public_repo_by_anybody(self, git: Git, repo: str, tmp_path: Path, suffix: str) -> None:
        clone = git.clone(f"{repo}{suffix}", tmp_path / "clone", user=None)
        assert (clone / ".gitattributes").exists()

    @pytest.mark.parametrize(("kind", "prefix"), [("dataset", "datasets"), ("space", "spaces")])
    def test_other_kinds_under_their_prefix(
        self, git: Git, make_repo: MakeRepo, tmp_path: Path, kind: str, prefix: str
    ) -> None:
        clone = git.clone(f"{prefix}/{make_repo(kind)}", tmp_path / "clone", user=None)
        assert (clone / ".gitattributes").exists()

    @pytest.mark.parametrize("version", ["0", "1", "2"])
    def test_every_version_of_the_protocol(self, git: Git, repo: str, tmp_path: Path, version: str) -> None:
        git("-c", f"protocol.version={version}", "clone", "--quiet", git.url(repo), tmp_path / "clone")
        assert (tmp_path / "clone" / ".gitattributes").exists()

    def test_shallow_and_without_blobs(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        alice.upload_file(path_or_fileobj=b"later", path_in_repo="later.txt", repo_id=repo)
        options = ("--depth=1", "--filter=blob:none", "--no-checkout", "--quiet")
        git("clone", *options, git.url(repo), tmp_path / "clone")
        assert git("rev-list", "--count", "HEAD", folder=tmp_path / "clone").strip() == "1"

    def test_a_commit_through_the_api_is_fetched_at_once(self, git: Git, alice: HfApi, repo: str, clone: Path) -> None:
        commit = alice.upload_file(path_or_fileobj=b"from the api", path_in_repo="api.txt", repo_id=repo)
        git("pull", "--quiet", folder=clone)
        assert git("rev-parse", "HEAD", folder=clone).strip() == commit.oid
        assert (clone / "api.txt").read_text() == "from the api"

    def test_a_private_repo_and_a_missing_one_look_the_same(
        self, git: Git, server: RunningServer, make_repo: MakeRepo, tmp_path: Path
    ) -> None:
        private, missing = make_repo(private=True), "alice/was-never-there"
        for user in (None, "bob"):
            told = [
                git.attempt("clone", git.url(repo, user), tmp_path / "no").stderr.replace(repo, "REPO")
                for repo in (private, missing)
            ]
            assert told[0] == told[1]
        assert git.clone(private, tmp_path / "clone").is_dir()

    def test_a_wrong_credential_is_asked_for_again(self, server: RunningServer, repo: str) -> None:
        refs = f"{server.url}/{repo}/info/refs?service=git-upload-pack"
        answer = httpx.get(refs, auth=("alice", "hf_wrong"))
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="Viveiro"')

    def test_the_dumb_protocol_is_refused_in_words(self, server: RunningServer, repo: str) -> None:
        answer = httpx.get(f"{server.url}/{repo}/info/refs")
        assert answer.status_code == 400
        assert "smart" in answer.json()["error"]


class TestPushing:
    def test_what_was_pushed_is_seen_through_the_api_at_once(
        self, git: Git, alice: HfApi, repo: str, clone: Path
    ) -> None:
        (clone / "config.json").write_text('{"model_type": "bert"}')
        sha = git.commit(clone, "By git")
        git.push(clone)
        assert head(alice, repo) == sha
        assert alice.model_info(repo).config == {"model_type": "bert"}
        assert [commit.title for commit in alice.list_repo_commits(repo)] == ["By git", "initial commit"]

    def test_branches_and_tags_come_and_go(self, git: Git, alice: HfApi, repo: str, clone: Path) -> None:
        git("tag", "-a", "v1", "-m", "first", folder=clone)
        git.push(clone, "HEAD:refs/heads/feature/deep", "v1")
        refs = alice.list_repo_refs(repo)
        assert [branch.name for branch in refs.branches] == ["feature/deep", "main"]
        assert [tag.name for tag in refs.tags] == ["v1"]
        git.push(clone, ":refs/heads/feature/deep", ":v1")
        refs = alice.list_repo_refs(repo)
        assert ([branch.name for branch in refs.branches], refs.tags) == (["main"], [])

    def test_a_push_from_an_old_state_is_rejected_until_forced(
        self, git: Git, alice: HfApi, repo: str, clone: Path
    ) -> None:
        theirs = alice.upload_file(path_or_fileobj=b"theirs", path_in_repo="a.txt", repo_id=repo).oid
        (clone / "a.txt").write_text("ours")
        ours = git.commit(clone)
        assert "fetch first" in git.attempt("push", "origin", "HEAD", folder=clone).stderr
        assert head(alice, repo) == theirs
        git.push(clone, "+HEAD")
        assert head(alice, repo) == ours

    def test_a_reader_is_told_that_reading_is_all(self, git: Git, repo: str, clone: Path) -> None:
        refused = git.attempt("push", git.url(repo, "bob"), "HEAD:refs/heads/bobs", folder=clone)
        assert "403" in refused.stderr

    def test_a_stranger_is_asked_who_they_are(self, git: Git, repo: str, clone: Path) -> None:
        refused = git.attempt("push", git.url(repo, None), "HEAD:refs/heads/nobodys", folder=clone)
        assert "could not read Username" in refused.stderr

    def test_a_hundred_commits_with_a_thousand_files(self, git: Git, alice: HfApi, repo: str, clone: Path) -> None:
        for number in range(100):
            for file in range(10):
                (clone / f"{number:03d}-{file}.txt").write_text(f"{number} {file}\n" * 50)
            git.commit(clone, f"Commit {number}")
        git.push(clone)
        assert len(alice.list_repo_files(repo)) == 1001

    def test_a_fetch_long_enough_to_be_compressed(self, git: Git, alice: HfApi, repo: str, clone: Path) -> None:
        for number in range(60):
            git("commit", "--quiet", "--allow-empty", "--message", str(number), folder=clone)
        alice.upload_file(path_or_fileobj=b"theirs", path_in_repo="a.txt", repo_id=repo)
        git("fetch", "--quiet", folder=clone)
        assert git("rev-parse", "origin/main", folder=clone).strip() == head(alice, repo)


class TestRefusedPushes:
    """Checked before any ref moves, by the same rules as commits through the API; the reason reaches the pusher."""

    def refused(self, git: Git, clone: Path, *refs: str) -> str:
        git.commit(clone)
        result = git.attempt("push", "origin", *(refs or ("HEAD",)), folder=clone)
        assert result.returncode != 0
        assert "pre-receive hook declined" in result.stderr
        return result.stderr

    def test_a_large_file_outside_lfs(self, git: Git, alice: HfApi, repo: str, clone: Path) -> None:
        before = head(alice, repo)
        (clone / "large.txt").write_bytes(os.urandom(10 * MiB))
        assert "git lfs migrate import" in self.refused(git, clone)
        assert head(alice, repo) == before

    def test_a_pointer_whose_content_was_not_uploaded(self, git: Git, clone: Path) -> None:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 5\n"
        (clone / "pointer.txt").write_text(pointer)
        assert "git lfs push --all origin" in self.refused(git, clone)

    def test_a_pointer_to_content_of_another_repo(
        self, git: Git, bob: HfApi, clone: Path, server: RunningServer
    ) -> None:
        """Knowing the hash of a private file is not having it."""
        bob.create_repo("bob/secret", private=True, exist_ok=True)
        bob.upload_file(path_or_fileobj=b"\0secret", path_in_repo="secret.bin", repo_id="bob/secret")
        (secret,) = bob.get_paths_info("bob/secret", "secret.bin")
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{secret.lfs.sha256}\nsize 7\n"
        (clone / "stolen.txt").write_text(pointer)
        assert "was not uploaded" in self.refused(git, clone)

    def test_a_symbolic_link(self, git: Git, clone: Path) -> None:
        (clone / "link").symlink_to("/etc/passwd")
        assert "symbolic links" in self.refused(git, clone)

    def test_deleting_main(self, git: Git, clone: Path) -> None:
        result = git.attempt("push", "origin", ":main", folder=clone)
        assert result.returncode != 0
        assert "main" in result.stderr

    def test_refs_that_belong_to_the_hub(self, git: Git, clone: Path) -> None:
        (clone / "a.txt").write_text("a")
        assert "only branches" in self.refused(git, clone, "HEAD:refs/convert/parquet")
        assert git.attempt("push", "origin", "HEAD:refs/pr/1", folder=clone).returncode != 0

    def test_a_refused_push_leaves_no_object_behind(
        self, git: Git, server: RunningServer, clone: Path, make_repo: MakeRepo
    ) -> None:
        (clone / "large.txt").write_bytes(os.urandom(10 * MiB))
        self.refused(git, clone)
        assert list(server.data_dir.glob("repos/*/*.git/objects/tmp_objdir*")) == []
        assert max(file.stat().st_size for file in server.data_dir.glob("repos/*/*.git/objects/**/*")) < 10 * MiB

    def test_control_characters_do_not_reach_the_pushers_terminal(self, git: Git, clone: Path) -> None:
        (clone / "a\x1b[2Jb").symlink_to("x")
        told = self.refused(git, clone)
        assert "\x1b[2J" not in told


class TestBadConnections:
    """A push arrived whole and is carried through, or it never happened. No process stays behind."""

    def push_request(self, git: Git, repo: str, clone: Path) -> tuple[str, bytes]:
        (clone / "pushed.txt").write_bytes(os.urandom(3 * MiB))
        old = git("rev-parse", "HEAD", folder=clone).strip()
        new = git.commit(clone)
        pack = clone / "pack"
        git("bundle", "create", "--quiet", pack, f"{old}..HEAD", folder=clone)
        bundle = pack.read_bytes()
        line = f"{old} {new} refs/heads/main\0report-status side-band-64k\n".encode()
        return new, f"{len(line) + 4:04x}".encode() + line + b"0000" + bundle[bundle.index(b"PACK") :]

    def send(self, server: RunningServer, repo: str, body: bytes, announced: int) -> None:
        """On a bare socket, and hang up at once without reading a byte of the answer."""
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(
                f"POST /{repo}/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: {announced}\r\n"
                f"Authorization: Bearer {server.token('alice')}\r\n"
                "Content-Type: application/x-git-receive-pack-request\r\n\r\n".encode()
            )
            connection.sendall(body)

    def test_hanging_up_right_after_sending(
        self, git: Git, server: RunningServer, alice: HfApi, repo: str, clone: Path
    ) -> None:
        new, body = self.push_request(git, repo, clone)
        self.send(server, repo, body, len(body))
        eventually(lambda: head(alice, repo) == new)
        eventually(lambda: leftovers(server) == [])

    def test_hanging_up_in_the_middle(
        self, git: Git, server: RunningServer, alice: HfApi, repo: str, clone: Path
    ) -> None:
        before = head(alice, repo)
        _, body = self.push_request(git, repo, clone)
        self.send(server, repo, body[: len(body) // 2], len(body))
        eventually(lambda: leftovers(server) == [])
        assert head(alice, repo) == before
        git.push(clone)  # and the repo is not locked
        assert head(alice, repo) != before

    def test_a_clone_that_is_broken_off(self, server: RunningServer, alice: HfApi, repo: str) -> None:
        files = [CommitOperationAdd(f"{number}.txt", os.urandom(MiB).hex().encode()) for number in range(12)]
        alice.create_commit(repo, files, commit_message="Much")
        want = f"want {head(alice, repo)} side-band-64k ofs-delta\n".encode()
        body = f"{len(want) + 4:04x}".encode() + want + b"00000009done\n"
        with httpx.stream("POST", f"{server.url}/{repo}/git-upload-pack", content=body) as answer:
            assert answer.status_code == 200
            next(answer.iter_raw(1000))
        eventually(lambda: leftovers(server) == [])

    @pytest.mark.parametrize("program", ["git-upload-pack", "git-receive-pack"])
    def test_what_is_no_git_is_a_bad_request(self, server: RunningServer, repo: str, program: str) -> None:
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        answer = httpx.post(f"{server.url}/{repo}/{program}", content=b"GET / HTTP/1.1", headers=headers)
        assert answer.status_code == 400
        assert "bad line length" in answer.json()["error"]

    def test_a_body_that_is_not_the_gzip_it_claims_to_be(self, server: RunningServer, repo: str) -> None:
        address = f"{server.url}/{repo}/git-upload-pack"
        answer = httpx.post(address, content=b"0000" * 100, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 400

    def test_a_compressed_request_is_unpacked(self, server: RunningServer, alice: HfApi, repo: str) -> None:
        want = f"want {head(alice, repo)}\n".encode()
        body = gzip.compress(f"{len(want) + 4:04x}".encode() + want + b"00000009done\n")
        address = f"{server.url}/{repo}/git-upload-pack"
        answer = httpx.post(address, content=body, headers={"Content-Encoding": "gzip"})
        assert b"PACK" in answer.content


class TestLfs:
    """git-lfs, with nothing configured but `git lfs install`."""

    CONTENT = os.urandom(12 * MiB)

    def test_a_pushed_file_is_downloaded_through_the_api(
        self, git: Git, alice: HfApi, repo: str, clone: Path, tmp_path: Path
    ) -> None:
        (clone / "weights.safetensors").write_bytes(self.CONTENT)
        git.commit(clone, "Weights")
        git.push(clone)
        (entry,) = alice.get_paths_info(repo, "weights.safetensors")
        assert (entry.size, entry.lfs.size) == (len(self.CONTENT), len(self.CONTENT))
        file = alice.hf_hub_download(repo, "weights.safetensors", cache_dir=tmp_path / "cache")
        assert Path(file).read_bytes() == self.CONTENT

    def test_a_file_uploaded_through_the_api_is_cloned(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        alice.upload_file(path_or_fileobj=self.CONTENT, path_in_repo="weights.bin", repo_id=repo)
        clone = git.clone(repo, tmp_path / "clone", user=None)
        assert (clone / "weights.bin").read_bytes() == self.CONTENT

    def test_in_a_private_repo(self, git: Git, make_repo: MakeRepo, tmp_path: Path) -> None:
        repo = make_repo("dataset", private=True)
        clone = git.clone(f"datasets/{repo}", tmp_path / "clone")
        (clone / "data.parquet").write_bytes(self.CONTENT)
        git.commit(clone)
        git.push(clone)
        again = git.clone(f"datasets/{repo}", tmp_path / "again")
        assert (again / "data.parquet").read_bytes() == self.CONTENT

    def test_a_file_of_no_bytes(self, git: Git, alice: HfApi, repo: str, clone: Path, tmp_path: Path) -> None:
        (clone / "empty.bin").write_bytes(b"")
        git.commit(clone)
        git.push(clone)
        assert Path(alice.hf_hub_download(repo, "empty.bin", cache_dir=tmp_path)).read_bytes() == b""

    def test_the_content_of_another_branch_stays_reachable(
        self, git: Git, alice: HfApi, repo: str, clone: Path
    ) -> None:
        git("switch", "--quiet", "--create", "side", folder=clone)
        (clone / "side.bin").write_bytes(b"side")
        git.commit(clone)
        git.push(clone, "side")
        assert alice.file_exists(repo, "side.bin", revision="side")
        with pytest.raises(RemoteEntryNotFoundError):
            alice.hf_hub_download(repo, "side.bin")


def eventually(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def leftovers(server: RunningServer) -> list[str]:
    """Git's processes that the web process has started, and their quarantined objects."""
    children = descendants(server.pids()["web"])[1:]
    running = [line for child in children if "git" in (line := _command_line(child))]
    return [*running, *map(str, server.data_dir.glob("repos/*/*.git/objects/tmp_objdir*"))]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
