"""`make chaos`: kill everything at random while people work, then look for damage.

Three writers do mixed hub operations through the official clients (commits, uploads by Xet and by LFS, pushes, pull requests and
their merges, moves, copies, squashed history) while jobs run, content is swept, and a killer sends SIGKILL to the supervisor, the web
process, the worker and job children at random moments. An operation that was answered with success is *acknowledged*;
one that was cut off may have happened or not. Afterwards:

- everything acknowledged is there, byte for byte, and nothing is there that nobody asked for;
- every job ended, once;
- `git fsck` of every repository and `viveiro hub fsck` find nothing.

With `--store s3` all that while large files lie in a bucket. Its server is never killed: it is somebody else's.

Then the same while models are trained, with both methods: every run ends once, with the metrics of an undisturbed run of the
same description, and is published once.
"""

import argparse
import contextlib
import io
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ.setdefault(
    "HF_XET_CLIENT_RETRY_MAX_DURATION", "20s"
)  # else a client waits minutes for what the server forgot

import httpx2  # what huggingface_hub speaks through
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.live.bucket import LiveBucket, live_bucket
from tests.live.running_server import TWO_USERS, RunningServer, ServerDidNotStart
from tests.live.uploading import descendants
from tests.live.xet import by_xet
from viveiro.client import Client, Refused, ServerUnreachable
from viveiro.training.reproducing import compare

Key = TypeVar("Key")
Value = TypeVar("Value")

WRITERS = 3
VICTIMS = ["supervisor", "web", "worker", "job"]
ENDED = {"succeeded", "failed", "cancelled"}
CUT_OFF = (OSError, RuntimeError, httpx2.HTTPError, HfHubHTTPError, subprocess.CalledProcessError)
"""What a client raises when its server dies under it, or comes back and no longer knows the request. hf-xet: RuntimeError."""
SERVER_GONE = (OSError, ValueError, KeyError, ServerUnreachable)
"""What our own client raises when the server is dead, or its server.json not yet complete."""
QUICK_SETTINGS = {
    "VIVEIRO_JOB_LEASE": "PT3S",
    "VIVEIRO_JOB_HEARTBEAT": "PT0.5S",
    "VIVEIRO_JOB_POLL": "PT0.1S",
    "VIVEIRO_JOB_RETRY_DELAY": "PT0.1S",
    "OMP_NUM_THREADS": "1",  # several small trainings at once would fight over the cores
}
METHODS = {"frozen": {"method": "frozen"}, "full": {"method": "full", "epochs": 6}}


@dataclass
class Expectation:
    """What may be found where. A set of one is certain; two are an operation whose answer was lost."""

    files: dict[tuple[str, str], set[str | None]] = field(default_factory=dict)
    """(repo, path) → possible sha256 of the content, None for absent."""
    refs: dict[tuple[str, str], set[bool]] = field(default_factory=dict)
    repos: dict[str, set[bool]] = field(default_factory=dict)
    acknowledged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def change(self, possible: dict[Key, set[Value]], key: Key, before: Value, after: Value) -> Iterator[None]:
        with self.lock:
            possible[key] = possible.get(key, {before}) | {after}
        with contextlib.suppress(*CUT_OFF):
            yield
            with self.lock:
                possible[key] = {after}
                self.acknowledged += 1


