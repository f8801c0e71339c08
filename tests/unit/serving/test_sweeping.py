"""What the worker does for serving."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.unit.hub.house import House
from viveiro.jobs.kinds import kinds
from viveiro.jobs.schedules import schedules
from viveiro.serving import service
from viveiro.serving.jobs import sweep_models
from viveiro.serving.types import Endpoint
from viveiro.types import RepoId, RepoKind, RepoRef

SEEDS = RepoId.parse("alice/seeds")
DAY = 24 * 3600.0
ENCODER = {"config.json": json.dumps({"model_type": "bert"}).encode(), "model.safetensors": b"tensors"}


def age(folder: Path, days: float) -> None:
    os.utime(folder, (time.time() - days * DAY,) * 2)


class TestSweeping:
    """Files of a model go a day after its last use when no endpoint serves it."""

    @pytest.fixture
    def endpoint(self, house: House) -> Endpoint:
        house.write(house.model(), ENCODER)
        return service.deploy(house.hub, house.alice, SEEDS)

    @pytest.fixture
    def folders(self, house: House, endpoint: Endpoint) -> list[Path]:
        """As a model host that ran two days ago left them: its model as files, and as its engine wants it."""
        check_out = service.check_out_model(house.hub, house.settings, endpoint)
        converted = house.settings.engines_dir / endpoint.key
        (converted / "openvino").mkdir(parents=True)
        (converted / "openvino" / "model.bin").write_bytes(b"tensors")
        for folder in (check_out, converted):
            age(folder, 2)
        return [check_out, converted]

    def sweep(self, house: House) -> dict[str, int]:
        return sweep_models(house.database, house.settings)

    def test_takes_both_forms_of_a_deleted_model(self, house, endpoint, folders):
        house.hub.delete_repo(house.alice, RepoRef(RepoKind.MODEL, SEEDS))
        assert self.sweep(house) == {"check_outs": 1, "converted": 1, "unfinished": 0}
        assert [folder.exists() for folder in folders] == [False, False]

    def test_leaves_what_is_served(self, house, folders):
        assert self.sweep(house) == {"check_outs": 0, "converted": 0, "unfinished": 0}
        assert [folder.exists() for folder in folders] == [True, True]

    def test_leaves_what_was_just_used(self, house, endpoint, folders):
        """A deploy that is under way looks so: the endpoint comes when the model is loaded."""
        service.undeploy(house.database, house.alice, SEEDS)
        for folder in folders:
            age(folder, 0)
        self.sweep(house)
        assert [folder.exists() for folder in folders] == [True, True]

    def test_takes_what_a_killed_conversion_left(self, house, endpoint, folders):
        killed, running = (folders[1] / f"{name}.partial" for name in ("killed", "running"))
        for folder in (killed, running):
            folder.mkdir()
        age(killed, 2)
        assert self.sweep(house)["unfinished"] == 1
        assert (killed.exists(), running.exists(), folders[1].exists()) == (False, True, True)

    def test_takes_what_another_engine_was_given(self, house, endpoint, folders):
        service.deploy(house.hub, house.alice, SEEDS, engine="torch")
        assert self.sweep(house) == {"check_outs": 0, "converted": 1, "unfinished": 0}

    def test_is_scheduled(self):
        assert "serving-sweep" in schedules
        assert "serving-sweep" in kinds
