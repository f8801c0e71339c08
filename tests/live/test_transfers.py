"""How huggingface_hub moves folders that are large, or that never stop growing: by Xet, and by LFS where it is switched off."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from huggingface_hub import CommitScheduler, HfApi

from tests.live.fetched import older_client
from tests.live.running_server import RunningServer
from tests.live.waiting import wait_until
from tests.live.xet import StockClient, by_xet, came_by_xet

MiB = 2**20


@pytest.fixture(scope="module", params=["xet", "lfs"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """How large files travel between this process and the hub."""
    with by_xet() if request.param == "xet" else nullcontext():
        yield request.param


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Text for git, a file that its name sends through LFS, and one that its size does."""
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A folder\n")
    (folder / "deep" / "small.safetensors").write_bytes(os.urandom(1000))
    (folder / "corpus.txt").write_text(os.urandom(6 * MiB).hex())
    return folder


LARGE = ["corpus.txt", "deep/small.safetensors"]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not {".cache", ".gitattributes"}.intersection(file.relative_to(folder).parts)
    }


class TestTheHfProgram:
    @pytest.fixture
    def client(self, way: str, server: RunningServer, tmp_path: Path) -> StockClient:
        switch = {"HF_HUB_DISABLE_XET": "1"} if way == "lfs" else {}
        return StockClient(server, "alice", tmp_path / "home", **switch)

    @pytest.mark.parametrize("kind", ["model", "dataset"])
    def test_a_folder_goes_up_and_comes_down(
        self, client: StockClient, way: str, kind: str, folder: Path, alice: HfApi, tmp_path: Path
    ) -> None:
        repo = f"alice/{kind}-by-hf-and-{way}"
        client.hf("upload", repo, folder, "--repo-type", kind, "--private", "--commit-message", "By hf")
        assert alice.list_repo_commits(repo, repo_type=kind)[0].title == "By hf"
        assert came_by_xet(alice, repo, kind) == dict.fromkeys(LARGE, way == "xet")
        client.hf("download", repo, "--repo-type", kind, "--local-dir", tmp_path / "down")
        assert contents(tmp_path / "down") == contents(folder)

    def test_one_file_goes_up_under_another_name_and_comes_down_alone(
        self, client: StockClient, way: str, folder: Path, repo: str, alice: HfApi, tmp_path: Path
    ) -> None:
        client.hf("upload", repo, folder / "deep" / "small.safetensors", "weights/model.safetensors")
        assert came_by_xet(alice, repo) == {"weights/model.safetensors": way == "xet"}
        client.hf("download", repo, "weights/model.safetensors", "--cache-dir", tmp_path / "cache")
        (found,) = (tmp_path / "cache").glob("models--*/snapshots/*/weights/model.safetensors")
        assert found.read_bytes() == (folder / "deep" / "small.safetensors").read_bytes()

    def test_it_knows_who_it_is(self, client: StockClient) -> None:
        assert "alice" in client.hf("auth", "whoami")


class TestManyFiles:
    """What was `upload_large_folder` until huggingface_hub 2: `upload_folder` commits in parts, and goes on with what is left."""

    def test_a_large_folder_comes_in_several_commits(self, way: str, repo: str, alice: HfApi, tmp_path: Path) -> None:
        for number in range(400):
            file = tmp_path / "many" / f"{number % 7}" / f"{number}.{'bin' if number % 4 == 0 else 'txt'}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(50) if file.suffix == ".bin" else str(number).encode())
        alice.upload_folder(repo_id=repo, folder_path=tmp_path / "many", commit_message="Many")
        assert set(came_by_xet(alice, repo).values()) == {way == "xet"}
        down = Path(alice.snapshot_download(repo, cache_dir=tmp_path / "cache"))
        assert contents(down) == contents(tmp_path / "many")
        assert len(alice.list_repo_commits(repo)) == {"xet": 3, "lfs": 2}[way]  # it makes parts only where it uses Xet
        before = alice.model_info(repo).sha
        alice.upload_folder(repo_id=repo, folder_path=tmp_path / "many")
        assert alice.model_info(repo).sha == before


