"""Runs from the command line and from Python, on a base that is made here: started, watched, interrupted, done again."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.conftest import missing
from tests.live.command_line import CommandLine
from tests.live.running_server import RunningServer
from tests.live.test_hostile import Filler
from tests.live.uploading import descendants
from tests.live.waiting import wait_until
from tests.unit.datasets.tables import import_bytes
from tests.unit.ml.tiny import make_encoder
from tests.unit.training.conftest import Nursery, model_of
from viveiro.client import Client, RunFailed
from viveiro.db import Base, Database
from viveiro.errors import RepoNotFound, StorageFull
from viveiro.training.service import RunState

WORDS = ("pump", "invoice", "password")
ROWS = [f"the {WORDS[row % 3]} of machine {row} is wrong again,{WORDS[row % 3]}" for row in range(120)]
TABLE = "\n".join(["text,label", *ROWS]).encode()
FULL = ("--method", "full", "--set", "epochs=4")
ENDLESS = ("--method", "full", "--set", "epochs=1000", "--set", "patience=1000")
"""Longer than anybody waits."""

Start = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def viveiro(server: RunningServer) -> CommandLine:
    return CommandLine(server)


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Client]:
    with server.client("alice") as client:
        yield client


@pytest.fixture(scope="module")
def base(alice: HfApi, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = "alice/runs-encoder"
    alice.create_repo(name)
    alice.upload_folder(repo_id=name, folder_path=make_encoder(tmp_path_factory.mktemp("base") / "encoder"))
    return name


@pytest.fixture(scope="module")
def data(viveiro: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("data") / "sentences.csv"
    file.write_bytes(TABLE)
    report = viveiro.printed("datasets", "import", file, "--name", "alice/runs-sentences")
    return str(report["dataset"])


@pytest.fixture(scope="module")
def start(viveiro: CommandLine, base: str, data: str) -> Start:
    """`runs start`, and what it printed."""

    def begin(*options: str) -> dict[str, Any]:
        printed: dict[str, Any] = viveiro.printed(
            "runs", "start", "text-classification", "--data", data, "--base", base, *options
        )
        return printed

    return begin


@pytest.fixture(scope="module")
def full(start: Start) -> dict[str, Any]:
    return start(*FULL, "--publish", "alice/runs-full")


class TestDescription:
    def test_a_line_a_file_and_a_program_start_the_same_run(
        self, viveiro: CommandLine, client: Client, start: Start, base: str, data: str, tmp_path: Path
    ) -> None:
        by_line = start(*FULL, "--seed", "2", "--publish", "alice/same", "--detach")["run_id"]
        described = viveiro("runs", "info", by_line, "--yaml").stdout
        (tmp_path / "run.yaml").write_text(described)
        by_file = viveiro.printed("runs", "start", "--config", tmp_path / "run.yaml", "--detach")["run_id"]
        params = {"method": "full", "epochs": 4, "seed": 2}
        program = client.start_run("text-classification", data, base=base, params=params, publish="alice/same")
        runs = [client.get(f"/api/v1/runs/{run_id}") for run_id in (by_line, by_file, program["run_id"])]
        assert runs[0]["description"] == runs[1]["description"] == runs[2]["description"]
        for run in runs:
            client.post(f"/api/v1/runs/{run['run_id']}/cancel")

    def test_a_dry_run_says_what_it_needs_and_starts_nothing(
        self, viveiro: CommandLine, client: Client, start: Start
    ) -> None:
        before = len(client.get("/api/v1/runs", limit=1000))
        found = start(*FULL, "--dry-run")
        assert min(found["estimate"][name] for name in ("seconds", "memory_bytes", "disk_bytes")) > 0
        assert found["estimate"]["resolved"]["batch_size"] > 0
        assert len(found["description"]["base"].partition("@")[2]) == 40
        assert len(client.get("/api/v1/runs", limit=1000)) == before

    def test_a_dry_run_on_a_file_leaves_nothing_in_the_hub(
        self, viveiro: CommandLine, client: Client, base: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "passing.csv"
        file.write_bytes(TABLE)
        before = list(client.pages("/api/datasets"))
        found = viveiro.printed(*("runs", "start", "text-classification", "--data", file, "--base", base, "--dry-run"))
        assert found["estimate"]["seconds"] > 0
        told = {name: found["description"][name] for name in ("data", "publish", "visibility")}
        assert told == {"data": str(file), "publish": "alice/passing-runs-encoder", "visibility": "private"}
        assert list(client.pages("/api/datasets")) == before

    def test_nor_does_one_that_is_interrupted_while_the_file_is_imported(
        self, viveiro: CommandLine, client: Client, base: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "long.csv"
        rows = (
            f"the {WORDS[row % 3]} of machine {row} in hall {row % 7} is wrong,{WORDS[row % 3]}"
            for row in range(200_000)
        )
        file.write_text("\n".join(["text,label", *rows]))
        process = viveiro.begin("runs", "start", "text-classification", "--data", file, "--base", base, "--dry-run")
        wait_until(lambda: bool(client.get("/api/v1/jobs", kind="dataset-import", state="running")))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130, said
        assert "goes on" not in said
        assert client.get("/api/v1/jobs", kind="dataset-import", limit=1)[0]["state"] == "cancelled"
        assert not [found["id"] for found in client.pages("/api/datasets") if "-dry-run-" in found["id"]]

    def test_a_budget_ends_training_and_still_publishes(self, start: Start) -> None:
        run = start(*ENDLESS, "--budget", "0.05", "--publish", "alice/runs-budget")
        assert run["state"] == "succeeded"


class TestFiles:
    """A file becomes a dataset on the way, for its owner's eyes unless they say otherwise."""

    @pytest.mark.parametrize(("options", "private"), [((), True), (("--visibility", "public"), False)])
    def test_who_sees_the_rows_sees_the_model(
        self, options: tuple[str, ...], private: bool, viveiro: CommandLine, base: str, alice: HfApi, tmp_path: Path
    ) -> None:
        file = tmp_path / f"seen-{private}.csv".lower()
        file.write_bytes(TABLE)
        run = viveiro.printed(
            "runs", "start", "text-classification", "--data", file, "--base", base, "--detach", *options
        )
        viveiro("runs", "cancel", run["run_id"])
        found = viveiro.printed("runs", "info", run["run_id"])["description"]
        assert alice.dataset_info(found["data"].partition("@")[0]).private is private
        assert found["visibility"] == ("private" if private else "public")

    def test_private_rows_do_not_go_into_a_public_dataset(
        self, viveiro: CommandLine, base: str, alice: HfApi, tmp_path: Path
    ) -> None:
        alice.create_repo("alice/shown", repo_type="dataset")
        file = tmp_path / "shown.csv"
        file.write_bytes(TABLE)
        start = ("runs", "start", "text-classification", "--data", file, "--base", base)
        refused = viveiro(*start, "--visibility", "private")
        assert refused.returncode == 1
        assert "viveiro repos update alice/shown --type dataset --visibility private" in refused.stderr
        assert [entry.path for entry in alice.list_repo_tree("alice/shown", repo_type="dataset")] == [".gitattributes"]
        told = viveiro(*start, "--detach", "--json")
        assert "as a new revision of alice/shown, which was there already" in told.stderr
        assert "alice/shown is public, and so are these rows" in told.stderr
        viveiro("runs", "cancel", json.loads(told.stdout)["run_id"])


