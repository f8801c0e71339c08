import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import orjson
import pytest

from tests.unit.ml.tiny import CORPUS, make_classifier, make_encoder
from viveiro.locale import restored
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.engines import engines
from viveiro.ml.tasks import tasks
from viveiro.ml.tasks.text_classification import scores_of
from viveiro.serving import frames
from viveiro.serving.host import SHORT_CHARACTERS, ModelHost
from viveiro.settings import Settings

LABELS = ["hydraulics", "billing", "accounts"]


class Host:
    """The process as the supervisor starts it, and someone who talks to it."""

    def __init__(
        self, data_dir: Path, key: str, folder: Path, task: str, engine: str = "torch", **settings: str
    ) -> None:
        self.socket = Settings(data_dir=data_dir).sockets_dir / f"{key}.sock"
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VIVEIRO_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "viveiro.app", "host", key, str(folder), task, engine],
            env={**inherited, "VIVEIRO_DATA_DIR": str(data_dir), "VIVEIRO_PARENT_PID": str(os.getpid()), **settings},
        )

    def ask(self, *requests):
        """Answers by request number, all asked at once."""
        return asyncio.run(self._ask(requests))

    async def _ask(self, requests):
        reader, writer = await self._connect()
        for number, request in enumerate(requests):
            writer.write(frames.pack({"id": number, **request}))
        answers = [await frames.read(reader) for _ in requests]
        writer.close()
        return {answer.pop("id"): answer for answer in answers}

    async def _connect(self):
        while True:
            try:
                return await asyncio.open_unix_connection(self.socket)
            except OSError:
                assert self.process.poll() is None, "the host ended before it listened"
                await asyncio.sleep(0.05)

    def hang_up_after(self, request):
        async def send():
            _, writer = await self._connect()
            writer.write(frames.pack({"id": 0, **request}))
            await writer.drain()
            writer.close()

        asyncio.run(send())

    def end(self):
        self.process.terminate()
        return self.process.wait(20)


def predict(*texts, **changes):
    return {"op": "predict", "texts": list(texts), "parameters": {}, "bare": False, "seconds": 30, **changes}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "text-classification": make_classifier(folder / "classifier", LABELS),
        "feature-extraction": make_encoder(folder / "encoder"),
    }


@pytest.fixture(scope="module", params=["torch", "auto"])
def classifier(request, models, short_folder):
    folder, queue = models["text-classification"], {"VIVEIRO_MODEL_QUEUE_TOKENS": "20000"}
    host = Host(short_folder, request.param, folder, "text-classification", request.param, **queue)
    yield host
    assert host.end() == 0


class TestModelHost:
    """One process that holds one model, and answers on a socket."""

    def test_what_is_asked_while_it_loads_is_answered_when_it_has(self, classifier):
        answers = classifier.ask(predict("the pump"), {"op": "wait"})
        assert answers[1]["state"] == "ready"
        assert len(orjson.loads(answers[0]["body"])) == 1

    def test_answers_are_the_models_own_in_the_order_of_the_texts(self, classifier, models):
        texts = [*CORPUS, "ok", " ".join(CORPUS)] * 5
        answer = orjson.loads(classifier.ask(predict(*texts))[0]["body"])
        logits = SentenceEncoder(models["text-classification"], precision="float32").encode(texts)
        for candidates, scores in zip(answer, scores_of(logits, "softmax"), strict=True):
            expected = dict(zip(LABELS, scores, strict=True))
            assert {c["label"]: c["score"] for c in candidates} == pytest.approx(expected, abs=0.02)

    def test_many_requests_at_once_each_get_their_own_answer(self, classifier):
        alone = [classifier.ask(predict(text))[0]["body"] for text in CORPUS]
        together = classifier.ask(*(predict(text) for text in CORPUS))
        for number, body in enumerate(alone):
            expected, actual = orjson.loads(body)[0], orjson.loads(together[number]["body"])[0]
            assert {c["label"]: c["score"] for c in actual} == pytest.approx(
                {c["label"]: c["score"] for c in expected}, abs=0.01
            )

    def test_parameters_reach_the_task(self, classifier):
        answer = orjson.loads(classifier.ask(predict("the pump", parameters={"top_k": 2}))[0]["body"])
        assert len(answer[0]) == 2

    def test_work_that_is_too_late_is_not_done(self, classifier):
        assert classifier.ask(predict("the pump", seconds=-1))[0] == {"error": "TooLate"}

    def test_more_than_the_queue_holds_is_refused_and_the_rest_lives_on(self, classifier):
        assert classifier.ask(predict(*[" ".join(CORPUS)] * 1000))[0] == {"error": "TooManyTokens"}
        assert "body" in classifier.ask(predict("the pump"))[0]

    def test_who_hangs_up_disturbs_nobody(self, classifier):
        classifier.hang_up_after(predict(*CORPUS * 50))
        assert "body" in classifier.ask(predict("the pump"))[0]

    def test_an_unfit_message_fails_alone(self, classifier):
        assert classifier.ask({"op": "predict"})[0] == {"error": "ForwardFailed"}
        assert "body" in classifier.ask(predict("the pump"))[0]

    def test_it_tells_what_it_has_done(self, classifier):
        classifier.ask(predict("the pump"))
        answer = classifier.ask({"op": "state"})[0]
        stats = answer["stats"]
        assert (answer["decision"], stats["dimension"]) == ("softmax", 3)
        assert 0 < stats["batches"] <= stats["texts"]
        assert stats["requests"] > 0
        assert 0 < stats["p50_ms"] <= stats["p95_ms"]
        assert stats["memory_bytes"] > 2**20

    def test_it_takes_the_fastest_engine_unless_told_otherwise(self, classifier):
        told = classifier.process.args[-1]
        assert classifier.ask({"op": "state"})[0]["stats"]["engine"] == ("openvino" if told == "auto" else told)

    def test_its_socket_is_for_its_user_alone(self, classifier):
        classifier.ask({"op": "wait"})
        assert classifier.socket.stat().st_mode & 0o777 == 0o600

    def test_vectors_come_as_numbers_and_a_bare_text_has_one(self, models, short_folder):
        host = Host(short_folder, "encoder", models["feature-extraction"], "feature-extraction")
        vector = orjson.loads(host.ask(predict("the pump", bare=True))[0]["body"])
        host.end()
        expected = SentenceEncoder(models["feature-extraction"]).encode(["the pump"])[0]
        np.testing.assert_allclose(vector, expected, atol=1e-5)


