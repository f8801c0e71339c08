"""How much a namespace may hold: told before anything is sent, and kept whatever comes at once."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.live.conftest import Git
from tests.live.lfs import Lfs
from tests.live.running_server import RunningServer
from tests.live.xet import Xet, by_xet, stored_bytes
from tests.xet import xorb_of

MiB = 2**20


@pytest.fixture(scope="module")
def one() -> bytes:
    return os.urandom(MiB)


@pytest.fixture(scope="module")
def nina(server: RunningServer) -> HfApi:
    """Who has nothing from other tests, so that all of it can be counted."""
    server.seed({"users": [{"name": "nina"}], "tokens": [{"key": "NINA", "user": "nina"}]})
    return HfApi(endpoint=server.url, token=server.token("nina"))


@pytest.fixture
def quota(server: RunningServer, nina: HfApi) -> Iterator[str]:
    """Nina may hold 3 MiB, of which his one repo takes none yet."""
    with server.client() as administrator:
        administrator.put("/api/v1/accounts/nina/quota", {"bytes": 3 * MiB})
        yield nina.create_repo("nina/limited", exist_ok=True).repo_id
        nina.delete_repo("nina/limited")
        administrator.delete("/api/v1/accounts/nina/quota")


@pytest.fixture
def heavy(alice: HfApi) -> Iterator[str]:
    """Alice's, who has no limit: a repo that is more than others may hold."""
    repo = alice.create_repo("alice/heavy").repo_id
    alice.upload_file(path_or_fileobj=os.urandom(4 * MiB), path_in_repo="heavy.bin", repo_id=repo)
    yield repo
    alice.delete_repo(alice.model_info(repo).id)


def large(content: bytes, name: str) -> CommitOperationAdd:
    return CommitOperationAdd(f"{name}.bin", content)


