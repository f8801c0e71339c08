"""The hub's figures, peers in the same run: `make bench`, or `python benchmarks/hub.py --only download`.

| claim | peer |
| --- | --- |
| one LFS file downloaded by 4 clients at once: at least 0.6× | nginx with sendfile, the same file, the same clients |
| one-file commit, the POST alone: median under 40 ms | `git commit` + `git push` of one file to the same server |
| 1,000 small files in one commit: under 5 s | the same files by `git commit` + `git push` |
| lists over 100,000 repos and 1.2 million tags: p95 under 60 ms | – (SQLite beside PostgreSQL) |

Rounds alternate between us and the peer, so that a busy machine slows both; medians are shown.
"""

import argparse
import base64
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_DISABLE_XET"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from huggingface_hub import CommitOperationAdd, HfApi

from benchmarks import hub_lists
from benchmarks.downloads import CLIENTS, rate, running_nginx
from tests.live.running_server import TWO_USERS, RunningServer

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["download", "commit", "files", "lists"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=1024)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="viveiro-bench-") as folder:
        if chosen.only != "lists":
            with RunningServer(Path(folder) / "data") as server:
                server.seed(TWO_USERS)
                for name, measure in (("download", download), ("commit", commit), ("files", thousand_files)):
                    if chosen.only in (None, name):
                        measure(server, Path(folder), chosen)
        if chosen.only in (None, "lists"):
            hub_lists.main([])


def download(server: RunningServer, folder: Path, chosen: argparse.Namespace) -> None:
    """4 clients, each the whole file, as fast as they can read it."""
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    api.create_repo("alice/big")
    root = folder / "www"
    root.mkdir()
    source = root / "model.bin"
    with source.open("wb") as file:
        for _ in range(chosen.mebibytes):
            file.write(secrets.token_bytes(MIB))
    api.upload_file(path_or_fileobj=str(source), path_in_repo="model.bin", repo_id="alice/big")
    ours, theirs = [], []
    with running_nginx(root, folder) as nginx:
        for _ in range(chosen.rounds):
            theirs.append(rate(f"{nginx}/model.bin", chosen.mebibytes))
            ours.append(rate(f"{server.url}/alice/big/resolve/main/model.bin", chosen.mebibytes))
    own, peer = statistics.median(ours), statistics.median(theirs)
    print(f"download, {CLIENTS} clients: {own:.0f} MiB/s, nginx {peer:.0f} MiB/s: {own / peer:.2f}× (claim ≥ 0.6×)")


def commit(server: RunningServer, folder: Path, chosen: argparse.Namespace) -> None:
    """The POST alone, as `HfApi.create_commit` sends it, over one kept connection."""
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    api.create_repo("alice/commits")
    clone = _clone(server, "alice/commits", folder / "commits")
    ours, theirs = [], []
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.token('alice')}"}) as client:
        for number in range(20 * chosen.rounds):
            ours.append(_seconds(lambda number=number: _post_commit(client, f"file-{number}.txt")))
    for number in range(2 * chosen.rounds):
        (clone / f"git-{number}.txt").write_text("content")
        _git(clone, "pull", "-q", "--rebase")
        _git(clone, "add", ".")
        theirs.append(_seconds(lambda: (_git(clone, "commit", "-q", "-m", "x"), _git(clone, "push", "-q"))))
    p50, p95 = statistics.median(ours), statistics.quantiles(ours, n=20)[-1]
    peer = statistics.median(theirs)
    print(
        f"one-file commit: p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms; git commit + push {peer * 1e3:.0f} ms (claim p50 < 40 ms)"
    )


def _post_commit(client: httpx.Client, path: str) -> None:
    lines = [
        {"key": "header", "value": {"summary": "Upload", "description": ""}},
        {
            "key": "file",
            "value": {"path": path, "content": base64.b64encode(b"content").decode(), "encoding": "base64"},
        },
    ]
    body = "\n".join(map(json.dumps, lines)).encode()
    response = client.post(
        "/api/models/alice/commits/commit/main", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    response.raise_for_status()


def thousand_files(server: RunningServer, folder: Path, chosen: argparse.Namespace) -> None:
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    ours, theirs = [], []
    for number in range(min(chosen.rounds, 3)):
        name = f"alice/files-{number}"
        api.create_repo(name)
        files = {f"folder-{file % 10}/{file}.txt": secrets.token_hex(500).encode() for file in range(1000)}
        operations = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()]
        ours.append(
            _seconds(
                lambda name=name, operations=operations: api.create_commit(
                    name, operations, commit_message="1,000 files"
                )
            )
        )
        api.create_repo(f"{name}-git")
        clone = _clone(server, f"{name}-git", folder / f"files-{number}")
        for path, content in files.items():
            (clone / path).parent.mkdir(exist_ok=True)
            (clone / path).write_bytes(content)
        theirs.append(
            _seconds(
                lambda clone=clone: [
                    _git(clone, *words) for words in (["add", "."], ["commit", "-q", "-m", "x"], ["push", "-q"])
                ]
            )
        )
    own, peer = statistics.median(ours), statistics.median(theirs)
    print(f"1,000 files in one commit: {own:.2f} s; git add + commit + push {peer:.2f} s (claim < 5 s)")


def _clone(server: RunningServer, name: str, folder: Path) -> Path:
    url = server.url.replace("http://", f"http://alice:{server.token('alice')}@")
    _git(folder.parent, "clone", "-q", f"{url}/{name}", str(folder))
    return folder


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, env=environment)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
