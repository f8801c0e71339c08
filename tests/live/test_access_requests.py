"""Gated repos with the official client: who asks, who lets in, and what that opens on every way in."""

from datetime import datetime
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import RunningServer

BIG = b"\0" * 1000 + b"behind the gate"


@pytest.fixture(params=["model", "dataset"])
def gated(request: pytest.FixtureRequest, alice: HfApi, make_repo: MakeRepo) -> tuple[str, str]:
    """Kind and name of a repo whose gate opens by hand."""
    name = make_repo(request.param)
    alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=name, repo_type=request.param)
    alice.update_repo_settings(name, gated="manual", repo_type=request.param)
    return request.param, name


def ask(server: RunningServer, kind: str, name: str, who: str | None = "bob") -> httpx.Response:
    """As on the Hub, there is no call for this in the client: the page has a button."""
    prefix = "" if kind == "model" else f"{kind}s/"
    headers = {"Authorization": f"Bearer {server.token(who)}"} if who else {}
    return httpx.post(f"{server.url}/{prefix}{name}/ask-access", headers=headers)


def names(requests: object) -> list[str]:
    return [request.username for request in requests]  # type: ignore[attr-defined]


class TestARequest:
    def test_goes_through_every_list(
        self, server: RunningServer, alice: HfApi, bob: HfApi, gated: tuple[str, str], tmp_path: Path
    ) -> None:
        kind, name = gated
        with pytest.raises(GatedRepoError, match="is restricted and you are not in the authorized list"):
            bob.hf_hub_download(name, "big.bin", repo_type=kind, cache_dir=tmp_path)
        assert ask(server, kind, name).status_code == 303
        (pending,) = alice.list_pending_access_requests(name, repo_type=kind)
        assert (pending.username, pending.status, pending.fullname) == ("bob", "pending", "bob")
        assert isinstance(pending.timestamp, datetime)

        alice.accept_access_request(name, "bob", repo_type=kind)
        assert names(alice.list_accepted_access_requests(name, repo_type=kind)) == ["bob"]
        assert Path(bob.hf_hub_download(name, "big.bin", repo_type=kind, cache_dir=tmp_path)).read_bytes() == BIG
        bob.auth_check(name, repo_type=kind)

        alice.reject_access_request(name, "bob", repo_type=kind, rejection_reason="Not you")
        assert names(alice.list_rejected_access_requests(name, repo_type=kind)) == ["bob"]
        with pytest.raises(GatedRepoError, match="declined"):
            bob.auth_check(name, repo_type=kind)

        alice.accept_access_request(name, request_id=pending.request_id, repo_type=kind)
        alice.cancel_access_request(name, "bob", repo_type=kind)
        assert names(alice.list_pending_access_requests(name, repo_type=kind)) == ["bob"]
        with pytest.raises(GatedRepoError):
            bob.auth_check(name, repo_type=kind)

    def test_changes_nothing_when_it_is_so_already(self, alice: HfApi, gated: tuple[str, str]) -> None:
        kind, name = gated
        alice.grant_access(name, "bob", repo_type=kind)
        for again in (alice.grant_access, alice.accept_access_request):
            with pytest.raises(HfHubHTTPError, match="already"):
                again(name, "bob", repo_type=kind)
        alice.reject_access_request(name, "bob", repo_type=kind, rejection_reason=None)
        with pytest.raises(HfHubHTTPError, match="already"):
            alice.reject_access_request(name, "bob", repo_type=kind, rejection_reason=None)

    def test_is_not_for_others_to_see_or_decide(
        self, alice: HfApi, bob: HfApi, stranger: HfApi, gated: tuple[str, str]
    ) -> None:
        kind, name = gated
        for client, status in ((bob, 403), (stranger, 401)):
            for call in (
                lambda client=client: list(client.list_pending_access_requests(name, repo_type=kind)),
                lambda client=client: client.grant_access(name, "bob", repo_type=kind),
                lambda client=client: client.accept_access_request(name, "bob", repo_type=kind),
            ):
                with pytest.raises(HfHubHTTPError) as caught:
                    call()
                assert caught.value.response.status_code == status
        alice.update_repo_settings(name, private=True, repo_type=kind)
        with pytest.raises(RepositoryNotFoundError):
            list(bob.list_pending_access_requests(name, repo_type=kind))

    def test_says_what_is_wrong_with_it(self, server: RunningServer, alice: HfApi, repo: str) -> None:
        with pytest.raises(BadRequestError, match="is not gated"):
            alice.grant_access(repo, "bob")
        alice.update_repo_settings(repo, gated="auto")
        with pytest.raises(HfHubHTTPError, match="is called nobody"):
            alice.grant_access(repo, "nobody")
        with pytest.raises(HfHubHTTPError, match="has not asked"):
            alice.accept_access_request(repo, "bob")
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        address = f"{server.url}/api/models/{repo}/user-access-request"
        for body in ({"status": "accepted"}, {"status": "perhaps", "user": "bob"}, {"user": "bob", "requestId": "x"}):
            assert httpx.post(f"{address}/handle", json=body, headers=headers).status_code == 400
        assert httpx.get(f"{address}/perhaps", headers=headers).status_code == 400

    def test_takes_somebody_who_is_signed_in(self, server: RunningServer, gated: tuple[str, str]) -> None:
        assert ask(server, *gated, who=None).status_code == 401