class TestQuota:
    def test_what_does_not_fit_is_refused_with_figures_and_a_way_out(self, nina: HfApi, quota: str, one: bytes) -> None:
        nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id=quota)
        with pytest.raises(
            HfHubHTTPError, match=r"nina uses 1\.0 MiB of 3\.0 MiB, and this takes 2\.5 MiB more"
        ) as caught:
            nina.upload_file(path_or_fileobj=os.urandom(5 * MiB // 2), path_in_repo="b.bin", repo_id=quota)
        assert caught.value.response.status_code == 413
        assert nina.list_repo_files(quota) == [".gitattributes", "a.bin"]

    def test_who_sends_by_xet_hears_it_before_sending(
        self, server: RunningServer, nina: HfApi, quota: str, one: bytes
    ) -> None:
        nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id=quota)
        before = stored_bytes(server)
        with by_xet(), pytest.raises(HfHubHTTPError, match=r"nina uses 1\.0 MiB of 3\.0 MiB") as caught:
            nina.upload_file(path_or_fileobj=os.urandom(5 * MiB // 2), path_in_repo="b.bin", repo_id=quota)
        assert caught.value.response.status_code == 413
        assert "preupload" in str(caught.value.response.url)
        assert stored_bytes(server) == before

    def test_what_may_be_there_already_is_refused_only_when_it_is_not(
        self, nina: HfApi, quota: str, one: bytes
    ) -> None:
        """Before it is sent, nothing but its size is known."""
        halves = [os.urandom(3 * MiB // 2) for _ in range(2)]
        with by_xet():
            nina.upload_file(path_or_fileobj=halves[0], path_in_repo="a.bin", repo_id=quota)
            again = [large(halves[0], name) for name in ("b", "c", "d")]
            nina.create_commit(quota, again, commit_message="The same three times")
            nina.upload_file(path_or_fileobj=halves[1], path_in_repo="e.bin", repo_id=quota)
            with pytest.raises(HfHubHTTPError, match="nina uses"):
                nina.upload_file(path_or_fileobj=one, path_in_repo="f.bin", repo_id=quota)

    def test_who_proposes_changes_learns_nothing_of_what_private_repos_hold(
        self, server: RunningServer, nina: HfApi, quota: str, one: bytes
    ) -> None:
        nina.create_repo("nina/secret", private=True, exist_ok=True)
        nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id="nina/secret")
        held, unknown = sha256(one).hexdigest(), sha256(b"unknown").hexdigest()
        asked = [{"oid": oid, "size": 4 * MiB} for oid in (held, unknown)]
        for name, answers in (("nina", [200, 413]), ("bob", [413, 413])):
            lfs = Lfs(server.url, server.token(name))
            assert [lfs.ask(quota, "upload", [each]).status_code for each in asked] == answers
        nina.delete_repo("nina/secret")

    def test_it_is_said_in_the_readers_language(self, server: RunningServer, quota: str) -> None:
        lfs = Lfs(server.url, server.token("nina"))
        body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": "a" * 64, "size": 4 * MiB}]}
        headers = {"Authorization": f"Bearer {lfs.token}", "Accept-Language": "pt-BR"}
        answer = httpx.post(f"{server.url}/{quota}.git/info/lfs/objects/batch", json=body, headers=headers)
        assert answer.status_code == 413
        assert "nina usa 0 B de 3.0 MiB" in answer.json()["message"]

    def test_the_same_content_in_another_repo_counts_once(self, nina: HfApi, quota: str, one: bytes) -> None:
        nina.create_repo("nina/second", exist_ok=True)
        for repo in (quota, "nina/second"):
            operations = [large(one, "a"), large(one + b"2", "b")]
            nina.create_commit(repo, operations, commit_message="Two of three")
        nina.delete_repo("nina/second")

    def test_uploads_at_once_do_not_pass_it_together(self, server: RunningServer, quota: str) -> None:
        lfs = Lfs(server.url, server.token("nina"))
        contents = [os.urandom(MiB) for _ in range(6)]
        uploads = [(content, lfs.actions(quota, content)["upload"]["href"]) for content in contents]
        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda upload: httpx.put(upload[1], content=upload[0], timeout=60), uploads))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 413, 413, 413]

    def test_git_is_told_by_its_push(
        self, nina: HfApi, server: RunningServer, git: Git, quota: str, tmp_path: Path
    ) -> None:
        folder = git.clone(quota, tmp_path / "clone", user="nina")
        (folder / "big.bin").write_bytes(os.urandom(4 * MiB))
        git.commit(folder)
        pushed = git.attempt("push", "origin", "HEAD", folder=folder)
        assert pushed.returncode != 0
        assert "nina uses 0 B of 3.0 MiB" in pushed.stderr + pushed.stdout

    def test_a_smaller_quota_leaves_what_is_there_usable(
        self, nina: HfApi, server: RunningServer, quota: str, one: bytes
    ) -> None:
        nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id=quota)
        with server.client() as administrator:
            administrator.put("/api/v1/accounts/nina/quota", {"bytes": 0})
        nina.upload_file(path_or_fileobj=one, path_in_repo="renamed.bin", repo_id=quota)
        assert "renamed.bin" in nina.list_repo_files(quota)

    def test_what_another_repo_has_is_not_given_past_it(
        self, alice: HfApi, nina: HfApi, quota: str, heavy: str
    ) -> None:
        (file,) = [each for each in alice.list_repo_tree(heavy) if each.path == "heavy.bin"]
        answer = httpx.post(
            f"{alice.endpoint}/api/models/{heavy}/lfs-files/duplicate",
            json={"target": {"type": "model", "name": quota}, "files": [{"sha256": file.lfs.sha256}]},
            headers={"Authorization": f"Bearer {nina.token}"},
        )
        assert answer.status_code == 413
        assert nina.model_info(quota, expand=["usedStorage"]).used_storage == 0

    def test_a_repo_moves_only_where_there_is_room(self, server: RunningServer, alice: HfApi, heavy: str) -> None:
        with server.client() as administrator:
            administrator.put("/api/v1/accounts/acai/quota", {"bytes": MiB})
            with pytest.raises(HfHubHTTPError, match="acai uses") as caught:
                alice.move_repo(heavy, "acai/heavy")
            administrator.delete("/api/v1/accounts/acai/quota")
        assert caught.value.response.status_code == 413
        assert alice.model_info(heavy).id == heavy
        alice.move_repo(heavy, "acai/heavy")
        assert alice.model_info("acai/heavy").id == "acai/heavy"

    def test_only_an_administrator_sets_it(self, server: RunningServer, quota: str) -> None:
        headers = {"Authorization": f"Bearer {server.token('nina')}"}
        url = f"{server.url}/api/v1/accounts/nina/quota"
        assert httpx.put(url, json={"bytes": None}, headers=headers).status_code == 403
        assert httpx.delete(url, headers=headers).status_code == 403