class Writer:
    """One person at work in one repo."""

    def __init__(
        self, server: RunningServer, number: int, expected: Expectation, chance: random.Random, folder: Path
    ) -> None:
        self.api = HfApi(endpoint=server.url, token=server.token("alice"))
        self.git_url = server.url.replace("http://", f"http://alice:{server.token('alice')}@")
        self.repo = f"alice/chaos-{number}"
        self.shared = random.Random(0).randbytes(300_000)
        self.expected, self.chance, self.folder = expected, chance, folder
        self.api.create_repo(self.repo)

    def work(self, operations: int) -> None:
        kinds: list[Callable[[int], None]] = [
            self.commit,
            self.commit_by_xet,
            self.push,
            self.propose_and_merge,
            self.delete,
            self.branch,
            self.create_and_move,
            self.commit_by_lfs,
            self.tag,
            self.create_and_delete,
            self.squash,
            self.duplicate,
        ]
        for number in range(operations):
            self._wait_for_server()
            kinds[number % len(kinds)](number)

    def _wait_for_server(self) -> None:
        """As people do: they notice that it is down and wait. What dies under a request is the killer's business."""
        for _ in range(600):
            with contextlib.suppress(*CUT_OFF):
                if httpx2.get(f"{self.api.endpoint}/readyz", timeout=10).is_success:
                    return
            time.sleep(0.1)

    def commit(self, number: int) -> None:
        self._upload(f"notes/{number}.txt", self.chance.randbytes(200).hex().encode())

    def commit_by_xet(self, number: int) -> None:
        """Half of it is what was sent before, so that files share xorbs."""
        self._upload(f"weights-{number}.bin", self.shared + self.chance.randbytes(300_000))

    def commit_by_lfs(self, number: int) -> None:
        """As clients send what they are given as an open file."""
        self._upload(f"stream-{number}.bin", self.shared + self.chance.randbytes(300_000), io.BytesIO)

    def _upload(self, path: str, content: bytes, wrapped: Callable[[bytes], Any] = bytes) -> None:
        with self.expected.change(self.expected.files, (self.repo, path), None, sha256(content).hexdigest()):
            self.api.upload_file(path_or_fileobj=wrapped(content), path_in_repo=path, repo_id=self.repo)

    def propose_and_merge(self, number: int) -> None:
        path, content = f"proposed/{number}.bin", self.shared + self.chance.randbytes(50_000)
        opened = None
        with contextlib.suppress(*CUT_OFF):
            added = [CommitOperationAdd(path, content)]
            opened = self.api.create_commit(self.repo, added, commit_message=f"propose {number}", create_pr=True).pr_num
        if opened is not None:
            with self.expected.change(self.expected.files, (self.repo, path), None, sha256(content).hexdigest()):
                self.api.merge_pull_request(self.repo, opened)

    def create_and_move(self, number: int) -> None:
        """The old name leads to the new one, so that it exists before and after."""
        name = f"{self.repo}-{number}"
        with self.expected.change(self.expected.repos, name, False, True):
            self.api.create_repo(name)
        if self.expected.repos[name] == {True}:
            with self.expected.change(self.expected.repos, f"{name}-moved", False, True):
                self.api.move_repo(name, f"{name}-moved")

    def duplicate(self, number: int) -> None:
        name = f"{self.repo}-{number}"
        with self.expected.change(self.expected.repos, name, False, True):
            self.api.duplicate_repo(self.repo, name)
        if self.expected.repos[name] == {True}:
            with self.expected.lock:
                mine = {
                    path: set(content) for (repo, path), content in self.expected.files.items() if repo == self.repo
                }
                self.expected.files.update({(name, path): content for path, content in mine.items()})

    def squash(self, number: int) -> None:
        """It changes no file. Whether it happened, nobody asks."""
        with contextlib.suppress(*CUT_OFF):
            self.api.super_squash_history(self.repo, commit_message=f"squash {number}")
            self.expected.acknowledged += 1

    def push(self, number: int) -> None:
        path, content = f"pushed/{number}.txt", self.chance.randbytes(50).hex()
        clone = self.folder / f"{self.repo.replace('/', '-')}-{number}"
        with self.expected.change(self.expected.files, (self.repo, path), None, sha256(content.encode()).hexdigest()):
            _git("clone", "-q", f"{self.git_url}/{self.repo}", clone)
            (clone / "pushed").mkdir(exist_ok=True)
            (clone / path).write_text(content)
            _git("-C", clone, "add", ".")
            _git("-C", clone, "commit", "-q", "-m", f"push {number}")
            _git("-C", clone, "push", "-q")

    def delete(self, number: int) -> None:
        certain = [
            key
            for key, content in self.expected.files.items()
            if key[0] == self.repo and len(content) == 1 and None not in content
        ]
        if not certain:
            return self.commit(number)
        key = self.chance.choice(certain)
        (content,) = self.expected.files[key]
        with self.expected.change(self.expected.files, key, content, None):
            self.api.delete_file(key[1], self.repo)
        return None

    def branch(self, number: int) -> None:
        with self.expected.change(self.expected.refs, (self.repo, f"refs/heads/b{number}"), False, True):
            self.api.create_branch(self.repo, branch=f"b{number}")

    def tag(self, number: int) -> None:
        with self.expected.change(self.expected.refs, (self.repo, f"refs/tags/t{number}"), False, True):
            self.api.create_tag(self.repo, tag=f"t{number}")

    def create_and_delete(self, number: int) -> None:
        name = f"{self.repo}-{number}"
        with self.expected.change(self.expected.repos, name, False, True):
            self.api.create_repo(name)
        if self.expected.repos[name] == {True} and self.chance.random() < 0.5:
            with self.expected.change(self.expected.repos, name, True, False):
                self.api.delete_repo(name)


