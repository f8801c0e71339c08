"""The short form of `make chaos`: a few operations and jobs while everything is killed, on both databases and both stores."""

import pytest

from tests.chaos import WRITERS, run_chaos, run_training_chaos
from tests.live.bucket import live_bucket


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_acknowledged_is_lost_whatever_is_killed(kind, tmp_path, request):
    database_url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    result = run_chaos(tmp_path, operations=11 * WRITERS, jobs=3, pause=1.5, seed=3, database_url=database_url)
    assert result["jobs"] >= 3
    assert result["acknowledged"] > 0
    assert sum(result["killed"].values()) >= 3


@pytest.mark.timeout(600)
def test_nor_where_large_files_lie_in_a_bucket(tmp_path):
    with live_bucket() as bucket:
        result = run_chaos(tmp_path, operations=7 * WRITERS, jobs=1, pause=2.5, seed=7, bucket=bucket)
    assert result["acknowledged"] > 0
    assert sum(result["killed"].values()) >= 3


@pytest.mark.timeout(300)
def test_runs_end_once_as_if_undisturbed_whatever_is_killed(tmp_path):
    result = run_training_chaos(tmp_path, runs=2, pause=1.2, seed=5)
    assert result["runs"] >= 4
    assert sum(result["killed"].values()) >= 3
