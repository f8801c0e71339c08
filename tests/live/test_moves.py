"""A repo that has moved: its clients, links and clones of before go on, and strangers learn nothing."""

import threading
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.live.command_line import CommandLine
from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import RunningServer

BIG = b"\0" * 1000 + b"weights"


@pytest.fixture
def moved(alice: HfApi, make_repo: MakeRepo) -> tuple[str, str]:
    """A public model with a file and a big file: its old name, and its new one."""
    return _moved(alice, make_repo())


def _moved(alice: HfApi, old: str, repo_type: str = "model") -> tuple[str, str]:
    new = f"{old.replace('alice/', 'acai/')}.moved"
    alice.upload_file(path_or_fileobj=b"hello", path_in_repo="notes.txt", repo_id=old, repo_type=repo_type)
    alice.upload_file(path_or_fileobj=BIG, path_in_repo="big.bin", repo_id=old, repo_type=repo_type)
    alice.move_repo(old, new, repo_type=repo_type)
    return old, new


class TestTheOldName:
    @pytest.mark.parametrize("repo_type", ["model", "dataset", "space"])
    def test_answers_307_with_a_relative_address(
        self, server: RunningServer, alice: HfApi, make_repo: MakeRepo, repo_type: str
    ) -> None:
        old, new = _moved(alice, make_repo(repo_type), repo_type)
        page = "" if repo_type == "model" else f"/{repo_type}s"
        api = f"/api/{repo_type}s"
        batch = {"operation": "download", "transfers": ["basic"], "objects": []}
        asked: list[tuple[str, str, dict[str, object]]] = [
            ("GET", f"{api}/{{}}", {}),
            ("GET", f"{api}/{{}}/revision/refs%2Fheads%2Fmain?blobs=true", {}),
            ("GET", f"{api}/{{}}/tree/main?recursive=true", {}),
            ("POST", f"{api}/{{}}/paths-info/main", {"json": {"paths": ["notes.txt"]}}),
            ("POST", f"{api}/{{}}/preupload/main", {"json": {"files": []}}),
            ("POST", f"{api}/{{}}/commit/main", {"content": b""}),
            ("PUT", f"{api}/{{}}/settings", {"json": {"private": False}}),
            ("DELETE", f"{api}/{{}}/branch/x", {}),
            ("GET", f"{api}/{{}}/refs", {}),
            ("GET", f"{page}/{{}}", {"headers": {"Accept": "text/html"}}),
            ("GET", f"{page}/{{}}/tree/main", {"headers": {"Accept": "text/html"}}),
            ("GET", f"{page}/{{}}/resolve/main/notes.txt", {}),
            ("HEAD", f"{page}/{{}}/resolve/main/big.bin", {}),
            ("GET", f"{page}/{{}}/raw/main/big.bin", {}),
            ("GET", f"{page}/{{}}.git/info/refs?service=git-upload-pack", {}),
            ("GET", f"{page}/{{}}/info/refs?service=git-upload-pack", {}),
            ("POST", f"{page}/{{}}/git-upload-pack", {"content": b"0000"}),
            ("POST", f"{page}/{{}}.git/info/lfs/objects/batch", {"json": batch}),
        ]
        for method, template, options in asked:
            headers = {"Authorization": f"Bearer {server.token('alice')}", **options.pop("headers", {})}  # type: ignore[dict-item]
            answer = httpx.request(method, server.url + template.format(old.upper()), headers=headers, **options)  # type: ignore[arg-type]
            assert (answer.status_code, answer.headers.get("location")) == (307, template.format(new)), template

    def test_serves_the_official_client_in_every_way(
        self, alice: HfApi, moved: tuple[str, str], tmp_path: Path
    ) -> None:
        old, new = moved
        assert alice.model_info(old).id == new
        assert Path(alice.hf_hub_download(old, "big.bin", cache_dir=tmp_path / "a")).read_bytes() == BIG
        snapshot = alice.snapshot_download(old, cache_dir=tmp_path / "b")
        assert sorted(path.name for path in Path(snapshot).iterdir()) == [".gitattributes", "big.bin", "notes.txt"]
        alice.upload_file(path_or_fileobj=b"more", path_in_repo="more.txt", repo_id=old)
        alice.upload_file(path_or_fileobj=BIG + b"!", path_in_repo="bigger.bin", repo_id=old)
        alice.create_tag(old, tag="v1")
        assert {"more.txt", "bigger.bin"} <= set(alice.list_repo_files(new, revision="v1"))
        assert alice.file_exists(old, "notes.txt")
        assert not alice.file_exists(old, "absent.txt")

    def test_serves_git_and_git_lfs(
        self, server: RunningServer, git: Git, moved: tuple[str, str], tmp_path: Path
    ) -> None:
        """With the credential where a helper finds it, as git's own manual has it."""
        old, new = moved
        store = tmp_path / "credentials"
        git("config", "--global", "credential.helper", f"store --file={store}")
        store.write_text(server.url.replace("://", f"://alice:{server.token('alice')}@") + "\n")
        clone = git.clone(old, tmp_path / "clone", user=None)
        assert (clone / "big.bin").read_bytes() == BIG
        (clone / "more.bin").write_bytes(BIG + b"more")
        (clone / "more.txt").write_text("more")
        sha = git.commit(clone)
        git.push(clone, "HEAD:main")
        assert HfApi(endpoint=server.url, token=False).model_info(new).sha == sha

    def test_serves_git_with_the_credential_in_the_address(
        self, alice: HfApi, git: Git, make_repo: MakeRepo, tmp_path: Path
    ) -> None:
        """Of a private repo: git has to show it again where it is led."""
        old = make_repo(private=True)
        clone = git.clone(old, tmp_path / "before")
        _moved(alice, old)
        git("pull", "--quiet", "origin", "main", folder=clone)
        (clone / "more.txt").write_text("more")
        sha = git.commit(clone)
        git.push(clone, "HEAD:main")
        assert git("rev-parse", "HEAD", folder=git.clone(old, tmp_path / "after")).strip() == sha

    def test_is_free_for_a_new_repo(self, alice: HfApi, moved: tuple[str, str]) -> None:
        old, new = moved
        alice.create_repo(old)
        assert alice.model_info(old).id == old
        assert alice.model_info(new).id == new

    def test_of_a_private_repo_tells_strangers_nothing(
        self, server: RunningServer, alice: HfApi, bob: HfApi, make_repo: MakeRepo
    ) -> None:
        old, new = _moved(alice, make_repo(private=True))
        assert alice.model_info(old).id == new
        for path in ("/api/models/{}", "/{}/resolve/main/notes.txt", "/{}", "/models/{}", "/api/v1/endpoints/{}"):
            hidden = httpx.get(server.url + path.format(old))
            absent = httpx.get(server.url + path.format("alice/absent"))
            assert hidden.status_code == absent.status_code
            assert hidden.text.replace(old, "x") == absent.text.replace("alice/absent", "x")
        with pytest.raises(RepositoryNotFoundError):
            bob.model_info(old)


