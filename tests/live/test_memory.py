"""Large files pass through; they are never held."""

from pathlib import Path

import pytest

from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.uploading import MiB, peak_while_uploading


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    with RunningServer(tmp_path_factory.mktemp("memory")) as running:
        yield running.seed(TWO_USERS)


def test_all_processes_together_stay_small_while_large_files_arrive(fresh: RunningServer, tmp_path: Path) -> None:
    """The short form of `benchmarks/memory.py`, which sends 4 × 2 GB."""
    watch = peak_while_uploading(fresh, tmp_path, clients=4, bytes_each=200 * MiB)
    assert watch.peak_bytes < 400 * 10**6, watch.at_peak
