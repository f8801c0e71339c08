"""The ecosystem's own clients work unchanged: only HF_ENDPOINT says where the hub is."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.live.conftest import Git, MakeRepo
from tests.live.running_server import RunningServer
from tests.live.waiting import wait_until

if TYPE_CHECKING:
    pass

MiB = 2**20
BIG = bytes(range(256)) * (11 * MiB // 256)
"""Over the LFS threshold, and no longer than it must be."""


class TestTheClientsPointAtOurServer:
    def test_no_client_would_ask_anyone_else(self, server: RunningServer) -> None:
        import datasets.config
        import huggingface_hub.constants

        assert huggingface_hub.constants.ENDPOINT == datasets.config.HF_ENDPOINT == server.url
        assert huggingface_hub.constants.HF_HUB_DISABLE_XET


class TestWhoIsWho:
    def test_a_token_knows_its_user_and_their_organizations(self, alice: HfApi) -> None:
        me = alice.whoami()
        assert (me["name"], me["type"], [org["name"] for org in me["orgs"]]) == ("alice", "user", ["acai"])

    def test_an_unknown_token_is_told_so(self, server: RunningServer) -> None:
        with pytest.raises(HfHubHTTPError, match="Invalid user token"):
            HfApi(endpoint=server.url, token="hf_" + "x" * 34).whoami()

    def test_a_missing_token_is_told_so(self, server: RunningServer) -> None:
        answer = httpx.get(f"{server.url}/api/whoami-v2")
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (401, "NotAuthenticated")


class TestReposComeAndGo:
    @pytest.mark.parametrize("repo_type", ["model", "dataset", "space"])
    def test_a_repo_is_born_with_one_commit_and_dies_whole(self, alice: HfApi, repo_type: str) -> None:
        name = f"alice/life-of-a-{repo_type}"
        url = alice.create_repo(name, repo_type=repo_type, space_sdk="static" if repo_type == "space" else None)
        assert (url.repo_id, url.repo_type) == (name, repo_type)
        says_its_sdk = ["README.md"] if repo_type == "space" else []
        assert alice.list_repo_files(name, repo_type=repo_type) == [".gitattributes", *says_its_sdk]
        assert [commit.title for commit in alice.list_repo_commits(name, repo_type=repo_type)] == ["initial commit"]
        alice.delete_repo(name, repo_type=repo_type)
        assert not alice.repo_exists(name, repo_type=repo_type)

    def test_creating_one_twice_is_refused_unless_that_was_allowed(self, alice: HfApi, repo: str) -> None:
        assert alice.create_repo(repo, exist_ok=True).repo_id == repo
        with pytest.raises(HfHubHTTPError) as refusal:
            alice.create_repo(repo)
        assert refusal.value.response.status_code == 409

    def test_deleting_what_is_not_there_is_refused_unless_that_was_allowed(self, alice: HfApi) -> None:
        alice.delete_repo("alice/never-was", missing_ok=True)
        with pytest.raises(RepositoryNotFoundError):
            alice.delete_repo("alice/never-was")

    def test_kinds_have_namespaces_of_their_own(self, alice: HfApi) -> None:
        for repo_type in ("model", "dataset"):
            alice.create_repo("alice/same-name", repo_type=repo_type)
        alice.upload_file(path_or_fileobj=b"model", path_in_repo="only-here", repo_id="alice/same-name")
        assert "only-here" not in alice.list_repo_files("alice/same-name", repo_type="dataset")

    def test_an_organization_owns_repos_too(self, alice: HfApi, bob: HfApi) -> None:
        alice.create_repo("acai/shared", private=True)
        assert alice.model_info("acai/shared").author == "acai"
        assert not bob.repo_exists("acai/shared")

    def test_a_repo_turns_private_and_public_again(self, alice: HfApi, stranger: HfApi, repo: str) -> None:
        alice.update_repo_settings(repo, private=True)
        assert (alice.model_info(repo).private, stranger.repo_exists(repo)) == (True, False)
        alice.update_repo_settings(repo, private=False)
        assert stranger.model_info(repo).private is False

    def test_names_are_found_whatever_their_case(self, alice: HfApi, repo: str) -> None:
        assert alice.model_info(repo.upper()).id == repo


class TestFiles:
    @pytest.mark.parametrize("content", [b"", b"text\n", b"\0binary", BIG], ids=["empty", "text", "binary", "big"])
    def test_what_goes_up_comes_down(self, alice: HfApi, repo: str, content: bytes, tmp_path: Path) -> None:
        alice.upload_file(path_or_fileobj=content, path_in_repo="a folder/ação #1.bin", repo_id=repo)
        assert Path(alice.hf_hub_download(repo, "a folder/ação #1.bin", cache_dir=tmp_path)).read_bytes() == content

    def test_big_files_are_pointers_in_git_and_whole_everywhere_else(self, alice: HfApi, repo: str) -> None:
        alice.upload_file(path_or_fileobj=BIG, path_in_repo="weights.bin", repo_id=repo)
        (file,) = alice.get_paths_info(repo, "weights.bin")
        assert (file.size, file.lfs.sha256, file.lfs.pointer_size) == (len(BIG), sha256(BIG).hexdigest(), 133)
        (sibling,) = [s for s in alice.model_info(repo, files_metadata=True).siblings if s.rfilename == "weights.bin"]
        assert (sibling.size, sibling.lfs["sha256"]) == (len(BIG), sha256(BIG).hexdigest())

    def test_a_folder_goes_up_without_what_is_ignored(self, alice: HfApi, repo: str, tmp_path: Path) -> None:
        for path in ("config.json", "onnx/model.onnx", "log/train.log"):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(path)
        alice.upload_folder(repo_id=repo, folder_path=tmp_path, ignore_patterns="*.log")
        assert alice.list_repo_files(repo) == [".gitattributes", "config.json", "onnx/model.onnx"]

    def test_uploading_the_same_again_makes_no_commit(self, alice: HfApi, repo: str) -> None:
        for _ in range(2):
            alice.upload_file(path_or_fileobj=b"\0same", path_in_repo="same.bin", repo_id=repo)
        assert len(alice.list_repo_commits(repo)) == 2

    def test_one_commit_adds_copies_and_deletes(self, alice: HfApi, repo: str) -> None:
        alice.upload_file(path_or_fileobj=b"\0", path_in_repo="big.bin", repo_id=repo)
        alice.upload_file(path_or_fileobj=b"text", path_in_repo="small/text.txt", repo_id=repo)
        commit = alice.create_commit(
            repo,
            [
                CommitOperationAdd("new.txt", b"new"),
                CommitOperationCopy("big.bin", "copy.bin"),
                CommitOperationDelete("small/", is_folder=True),
            ],
            commit_message="Three at once",
            commit_description="In one go.",
        )
        assert commit.commit_url == f"{alice.endpoint}/{repo}/commit/{commit.oid}"
        assert alice.list_repo_files(repo) == [".gitattributes", "big.bin", "copy.bin", "new.txt"]
        (newest, *_) = alice.list_repo_commits(repo)
        assert (newest.commit_id, newest.title, newest.message) == (commit.oid, "Three at once", "In one go.")
        assert newest.authors == ["alice"]

    def test_a_file_that_is_not_there_cannot_be_deleted(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(EntryNotFoundError):
            alice.delete_file("never-was.txt", repo)

    def test_a_stale_parent_is_refused(self, alice: HfApi, repo: str) -> None:
        first = alice.upload_file(path_or_fileobj=b"1", path_in_repo="1", repo_id=repo).oid
        alice.upload_file(path_or_fileobj=b"2", path_in_repo="2", repo_id=repo)
        with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened this page") as refusal:
            alice.upload_file(path_or_fileobj=b"3", path_in_repo="3", repo_id=repo, parent_commit=first)
        assert refusal.value.response.status_code == 412

    def test_a_card_with_faulty_metadata_is_refused_with_the_reason(self, alice: HfApi, repo: str) -> None:
        with pytest.raises((ValueError, BadRequestError), match=r"[Mm]etadata|YAML|yaml"):
            alice.upload_file(path_or_fileobj=b"---\nlicense: [\n---\n", path_in_repo="README.md", repo_id=repo)

    def test_open_files_and_paths_go_up_alike(self, alice: HfApi, repo: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(BIG)
        alice.upload_file(path_or_fileobj=tmp_path / "file", path_in_repo="from-path", repo_id=repo)
        alice.upload_file(path_or_fileobj=BytesIO(BIG), path_in_repo="from-stream", repo_id=repo)
        one, other = alice.get_paths_info(repo, ["from-path", "from-stream"])
        assert one.lfs.sha256 == other.lfs.sha256 == sha256(BIG).hexdigest()


class TestReading:
    @pytest.fixture
    def filled(self, alice: HfApi, repo: str) -> str:
        files = {"config.json": b"{}", "data/a.txt": b"0123456789", "data/b.txt": b"b", "weights.bin": BIG}
        alice.create_commit(
            repo, [CommitOperationAdd(path, content) for path, content in files.items()], commit_message="Fill"
        )
        return repo

    def test_a_snapshot_holds_every_file(self, filled: str, as_alice: None, tmp_path: Path) -> None:
        folder = Path(snapshot_download(filled, cache_dir=tmp_path))
        found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        assert found == [".gitattributes", "config.json", "data/a.txt", "data/b.txt", "weights.bin"]
        assert (folder / "weights.bin").read_bytes() == BIG

    def test_a_snapshot_can_be_partial_and_go_to_a_plain_folder(self, filled: str, tmp_path: Path) -> None:
        snapshot_download(filled, local_dir=tmp_path, allow_patterns="data/*")
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["a.txt", "b.txt"]
        assert not (tmp_path / "weights.bin").exists()

    def test_an_interrupted_download_goes_on_where_it_stopped(self, filled: str, server: RunningServer) -> None:
        half = len(BIG) // 2
        url = f"{server.url}/{filled}/resolve/main/weights.bin"
        answer = httpx.get(url, headers={"Range": f"bytes={half}-"}, follow_redirects=True)
        assert (answer.status_code, answer.content) == (206, BIG[half:])
        assert answer.headers["Content-Range"] == f"bytes {half}-{len(BIG) - 1}/{len(BIG)}"

    def test_a_range_past_the_end_is_refused(self, filled: str, server: RunningServer) -> None:
        url = f"{server.url}/{filled}/resolve/main/data/a.txt"
        assert httpx.get(url, headers={"Range": "bytes=10-"}).status_code == 416

    def test_the_file_system_lists_reads_and_seeks(self, filled: str, as_alice: None) -> None:
        files = HfFileSystem(skip_instance_cache=True)
        assert sorted(files.ls(f"{filled}/data", detail=False)) == [f"{filled}/data/a.txt", f"{filled}/data/b.txt"]
        with files.open(f"{filled}/data/a.txt", "rb") as file:
            file.seek(4)
            assert file.read(3) == b"456"

    def test_the_tree_says_what_changed_last(self, alice: HfApi, filled: str) -> None:
        alice.upload_file(path_or_fileobj=b"changed", path_in_repo="data/b.txt", repo_id=filled)
        entries = {entry.path: entry for entry in alice.list_repo_tree(filled, recursive=True, expand=True)}
        assert entries["data/b.txt"].last_commit.title == "Upload data/b.txt with huggingface_hub"
        assert entries["data/a.txt"].last_commit.title == "Fill"
        assert entries["data"].last_commit.title == "Upload data/b.txt with huggingface_hub"

    def test_what_is_missing_is_named(self, filled: str) -> None:
        with pytest.raises(EntryNotFoundError):
            hf_hub_download(filled, "missing.json")
        with pytest.raises(RevisionNotFoundError):
            hf_hub_download(filled, "config.json", revision="missing")
        with pytest.raises(RepositoryNotFoundError, match="viveiro repos create alice/missing"):
            hf_hub_download("alice/missing", "config.json")

    def test_downloads_are_counted(self, alice: HfApi, filled: str, tmp_path: Path) -> None:
        alice.hf_hub_download(filled, "config.json", cache_dir=tmp_path)
        wait_until(lambda: alice.model_info(filled).downloads == 1)  # counts are written down every few seconds


class TestRefs:
    def test_branches_and_tags_come_and_go(self, alice: HfApi, repo: str) -> None:
        head = alice.model_info(repo).sha
        alice.create_branch(repo, branch="work")
        alice.create_tag(repo, tag="v1", tag_message="First")
        refs = alice.list_repo_refs(repo)
        assert {(ref.name, ref.ref) for ref in refs.branches} == {
            ("main", "refs/heads/main"),
            ("work", "refs/heads/work"),
        }
        assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", head)]
        alice.delete_branch(repo, branch="work")
        alice.delete_tag(repo, tag="v1")
        assert [ref.name for ref in [*alice.list_repo_refs(repo).branches, *alice.list_repo_refs(repo).tags]] == [
            "main"
        ]

    def test_a_branch_grows_apart_and_a_tag_stays(self, alice: HfApi, repo: str) -> None:
        alice.create_branch(repo, branch="a/b")
        alice.create_tag(repo, tag="before")
        alice.upload_file(path_or_fileobj=b"1", path_in_repo="only", repo_id=repo, revision="a/b")
        assert "only" in alice.list_repo_files(repo, revision="a/b")
        assert "only" not in alice.list_repo_files(repo) + alice.list_repo_files(repo, revision="before")

    def test_a_commit_is_found_by_its_whole_and_its_short_id(self, alice: HfApi, repo: str, tmp_path: Path) -> None:
        old = alice.upload_file(path_or_fileobj=b"old", path_in_repo="file", repo_id=repo).oid
        alice.upload_file(path_or_fileobj=b"new", path_in_repo="file", repo_id=repo)
        for revision in (old, old[:7]):
            path = alice.hf_hub_download(repo, "file", revision=revision, cache_dir=tmp_path / revision)
            assert Path(path).read_bytes() == b"old"

    def test_what_exists_is_not_made_twice(self, alice: HfApi, repo: str) -> None:
        alice.create_tag(repo, tag="v1")
        alice.create_tag(repo, tag="v1", exist_ok=True)
        with pytest.raises(HfHubHTTPError) as refusal:
            alice.create_tag(repo, tag="v1")
        assert refusal.value.response.status_code == 409

    def test_main_cannot_be_deleted(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main"):
            alice.delete_branch(repo, branch="main")


class TestLists:
    def test_models_are_found_by_author_words_and_tags(self, alice: HfApi, make_repo: MakeRepo) -> None:
        card = b"---\nlicense: mit\npipeline_tag: fill-mask\ntags: [mandioca]\n---\n# Found\n"
        repo = make_repo()
        alice.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo)
        for query in (
            {"filter": "mandioca"},
            {"pipeline_tag": "fill-mask", "author": "alice"},
            {"search": repo.split("/")[1]},
        ):
            assert repo in [model.id for model in alice.list_models(**query)]
        assert list(alice.list_models(filter=["mandioca", "license:apache-2.0"])) == []

    def test_pages_follow_one_another_without_a_gap(self, alice: HfApi, make_repo: MakeRepo) -> None:
        made = {make_repo("dataset") for _ in range(5)}
        url, seen = f"{alice.endpoint}/api/datasets?author=alice&limit=2&sort=createdAt", []
        while url:
            page = httpx.get(url)
            seen += [item["id"] for item in page.json()]
            url = page.links.get("next", {}).get("url")
        assert len(seen) == len(set(seen))
        assert made <= set(seen)

    def test_an_unknown_property_names_the_known_ones(self, alice: HfApi, repo: str) -> None:
        answer = httpx.get(f"{alice.endpoint}/api/models/{repo}?expand=colour")
        assert answer.status_code == 400
        assert "author" in answer.json()["error"]

    def test_chosen_properties_come_alone(self, alice: HfApi, repo: str) -> None:
        info = alice.model_info(repo, expand=["downloads", "likes"])
        assert (info.downloads, info.likes, info.sha) == (0, 0, None)


class TestGit:
    """Side by side with the API. What git alone has to do is in `test_git.py`."""

    def test_a_clone_holds_what_the_api_committed(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        alice.upload_file(path_or_fileobj=BIG, path_in_repo="weights.bin", repo_id=repo)
        clone = git.clone(repo, tmp_path / "clone", user=None)
        assert (clone / "weights.bin").read_bytes() == BIG
        assert git("rev-parse", "HEAD", folder=clone).strip() == alice.model_info(repo).sha

    def test_a_big_file_that_no_pattern_names_is_whole_in_a_clone(
        self, git: Git, alice: HfApi, repo: str, tmp_path: Path
    ) -> None:
        names = ["corpus.txt", "folder/a [b] *c? #1.json", "é\u00a0ü.csv"]
        for content in (BIG[::-1], BIG):
            added = [CommitOperationAdd(name, content) for name in names]
            alice.create_commit(repo, added, commit_message="Big")
        clone = git.clone(repo, tmp_path / "clone")
        assert [(clone / name).read_bytes() == BIG for name in names] == [True] * 3
        assert git("status", "--porcelain", folder=clone) == ""
        attributes = (clone / ".gitattributes").read_text().splitlines()
        assert [line.split()[0] for line in attributes].count("/corpus.txt") == 1

    def test_the_api_sees_a_push_at_once(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        (clone / "weights.safetensors").write_bytes(BIG)
        (clone / "README.md").write_text("---\nlicense: mit\n---\n# Pushed\n")
        pushed = git.commit(clone, "By git")
        git.push(clone)
        info = alice.model_info(repo)
        assert (info.sha, info.card_data.license) == (pushed, "mit")
        assert Path(alice.hf_hub_download(repo, "weights.safetensors")).read_bytes() == BIG
        assert alice.list_repo_commits(repo)[0].title == "By git"

    def test_both_write_in_turns(self, git: Git, alice: HfApi, repo: str, tmp_path: Path) -> None:
        clone = git.clone(repo, tmp_path / "clone")
        for number in range(3):
            alice.upload_file(path_or_fileobj=b"api", path_in_repo=f"{number}-api", repo_id=repo)
            git("pull", "--quiet", "--ff-only", folder=clone)
            (clone / f"{number}-git").write_text("git")
            git.commit(clone)
            git.push(clone)
        assert len(alice.list_repo_commits(repo)) == 7
        assert len(alice.list_repo_files(repo)) == 7


class TestSpaces:
    def test_a_new_one_says_its_sdk(self, alice: HfApi) -> None:
        alice.create_repo("alice/board", repo_type="space", space_sdk="gradio")
        assert alice.space_info("alice/board").sdk == "gradio"
        assert alice.space_info("alice/board").card_data["title"] == "board"


class TestKernels:
    """The newest kind of repo: what a library loads onto a GPU by its name."""

    def test_are_repos_like_the_others(self, alice: HfApi, stranger: HfApi, tmp_path: Path) -> None:
        url = alice.create_repo("alice/relu", repo_type="kernel")
        assert (str(url), url.repo_type) == (f"{alice.endpoint}/kernels/alice/relu", "kernel")
        commit = alice.upload_file(
            path_or_fileobj=b"def relu(x): ...", path_in_repo="build/relu.py", repo_id="alice/relu", repo_type="kernel"
        )
        assert stranger.kernel_info("alice/relu").sha == commit.oid
        assert stranger.list_repo_files("alice/relu", repo_type="kernel") == [".gitattributes", "build/relu.py"]
        folder = stranger.snapshot_download("alice/relu", repo_type="kernel", cache_dir=tmp_path)
        assert (Path(folder) / "build/relu.py").read_bytes() == b"def relu(x): ..."
        alice.delete_repo("alice/relu", repo_type="kernel")
        assert not stranger.repo_exists("alice/relu", repo_type="kernel")
