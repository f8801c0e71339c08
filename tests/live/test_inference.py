"""Models deployed to a real server and asked by the field's own client."""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from huggingface_hub import HfApi, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.live.command_line import CommandLine
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.waiting import wait_until
from tests.unit.ml.tiny import CORPUS, make_classifier, make_encoder
from viveiro.client import Refused
from viveiro.ml.artefact import Artefact
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.tasks.text_classification import scores_of
from viveiro.ml.texts import LONGEST_TEXT

LABELS = ["hydraulics", "billing", "accounts"]


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        return True


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


@pytest.fixture
def private(server: RunningServer, alice: HfApi, make_repo: Callable[..., str], classifier_folder: Path) -> str:
    """A deployed text classifier that only Alice may see."""
    repo = make_repo(private=True)
    alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
    with server.client("alice") as client:
        client.post("/api/v1/endpoints", json={"model": repo})
    return repo


@pytest.fixture
def make_token(server: RunningServer) -> Callable[[str, str], str]:
    """An access token of Alice's, of that name and role."""

    def make(name: str, role: str) -> str:
        with server.client("alice") as client:
            return str(client.post("/api/v1/tokens", json={"name": name, "role": role})["secret"])

    return make


class TestTheOfficialClient:
    """`huggingface_hub.InferenceClient`, pointed at `/models/{repo_id}`, finds what it expects."""

    def test_text_classification(self, inference, classifier_folder):
        answer = inference.text_classification(CORPUS[0])
        scores = scores_of(SentenceEncoder(classifier_folder, precision="float32").encode([CORPUS[0]]), "softmax")[0]
        assert [element.label for element in answer] == [LABELS[number] for number in np.argsort(-scores)]
        assert answer[0].score == pytest.approx(scores.max(), abs=0.01)

    def test_beside_the_answer_it_is_told_how_the_model_decides(self, ask):
        assert ask({"inputs": CORPUS[0]}).headers["X-Viveiro-Decision"] == "softmax"

    @pytest.mark.parametrize("decision", ["softmax\r\nSet-Cookie: session=forged", "máximo", ["softmax"], None])
    def test_a_models_own_record_puts_nothing_else_beside_it(
        self, server, alice, make_repo, classifier_folder, decision
    ):
        repo, record = make_repo(), Artefact("text-classification", tuple(LABELS), "full", 64).to_json()
        record["decision"]["function"] = decision
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
        alice.upload_file(repo_id=repo, path_in_repo="viveiro.json", path_or_fileobj=json.dumps(record).encode())
        with server.client("alice") as client, pytest.raises(Refused, match="It can be softmax, sigmoid or none"):
            client.post("/api/v1/endpoints", json={"model": repo})

    def test_top_k_and_function(self, inference):
        (best,) = inference.text_classification(CORPUS[0], top_k=1, function_to_apply="sigmoid")
        assert 0 < best.score < 1

    def test_feature_extraction(self, server, alice, make_repo, tmp_path):
        folder, repo = make_encoder(tmp_path / "encoder"), make_repo()
        alice.upload_folder(repo_id=repo, folder_path=folder)
        with server.client("alice") as client:
            client.post("/api/v1/endpoints", json={"model": repo})
        inference = InferenceClient(model=f"{server.url}/models/{repo}", token=server.token("alice"))
        expected = SentenceEncoder(folder, precision="float32").encode(CORPUS)
        np.testing.assert_allclose(
            inference.feature_extraction(CORPUS[0]), expected[0], atol=0.2
        )  # of 1 to 3, from wild weights
        np.testing.assert_allclose(inference.feature_extraction(CORPUS), expected, atol=0.2)
        assert np.linalg.norm(inference.feature_extraction(CORPUS[0], normalize=True)) == pytest.approx(1)

    def test_without_a_credential_it_is_told_what_is_missing(self, server, triage):
        with pytest.raises(HfHubHTTPError, match="access token") as caught:
            InferenceClient(model=f"{server.url}/models/{triage}", token=None).text_classification("a pump")
        assert caught.value.response.status_code == 401


