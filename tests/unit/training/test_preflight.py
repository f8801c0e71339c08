"""Will it fit? Decided from figures, before a run trains; and what it tells on its way."""

import math
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.conftest import BASE, Nursery, model_of
from viveiro.ml.tasks import Estimate
from viveiro.training.preflight import Room, check_room, environment, free_memory
from viveiro.training.service import RunDescription, estimate_run, list_runs
from viveiro.training.types import NotEnoughDisk, NotEnoughMemory, NotEnoughTime

GiB = 2**30


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Figures do not depend on the database's kind."""
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


FOLDER = Path("/srv/viveiro")


def room(*, memory: int | None = 8 * GiB, disk: int = 8 * GiB, seconds: float = 3600) -> Room:
    return Room(memory, disk, FOLDER, seconds)


NEEDS = Estimate(seconds=600, memory_bytes=2 * GiB, disk_bytes=GiB, resolved={})


class TestRoom:
    def test_a_run_that_fits_is_let_through(self) -> None:
        check_room(NEEDS, room())

    def test_where_the_system_does_not_say_what_is_free_nothing_is_refused(self) -> None:
        check_room(NEEDS, room(memory=None, seconds=math.inf))

    @pytest.mark.parametrize(
        ("room", "error", "said"),
        [
            (room(memory=GiB), NotEnoughMemory, "about 2.0 GiB of memory, and 1.0 GiB are free. Use --method frozen"),
            (room(disk=500 * 2**20), NotEnoughDisk, "about 1.0 GiB of disk, and 500 MiB are free in /srv/viveiro"),
            (room(seconds=60), NotEnoughTime, "Give it --budget MINUTES"),
        ],
    )
    def test_a_refusal_says_the_figures_and_what_to_do(self, room: Room, error: type[Exception], said: str) -> None:
        with pytest.raises(error, match=said):
            check_room(NEEDS, room)


class TestFreeMemory:
    def machine(self, folder: Path) -> Path:
        file = folder / "meminfo"
        file.write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\nHugePages_Total:       0\n")
        return file

    def group(self, folder: Path, limit: str) -> Path:
        for name, content in (("max", limit), ("current", "3000"), ("stat", "anon 1000\ninactive_file 500\n")):
            (folder / f"memory.{name}").write_text(content)
        return folder

    def test_without_a_container_it_is_the_machines(self, tmp_path: Path) -> None:
        assert free_memory(self.machine(tmp_path), tmp_path / "none") == 8_000_000 * 1024
        assert free_memory(self.machine(tmp_path), self.group(tmp_path, "max")) == 8_000_000 * 1024

    def test_a_containers_limit_counts_and_its_cached_files_do_not(self, tmp_path: Path) -> None:
        assert free_memory(self.machine(tmp_path), self.group(tmp_path, "4000")) == 4000 - 3000 + 500

    def test_where_nothing_says_it_is_unknown(self, tmp_path: Path) -> None:
        assert free_memory(tmp_path / "none", tmp_path / "none") is None


class TestEnvironment:
    def test_it_names_what_a_result_may_depend_on(self) -> None:
        assert {"viveiro", "python", "torch", "transformers", "cpu", "cores", "bfloat16"} <= set(environment())


class TestPreflight:
    def test_what_it_will_need_is_told_before_it_trains(self, nursery: Nursery) -> None:
        run = nursery.start()
        told: list[Mapping[str, Any]] = []
        nursery.work(run, told.append)
        stages = [message["data"]["stage"] for message in told]
        assert stages.index("preflight") < stages.index("estimated") < stages.index("features")
        needs = told[stages.index("estimated")]["data"]
        assert min(needs["seconds"], needs["memory_bytes"], needs["disk_bytes"]) > 0

    def test_a_run_over_the_installations_limit_is_refused_unless_it_has_a_budget(self, nursery: Nursery) -> None:
        nursery.settings = nursery.settings.model_copy(update={"run_time_limit": timedelta(milliseconds=1)})
        with pytest.raises(NotEnoughTime, match=r"--budget MINUTES.*VIVEIRO_RUN_TIME_LIMIT"):
            nursery.work(nursery.start(publish="alice/unlimited"))
        nursery.work(nursery.start(budget_minutes=1))
        assert len(nursery.history(model_of(nursery))) == 2

    def test_an_estimate_alone_starts_nothing(self, nursery: Nursery) -> None:
        wanted = RunDescription(task="text-classification", data="alice/tickets", base=str(BASE.repo_id))
        description, _ = estimate_run(nursery.hub, nursery.alice, wanted)
        found = nursery.work_next("run-estimate", description=description.model_dump(mode="json"))
        assert found["rows"]["train"] > found["rows"]["test"]
        assert found["resolved"]["method"] == "frozen"
        with nursery.database.read() as session:
            assert list_runs(session, nursery.alice) == []


class TestPoints:
    def test_losses_and_scores_are_kept_in_order(self, nursery: Nursery) -> None:
        run = nursery.start(params={"method": "full", "epochs": 3})
        told: list[Mapping[str, Any]] = []
        nursery.work(run, told.append)
        kept = [message["data"] for message in told if message["type"] == "metrics"]
        epochs = [fields["epoch"] for fields in kept if fields["stage"] == "validated"]
        training = [fields for fields in kept if fields["stage"] == "training"]
        steps = [fields["done"] for fields in training if fields["of"] == training[0]["of"]]
        assert epochs == sorted(epochs)
        assert epochs[-1] == 3
        assert steps == sorted(set(steps))
        result = nursery.run(run).result
        assert result is not None
        assert [entry["epoch"] for entry in result["history"]] == epochs