class TestWatching:
    def test_talk_is_a_few_lines_and_the_object_is_alone_on_stdout(
        self, viveiro: CommandLine, full: dict[str, Any]
    ) -> None:
        result = viveiro("runs", "follow", full["run_id"], "--json")
        assert json.loads(result.stdout) == full
        assert full["state"] == "succeeded"
        assert {"accuracy", "f1_macro"} <= set(full["metrics"])
        assert set(full["baselines"]) == {"majority", "tfidf"}
        assert len(result.stderr.splitlines()) < 20

    def test_info_shows_the_curve(self, viveiro: CommandLine, full: dict[str, Any]) -> None:
        shown = viveiro("runs", "info", full["run_id"]).stdout
        assert "validation loss" in shown
        assert "best: epoch" in shown
        points = viveiro.printed("runs", "info", full["run_id"])["points"]
        assert {"estimated", "training", "validated"} == {point["fields"]["stage"] for point in points}

    def test_a_program_gets_curves_to_draw_of_as_many_values_as_it_wants(
        self, client: Client, full: dict[str, Any]
    ) -> None:
        whole, few = (client.get(f"/api/v1/runs/{full['run_id']}/curves", most=most) for most in (1000, 3))
        assert {"train_loss", "learning_rate", "eval_loss", "eval_f1_macro"} == set(whole["series"])
        assert {len(values) for values in whole["series"].values()} == {len(whole["x"])}
        assert max(sum(value is not None for value in values) for values in few["series"].values()) <= 3
        assert few["last_seq"] == whole["last_seq"] > 0

    def test_logs_as_json_are_one_event_a_line(self, viveiro: CommandLine, full: dict[str, Any]) -> None:
        events = [json.loads(line) for line in viveiro("runs", "logs", full["run_id"], "--json").stdout.splitlines()]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["type"] == "succeeded"

    def test_an_interrupt_detaches_and_says_how_to_come_back(
        self, viveiro: CommandLine, client: Client, base: str, data: str
    ) -> None:
        process = viveiro.begin(
            "runs", "start", "text-classification", "--data", data, "--base", base, *ENDLESS, "--publish", "alice/left"
        )
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
        assert process.returncode == 130, said + rest
        (command,) = [line for line in rest.splitlines() if "viveiro runs follow" in line]
        run_id = command.split()[-1]
        assert client.get(f"/api/v1/runs/{run_id}")["state"] in ("queued", "preflight", "running")
        client.post(f"/api/v1/runs/{run_id}/cancel")


