"""Models deployed to a real server and asked by the field's own client."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from huggingface_hub import HfApi, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.live.running_server import RunningServer
from tests.unit.ml.tiny import CORPUS, make_classifier, make_encoder
from viveiro.client import Refused
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.tasks.text_classification import scores_of
from viveiro.ml.texts import LONGEST_TEXT

LABELS = ["hydraulics", "billing", "accounts"]


@pytest.fixture(scope="module")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("classifier"), LABELS)


@pytest.fixture(scope="module")
def triage(server: RunningServer, alice: HfApi, classifier_folder: Path) -> str:
    """A deployed text classifier."""
    alice.create_repo("alice/triage")
    alice.upload_folder(repo_id="alice/triage", folder_path=classifier_folder)
    with server.client("alice") as client:
        client.post("/api/v1/endpoints", json={"model": "alice/triage"})
    return "alice/triage"


@pytest.fixture
def ask(server: RunningServer, triage: str) -> Callable[..., httpx.Response]:
    def ask(
        content: object = None, *, model: str = triage, token: str | None = None, body: bytes | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or server.token('alice')}"}
        sent = json.dumps(content).encode() if body is None else body
        return httpx.post(f"{server.url}/models/{model}", headers=headers, content=sent, timeout=120)

    return ask


@pytest.fixture
def inference(server: RunningServer, triage: str) -> InferenceClient:
    return InferenceClient(model=f"{server.url}/models/{triage}", token=server.token("alice"))


class TestTheOfficialClient:
    """`huggingface_hub.InferenceClient`, pointed at `/models/{repo_id}`, finds what it expects."""

    def test_text_classification(self, inference, classifier_folder):
        answer = inference.text_classification(CORPUS[0])
        scores = scores_of(SentenceEncoder(classifier_folder).encode([CORPUS[0]]), "softmax")[0]
        assert [element.label for element in answer] == [LABELS[number] for number in np.argsort(-scores)]
        assert answer[0].score == pytest.approx(scores.max(), abs=0.01)

    def test_top_k_and_function(self, inference):
        (best,) = inference.text_classification(CORPUS[0], top_k=1, function_to_apply="sigmoid")
        assert 0 < best.score < 1

    def test_feature_extraction(self, server, alice, make_repo, tmp_path):
        folder, repo = make_encoder(tmp_path / "encoder"), make_repo()
        alice.upload_folder(repo_id=repo, folder_path=folder)
        with server.client("alice") as client:
            client.post("/api/v1/endpoints", json={"model": repo})
        inference = InferenceClient(model=f"{server.url}/models/{repo}", token=server.token("alice"))
        expected = SentenceEncoder(folder).encode(CORPUS)
        np.testing.assert_allclose(inference.feature_extraction(CORPUS[0]), expected[0], atol=1e-2)
        np.testing.assert_allclose(inference.feature_extraction(CORPUS), expected, atol=1e-2)
        assert np.linalg.norm(inference.feature_extraction(CORPUS[0], normalize=True)) == pytest.approx(1)

    def test_without_a_credential_it_is_told_what_is_missing(self, server, triage):
        with pytest.raises(HfHubHTTPError, match="access token") as caught:
            InferenceClient(model=f"{server.url}/models/{triage}", token=None).text_classification("a pump")
        assert caught.value.response.status_code == 401


class TestBadRequests:
    """Each answered at once, with what to do instead."""

    @pytest.mark.parametrize(
        ("content", "status", "words"),
        [
            ({"inputs": ""}, 400, "at least one word"),
            ({"inputs": []}, 400, "empty"),
            ({"inputs": 7}, 400, "inputs"),
            ({"inputs": {"text": "a"}}, 400, "inputs"),
            ({"input": "a"}, 400, "inputs"),
            ({"inputs": "a", "parameters": {"topk": 1}}, 400, "topk"),
            ({"inputs": "a", "parameters": {"top_k": 0}}, 400, "top_k"),
            (["a"], 400, "JSON such as"),
            ({"inputs": "a" * (LONGEST_TEXT + 1)}, 413, "characters"),
            ({"inputs": "a" * 10_000_000}, 413, "MiB"),
        ],
        ids=lambda value: repr(value)[:40],
    )
    def test_what_does_not_fit_the_task(self, ask, content, status, words):
        answer = ask(content)
        assert answer.status_code == status
        assert words in answer.json()["error"]

    def test_what_is_no_json(self, ask):
        assert ask(body=b"\xff\xfe").status_code == 400

    def test_an_unknown_model(self, ask):
        answer = ask({"inputs": "a"}, model="alice/gone")
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")

    def test_a_model_that_is_not_deployed(self, ask, make_repo):
        repo = make_repo()
        answer = ask({"inputs": "a"}, model=repo)
        assert answer.status_code == 404
        assert f"viveiro endpoints deploy {repo}" in answer.json()["error"]

    def test_a_model_that_does_not_load_is_not_deployed_in_silence(self, server, alice, make_repo, classifier_folder):
        repo = make_repo()
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder, ignore_patterns="token*")
        with server.client("alice") as client, pytest.raises(Refused, match="tokenizer"):
            client.post("/api/v1/endpoints", json={"model": repo})


class TestLifeOfAnEndpoint:
    def test_a_killed_model_host_is_replaced_under_the_request(self, server, ask, triage):
        import os
        import signal

        host = next(name for name in server.pids() if name.startswith("host"))
        for name, pid in server.pids().items():
            if name.startswith("host"):
                os.kill(pid, signal.SIGKILL)
        assert host
        assert ask({"inputs": CORPUS[0]}).status_code == 200

    def test_an_endpoint_serves_its_pinned_commit_until_it_is_deployed_again(self, server, alice, triage):
        with server.client("alice") as client:
            before = client.get(f"/api/v1/endpoints/{triage}")
            alice.upload_file(
                path_or_fileobj=b"---\nlicense: mit\n---\n# Triage", path_in_repo="README.md", repo_id=triage
            )
            assert client.get(f"/api/v1/endpoints/{triage}")["sha"] == before["sha"]
            assert client.post("/api/v1/endpoints", json={"model": triage})["sha"] != before["sha"]

    def test_what_is_undeployed_answers_no_more(self, server, alice, ask, make_repo, classifier_folder):
        repo = make_repo()
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
        with server.client("alice") as client:
            client.post("/api/v1/endpoints", json={"model": repo})
            assert ask({"inputs": "a"}, model=repo).status_code == 200
            client.delete(f"/api/v1/endpoints/{repo}")
        assert ask({"inputs": "a"}, model=repo).status_code == 404

    def test_endpoints_are_back_after_the_whole_server_was_killed(self, tmp_path, classifier_folder):
        with RunningServer(tmp_path / "s") as server:
            token = server.admin_token
            owner = HfApi(endpoint=server.url, token=token).whoami()["name"]
            HfApi(endpoint=server.url, token=token).create_repo(f"{owner}/triage")
            HfApi(endpoint=server.url, token=token).upload_folder(
                repo_id=f"{owner}/triage", folder_path=classifier_folder
            )
            with server.client() as client:
                client.post("/api/v1/endpoints", json={"model": f"{owner}/triage"})
            server.kill()
            server.start()
            with server.client() as client:
                while client.get(f"/api/v1/endpoints/{owner}/triage")["state"] != "ready":
                    time.sleep(0.1)
                assert client.post(f"/models/{owner}/triage", json={"inputs": "a pump"})


class TestTheCommandLine:
    """`viveiro endpoints` and `viveiro predict`: data on stdout, talk on stderr."""

    @pytest.fixture
    def viveiro(self, server: RunningServer) -> Callable[..., str]:
        def run(*arguments: str, status: int = 0) -> str:
            environment = {**server.environment(), "VIVEIRO_URL": server.url, "VIVEIRO_TOKEN": server.token("alice")}
            result = subprocess.run(
                [sys.executable, "-m", "viveiro", *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == status, result.stderr
            return result.stdout if status == 0 else result.stderr

        return run

    def test_deploy_and_list(self, viveiro, triage):
        assert viveiro("endpoints", "deploy", triage).strip().endswith(f"/models/{triage}")
        assert triage in [endpoint["model"] for endpoint in json.loads(viveiro("endpoints", "list", "--json"))]
        assert "state: ready" in viveiro("endpoints", "info", triage)

    def test_one_text(self, viveiro, triage):
        answer = json.loads(viveiro("predict", triage, CORPUS[0], "--json"))
        assert answer[0]["label"] in LABELS
        assert len(viveiro("predict", triage, CORPUS[0], "--top-k", "2").splitlines()) == 2

    def test_a_file(self, viveiro, triage, tmp_path):
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        with source.open("w", newline="") as file:
            csv.writer(file).writerows([["id", "text"], *enumerate(CORPUS * 30)])
        viveiro("predict", triage, "--file", str(source), "--out", str(target))
        with target.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["text"] for row in rows] == CORPUS * 30
        assert {row["predicted"] for row in rows} <= set(LABELS)
        assert 0 < float(rows[0]["score"]) <= 1

    def test_neither_a_text_nor_a_file(self, viveiro, triage):
        assert "--file IN.csv" in viveiro("predict", triage, status=1)
