import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from viveiro.ml.checkpoints import Checkpoints

WEIGHTS = {"weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}, "best": {}}


def saved(folder, *steps, fingerprint="run"):
    checkpoints = Checkpoints(folder, fingerprint)
    for step in steps:
        checkpoints.save(step, WEIGHTS, {"step": step})
    return checkpoints


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A limit of the system itself, which libraries meet as they meet a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestCheckpoints:
    """Where a run goes on from: the last checkpoint that is whole and its own."""

    def test_what_was_saved_comes_back(self, tmp_path):
        found = saved(tmp_path, 7).newest()
        assert (found.step, found.state) == (7, {"step": 7})
        assert torch.equal(found.tensors["weights"]["a"], WEIGHTS["weights"]["a"])
        assert found.tensors["best"] == {}

    def test_a_new_run_has_none(self, tmp_path):
        assert Checkpoints(tmp_path / "nowhere", "run").newest() is None

    def test_the_newest_two_are_kept(self, tmp_path):
        saved(tmp_path, 5, 10, 15)
        assert sorted(int(path.name) for path in tmp_path.iterdir()) == [10, 15]

    @pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "manifest.json"])
    def test_a_damaged_one_is_passed_over_for_the_one_before(self, name, tmp_path):
        checkpoints = saved(tmp_path, 5, 10)
        path = tmp_path / f"{10:012d}" / name
        path.write_bytes(path.read_bytes()[:-3])
        assert checkpoints.newest().step == 5

    def test_one_with_a_file_missing_is_passed_over(self, tmp_path):
        checkpoints = saved(tmp_path, 5, 10)
        (tmp_path / f"{10:012d}" / "best.safetensors").unlink()
        assert checkpoints.newest().step == 5

    def test_a_single_flipped_bit_is_noticed(self, tmp_path):
        checkpoints = saved(tmp_path, 5)
        path = tmp_path / f"{5:012d}" / "weights.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        assert checkpoints.newest() is None

    def test_another_description_of_a_run_shares_nothing(self, tmp_path):
        saved(tmp_path, 5)
        assert Checkpoints(tmp_path, "another learning rate").newest() is None

    def test_what_was_passed_over_goes_with_the_next_save(self, tmp_path):
        saved(tmp_path, 90, fingerprint="another")
        checkpoints = saved(tmp_path, 5)
        assert checkpoints.newest().step == 5
        assert [path.name for path in tmp_path.iterdir()] == [f"{5:012d}"]

    def test_where_the_system_refuses_to_write_the_one_before_stays_as_it_is(self, tmp_path):
        checkpoints = saved(tmp_path, 5)
        with no_file_above(4096), pytest.raises(OSError, match="too large") as caught:
            checkpoints.save(10, {"weights": {"a": torch.ones(10_000)}}, {})
        assert caught.value.errno == errno.EFBIG
        assert [path.name for path in tmp_path.iterdir()] == [f"{5:012d}"]
        assert checkpoints.newest().step == 5