class TestReproducing:
    def test_a_published_model_is_made_again_with_equal_metrics(
        self, viveiro: CommandLine, full: dict[str, Any], alice: HfApi
    ) -> None:
        found = viveiro.printed("runs", "reproduce", "alice/runs-full")
        assert found["equal"] is True
        assert found["model"] == "alice/runs-full-reproduced"
        assert alice.model_info("alice/runs-full").sha == full["revision"]


class TestKilled:
    def test_mid_epoch_it_ends_with_the_undisturbed_result(
        self, start: Start, client: Client, server: RunningServer, full: dict[str, Any], alice: HfApi
    ) -> None:
        run_id = start(*FULL, "--publish", "alice/runs-killed", "--detach")["run_id"]
        wait_until(lambda: _stage(client, run_id) in ("training", "validating", "evaluating"))
        for pid in descendants(server.pids()["worker"])[1:]:
            os.kill(pid, signal.SIGKILL)
        run = client.wait_run(run_id)
        assert run["metrics"] == full["metrics"]
        assert len(alice.list_repo_commits("alice/runs-killed")) == 2


class TestCancelled:
    @pytest.mark.parametrize("stage", ["preflight", "training"])
    def test_whoever_waits_learns_it_and_nothing_is_published(
        self, stage: str, viveiro: CommandLine, client: Client, base: str, data: str, alice: HfApi
    ) -> None:
        publish = f"alice/cancelled-in-{stage}"
        params = {"method": "full", "epochs": 1000, "patience": 1000}
        run = client.start_run("text-classification", data, base=base, params=params, publish=publish)
        waiting = viveiro.begin("runs", "follow", run["run_id"], "--json")
        wait_until(lambda: _stage(client, run["run_id"]) == stage)
        assert viveiro("runs", "cancel", run["run_id"]).returncode == 0
        stdout, stderr = waiting.communicate(timeout=120)
        assert waiting.returncode == 1
        assert json.loads(stdout)["state"] == "cancelled"
        assert "was cancelled, and published nothing" in stderr
        assert not alice.repo_exists(publish)
        with pytest.raises(RunFailed, match="cancelled"):
            client.wait_run(run["run_id"])