class TestTheGate:
    """Each way to the content of a gated repo, before and after one is let in."""

    @pytest.fixture
    def name(self, alice: HfApi, make_repo: MakeRepo) -> str:
        name = make_repo()
        alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=name)
        alice.upload_file(path_or_fileobj=b"text", path_in_repo="notes.txt", repo_id=name)
        alice.update_repo_settings(name, gated="manual")
        return name

    def test_holds_for_strangers_on_every_way(self, server: RunningServer, alice: HfApi, name: str) -> None:
        oid = alice.get_paths_info(name, "big.bin")[0].lfs.sha256  # type: ignore[union-attr]
        batch = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(BIG)}]}
        ways = [
            ("GET", f"/{name}/resolve/main/notes.txt", {}),
            ("HEAD", f"/{name}/resolve/main/big.bin", {}),
            ("GET", f"/{name}/raw/main/notes.txt", {}),
            ("GET", f"/{name}/blob/main/notes.txt", {}),
            ("GET", f"/{name}/tree/main", {}),
            ("GET", f"/{name}/info/refs?service=git-upload-pack", {}),
            ("POST", f"/{name}/git-upload-pack", {"content": b"0000"}),
            ("POST", f"/{name}.git/info/lfs/objects/batch", {"json": batch}),
            ("GET", f"/api/models/{name}/auth-check", {}),
            ("POST", f"/api/models/{name}/duplicate", {"json": {"repository": "bob/stolen"}}),
        ]
        bob = {"Authorization": f"Bearer {server.token('bob')}"}
        for method, path, options in ways:
            anonymous = httpx.request(method, server.url + path, **options)  # type: ignore[arg-type]
            assert anonymous.status_code == 401, path
            signed_in = httpx.request(method, server.url + path, headers=bob, **options)  # type: ignore[arg-type]
            assert (signed_in.status_code, signed_in.headers["X-Error-Code"]) == (403, "GatedRepo"), path
        alice.grant_access(name, "bob")
        for method, path, options in ways:
            assert httpx.request(method, server.url + path, headers=bob, **options).is_success, path  # type: ignore[arg-type]

    def test_opens_for_git_too(self, alice: HfApi, git: Git, name: str, tmp_path: Path) -> None:
        assert git.attempt("clone", git.url(name, "bob"), tmp_path / "refused").returncode != 0
        alice.grant_access(name, "bob")
        clone = git.clone(name, tmp_path / "clone", user="bob")
        assert (clone / "big.bin").read_bytes() == BIG

    def test_opens_by_itself_where_it_is_set_so(
        self, server: RunningServer, alice: HfApi, bob: HfApi, name: str
    ) -> None:
        alice.update_repo_settings(name, gated="auto")
        with pytest.raises(GatedRepoError):
            bob.auth_check(name)
        ask(server, "model", name)
        bob.auth_check(name)

    def test_is_seen_and_its_settings_are_told(self, stranger: HfApi, name: str) -> None:
        info = stranger.model_info(name)
        assert (info.gated, info.private) == ("manual", False)
        assert info.siblings is not None