class TestWhoMayAsk:
    """A private model is missing to a stranger; what may be seen and not run says so."""

    def test_a_stranger_finds_no_private_model(self, server, ask, private):
        assert ask({"inputs": "a"}, model=private, token=server.token("bob")).status_code == 404
        assert httpx.post(f"{server.url}/models/{private}", json={"inputs": "a"}).status_code == 404

    def test_nobody_is_told_to_sign_in(self, server, triage):
        assert httpx.post(f"{server.url}/models/{triage}", json={"inputs": "a"}).status_code == 401

    def test_an_access_token_that_may_only_read_runs_nothing(self, ask, make_token):
        answer = ask({"inputs": "a"}, token=make_token("reader", "read"))
        assert answer.status_code == 403
        assert "--role inference" in answer.json()["error"]

    def test_a_revoked_access_token_is_refused_soon_though_it_was_let_in(self, server, ask, make_token):
        token = make_token("short-lived", "inference")
        assert ask({"inputs": "a"}, token=token).status_code == 200
        with server.client("alice") as client:
            client.delete("/api/v1/tokens/short-lived")
        wait_until(lambda: ask({"inputs": "a"}, token=token).status_code == 401)


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
            ({"inputs": "a", "parameters": {"top_k": "9" * 23}}, 400, "top_k"),
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

    def test_what_is_beyond_the_models_limit_is_cut_off(self, ask):
        """64 tokens here: the ends of two texts that begin alike do not matter."""
        answers = [ask({"inputs": "the pump " * 100 + end}).json() for end in ("", "the invoice is wrong")]
        assert answers[0] == answers[1]

    def test_a_repo_that_no_task_can_serve(self, server, alice, make_repo):
        repo = make_repo()
        with server.client("alice") as client, pytest.raises(Refused, match="no safetensors") as caught:
            client.post("/api/v1/endpoints", json={"model": repo})
        assert caught.value.http_status == 422

    def test_a_model_that_does_not_load_leaves_what_was_served(self, server, alice, ask, make_repo, classifier_folder):
        repo = make_repo()
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
        with server.client("alice") as client:
            before = client.post("/api/v1/endpoints", json={"model": repo})
            alice.delete_file("tokenizer.json", repo)
            with pytest.raises(Refused, match="tokenizer"):
                client.post("/api/v1/endpoints", json={"model": repo})
            assert client.get(f"/api/v1/endpoints/{repo}")["sha"] == before["sha"]
        assert ask({"inputs": "a pump"}, model=repo).status_code == 200

    def test_a_model_that_does_not_load_is_not_deployed_in_silence(self, server, alice, make_repo, classifier_folder):
        repo = make_repo()
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder, ignore_patterns="token*")
        with server.client("alice") as client, pytest.raises(Refused, match="tokenizer"):
            client.post("/api/v1/endpoints", json={"model": repo})


