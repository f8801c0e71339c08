"""What safetensors files and folders say about themselves, without a download."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RemoteEntryNotFoundError
from safetensors.numpy import save

from tests.live.conftest import MakeRepo

SHARDS = {
    "model-00001-of-00002.safetensors": {"a": np.ones((2, 3), np.float32), "b": np.ones(5, np.float16)},
    "model-00002-of-00002.safetensors": {"c": np.ones((4, 4), np.float32)},
}
WEIGHT_MAP = {tensor: shard for shard, tensors in SHARDS.items() for tensor in tensors}
INDEX = {"metadata": {"total_size": 98}, "weight_map": WEIGHT_MAP}


def commit(alice: HfApi, repo: str, files: Mapping[str, bytes]) -> None:
    alice.create_commit(
        repo, [CommitOperationAdd(path, content) for path, content in files.items()], commit_message="files"
    )


@pytest.fixture
def sharded(alice: HfApi, repo: str) -> str:
    shards = {name: save(tensors, {"format": "pt"}) for name, tensors in SHARDS.items()}
    commit(alice, repo, {"model.safetensors.index.json": json.dumps(INDEX).encode(), **shards})
    return repo


class TestSafetensorsMetadata:
    def test_is_what_the_client_reads_from_each_shard(self, alice: HfApi, stranger: HfApi, sharded: str) -> None:
        at_once = stranger.get_sharded_safetensors_metadata(sharded)
        one_by_one = alice.get_safetensors_metadata(sharded)
        assert at_once.files_metadata == one_by_one.files_metadata
        assert at_once.weight_map == one_by_one.weight_map == WEIGHT_MAP
        assert at_once.metadata == one_by_one.metadata == INDEX["metadata"]
        assert at_once.parameter_count == {"F32": 22, "F16": 5}

    def test_an_index_in_a_folder_speaks_of_its_neighbours(self, alice: HfApi, repo: str) -> None:
        shards = {f"fp32/{name}": save(tensors) for name, tensors in SHARDS.items()}
        commit(alice, repo, {"fp32/weights.json": json.dumps({"weight_map": WEIGHT_MAP}).encode(), **shards})
        found = alice.get_sharded_safetensors_metadata(repo, filename="fp32/weights.json")
        assert found.weight_map == WEIGHT_MAP

    def test_a_missing_index_or_shard_is_a_missing_file(self, alice: HfApi, repo: str) -> None:
        with pytest.raises(RemoteEntryNotFoundError):
            alice.get_sharded_safetensors_metadata(repo)
        commit(alice, repo, {"model.safetensors.index.json": json.dumps(INDEX).encode()})
        with pytest.raises(RemoteEntryNotFoundError):
            alice.get_sharded_safetensors_metadata(repo)

    @pytest.mark.parametrize("index", [b"not JSON", b"[]", b'{"weight_map": 3}', b'{"weight_map": {"a": "notes.txt"}}'])
    def test_what_is_no_index_or_no_shard_is_refused_in_words(self, alice: HfApi, repo: str, index: bytes) -> None:
        commit(alice, repo, {"model.safetensors.index.json": index, "notes.txt": b"no tensors here"})
        with pytest.raises(HfHubHTTPError, match=r"is no (index of )?safetensors file"):
            alice.get_sharded_safetensors_metadata(repo)


def test_the_size_of_a_folder_is_that_of_its_content(alice: HfApi, make_repo: MakeRepo) -> None:
    repo = make_repo("dataset")
    files: dict[str, bytes] = {"data/a.bin": b"\0" * 5000, "data/deep/b.txt": b"12345", "c.txt": b"123"}
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    alice.create_commit(repo, operations, commit_message="files", repo_type="dataset")

    def size(path: str) -> Any:
        return alice_get(alice, f"/api/datasets/{repo}/treesize/main/{path}")["size"]

    assert (size("data"), size("data%2Fdeep"), size("data/a.bin")) == (5005, 5, 5000)
    assert size("") == 5008 + size(".gitattributes")


def test_two_revisions_are_compared_as_git_does(alice: HfApi, repo: str) -> None:
    commit(alice, repo, {"a.txt": b"one\n"})
    alice.create_branch(repo, branch="side")
    alice.create_commit(repo, [CommitOperationAdd("b.txt", b"side\n")], commit_message="b", revision="side")
    commit(alice, repo, {"a.txt": b"two\n"})
    both, since = (alice_get(alice, f"/api/models/{repo}/compare/main{dots}side") for dots in ("..", "..."))
    assert ("-two" in both, "+one" in both, "+side" in both) == (True, True, True)
    assert ("two" in since, "+side" in since) == (False, True)
    with pytest.raises(BadRequestError, match=r"from\.\.to"):
        alice_get(alice, f"/api/models/{repo}/compare/main")


def test_tasks_name_the_models_that_people_take(alice: HfApi, repo: str) -> None:
    commit(alice, repo, {"README.md": b"---\npipeline_tag: text-classification\n---\n"})
    tasks = alice_get(alice, "/api/tasks")
    taken = [model.id for model in alice.list_models(pipeline_tag="text-classification", sort="downloads", limit=5)]
    assert taken
    assert tasks["text-classification"]["widgetModels"] == taken
    assert tasks.keys() >= {"text-classification", "feature-extraction"}


def alice_get(alice: HfApi, path: str) -> Any:
    from huggingface_hub.utils import get_session, hf_raise_for_status

    answer = get_session().get(alice.endpoint + path, headers={"Authorization": f"Bearer {alice.token}"})
    hf_raise_for_status(answer)
    return answer.json() if "json" in answer.headers["Content-Type"] else answer.text
