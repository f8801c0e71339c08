"""Countable resources of a worker."""

import pytest

from viveiro.errors import InvalidInput
from viveiro.jobs.kinds import job_kind
from viveiro.jobs.slots import capacity, remaining, suffices, visible_gpus
from viveiro.settings import Settings


class TestVisibleGpus:
    def test_are_counted_by_their_device_files(self, tmp_path):
        for name in ("nvidia3", "nvidia7", "nvidiactl", "nvidia-uvm"):
            (tmp_path / name).touch()
        assert visible_gpus({}, tmp_path) == ["0", "1"]  # as CUDA numbers them, whatever the files are called

    @pytest.mark.parametrize(("chosen", "gpus"), [("2,5", ["2", "5"]), ("", []), ("-1", [])])
    def test_are_those_that_the_operator_chose(self, chosen, gpus, tmp_path):
        assert visible_gpus({"CUDA_VISIBLE_DEVICES": chosen}, tmp_path) == gpus


class TestSlots:
    def test_a_worker_has_the_cpu_slots_of_its_settings(self, tmp_path):
        assert capacity(Settings(data_dir=tmp_path, worker_cpu_slots=3))["cpu"] == 3

    def test_what_remains_is_never_negative(self):
        assert remaining({"cpu": 2, "gpu": 1}, [{"cpu": 2}, {"cpu": 1}]) == {"cpu": 0, "gpu": 1}

    def test_a_job_that_wants_what_no_worker_has_does_not_fit(self):
        assert suffices({"cpu": 2}, {"cpu": 2})
        assert not suffices({"cpu": 2}, {"cpu": 1, "gpu": 1})

    def test_an_unknown_slot_is_refused_where_the_kind_is_declared(self):
        with pytest.raises(InvalidInput, match="No slot is called tpu"):
            job_kind("wants-a-tpu", slots={"tpu": 1})