class TestLongTexts:
    def test_keep_no_other_request_waiting_while_they_are_tokenised(self, models, short_folder, monkeypatch):
        short_is_answered = threading.Event()
        tokenise = engines["torch"].items

        def tokenise_long_ones_last(engine, texts):
            assert len(texts[0]) <= SHORT_CHARACTERS or short_is_answered.wait(20)
            return tokenise(engine, texts)

        async def ask():
            path = short_folder / "long.sock"
            async with model.serving(path):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(frames.pack({"id": "long", **predict("pump " * SHORT_CHARACTERS)}))
                writer.write(frames.pack({"id": "short", **predict("the pump")}))
                first = await frames.read(reader)
                short_is_answered.set()
                second = await frames.read(reader)
                writer.close()
                return first, second

        monkeypatch.setattr(engines["torch"], "items", tokenise_long_ones_last)
        task, cache = tasks["feature-extraction"], short_folder / "cache"
        model = ModelHost(models[task.name], task, ["torch"], cache=cache, queue_tokens=1000)
        answers = asyncio.run(ask())
        assert [answer["id"] for answer in answers if "body" in answer] == ["short", "long"]


class TestChoiceOfEngine:
    """`auto` takes what can run the model; a name takes that engine or says why not."""

    @pytest.fixture
    def without_openvino(self, tmp_path):
        """As on a machine where it is not installed."""
        (tmp_path / "openvino.py").write_text("raise ImportError('no such wheel for this processor')")
        return {"PYTHONPATH": str(tmp_path)}

    def test_auto_falls_back_to_torch(self, models, short_folder, without_openvino):
        folder = models["text-classification"]
        host = Host(short_folder, "fallback", folder, "text-classification", "auto", **without_openvino)
        assert host.ask({"op": "wait"})[0]["stats"]["engine"] == "torch"
        assert host.end() == 0

    def test_a_named_engine_says_why_it_cannot(self, models, short_folder, without_openvino):
        folder = models["text-classification"]
        host = Host(short_folder, "named", folder, "text-classification", "openvino", **without_openvino)
        answer = host.ask({"op": "wait"})[0]
        assert answer["state"] == "failed"
        assert "pip install 'viveiro[openvino]'" in restored(answer["why"])
        assert host.end() == 0


class TestItsLifeAndDeath:
    def test_a_model_that_does_not_load_says_why_and_does_not_die(self, short_folder, tmp_path):
        host = Host(short_folder, "broken", tmp_path, "feature-extraction")
        answer = host.ask({"op": "wait"})[0]
        assert (answer["state"], host.process.poll()) == ("failed", None)
        assert "tokenizer" in restored(answer["why"])
        host.end()

    def test_it_takes_the_place_of_one_that_was_killed_and_ends_well_when_told_to(self, models, short_folder):
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(short_folder / "sockets" / "again.sock"))
        host = Host(short_folder, "again", models["feature-extraction"], "feature-extraction")
        assert host.ask({"op": "wait"})[0]["state"] == "ready"
        assert host.end() == 0

    def test_it_ends_when_nobody_has_asked_it_for_the_limit(self, models, short_folder):
        limit = {"VIVEIRO_MODEL_IDLE_LIMIT": "PT1S"}
        host = Host(short_folder, "idle", models["feature-extraction"], "feature-extraction", **limit)
        assert host.process.wait(60) == 0

    def test_what_it_loads_counts_as_used_from_now_on(self, models, short_folder):
        """A sweep takes what was not used for long."""
        converted = Settings(data_dir=short_folder).engines_dir / "used"
        converted.mkdir(parents=True)
        os.utime(converted, (0, 0))
        host = Host(short_folder, "used", models["feature-extraction"], "feature-extraction")
        host.ask({"op": "wait"})
        host.end()
        assert converted.stat().st_mtime > time.time() - 600

    def test_it_dies_with_its_parent(self, models, short_folder):
        program = (
            "import os, subprocess, sys, time;"
            "p = subprocess.Popen(sys.argv[1:], env={**os.environ, 'VIVEIRO_PARENT_PID': str(os.getpid())});"
            "print(p.pid, flush=True); time.sleep(600)"
        )
        command = [sys.executable, "-m", "viveiro.app", "host", "orphan", str(models["feature-extraction"])]
        parent = subprocess.Popen(
            [sys.executable, "-c", program, *command, "feature-extraction", "torch"],
            env={**os.environ, "VIVEIRO_DATA_DIR": str(short_folder)},
            stdout=subprocess.PIPE,
        )
        with parent, parent.stdout:
            pid = int(parent.stdout.readline())
            while not (short_folder / "sockets" / "orphan.sock").exists():
                time.sleep(0.05)
            parent.kill()
        while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
            time.sleep(0.02)