def _git(*arguments: str | Path) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    environment = {
        **os.environ,
        **identity,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    subprocess.run(["git", *map(str, arguments)], check=True, capture_output=True, env=environment, timeout=120)


class Killer:
    """Takes a victim every second or so until it is told to stop."""

    def __init__(
        self, server: RunningServer, chance: random.Random, pause: float, first: Sequence[str] = VICTIMS
    ) -> None:
        self.server, self.chance, self.pause, self.first = server, chance, pause, first
        self.killed: dict[str, int] = {}
        self._stop = threading.Event()

    def work(self) -> None:
        """Each kind once, then whom chance names until the others are done. In the main thread: the server dies with the thread
        that started it."""
        for number in itertools.count():
            if number >= len(self.first) and self._stop.is_set():
                return
            time.sleep(self.pause * self.chance.uniform(0.3, 1.7))
            with contextlib.suppress(ProcessLookupError, OSError):
                self._strike(self.first[number] if number < len(self.first) else self.chance.choice(VICTIMS))

    def stop(self) -> None:
        self._stop.set()

    def _strike(self, kind: str) -> None:
        if kind == "supervisor":
            self.server.kill()
            self._start_again()
        else:
            victim = self._find(kind)
            if victim is None:
                return
            os.kill(victim, 9)
        self.killed[kind] = self.killed.get(kind, 0) + 1

    def _start_again(self) -> None:
        for _ in range(3):
            with contextlib.suppress(ServerDidNotStart):  # the port may still be held for a moment
                self.server.start()
                return
            time.sleep(1)
        self.server.start()

    def _find(self, kind: str) -> int | None:
        processes = self.server.pids()
        if kind != "job":
            return processes.get(kind)
        below = descendants(processes.get("worker", -1))[1:]  # leashes, jobs, what jobs started
        return self.chance.choice(below) if below else None


class Jobs:
    """Imports of small tables, started while everything dies. Each must end, and publish its dataset at most once."""

    def __init__(self, server: RunningServer, count: int, folder: Path) -> None:
        self.server, self.count, self.folder = server, count, folder
        self.acknowledged: list[str] = []

    def work(self) -> None:
        for number in range(self.count):
            table = self.folder / f"table-{number}.csv"
            rows = [f"sentence number {row} of table {number},{'odd' if row % 2 else 'even'}" for row in range(60)]
            table.write_text("text,label\n" + "\n".join(rows) + "\n")
            self._start_until_acknowledged(table, number)

    def _start_until_acknowledged(self, table: Path, number: int) -> None:
        def start(client: Client, attempt: int) -> str:
            started = import_table(client, table, f"alice/table-{number}-{attempt}")
            return str(started["job_id"])

        self.acknowledged.append(until_acknowledged(self.server, start))

    def wait(self) -> list[dict[str, object]]:
        return until_all_ended(self.server, "/api/v1/jobs", kind="dataset-import")


class Sweeps:
    """Of content that nobody uses, and of what came by LFS into xorbs, while others upload it."""

    def __init__(self, server: RunningServer, count: int) -> None:
        self.server, self.count = server, count

    def work(self) -> None:
        for _ in range(self.count):
            try:
                with contextlib.suppress(*SERVER_GONE), self.server.client() as client:
                    client.post("/api/v1/hub/gc", {})
            except Refused as refused:
                if refused.http_status != 401:  # a token is the server's own, which died since it was read
                    raise
            time.sleep(1)


class Runs:
    """Small models, trained while everything dies. What each must come to is found out before, in peace."""

    def __init__(self, server: RunningServer, count: int, folder: Path) -> None:
        self.server, self.count = server, count
        self.acknowledged: list[str] = []
        self.data, self.base = "alice/sentences", "alice/tiny-encoder"
        self._bring_in(folder)
        began = time.monotonic()
        self.expected = {method: self._undisturbed(method) for method in METHODS}
        self.seconds_of_one = (time.monotonic() - began) / len(METHODS)

    def _bring_in(self, folder: Path) -> None:
        from tests.unit.ml.tiny import make_encoder

        api = HfApi(endpoint=self.server.url, token=self.server.token("alice"))
        api.create_repo(self.base)
        api.upload_folder(repo_id=self.base, folder_path=make_encoder(folder / "encoder"))
        table = folder / "sentences.csv"
        words = ("pump", "invoice", "password")
        rows = [f"the {words[row % 3]} of machine {row} is wrong again,{words[row % 3]}" for row in range(240)]
        table.write_text("text,label\n" + "\n".join(rows) + "\n")
        with self.server.client("alice") as client:
            import_table(client, table, self.data)
        until_all_ended(self.server, "/api/v1/jobs", kind="dataset-import")

    def _undisturbed(self, method: str) -> dict[str, Any]:
        with self.server.client("alice") as client:
            return client.wait_run(self._start(client, method, f"alice/undisturbed-{method}")["run_id"])

    def _start(self, client: Client, method: str, publish: str) -> dict[str, Any]:
        return client.start_run(
            "text-classification", self.data, base=self.base, params=METHODS[method], publish=publish
        )

    def work(self) -> None:
        for number, method in zip(range(self.count), itertools.cycle(METHODS), strict=False):

            def start(client: Client, attempt: int, method: str = method, number: int = number) -> str:
                return str(self._start(client, method, f"alice/run-{number}-{attempt}")["run_id"])

            self.acknowledged.append(until_acknowledged(self.server, start))
        self.wait()

    def wait(self) -> list[dict[str, Any]]:
        return until_all_ended(self.server, "/api/v1/runs")

    def check(self, ended: list[dict[str, Any]]) -> None:
        api = HfApi(endpoint=self.server.url, token=self.server.token("alice"))
        assert set(self.acknowledged) <= {run["run_id"] for run in ended}
        for run in ended:
            assert run["state"] == "succeeded", (run["run_id"], run["state"], run["error"])
            method = run["description"]["params"].get("method", "frozen")
            differing = compare(self.expected[method], run).metrics
            assert not differing, (run["run_id"], differing)
            assert run["history"] == self.expected[method]["history"], run["run_id"]
            assert len(api.list_repo_commits(run["model"])) == 2, run["model"]  # the initial one and the run's


def import_table(client: Client, table: Path, name: str) -> dict[str, Any]:
    """The job that imports it."""
    started: dict[str, Any] = client.put_file(
        "/api/v1/datasets/import", table, method="POST", name=name, file_name=table.name
    )
    return started


def until_acknowledged(server: RunningServer, start: Callable[[Client, int], str]) -> str:
    """What `start` answers at last. Each try has a number of its own: one that was cut off may have started work as well."""
    for attempt in range(1000):
        try:
            with server.client("alice") as client:
                return start(client, attempt)
        except SERVER_GONE:
            time.sleep(0.3)
    raise AssertionError("it was never acknowledged")


def until_all_ended(server: RunningServer, path: str, seconds: float = 600, **filters: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + seconds
    found: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        with contextlib.suppress(*SERVER_GONE), server.client("alice") as client:
            found = list(client.pages(path, **filters))
            if all(each["state"] in ENDED for each in found):
                return found
        time.sleep(0.5)
    raise AssertionError([each for each in found if each["state"] not in ENDED])


def run_chaos(
    folder: Path,
    *,
    operations: int,
    jobs: int,
    pause: float,
    seed: int,
    database_url: str | None = None,
    bucket: LiveBucket | None = None,
) -> dict[str, object]:
    """Raises AssertionError at the first damage; otherwise says what was done.

    Args:
        bucket: for large files, instead of the server's own folder.
    """
    expected, chance = Expectation(), random.Random(seed)
    with by_xet(), RunningServer(folder / "data", _settings(database_url, bucket)) as server:
        server.seed(TWO_USERS)
        writers = [Writer(server, number, expected, random.Random(seed + number), folder) for number in range(WRITERS)]
        work, sweeps = Jobs(server, jobs, folder), Sweeps(server, jobs)
        killer = Killer(server, chance, pause)
        share = operations // WRITERS + 1
        _run_while([*(lambda writer=writer: writer.work(share) for writer in writers), work.work, sweeps.work], killer)
        ended = work.wait()
        assert len(work.acknowledged) == jobs
        assert set(work.acknowledged) <= {job["id"] for job in ended}
        check_jobs(server, ended)
        check_hub(server, expected)
        server.stop()
        check_git(folder / "data")
    return {"acknowledged": expected.acknowledged, "jobs": len(ended), "killed": killer.killed}


def run_training_chaos(
    folder: Path,
    *,
    runs: int,
    pause: float,
    seed: int,
    database_url: str | None = None,
    bucket: LiveBucket | None = None,
) -> dict[str, object]:
    """Raises AssertionError when a run was lost, spoilt or published twice; otherwise says what was done.

    `pause` counts in undisturbed runs: on a slow machine, kills by the clock would let no run ever come to its end.
    """
    with RunningServer(folder / "training", _settings(database_url, bucket)) as server:
        server.seed(TWO_USERS)
        work = Runs(server, runs, folder)
        killer = Killer(
            server, random.Random(seed), pause * work.seconds_of_one, ("job", "worker", "supervisor", "web")
        )
        _run_while([work.work], killer)
        ended = work.wait()
        assert len(work.acknowledged) == runs
        work.check(ended)
        with server.client() as client:
            check_ends(client, [run["job_id"] for run in ended])
            report = client.post("/api/v1/hub/fsck", {"repair": False})
        assert report["clean"], report["findings"]
        server.stop()
        check_git(folder / "training")
    return {"runs": len(ended), "killed": killer.killed}


def _settings(database_url: str | None, bucket: LiveBucket | None) -> dict[str, str]:
    database = {"VIVEIRO_DATABASE_URL": database_url} if database_url else {}
    return {**QUICK_SETTINGS, **database, **(bucket.settings if bucket else {})}


def _run_while(works: list[Callable[[], None]], killer: Killer) -> None:
    """All at once, the killer in this thread until they are done. What one of them raises is raised here."""
    with ThreadPoolExecutor(len(works) + 1) as pool:
        futures = [pool.submit(work) for work in works]
        pool.submit(lambda: (wait(futures), killer.stop()))
        killer.work()
        for future in futures:
            future.result()


def check_jobs(server: RunningServer, jobs: list[dict[str, object]]) -> None:
    with server.client() as client:
        check_ends(client, [str(job["id"]) for job in jobs])
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    for dataset in api.list_datasets(author="alice"):
        commits = api.list_repo_commits(dataset.id, repo_type="dataset")
        assert len(commits) <= 2, [commit.title for commit in commits]  # the initial one and the import's


def check_ends(client: Client, job_ids: Iterable[str]) -> None:
    """Each ended once, as its history says."""
    for job_id in job_ids:
        ends, after = 0, 0
        while events := client.get(f"/api/v1/jobs/{job_id}/events", after=after, limit=1000):
            ends += sum(event["type"] in ENDED for event in events)
            after = events[-1]["seq"]
        assert ends == 1, (job_id, ends)


def check_hub(server: RunningServer, expected: Expectation) -> None:
    api = HfApi(endpoint=server.url, token=server.token("alice"))
    for (repo, path), contents in expected.files.items():
        found = _content(api, repo, path)
        assert found in contents, (repo, path, found, contents)
    for name, possible in expected.repos.items():
        assert api.repo_exists(name) in possible, name
    for repo in {repo for repo, _ in expected.refs}:
        refs = api.list_repo_refs(repo)
        present = {ref.ref for ref in [*refs.branches, *refs.tags]}
        for (owner, ref), possible in expected.refs.items():
            assert owner != repo or (ref in present) in possible, (repo, ref)
    for repo in {repo for repo, _ in expected.files}:
        known = {path for owner, path in expected.files if owner == repo}
        found = set(api.list_repo_files(repo))
        assert found <= known | {".gitattributes"}, (repo, found - known)
    with server.client() as client:
        report = client.post("/api/v1/hub/fsck", {"repair": False, "deep": True})
    assert report["clean"], report["findings"]


def _content(api: HfApi, repo: str, path: str) -> str | None:
    if not api.file_exists(repo, path):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return sha256(Path(api.hf_hub_download(repo, path, local_dir=folder)).read_bytes()).hexdigest()


def check_git(data_dir: Path) -> None:
    for repository in (data_dir / "repos").glob("*/*.git"):
        result = subprocess.run(
            ["git", "-C", repository, "fsck", "--full", "--no-dangling"], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, (repository, result.stdout, result.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--pause", type=float, default=2.5, help="mean seconds between kills")
    parser.add_argument("--run-pause", type=float, default=2.0, help="the same while models are trained, in runs")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--store", choices=["local", "s3"], default="local", help="where large files lie")
    chosen = parser.parse_args()
    for database in ("sqlite", "postgres") if chosen.database == "both" else (chosen.database,):
        print(f"{database}: seed {chosen.seed}", flush=True)
        if chosen.operations:
            with _place(database, chosen.store) as (folder, url, bucket):
                result = run_chaos(
                    folder,
                    operations=chosen.operations,
                    jobs=chosen.jobs,
                    pause=chosen.pause,
                    seed=chosen.seed,
                    database_url=url,
                    bucket=bucket,
                )
            print(f"{database}: {result}; nothing lost, nothing damaged", flush=True)
        if chosen.runs:
            with _place(database, chosen.store) as (folder, url, bucket):
                result = run_training_chaos(
                    folder,
                    runs=chosen.runs,
                    pause=chosen.run_pause,
                    seed=chosen.seed,
                    database_url=url,
                    bucket=bucket,
                )
            print(f"{database}: {result}; each ended once, as undisturbed, published once", flush=True)


@contextlib.contextmanager
def _place(database: str, store: str) -> Iterator[tuple[Path, str | None, LiveBucket | None]]:
    began = time.monotonic()
    with (
        _database(database) as url,
        live_bucket() if store == "s3" else contextlib.nullcontext() as bucket,
        tempfile.TemporaryDirectory(prefix="viveiro-chaos-") as folder,
    ):
        yield Path(folder), url, bucket
    print(f"{database}: {time.monotonic() - began:.0f} s", flush=True)


@contextlib.contextmanager
def _database(kind: str) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    from tests.postgres import running_postgres

    with running_postgres() as url:
        yield f"{url}/postgres"


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is needed: apt-get install -y git")
    main()