class TestOutsideOfRepos:
    """Nobody fills the disk with what no repo has."""

    @pytest.fixture
    def sender(self, server: RunningServer) -> str:
        """Who may hold 3 MiB."""
        name = f"sender-{os.urandom(4).hex()}"
        server.seed({"users": [{"name": name}], "tokens": [{"key": name.upper(), "user": name}]})
        with server.client() as administrator:
            administrator.put(f"/api/v1/accounts/{name}/quota", {"bytes": 3 * MiB})
        return name

    def test_xorbs_that_are_in_no_file_count(self, server: RunningServer, sender: str) -> None:
        repo = HfApi(endpoint=server.url, token=server.token(sender)).create_repo(f"{sender}/limited").repo_id
        xet = Xet(server, sender, repo)
        answers = [xet.send_xorb(*xorb_of(*(os.urandom(2**17) for _ in range(16)))) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 413]
        assert answers[-1].headers["X-Error-Code"] == "QuotaExceeded"

    def test_so_does_what_is_attached_to_comments(self, server: RunningServer, sender: str) -> None:
        headers = {"Authorization": f"Bearer {server.token(sender)}", "Content-Type": "image/png"}
        answers = [httpx.post(f"{server.url}/uploads", content=os.urandom(2 * MiB), headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 413]


class TestUsage:
    def test_a_namespace_counts_once_what_its_repos_share(
        self, server: RunningServer, nina: HfApi, quota: str, one: bytes
    ) -> None:
        nina.create_repo("nina/private", private=True, exist_ok=True)
        for repo in (quota, "nina/private"):
            nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id=repo)
        with server.client("nina") as client:
            (told,) = client.get("/api/v1/hub/usage", namespace="nina")
        large = {repo["repo"]: repo["large"] for repo in told["repos"]}
        assert large["nina/limited"] == large["nina/private"] == MiB
        assert told["large"] < sum(large.values())
        assert told["limit"] == 3 * MiB
        assert all(repo["git"] > 0 for repo in told["repos"])
        nina.delete_repo("nina/private")

    def test_the_official_client_lists_what_repos_take(self, nina: HfApi, quota: str, one: bytes) -> None:
        nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id=quota)
        found = {repo.id: repo for repo in nina.list_user_repos()}
        assert found[quota].type == "model"
        assert found[quota].storage == MiB == nina.model_info(quota, expand=["usedStorage"]).used_storage
        assert 0 < found[quota].storage_percent <= 100

    def test_an_organisations_is_for_its_members(self, alice: HfApi, nina: HfApi) -> None:
        alice.create_repo("acai/counted", exist_ok=True)
        assert "acai/counted" in [repo.id for repo in alice.list_user_repos(namespace="acai")]
        with pytest.raises(HfHubHTTPError) as caught:
            list(nina.list_user_repos(namespace="acai"))
        assert caught.value.response.status_code == 403

    def test_nobody_reads_anothers(self, server: RunningServer, quota: str) -> None:
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        answer = httpx.get(f"{server.url}/api/v1/hub/usage", params={"namespace": "nina"}, headers=headers)
        assert answer.status_code == 403
        everything = httpx.get(f"{server.url}/api/v1/hub/usage", headers=headers).json()
        assert "nina" not in [each["namespace"] for each in everything]
        assert httpx.get(f"{server.url}/api/settings/repositories").status_code == 401


class TestGc:
    def test_it_says_what_goes_and_what_stays_and_runs_as_a_job(
        self, server: RunningServer, nina: HfApi, quota: str, one: bytes
    ) -> None:
        nina.upload_file(path_or_fileobj=one, path_in_repo="a.bin", repo_id=quota)
        with server.client() as administrator:
            plan = administrator.get("/api/v1/hub/gc")
            assert set(plan) == {"unused", "recent", "used"}
            assert plan["used"]["contents"] > 0
            job_id = administrator.post("/api/v1/hub/gc")["job_id"]
            (*_, job) = administrator.changes(f"/api/v1/jobs/{job_id}")
        assert job["state"] == "succeeded"
        assert job["result"]["contents"] == plan["unused"]["contents"]