class TestLifeOfAnEndpoint:
    def test_a_killed_model_host_is_replaced_under_the_request(self, server, ask, triage):
        hosts = [pid for name, pid in server.pids().items() if name.startswith("host")]
        for pid in hosts:
            os.kill(pid, signal.SIGKILL)
        assert hosts
        assert ask({"inputs": CORPUS[0]}).status_code == 200

    def test_a_model_whose_process_keeps_dying_is_given_up_for_all_who_wait(
        self, server, alice, make_repo, classifier_folder
    ):
        """As where memory runs out. Nothing starts it again, and nothing but another deploy tries it again."""
        repo = make_repo()
        sha = alice.upload_folder(repo_id=repo, folder_path=classifier_folder).oid
        name = f"host {sha[:16]}"

        def deploy() -> object:
            with server.client("alice") as client:
                return client.post("/api/v1/endpoints", json={"model": repo})

        with ThreadPoolExecutor() as pool:
            deploys = [pool.submit(deploy) for _ in range(3)]
            while not all(deploy.done() for deploy in deploys):
                with contextlib.suppress(KeyError, ProcessLookupError):
                    os.kill(server.pids()[name], signal.SIGKILL)
                time.sleep(0.01)
        for refused in deploys:
            with pytest.raises(Refused, match="memory") as caught:
                refused.result()
            assert caught.value.http_status == 503
        assert name not in server.pids()
        assert deploy()["state"] == "ready"

    def test_a_deleted_model_is_unloaded_unless_another_repo_serves_the_same_commit(
        self, server, alice, ask, make_repo, classifier_folder
    ):
        first, gone = make_repo(), make_repo()
        alice.upload_folder(repo_id=first, folder_path=classifier_folder)
        alice.upload_folder(repo_id=gone, folder_path=classifier_folder, commit_message="Of another name")
        twin = alice.duplicate_repo(first, to_id=f"{first}-twin").repo_id
        with server.client("alice") as client:
            keys = {
                repo: client.post("/api/v1/endpoints", json={"model": repo})["sha"][:16] for repo in (first, twin, gone)
            }
        assert keys[first] == keys[twin] != keys[gone]
        alice.delete_repo(first)
        alice.delete_repo(gone)
        wait_until(lambda: f"host {keys[gone]}" not in server.pids())
        assert f"host {keys[twin]}" in server.pids()
        assert ask({"inputs": CORPUS[0]}, model=twin).status_code == 200

    def test_an_endpoint_serves_its_pinned_commit_until_it_is_deployed_again(self, server, alice, triage):
        with server.client("alice") as client:
            before = client.get(f"/api/v1/endpoints/{triage}")
            alice.upload_file(
                path_or_fileobj=b"---\nlicense: mit\n---\n# Triage", path_in_repo="README.md", repo_id=triage
            )
            assert client.get(f"/api/v1/endpoints/{triage}")["sha"] == before["sha"]
            assert client.post("/api/v1/endpoints", json={"model": triage})["sha"] != before["sha"]

    def test_it_tells_what_runs_and_how_it_does(self, server, ask, triage):
        ask({"inputs": CORPUS[0]})
        with server.client("alice") as client:
            endpoint = client.get(f"/api/v1/endpoints/{triage}")
        assert (endpoint["state"], endpoint["engine"], endpoint["revision"]) == ("ready", "openvino", "main")
        assert endpoint["stats"]["precision"] in ("bfloat16", "float32")
        assert endpoint["stats"]["requests"] > 0
        assert 0 < endpoint["stats"]["p50_ms"] <= endpoint["stats"]["p95_ms"]
        assert endpoint["stats"]["memory_bytes"] > 2**20

    def test_deploying_with_another_engine_ends_the_process_of_the_first(
        self, server, alice, ask, make_repo, classifier_folder
    ):
        repo = make_repo()
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
        with server.client("alice") as client:
            first = client.post("/api/v1/endpoints", json={"model": repo})
            second = client.post("/api/v1/endpoints", json={"model": repo, "engine": "torch"})
        assert (first["engine"], second["engine"]) == ("openvino", "torch")
        wait_until(lambda: f"host {first['sha'][:16]}" not in server.pids())
        assert ask({"inputs": "a pump"}, model=repo).status_code == 200

    def test_a_killed_web_process_finds_its_models_again(self, server, ask, triage):
        before = server.pids()
        os.kill(before["web"], signal.SIGKILL)
        wait_until(lambda: server.pids().get("web") not in (None, before["web"]))
        wait_until(lambda: httpx.get(f"{server.url}/readyz", timeout=60).is_success)
        assert ask({"inputs": CORPUS[0]}).status_code == 200

    def test_what_is_undeployed_answers_no_more(self, server, alice, ask, make_repo, classifier_folder):
        repo = make_repo()
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
        with server.client("alice") as client:
            client.post("/api/v1/endpoints", json={"model": repo})
            assert ask({"inputs": "a"}, model=repo).status_code == 200
            client.delete(f"/api/v1/endpoints/{repo}")
        assert ask({"inputs": "a"}, model=repo).status_code == 404

    def test_a_moved_model_is_served_by_both_its_names(self, server, alice, ask, make_repo, classifier_folder):
        """Applications keep the address that they were given."""
        old = make_repo(private=True)
        new = f"{old.replace('alice/', 'acai/')}-served"
        alice.upload_folder(repo_id=old, folder_path=classifier_folder)
        with server.client("alice") as client:
            client.post("/api/v1/endpoints", json={"model": old})
            alice.move_repo(old, new)
            assert client.get(f"/api/v1/endpoints/{old}")["model"] == new
        answers = [ask({"inputs": CORPUS[0]}, model=name).raise_for_status().json() for name in (old, new)]
        assert answers[0] == answers[1]
        refused = ask({"inputs": CORPUS[0]}, model=old, token=server.token("bob"))
        assert (refused.status_code, new in refused.text) == (404, False)
        with server.client("alice") as client:
            client.delete(f"/api/v1/endpoints/{old}")

    def test_endpoints_are_back_after_the_whole_server_was_killed(self, tmp_path, classifier_folder):
        with RunningServer(tmp_path / "s", {"VIVEIRO_MODEL_QUEUE_TOKENS": "500"}) as server:
            token = server.admin_token
            owner = HfApi(endpoint=server.url, token=token).whoami()["name"]
            HfApi(endpoint=server.url, token=token).create_repo(f"{owner}/triage")
            HfApi(endpoint=server.url, token=token).upload_folder(
                repo_id=f"{owner}/triage", folder_path=classifier_folder
            )
            with server.client() as client:
                client.post("/api/v1/endpoints", json={"model": f"{owner}/triage"})
            server.kill()
            wait_until(lambda: is_free(server.port))  # the kernel takes the children in its own time
            server.start()
            with server.client() as client:
                while client.get(f"/api/v1/endpoints/{owner}/triage")["state"] != "ready":
                    time.sleep(0.1)
                assert client.post(f"/models/{owner}/triage", json={"inputs": "a pump"})
                with pytest.raises(Refused, match="VIVEIRO_MODEL_QUEUE_TOKENS") as caught:
                    client.post(f"/models/{owner}/triage", json={"inputs": ["a pump"] * 1000})
                assert caught.value.http_status == 413


