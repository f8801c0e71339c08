"""The same description again gives the same metrics, or says what differs."""

from pathlib import Path

import pytest

from tests.unit.training.conftest import FEW_EPOCHS, Nursery, model_of
from viveiro.datasets.service import dataset_ref
from viveiro.errors import RevisionNotFound
from viveiro.hub.types import AddLfsFile
from viveiro.training.reproducing import compare, description_to_repeat
from viveiro.training.service import reproduce_run
from viveiro.training.types import LARGEST_RECORD, RECORD_FILE, NotReproducible
from viveiro.types import Visibility


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Arithmetic does not depend on the database's kind."""
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


class TestReproducing:
    @pytest.mark.parametrize("method", ["frozen", "full"])
    def test_again_on_the_same_machine_every_metric_is_equal(self, method: str, nursery: Nursery) -> None:
        run = nursery.start(params={"method": method, "seed": 4, **FEW_EPOCHS[method]})
        nursery.work(run)
        again, original = reproduce_run(nursery.hub, nursery.alice, "alice/tickets-encoder", None)
        assert again.description.publish == "alice/tickets-encoder-reproduced"
        nursery.work(again)
        result = nursery.run(again).result
        assert result is not None
        found = compare(original, result)
        assert found.to_json() == {"equal": True, "metrics": {}, "environment": {}}
        assert len(nursery.history(model_of(nursery))) == 2

    @pytest.mark.parametrize(("stem", "copy"), [("m" * 96, "m" * 85), ("m" * 84 + "-more", "m" * 84)])
    def test_a_long_name_is_cut_to_make_room(self, stem: str, copy: str) -> None:
        record = {"description": {"task": "text-classification", "data": "a/b", "publish": f"alice/{stem}"}}
        assert description_to_repeat(record, None).publish == f"alice/{copy}-reproduced"

    def test_what_has_been_hidden_since_is_not_shown_by_its_copy(self, nursery: Nursery) -> None:
        run = nursery.start()
        nursery.work(run)
        assert run.description.visibility == "public"
        nursery.hub.update_repo(nursery.alice, dataset_ref("alice/tickets"), visibility=Visibility.PRIVATE)
        again, _ = reproduce_run(nursery.hub, nursery.alice, run.id, None)
        assert again.description.visibility == "private"

    def test_a_run_is_named_by_its_id_too(self, nursery: Nursery) -> None:
        run = nursery.start()
        with pytest.raises(NotReproducible, match=r"is queued.*viveiro runs info"):
            reproduce_run(nursery.hub, nursery.alice, run.id, None)
        nursery.work(run)
        again, _ = reproduce_run(nursery.hub, nursery.alice, run.id, "alice/again")
        assert again.description.publish == "alice/again"
        assert again.description.data == run.description.data

    def test_without_its_data_it_cannot_be(self, nursery: Nursery) -> None:
        nursery.work(nursery.start())
        nursery.hub.delete_repo(nursery.alice, dataset_ref("alice/tickets"))
        with pytest.raises(NotReproducible, match="not all of that is here"):
            reproduce_run(nursery.hub, nursery.alice, "alice/tickets-encoder", None)

    @pytest.mark.parametrize("record", [None, b"{", b"[]", b'{"description": {"task": 7}}'])
    def test_a_model_that_does_not_say_what_made_it_cannot_be(self, record: bytes | None, nursery: Nursery) -> None:
        repo = nursery.model("alice/found")
        nursery.write(repo, {"config.json": b"{}", **({RECORD_FILE: record} if record else {})})
        with pytest.raises(NotReproducible):
            reproduce_run(nursery.hub, nursery.alice, "alice/found", None)

    def test_a_record_too_large_to_be_one_is_not_read_to_its_end(self, nursery: Nursery) -> None:
        description = nursery.start().description.model_dump_json()
        record = f'{{"notes": "{"x" * LARGEST_RECORD}", "description": {description}}}'
        repo = nursery.model("alice/found")
        nursery.commit(repo, AddLfsFile(RECORD_FILE, nursery.store(record.encode(), repo)))
        with pytest.raises(NotReproducible, match="no readable"):
            reproduce_run(nursery.hub, nursery.alice, "alice/found", None)

    def test_a_model_that_is_not_there_is_missing(self, nursery: Nursery) -> None:
        nursery.work(nursery.start())
        with pytest.raises(RevisionNotFound):
            reproduce_run(nursery.hub, nursery.alice, "alice/tickets-encoder@gone", None)


class TestComparing:
    def test_what_differs_stands_beside_what_it_ran_on(self) -> None:
        score = {"value": 0.5, "low": 0.4, "high": 0.6}
        original = {"metrics": {"accuracy": score}, "environment": {"torch": "2.13", "cores": 2}}
        again = {"metrics": {"accuracy": {**score, "value": 0.6}}, "environment": {"torch": "2.14", "cores": 2}}
        found = compare(original, again)
        assert not found.equal
        assert found.metrics["accuracy"][0] == score
        assert found.environment == {"torch": ["2.13", "2.14"]}
