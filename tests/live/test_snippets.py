"""What a page offers to be copied runs as it stands, against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi

from tests.conftest import missing
from tests.live.running_server import RunningServer
from tests.unit.datasets.tables import csv_text, import_bytes
from tests.unit.ml.tiny import make_classifier, make_encoder
from viveiro.ml.artefact import Artefact, add_head, lay_out_encoder
from viveiro.serving.snippets import Snippet, dataset_snippets, model_snippets
from viveiro.types import RepoId

LABELS = ["hydraulics", "billing"]
TEXT = """the pump's "main" valve lost $5 of `pressure` \\ ação"""
"""Every sign that a shell or a program could take for its own."""
INTERPRETERS = {
    "python": [sys.executable, "-W", "error::SyntaxWarning", "-"],
    "bash": ["bash", "-euo", "pipefail"],
    "javascript": ["node", "--input-type=module", "-"],
}
ASKING = ("InferenceClient", "curl", "JavaScript", "viveiro")
Run = Callable[[Snippet], str]


@pytest.fixture
def run(server: RunningServer, tmp_path: Path) -> Run:
    """Standard output, in a new shell of Alice's that knows nothing but her access token."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIVEIRO_", "HF_"))}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"HOME": str(tmp_path), "PATH": programs, "HF_TOKEN": server.token("alice"), "GIT_TERMINAL_PROMPT": "0"}

    def run(snippet: Snippet) -> str:
        result = subprocess.run(
            INTERPRETERS[snippet.language],
            input=snippet.code,
            env={**kept, **own, "HF_HUB_DISABLE_XET": "1", "VIVEIRO_LANGUAGE": "en"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert result.returncode == 0, f"{snippet.code}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    return run


@pytest.fixture(scope="module")
def classifier(server: RunningServer, alice: HfApi, tmp_path_factory: pytest.TempPathFactory) -> RepoId:
    """Private and deployed."""
    return deployed(server, alice, "snippets-classifier", make_classifier(tmp_path_factory.mktemp("model"), LABELS))


@pytest.fixture(scope="module")
def encoder(server: RunningServer, alice: HfApi, tmp_path_factory: pytest.TempPathFactory) -> RepoId:
    return deployed(server, alice, "snippets-encoder", make_encoder(tmp_path_factory.mktemp("model")))


def deployed(server: RunningServer, alice: HfApi, name: str, folder: Path) -> RepoId:
    repo = f"alice/{name}"
    alice.create_repo(repo, private=True)
    alice.upload_folder(repo_id=repo, folder_path=folder)
    with server.client("alice") as client:
        client.post("/api/v1/endpoints", json={"model": repo})
    return RepoId.parse(repo)


@pytest.fixture(scope="module")
def dataset(alice: HfApi, tmp_path_factory: pytest.TempPathFactory) -> RepoId:
    """Private, as an import leaves one."""
    rows = [(f"{word} number {number}", word) for number in range(20) for word in ("pump", "invoice")]
    folder = import_bytes(csv_text(rows).encode(), tmp_path_factory.mktemp("rows"))[1]
    alice.create_repo("alice/snippets-rows", repo_type="dataset", private=True)
    alice.upload_folder(repo_id="alice/snippets-rows", folder_path=folder, repo_type="dataset")
    return RepoId.parse("alice/snippets-rows")


def named(snippets: list[Snippet], name: str) -> Snippet:
    (found,) = [snippet for snippet in snippets if snippet.name == name]
    return found


def options(**more: Any) -> dict[str, Any]:
    usual = {"task": "text-classification", "library": "transformers", "private": True, "deployed": True, "text": TEXT}
    return {**usual, **more}


class TestAClassifier:
    def offered(self, server: RunningServer, repo: RepoId, **more: Any) -> list[Snippet]:
        return model_snippets(server.url, repo, **options(**more))

    @pytest.mark.parametrize("name", ASKING)
    def test_asking_it_answers_with_a_label(
        self, server: RunningServer, classifier: RepoId, run: Run, name: str
    ) -> None:
        if name == "JavaScript" and shutil.which("node") is None:
            missing("node", "it is not installed")
        said = run(named(self.offered(server, classifier), name))
        assert any(label in said for label in LABELS)

    def test_curl_prints_what_programs_can_read(self, server: RunningServer, classifier: RepoId, run: Run) -> None:
        (answer,) = json.loads(run(named(self.offered(server, classifier), "curl")))
        assert {candidate["label"] for candidate in answer} == set(LABELS)

    def test_its_library_loads_it(self, server: RunningServer, classifier: RepoId, run: Run) -> None:
        said = run(named(self.offered(server, classifier), "transformers"))
        assert any(label in said for label in LABELS)

    def test_one_that_a_run_made_is_loaded_by_sentence_transformers(
        self, server: RunningServer, alice: HfApi, run: Run, tmp_path: Path
    ) -> None:
        folder = tmp_path / "adapted"
        folder.mkdir()
        lay_out_encoder(make_encoder(tmp_path / "encoder"), folder, max_length=64)
        weight = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
        add_head(folder, weight, np.zeros(2, np.float32), Artefact("text-classification", tuple(LABELS), "frozen", 64))
        alice.create_repo("alice/snippets-adapted", private=True)
        alice.upload_folder(repo_id="alice/snippets-adapted", folder_path=folder)
        offered = self.offered(server, RepoId("alice", "snippets-adapted"), library="sentence-transformers")
        assert run(named(offered, "sentence-transformers")).strip() in LABELS

    def test_the_shell_deploys_what_is_not_served_yet(
        self, server: RunningServer, alice: HfApi, run: Run, tmp_path: Path
    ) -> None:
        alice.create_repo("alice/snippets-idle")
        alice.upload_folder(repo_id="alice/snippets-idle", folder_path=make_classifier(tmp_path / "idle", LABELS))
        offered = self.offered(server, RepoId("alice", "snippets-idle"), private=False, deployed=False)
        assert "InferenceClient" not in {snippet.name for snippet in offered}
        assert any(label in run(named(offered, "viveiro")) for label in LABELS)

    def test_its_files_come_by_hf_and_by_git(
        self, server: RunningServer, classifier: RepoId, run: Run, tmp_path: Path
    ) -> None:
        offered = self.offered(server, classifier)
        assert classifier.name in run(named(offered, "hf"))
        run(named(offered, "git"))
        assert (tmp_path / classifier.name / "model.safetensors").stat().st_size > 10_000
        assert server.token("alice") not in (tmp_path / classifier.name / ".git" / "config").read_text()


class TestAnEncoder:
    @pytest.mark.parametrize("name", [*ASKING[:3], "transformers"])
    def test_it_answers_with_a_vector(self, server: RunningServer, encoder: RepoId, run: Run, name: str) -> None:
        said = run(named(model_snippets(server.url, encoder, **options(task="feature-extraction")), name))
        assert re.search(r"\b32\b|-?\d\.\d{4}", said)

    def test_sentence_transformers_loads_it(self, server: RunningServer, encoder: RepoId, run: Run) -> None:
        more = options(task="feature-extraction", library="sentence-transformers")
        assert "(32,)" in run(named(model_snippets(server.url, encoder, **more), "sentence-transformers"))


class TestADataset:
    @pytest.mark.parametrize("name", ["datasets", "pandas", "viveiro", "hf", "git"])
    def test_each_way_reaches_the_rows(
        self, server: RunningServer, dataset: RepoId, run: Run, alice: HfApi, name: str
    ) -> None:
        files = alice.list_repo_files(str(dataset), repo_type="dataset")
        (table, *_) = [file for file in files if file.endswith(".parquet")]
        said = run(named(dataset_snippets(server.url, dataset, private=True, file=table), name))
        assert said or name == "git"
