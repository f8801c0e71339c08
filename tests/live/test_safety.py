"""Pickles are scanned after a push, by the running worker, and the official client says what was found."""

import io
import pickle
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.live.running_server import RunningServer
from tests.live.waiting import wait_until
from viveiro.client import Refused
from viveiro.types import Json

TRACE = Path("/tmp/viveiro-unpickled")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (TRACE,)


@pytest.fixture(scope="module")
def repo(alice: HfApi) -> str:
    repo = "alice/pickles"
    alice.create_repo(repo)
    weights = pickle.dumps({"a": [1.5, 2]})
    for path, content in {"evil.bin": pickle.dumps(Bomb()), "fine.pkl": weights, "notes.md": b"# Hi"}.items():
        alice.upload_file(path_or_fileobj=io.BytesIO(content), path_in_repo=path, repo_id=repo)
    wait_until(lambda: security(alice, repo)["scansDone"])
    return repo


def security(api: HfApi, repo: str) -> Json:
    status: Json = api.model_info(repo, securityStatus=True).security_repo_status
    return status


class TestTheClientReads:
    def test_of_a_tree(self, alice: HfApi, repo: str) -> None:
        found = {it.path: it.security for it in alice.list_repo_tree(repo, expand=True)}
        assert {path: (it.safe, it.status) for path, it in found.items()} == {
            ".gitattributes": (True, "safe"),
            "evil.bin": (False, "unsafe"),
            "fine.pkl": (True, "safe"),
            "notes.md": (True, "safe"),
        }
        assert found["evil.bin"].pickle_import_scan["pickleImports"][0]["name"] == "Path.touch"

    def test_of_paths(self, alice: HfApi, repo: str) -> None:
        (told,) = alice.get_paths_info(repo, "evil.bin", expand=True)
        assert told.security is not None
        assert not told.security.safe
        (told,) = alice.get_paths_info(repo, "evil.bin")
        assert told.security is None

    def test_of_the_repo(self, alice: HfApi, repo: str) -> None:
        assert security(alice, repo) == {
            "scansDone": True,
            "filesWithIssues": [{"path": "evil.bin", "level": "unsafe"}],
        }

    def test_and_whoever_wants_it_served_is_told_what_to_do(self, alice: HfApi, server: RunningServer) -> None:
        alice.create_repo("alice/only-pickles")
        files = {"config.json": b'{"model_type": "bert"}', "pytorch_model.bin": pickle.dumps(Bomb())}
        for path, content in files.items():
            alice.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id="alice/only-pickles")
        with (
            server.client("alice") as client,
            pytest.raises(Refused, match=r"pytorch_model\.bin is a pickle.*convert it"),
        ):
            client.post("/api/v1/endpoints", json={"model": "alice/only-pickles"})
        assert not TRACE.exists()

    def test_and_nothing_was_loaded(self, repo: str) -> None:
        assert not TRACE.exists()