class TestMoving:
    def test_onto_a_repo_that_is_there(self, alice: HfApi, make_repo: MakeRepo) -> None:
        one, other = make_repo(), make_repo()
        with pytest.raises(HfHubHTTPError, match=r"A model repository called .* already exists") as caught:
            alice.move_repo(one, other)
        assert caught.value.response.status_code == 409

    @pytest.mark.parametrize(
        "target",
        [
            "alice/../bob", "alice/a/b", "alice/.hidden", "alice/a.git", "alice/é", "alice/a b", "/x", "alice/", "settings/x",
            "bob/x", "nobody/x", "alice/" + "x" * 97, "alice/a\u202eb", "alice/a%2fb", "-/x", "alice/a--b",
        ],
    )  # fmt: skip
    def test_onto_a_name_that_cannot_be(self, server: RunningServer, repo: str, target: str) -> None:
        """Past the client, which would refuse some itself."""
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        body = {"fromRepo": repo, "toRepo": target, "type": "model"}
        answer = httpx.post(f"{server.url}/api/repos/move", json=body, headers=headers)
        assert answer.status_code in (400, 403, 404)
        assert answer.json()["error"]
        assert httpx.get(f"{server.url}/api/models/{repo}").json()["id"] == repo

    def test_by_a_stranger(self, bob: HfApi, stranger: HfApi, make_repo: MakeRepo) -> None:
        public, private = make_repo(), make_repo(private=True)
        for client, repo, status in ((bob, public, 403), (bob, private, 404), (stranger, public, 401)):
            with pytest.raises(HfHubHTTPError) as caught:
                client.move_repo(repo, "bob/taken")
            assert caught.value.response.status_code == status

    def test_while_commits_come_in(self, alice: HfApi, repo: str) -> None:
        """They arrive by the name that each had when it was sent, and none is lost."""
        problems: list[BaseException] = []
        names = [f"{repo}-{number}" for number in range(4)]

        def commit(number: int) -> None:
            try:
                for each in range(5):
                    alice.upload_file(path_or_fileobj=b"x", path_in_repo=f"{number}/{each}.txt", repo_id=repo)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=commit, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for old, new in zip([repo, *names], names, strict=False):
            alice.move_repo(old, new)
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(alice.list_repo_files(names[-1])) == 1 + 3 * 5

    def test_by_the_command_line(self, server: RunningServer, alice: HfApi, repo: str) -> None:
        name = repo.removeprefix("alice/")
        assert CommandLine(server).printed("repos", "move", name, f"{name}-2")["id"] == f"{repo}-2"
        assert alice.model_info(repo).id == f"{repo}-2"
        assert CommandLine(server).printed("repos", "info", name)["id"] == f"{repo}-2"
