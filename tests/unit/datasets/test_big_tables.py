"""Tables larger than memory has room for, and imports that are killed."""

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MiB = 2**20
IMPORT = """
import json, sys
from pathlib import Path
from viveiro.datasets.importing import import_table
from viveiro.datasets.types import ImportOptions

file, work = Path(sys.argv[1]), Path(sys.argv[2])
(work / "dataset").mkdir(parents=True)
def progress(fields):
    print(json.dumps(fields), flush=True)
report = import_table(file, ImportOptions(file.name), work, work / "dataset", progress)
# Not ru_maxrss: that one begins with what the parent held when it started this process.
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024
print(json.dumps({"rows": report.rows, "peak_mib": peak}))
"""


def write_table(path: Path, size: int) -> int:
    """A CSV of about so many bytes; its rows."""
    generator = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz      "
    paragraphs = ["".join(generator.choices(letters, k=400)) for _ in range(1000)]
    number = 0
    with path.open("w") as file:
        file.write("number,text,label\n")
        while file.tell() < size:
            lines = [
                f'{number + row},"{paragraphs[(number + row) % 1000]}, ""{number + row}""\n",class {row % 7}\n'
                for row in range(1000)
            ]
            file.writelines(lines)
            number += 1000
    return number


def start(file: Path, work: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", IMPORT, str(file), str(work)], stdout=subprocess.PIPE, text=True)


class TestMemory:
    @pytest.mark.timeout(280)
    def test_sixty_megabytes_take_no_more_than_three_hundred(self, tmp_path: Path) -> None:
        rows = write_table(tmp_path / "big.csv", 60 * MiB)
        with start(tmp_path / "big.csv", tmp_path / "work") as process:
            said, _ = process.communicate(timeout=250)
        lines = [json.loads(line) for line in said.splitlines()]
        assert sum(lines[-1]["rows"].values()) == rows
        assert lines[-1]["peak_mib"] < 300
        stages = list(dict.fromkeys(line["stage"] for line in lines[:-1]))
        assert stages == ["reading", "duplicates", "writing"]
        assert all(line["done"] <= line["of"] for line in lines[:-1])


class TestKilled:
    def test_the_next_attempt_makes_the_same_dataset(self, tmp_path: Path) -> None:
        """As the job does it: the half-written folder is swept, whatever else is left is written over."""
        write_table(tmp_path / "t.csv", 2 * MiB)
        with start(tmp_path / "t.csv", tmp_path / "undisturbed") as undisturbed:
            undisturbed.communicate(timeout=100)
        with start(tmp_path / "t.csv", tmp_path / "killed") as killed:
            assert killed.stdout is not None
            for line in killed.stdout:
                if json.loads(line).get("stage") == "writing":
                    killed.send_signal(signal.SIGKILL)
                    break
        shutil.rmtree(tmp_path / "killed" / "dataset")
        with start(tmp_path / "t.csv", tmp_path / "killed") as again:
            again.communicate(timeout=100)
        assert contents(tmp_path / "killed" / "dataset") == contents(tmp_path / "undisturbed" / "dataset")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
