"""Where a repo comes from and what came of it, told to each viewer as far as they may see."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import event

from tests.unit.training.conftest import BASE, Nursery
from viveiro.accounts.types import ANONYMOUS, Viewer
from viveiro.datasets.service import dataset_ref
from viveiro.hub.moving import move_repo
from viveiro.hub.types import Repo
from viveiro.training.lineage import (
    DatasetLineage,
    ModelLineage,
    Origin,
    dataset_lineage,
    model_lineage,
    published_record,
    run_lineage,
)
from viveiro.training.service import Run
from viveiro.training.tables import RunRow
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

TICKETS = dataset_ref("alice/tickets")
TRIAGE = RepoRef(RepoKind.MODEL, RepoId("alice", "triage"))
CARD = b"---\ndatasets: [alice/tickets]\nbase_model: alice/encoder\n---\n# A model\n"


@pytest.fixture
def public(nursery: Nursery) -> Nursery:
    """Its dataset and base may be seen by all."""
    for ref in (TICKETS, BASE):
        nursery.hub.update_repo(nursery.alice, ref, visibility=Visibility.PUBLIC)
    return nursery


@pytest.fixture
def run(public: Nursery) -> Run:
    """One that published alice/triage: its commit and its row, without the training."""
    run = public.start(publish="alice/triage")
    repo = public.model("alice/triage")
    record = {"run_id": run.id, "description": run.description.model_dump(mode="json")}
    public.write(repo, {"README.md": CARD, "viveiro_run.json": json.dumps(record).encode()})
    with public.database.write() as session:
        revision = public.hub.resolve(repo, "main")
        session.get_one(RunRow, run.id).result = {"model": "alice/triage", "revision": revision, **record}
    return public.run(run)


def of_model(house: Nursery, viewer: Viewer, name: str = "alice/triage") -> ModelLineage:
    repo = house.hub.get_repo(house.alice, RepoRef(RepoKind.MODEL, RepoId.parse(name)))
    return model_lineage(house.hub, viewer, repo, record_of(house, viewer, repo))


def record_of(house: Nursery, viewer: Viewer, repo: Repo) -> Mapping[str, Any]:
    return published_record(house.hub, viewer, repo, house.hub.resolve(repo, "main"))


def of_dataset(house: Nursery, viewer: Viewer) -> DatasetLineage:
    return dataset_lineage(house.hub, viewer, house.hub.get_repo(house.alice, TICKETS))


def names(repos: tuple[Repo, ...]) -> list[str]:
    return [repo.name for repo in repos]


class TestAModel:
    def test_its_owner_sees_the_run_and_the_commits_it_was_made_from(self, public: Nursery, run: Run) -> None:
        told = of_model(public, public.alice)
        assert told.run == run
        assert told.data == Origin(TICKETS, run.description.data_revision.revision)
        assert told.base is not None
        assert (told.base.ref, len(told.base.sha or "")) == (BASE, 40)

    @pytest.mark.parametrize("hidden", [TICKETS, BASE])
    def test_what_a_stranger_may_not_see_is_not_named(self, public: Nursery, run: Run, hidden: RepoRef) -> None:
        public.hub.update_repo(public.alice, hidden, visibility=Visibility.PRIVATE)
        for viewer in (public.bob, ANONYMOUS):
            told = of_model(public, viewer)
            assert told.run is None
            seen = {origin.ref for origin in (told.data, told.base) if origin is not None}
            assert seen == {TICKETS, BASE} - {hidden}
        assert of_model(public, public.alice).run == run

    def test_other_models_of_the_same_data_are_named_and_hidden_ones_are_not(self, public: Nursery, run: Run) -> None:
        for name, private in (("alice/second", False), ("alice/secret", True)):
            public.write(public.model(name, private=private), {"README.md": CARD})
        assert names(of_model(public, public.bob).siblings) == ["alice/second"]
        assert sorted(names(of_model(public, public.alice).siblings)) == ["alice/second", "alice/secret"]
        assert sorted(names(of_model(public, public.bob, "alice/encoder").descendants)) == [
            "alice/second",
            "alice/triage",
        ]

    def test_who_may_not_see_the_data_is_not_told_what_else_was_made_of_it(self, public: Nursery, run: Run) -> None:
        public.write(public.model("alice/second"), {"README.md": CARD})
        public.hub.update_repo(public.alice, TICKETS, visibility=Visibility.PRIVATE)
        assert of_model(public, public.bob).siblings == ()

    def test_without_a_record_its_card_is_asked(self, public: Nursery) -> None:
        public.write(public.model("alice/second"), {"README.md": CARD})
        told = of_model(public, public.bob, "alice/second")
        assert (told.data, told.base) == (Origin(TICKETS, None), Origin(BASE, None))

    def test_a_record_that_names_another_models_run_is_not_believed(self, public: Nursery, run: Run) -> None:
        forged = {"run_id": run.id, "description": run.description.model_dump(mode="json")}
        public.write(public.model("alice/second"), {"viveiro_run.json": json.dumps(forged).encode()})
        assert of_model(public, public.alice, "alice/second").run is None

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"viveiro_run.json": b"["},
            {"viveiro_run.json": b"[1]"},
            {"viveiro_run.json": b'{"run_id": 7, "description": {"task": 1}}'},
            {"viveiro_run.json": b'{"description": {"task": "t", "data": "../..", "base": "no"}}'},
            {"viveiro_run.json/x": b"a folder"},
            {"README.md": b"---\ndatasets: {a: 1}\nbase_model: [[x]]\n---\n"},
        ],
    )
    def test_what_cannot_be_understood_tells_nothing(self, public: Nursery, files: dict[str, bytes]) -> None:
        public.write(public.model("alice/odd"), {"notes.txt": b"-", **files})
        assert of_model(public, public.alice, "alice/odd") == ModelLineage()

    def test_files_of_a_gated_model_tell_nothing_to_who_may_not_read_them(self, public: Nursery, run: Run) -> None:
        public.hub.update_repo(public.alice, TRIAGE, gated="manual")
        repo = public.hub.get_repo(public.bob, TRIAGE)
        assert record_of(public, public.bob, repo) == {}
        assert record_of(public, public.alice, repo)["run_id"] == run.id


class TestADataset:
    def test_runs_on_any_revision_of_it_and_models_that_name_it(self, public: Nursery, run: Run) -> None:
        public.publisher.hub.create_repo(public.alice, dataset_ref("alice/tickets-2"))  # a name that begins alike
        told = of_dataset(public, public.alice)
        assert [found.id for found in told.runs] == [run.id]
        assert names(told.models) == ["alice/triage"]

    def test_nobody_sees_other_peoples_runs(self, public: Nursery, run: Run) -> None:
        for viewer in (public.bob, ANONYMOUS):
            assert of_dataset(public, viewer).runs == ()
        assert [found.id for found in of_dataset(public, public.root).runs] == [run.id]


class TestARun:
    def test_it_knows_what_it_was_made_from_and_what_it_published(self, public: Nursery, run: Run) -> None:
        assert run.result is not None
        with public.database.read() as session:
            told = run_lineage(session, public.alice, run)
        assert told.model == Origin(TRIAGE, run.result["revision"])
        assert (told.data and told.data.ref, told.base and told.base.ref) == (TICKETS, BASE)

    def test_a_repo_that_is_deleted_is_absent(self, public: Nursery, run: Run) -> None:
        public.hub.delete_repo(public.alice, TRIAGE)
        with public.database.read() as session:
            assert run_lineage(session, public.alice, run).model is None


class TestWhatHasMoved:
    """Records and cards keep the names of their day."""

    @pytest.fixture
    def moved(self, public: Nursery, run: Run) -> Run:
        for ref, name in ((TICKETS, "alice/complaints"), (BASE, "alice/reader"), (TRIAGE, "alice/sorter")):
            move_repo(public.hub, public.alice, ref, RepoId.parse(name))
        return run

    def test_a_model_still_has_its_run_its_data_and_its_base(self, public: Nursery, moved: Run) -> None:
        told = of_model(public, public.alice, "alice/sorter")
        assert told.run is not None
        assert told.run.id == moved.id
        assert told.data is not None
        assert told.base is not None
        assert (str(told.data.ref), str(told.base.ref)) == ("datasets/alice/complaints", "alice/reader")

    def test_a_dataset_still_has_its_runs_and_models(self, public: Nursery, moved: Run) -> None:
        dataset = public.hub.get_repo(public.alice, dataset_ref("alice/complaints"))
        told = dataset_lineage(public.hub, public.alice, dataset)
        assert [found.id for found in told.runs] == [moved.id]
        assert names(told.models) == ["alice/sorter"]

    def test_a_base_still_has_its_descendants(self, public: Nursery, moved: Run) -> None:
        assert names(of_model(public, ANONYMOUS, "alice/reader").descendants) == ["alice/sorter"]

    def test_a_run_still_has_its_model(self, public: Nursery, moved: Run) -> None:
        with public.database.read() as session:
            told = run_lineage(session, public.alice, public.run(moved))
        assert told.model is not None
        assert str(told.model.ref) == "alice/sorter"

    def test_and_is_private_now_is_not_named(self, public: Nursery, moved: Run) -> None:
        public.hub.update_repo(public.alice, dataset_ref("alice/complaints"), visibility=Visibility.PRIVATE)
        assert of_model(public, public.bob, "alice/sorter").data is None


class TestCost:
    @pytest.fixture
    def statements(self, public: Nursery) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        event.listen(public.database.engine, "before_cursor_execute", note)
        yield seen
        event.remove(public.database.engine, "before_cursor_execute", note)

    def test_more_models_take_no_more_statements(self, public: Nursery, run: Run, statements: list[str]) -> None:
        public.write(public.model("alice/model-0"), {"README.md": CARD})
        statements.clear()
        of_model(public, public.bob)
        few = len(statements)
        for number in range(1, 6):
            public.write(public.model(f"alice/model-{number}"), {"README.md": CARD})
        statements.clear()
        assert len(of_model(public, public.bob).siblings) == 6
        assert len(statements) == few