class TestBadInput:
    """Each ends with status 1, one sentence and what to do next; a file that can be read, with its rows."""

    @pytest.mark.parametrize(
        ("content", "options", "said"),
        [
            (TABLE, ("--text-column", "txt"), "Did you mean 'text'"),
            (b"text,label\n" + b"".join(b"a text with number %d,x\n" % row for row in range(60)), (), "one class"),
            (b"text,label\na,x\nb,y\nc,x\n", (), "3 usable rows"),
            (b"text,label\n" + b"".join(b"a text with number %d,\n" % row for row in range(60)), (), "label"),
            (TABLE, ("--set", "lerning_rate=1"), "did you mean learning_rate"),
            (TABLE, ("--set", "learning_rate=fast"), "learning_rate"),
            (TABLE, ("--base", "alice/gone"), "alice/gone"),
            (TABLE, ("--config", "gone.yaml"), "viveiro runs info RUN --yaml"),
        ],
        ids=[
            "unknown column",
            "one class",
            "3 rows",
            "no labels",
            "unknown setting",
            "bad value",
            "no base",
            "no file",
        ],
    )
    def test_what_cannot_be_learnt_from_says_so(
        self, content: bytes, options: tuple[str, ...], said: str, viveiro: CommandLine, base: str, tmp_path: Path
    ) -> None:
        (tmp_path / "bad.csv").write_bytes(content)
        named = () if "--base" in options else ("--base", base)
        result = viveiro("runs", "start", "text-classification", "--data", tmp_path / "bad.csv", *named, *options)
        assert result.returncode == 1
        assert said in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--base", "alice/gone"), "alice/gone"),
            (("--publish", "bob/model"), "bob"),
            (("--set", "lerning_rate=1"), "did you mean learning_rate"),
        ],
        ids=["no base", "somebody else's place", "unknown setting"],
    )
    def test_what_no_rows_can_help_is_refused_before_they_are_sent(
        self, options: tuple[str, ...], said: str, viveiro: CommandLine, client: Client, base: str, tmp_path: Path
    ) -> None:
        (tmp_path / "unsent.csv").write_bytes(TABLE)
        named = () if "--base" in options else ("--base", base)
        result = viveiro("runs", "start", "text-classification", "--data", tmp_path / "unsent.csv", *named, *options)
        assert result.returncode == 1
        assert said in result.stderr
        assert "alice/unsent" not in [found["id"] for found in client.pages("/api/datasets")]

    @pytest.mark.parametrize(
        ("content", "rows"),
        [
            ("\n".join(["text,label", *ROWS]).replace("wrong", "inválido").encode("latin-1"), len(ROWS)),
            (TABLE + b"\nthis one has no label,\nneither has this,NaN", len(ROWS)),
            (TABLE + b"\n" + b"long " * 2**21 + b",pump", len(ROWS)),
        ],
        ids=["latin-1", "labels that are not there", "a text of 10 MB"],
    )
    def test_rows_that_are_no_use_are_left_out_and_the_others_learnt_from(
        self, content: bytes, rows: int, viveiro: CommandLine, base: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "odd.csv"
        file.write_bytes(content)
        run = viveiro.printed(
            "runs", "start", "text-classification", "--data", file, "--base", base, "--publish", "alice/runs-odd"
        )
        assert sum(run["rows"][split] for split in ("train", "validation", "test")) == rows

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ({"config.json": b'{"model_type": "bert"}', "pytorch_model.bin": b"\x80\x02."}, "never opened"),
            ({"config.json": b'{"model_type": "vit"}', "model.safetensors": b"\0" * 64}, "reads no texts"),
            ({"notes.txt": b"nothing"}, "cannot be adapted"),
        ],
        ids=["a pickle", "no text model", "no model"],
    )
    def test_a_base_of_the_wrong_kind_is_refused_at_once(
        self, files: Mapping[str, bytes], said: str, viveiro: CommandLine, data: str, alice: HfApi, repo: str
    ) -> None:
        for path, content in files.items():
            alice.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo)
        result = viveiro("runs", "start", "text-classification", "--data", data, "--base", repo)
        assert result.returncode == 1
        assert said in result.stderr


class TestDiskFull:
    """On a real file system of 64 MiB that really is full from some moment on."""

    @pytest.fixture
    def nursery(self, tmp_path: Path) -> Iterator[Nursery]:
        folder = tmp_path / "small"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "viveiro-test", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            missing("mount", "a small file system needs root with CAP_SYS_ADMIN")
        database = Database(f"sqlite:///{tmp_path / 'viveiro.sqlite3'}")
        Base.metadata.create_all(database.engine)
        (tmp_path / "table").mkdir()
        dataset = import_bytes(TABLE, tmp_path / "table")[1]
        nursery = Nursery(database, folder / "data", dataset, make_encoder(tmp_path / "encoder"))
        try:
            yield nursery
        finally:
            nursery.hub.close()
            database.close()
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    @pytest.mark.parametrize(
        ("method", "stage"),
        [("frozen", "publishing"), ("frozen", "head"), ("full", "training"), ("full", "evaluating")],
    )
    def test_nothing_is_half_published_and_it_says_so(self, method: str, stage: str, nursery: Nursery) -> None:
        params = {"method": method, "epochs": 3} if method == "full" else {"method": method}
        run, filler = nursery.start(params=params), Filler(nursery.settings.data_dir / "filler")

        def fills(message: Mapping[str, Any]) -> None:
            if message["data"].get("stage") == stage:
                filler.leave(20_000)

        with pytest.raises(StorageFull, match="Free space"):
            nursery.work(run, fills)
        filler.remove()
        with pytest.raises(RepoNotFound):
            model_of(nursery)
        again = nursery.start(publish="alice/again")
        nursery.lose(nursery.job(run))
        nursery.work_next("train-run", run_id=again.id)
        assert nursery.run(again).state is not RunState.FAILED
        assert len(nursery.history(model_of(nursery, "alice/again"))) == 2


def _stage(client: Client, run_id: str) -> str | None:
    stage = client.get(f"/api/v1/runs/{run_id}")["stage"] or {}
    found: str | None = stage.get("stage")
    return found