class TestTheCommandLine:
    """`viveiro endpoints` and `viveiro predict`: data on stdout, talk on stderr."""

    @pytest.fixture
    def viveiro(self, server: RunningServer) -> Callable[..., str]:
        def run(*arguments: str | bytes, status: int = 0, stdin: bytes = b"", token: str | None = None) -> str:
            identity = {"VIVEIRO_URL": server.url, "VIVEIRO_TOKEN": token or server.token("alice")}
            result = subprocess.run(
                [sys.executable, "-m", "viveiro", *arguments],
                env={**server.environment(), **identity},
                input=stdin,
                capture_output=True,
                check=False,
            )
            assert result.returncode == status, result.stderr.decode()
            return (result.stdout if status == 0 else result.stderr).decode()

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

    def test_any_table_keeps_its_columns_and_counts_rows_without_text(self, viveiro, triage, tmp_path):
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text("número;texto;predicted\n1;a bomba perdeu pressão;x\n2;  ;y\n", encoding="latin-1")
        counts = json.loads(viveiro("predict", triage, "--file", str(source), "--out", str(target), "--json"))
        assert (counts["rows"], counts["empty"], counts["unreadable"]) == (2, 1, 0)
        with target.open(newline="", encoding="utf-8") as file:
            header, first, second = csv.reader(file)
        assert header == ["número", "texto", "predicted", "predicted_2", "score"]
        assert first[:3] == ["1", "a bomba perdeu pressão", "x"]
        assert first[3] in LABELS
        assert second == ["2", "  ", "y", "", ""]

    def test_what_fails_leaves_no_file(self, viveiro, triage, tmp_path):
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text("id,text\n1,the pump\n")
        why = viveiro(
            "predict", triage, "--file", str(source), "--out", str(target), "--text-column", "words", status=1
        )
        assert "--text-column; there are: id, text" in why
        assert list(tmp_path.iterdir()) == [source]

    def test_lines_of_standard_input(self, viveiro, triage):
        answers = viveiro("predict", triage, "-", stdin="\n".join([CORPUS[0], "", CORPUS[1]]).encode()).splitlines()
        assert [answer.partition("\t")[0] in LABELS for answer in answers] == [True, False, True]

    def test_a_line_whose_words_are_beyond_what_is_read_has_no_answer(self, viveiro, triage):
        answers = viveiro("predict", triage, "-", stdin=f"{' ' * 200_000}the pump\n{CORPUS[0]}".encode()).splitlines()
        assert [answer.partition("\t")[0] in LABELS for answer in answers] == [False, True]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    def test_lines_in_any_encoding(self, viveiro, triage, encoding):
        text = "a bomba perdeu pressão\n"
        expected = viveiro("predict", triage, text.strip(), "--top-k", "1", "--json")
        assert viveiro("predict", triage, "-", "--json", stdin=text.encode(encoding)) == expected

    def test_a_text_in_another_encoding_than_the_terminals_is_refused(self, viveiro, triage):
        why = viveiro("predict", triage, "pressão".encode("cp1252"), status=1)
        assert "viveiro predict MODEL -" in why

    def test_an_access_token_that_may_only_infer_is_enough(self, viveiro, private, make_token, tmp_path):
        token, source, target = make_token("batch", "inference"), tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text(f"text\n{CORPUS[0]}\n")
        viveiro("predict", private, "--file", str(source), "--out", str(target), token=token)
        label, _, score = (
            viveiro("predict", private, "-", stdin=CORPUS[0].encode(), token=token).strip().partition("\t")
        )
        assert target.read_text().splitlines()[1] == f"{CORPUS[0]},{label},{score}"

    def test_rows_that_are_left_out_are_named(self, server, triage, tmp_path):
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        ragged = ["too,many,fields" if number % 2 else f"{number},{CORPUS[0]}" for number in range(1, 31)]
        source.write_text("\n".join(["id,text", *ragged]))
        said = CommandLine(server)("predict", triage, "--file", source, "--out", target).stderr
        assert "15 rows of the file could not be read, and are left out: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, … (" in said

    @pytest.mark.parametrize(
        "limit",
        [{"VIVEIRO_MODEL_ANSWER_LIMIT": "PT0.05S", "VIVEIRO_ENGINE": "torch"}, {"VIVEIRO_MODEL_QUEUE_TOKENS": "640"}],
        ids=["seconds", "tokens"],
    )
    def test_long_texts_are_sent_in_as_small_a_number_as_the_model_takes(self, limit, tmp_path, classifier_folder):
        """256 of these are several times what this one takes in one request, and one of them is a tenth of it."""
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        long_text = " ".join(CORPUS * 20)[:3900]
        source.write_text("\n".join(["text", *[f'"{long_text}"'] * 256]))
        with RunningServer(tmp_path / "s", limit) as server:
            server.seed(TWO_USERS)
            alice = HfApi(endpoint=server.url, token=server.token("alice"))
            alice.create_repo("alice/slow")
            alice.upload_folder(repo_id="alice/slow", folder_path=classifier_folder)
            line = CommandLine(server)
            line("endpoints", "deploy", "alice/slow")
            counts = line.printed("predict", "alice/slow", "--file", source, "--out", target)
        with target.open(newline="") as file:
            assert [row["predicted"] in LABELS for row in csv.DictReader(file)] == [True] * counts["rows"]
        assert counts["rows"] == 256

    def test_of_several_labels_those_above_their_thresholds(
        self, viveiro, alice, make_repo, classifier_folder, tmp_path
    ):
        repo = make_repo()
        record = Artefact("text-classification", tuple(LABELS), "full", 64, "sigmoid", thresholds=(0.0, 0.0, 1.0))
        alice.upload_folder(repo_id=repo, folder_path=classifier_folder)
        alice.upload_file(
            path_or_fileobj=json.dumps(record.to_json()).encode(), path_in_repo="viveiro.json", repo_id=repo
        )
        viveiro("endpoints", "deploy", repo)
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text(f"text\n{CORPUS[0]}\n")
        viveiro("predict", repo, "--file", str(source), "--out", str(target))
        with target.open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert set(row["predicted"].split("|")) == set(LABELS[:2])
        assert len(viveiro("predict", repo, CORPUS[0]).splitlines()) == 2
        assert len(viveiro("predict", repo, CORPUS[0], "--top-k", "3").splitlines()) == 3

    def test_neither_a_text_nor_a_file(self, viveiro, triage):
        assert "--file IN.csv" in viveiro("predict", triage, status=1)
