"""Large files through Xet, as stock clients send and fetch them: `python benchmarks/hub_transfer.py`.

| claim, a safetensors file of 2 GB, the server verifying every hash | peer |
| --- | --- |
| `hf upload`: at most 8× | `cp` and hashlib's sha256 of the same file, one after the other |
| `hf download`: at most 5× | the same |
| 20 changed stretches of 1 MB each, spread over the file: at most 3 % of its bytes travel | – |
| plain HTTP, 4 clients at once: at least 0.15× when first asked for, 0.6× from the cache | nginx, the same file |

The floor is measured beside each round, so that a busy machine slows both; medians are shown. Every client starts with
an empty cache of its own, but for the one that sends the changed file: it is whoever sent the file before. What travels
is counted between the client and the server.
"""

import argparse
import hashlib
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import numpy as np
from safetensors.numpy import save_file

from benchmarks.downloads import CLIENTS, rate, running_nginx
from tests.live.running_server import TWO_USERS, RunningServer

MB = 10**6
MIB = 2**20
TENSOR_BYTES = 50 * MB
CHANGES = 20
HF = str(Path(sys.executable).with_name("hf"))
NAME = "model.safetensors"
RELAY_BYTES = 2**16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", nargs="*", default=[], metavar="VIVEIRO_NAME=VALUE", help="of the server")
    chosen = parser.parse_args()
    settings = dict(setting.split("=", 1) for setting in chosen.settings)
    with tempfile.TemporaryDirectory(prefix="viveiro-bench-") as scratch:
        folder = Path(scratch)
        with RunningServer(folder / "data", settings) as server:
            server.seed(TWO_USERS)
            measure(server, folder, chosen.megabytes, chosen.rounds)


def measure(server: RunningServer, folder: Path, megabytes: int, rounds: int) -> None:
    www = folder / "www"
    www.mkdir()
    source = www / NAME
    floors: list[float] = []
    uploads: list[float] = []
    downloads: list[float] = []
    for number in range(rounds):
        write_weights(source, megabytes, seed=number)  # of each round its own: the server has none of it yet
        floors.append(floor(source, folder))
        seconds = upload(server.url, source, f"alice/big-{number}", client(server, folder / f"sender-{number}"))
        uploads.append(seconds / floors[-1])
        seconds = download(server, source, f"alice/big-{number}", folder / f"receiver-{number}")
        downloads.append(seconds / floors[-1])
        print(f"round {number + 1}: floor {floors[-1]:.1f} s, upload {uploads[-1]:.2f}×, download {downloads[-1]:.2f}×")
    last = f"{server.url}/alice/big-{rounds - 1}/resolve/main/{NAME}"
    size = source.stat().st_size / MIB
    with running_nginx(www, folder) as nginx:
        theirs = [rate(f"{nginx}/{NAME}", size)]
        cold = rate(last, size)
        cached = []
        for _ in range(rounds):
            theirs.append(rate(f"{nginx}/{NAME}", size))
            cached.append(rate(last, size))
    share = changed_share(server, source, "alice/changed", folder / "sender")
    peer = statistics.median(theirs)
    print(f"hf upload: {statistics.median(uploads):.2f}× cp + sha256 (claim ≤ 8×)")
    print(f"hf download: {statistics.median(downloads):.2f}× cp + sha256 (claim ≤ 5×)")
    print(f"{CHANGES} changed runs of 1 MB: {share:.2%} of the bytes travel (claim ≤ 3 %)")
    print(f"plain HTTP, {CLIENTS} clients, cold: {cold:.0f} MiB/s, {cold / peer:.2f}× nginx (claim ≥ 0.15×)")
    fast = statistics.median(cached)
    print(f"plain HTTP, {CLIENTS} clients, cached: {fast:.0f} MiB/s, {fast / peer:.2f}× nginx (claim ≥ 0.6×)")


def write_weights(path: Path, megabytes: int, seed: int) -> None:
    """Tensors of normal float32 numbers, as those of networks are."""
    chance = np.random.default_rng(seed)
    tensors = {
        f"layers.{number}.weight": chance.standard_normal(TENSOR_BYTES // 4, dtype=np.float32) * np.float32(0.02)
        for number in range(max(1, megabytes * MB // TENSOR_BYTES))
    }
    save_file(tensors, path)


def floor(source: Path, folder: Path) -> float:
    """Seconds of what no transfer can do without: a copy, and a hash of it."""
    began = time.perf_counter()
    subprocess.run(["cp", source, folder / "copy"], check=True)
    with source.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    seconds = time.perf_counter() - began
    (folder / "copy").unlink()
    return seconds


def client(server: RunningServer, home: Path) -> dict[str, str]:
    """The environment of a client with an empty cache of its own, otherwise stock."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VIVEIRO_"))}
    return {
        **inherited,
        "HF_TOKEN": server.token("alice"),
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }


def upload(url: str, source: Path, repo: str, environment: Mapping[str, str]) -> float:
    return _seconds([HF, "upload", repo, str(source), NAME], {**environment, "HF_ENDPOINT": url})


def download(server: RunningServer, source: Path, repo: str, home: Path) -> float:
    environment = {**client(server, home), "HF_ENDPOINT": server.url}
    seconds = _seconds([HF, "download", repo, NAME, "--local-dir", str(home / "here")], environment)
    assert _sha256(home / "here" / NAME) == _sha256(source)
    shutil.rmtree(home)
    return seconds


def changed_share(server: RunningServer, source: Path, repo: str, home: Path) -> float:
    """Of the file's bytes, what its sender's client sends when 20 stretches of it have changed."""
    size = source.stat().st_size
    with counting_relay(server.port) as (url, sent):  # a client remembers what it sent by the address it sent it to
        upload(url, source, repo, client(server, home))
        before = sent[0]
        with source.open("r+b") as file:
            for number in range(CHANGES):
                file.seek(size // CHANGES * number + size // CHANGES // 2)
                file.write(secrets.token_bytes(MB))
        upload(url, source, repo, client(server, home))
    answer = httpx.head(f"{server.url}/{repo}/resolve/main/{NAME}", follow_redirects=True)
    assert answer.headers["X-Linked-ETag"].strip('"') == _sha256(source)
    return (sent[0] - before) / size


@contextmanager
def counting_relay(port: int) -> Iterator[tuple[str, list[int]]]:
    """An address that leads to the server, and a list of one: the bytes that went there."""
    sent, lock = [0], threading.Lock()

    def pass_on(source: socket.socket, target: socket.socket, *, counted: bool) -> None:
        try:
            while data := source.recv(RELAY_BYTES):
                target.sendall(data)
                if counted:
                    with lock:
                        sent[0] += len(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pass_on, args=(near, far), kwargs={"counted": True}, daemon=True).start()
            threading.Thread(target=pass_on, args=(far, near), kwargs={"counted": False}, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", sent
        listener.shutdown(socket.SHUT_RDWR)


def _seconds(command: list[str], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return seconds


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
