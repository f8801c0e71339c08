"""Models from another hub: a second Viveiro, which takes them from the first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.live.conftest import MakeRepo
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.waiting import wait_until


@pytest.fixture(scope="module")
def downstream(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "VIVEIRO_UPSTREAM_URL": server.url,
        "VIVEIRO_UPSTREAM_TOKEN": server.token("alice"),
        "VIVEIRO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    }
    with RunningServer(tmp_path_factory.mktemp("downstream"), settings) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture
def model(make_repo: MakeRepo, alice: HfApi, tmp_path: Path) -> str:
    """A private model of Alice's with a small file, a large one, and a folder."""
    repo = make_repo(private=True)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes(b"\1" * 12_000_000)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text("{}")
    alice.upload_folder(repo_id=repo, folder_path=tmp_path)
    return repo


def pulled(server: RunningServer, **wanted: Any) -> dict[str, Any]:
    """The job, ended."""
    with server.client("alice") as client:
        job_id = client.post("/api/v1/models/pull", json=wanted)["job_id"]
        wait_until(lambda: client.get(f"/api/v1/jobs/{job_id}")["finished_at"])
        job: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}")
    return job


class TestPull:
    def test_a_model_arrives_whole_and_says_whence(
        self, model: str, downstream: RunningServer, alice: HfApi, tmp_path: Path
    ) -> None:
        job = pulled(downstream, repo_id=model, name="acai/copy")
        here = HfApi(endpoint=downstream.url, token=downstream.token("alice"))
        assert job["state"] == "succeeded", job["error"]
        assert set(here.list_repo_files("acai/copy")) == set(alice.list_repo_files(model))
        weights = here.hf_hub_download("acai/copy", "model.safetensors", local_dir=tmp_path / "downloaded")
        assert Path(weights).read_bytes() == b"\1" * 12_000_000
        commits = here.list_repo_commits("acai/copy")
        assert alice.model_info(model).sha in commits[0].message

    def test_again_makes_no_second_commit(self, model: str, downstream: RunningServer) -> None:
        first, second = (pulled(downstream, repo_id=model) for _ in range(2))
        assert first["result"] == second["result"]

    def test_what_the_upstream_does_not_have_is_said(self, downstream: RunningServer) -> None:
        job = pulled(downstream, repo_id="alice/nowhere")
        assert job["state"] == "failed"
        assert "did not give alice/nowhere" in job["error"]

    def test_an_upstream_with_a_private_address_takes_the_operators_word(
        self, model: str, server: RunningServer, downstream: RunningServer, tmp_path: Path
    ) -> None:
        with RunningServer(tmp_path / "careful", {"VIVEIRO_UPSTREAM_URL": server.url}) as careful:
            job = pulled(careful.seed(TWO_USERS), repo_id=model)
        assert job["state"] == "failed"
        assert "VIVEIRO_ALLOWED_PRIVATE_HOSTS=127.0.0.1" in job["error"]