class TestAnOlderClient:
    """It asks over LFS whether it may use Xet, and has a function and a command of its own for large folders."""

    @pytest.fixture
    def client(self, way: str, server: RunningServer, tmp_path: Path) -> StockClient:
        switch = {"HF_HUB_DISABLE_XET": "1"} if way == "lfs" else {}
        return StockClient(server, "alice", tmp_path / "home", PYTHONPATH=str(older_client()), **switch)

    def test_a_large_folder_goes_up_by_its_command(
        self, client: StockClient, way: str, folder: Path, repo: str, alice: HfApi, tmp_path: Path
    ) -> None:
        client.hf("upload-large-folder", repo, folder, "--repo-type", "model", "--num-workers", "2", "--no-bars")
        assert came_by_xet(alice, repo) == dict.fromkeys(LARGE, way == "xet")
        client.hf("download", repo, "--local-dir", tmp_path / "down")
        assert contents(tmp_path / "down") == contents(folder)

    def test_and_by_its_function_which_goes_on_with_what_is_new(
        self, client: StockClient, way: str, folder: Path, repo: str, alice: HfApi
    ) -> None:
        send = f"""from huggingface_hub import HfApi, __version__
assert __version__.startswith("0.")
HfApi().upload_large_folder({repo!r}, {str(folder)!r}, repo_type="model", num_workers=2, print_report=False)"""
        client.python(send)
        before = alice.list_repo_commits(repo)
        client.python(send)
        assert alice.list_repo_commits(repo) == before
        (folder / "new.bin").write_bytes(os.urandom(1000))
        client.python(send)
        assert came_by_xet(alice, repo) == dict.fromkeys([*LARGE, "new.bin"], way == "xet")

    def test_a_commit_of_several_operations(self, client: StockClient, way: str, repo: str, alice: HfApi) -> None:
        alice.upload_file(path_or_fileobj=b"\0old", path_in_repo="old.bin", repo_id=repo)
        said = client.python(f"""
import os
from huggingface_hub import CommitOperationAdd as Add, CommitOperationCopy as Copy, CommitOperationDelete as Delete, HfApi
api, content = HfApi(), os.urandom(1000)
operations = [Add("new.bin", content), Copy("old.bin", "copy.bin"), Delete("old.bin"), Add("a.txt", b"text")]
api.create_commit({repo!r}, operations, commit_message="By an older client")
assert open(api.hf_hub_download({repo!r}, "new.bin"), "rb").read() == content
print(*api.list_repo_files({repo!r}))""")
        assert said.split() == [".gitattributes", "a.txt", "copy.bin", "new.bin"]
        assert came_by_xet(alice, repo)["new.bin"] is (way == "xet")


def past_its_first_look(scheduler: CommitScheduler) -> None:
    """It takes one by itself, in a thread: what is written before belongs to that commit."""
    wait_until(lambda: hasattr(scheduler, "last_future"))
    scheduler.last_future.result()


class TestCommitScheduler:
    """Files that may be written to meanwhile are sent from a stream, and the client sends no stream by Xet."""

    def test_what_grows_is_committed_again_and_again(self, way: str, alice: HfApi, tmp_path: Path) -> None:
        repo, folder = f"alice/logs-by-{way}", tmp_path / "logs"
        folder.mkdir()
        with CommitScheduler(
            repo_id=repo, repo_type="dataset", folder_path=folder, path_in_repo="data", every=60, hf_api=alice
        ) as scheduler:
            past_its_first_look(scheduler)
            for number in range(3):
                with scheduler.lock, (folder / "log.jsonl").open("a") as log:
                    log.write(f'{{"number": {number}}}\n')
                (folder / f"{number}.parquet").write_bytes(os.urandom(2000))
                assert scheduler.trigger().result() is not None
            assert scheduler.trigger().result() is None  # nothing is new
            (folder / "last.parquet").write_bytes(os.urandom(2000))
        names = ["0.parquet", "1.parquet", "2.parquet", "last.parquet"]
        assert came_by_xet(alice, repo, "dataset") == dict.fromkeys((f"data/{name}" for name in names), False)
        assert len(alice.list_repo_commits(repo, repo_type="dataset")) == 5
        down = Path(alice.snapshot_download(repo, repo_type="dataset", cache_dir=tmp_path / "cache"))
        assert contents(down / "data") == contents(folder)

    def test_a_history_that_nobody_wants_is_squashed(self, way: str, alice: HfApi, tmp_path: Path) -> None:
        repo, folder = f"alice/squashed-by-{way}", tmp_path / "logs"
        folder.mkdir()
        with CommitScheduler(
            repo_id=repo, folder_path=folder, every=60, squash_history=True, private=True, hf_api=alice
        ) as scheduler:
            past_its_first_look(scheduler)
            for number in range(2):
                (folder / f"{number}.bin").write_bytes(os.urandom(2000))
                scheduler.trigger().result()
        assert len(alice.list_repo_commits(repo)) == 1
        assert came_by_xet(alice, repo) == dict.fromkeys(["0.bin", "1.bin"], False)
        assert alice.model_info(repo).private
