"""What may be asked of a run, and what is made of it."""

import math
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.training.conftest import BASE, Nursery
from viveiro.datasets.service import dataset_ref
from viveiro.errors import (
    Forbidden,
    InvalidInput,
    RepoNotFound,
    RevisionNotFound,
    UnknownColumn,
    UnusableData,
)
from viveiro.hub.folders import Publication
from viveiro.hub.types import AddFile, AddLfsFile, DeleteFile
from viveiro.training.description import Revision, RunDescription, parse_description, read_config
from viveiro.training.resolving import LARGEST_CONFIG, resolve
from viveiro.training.types import UnfitBase
from viveiro.types import RepoId, RepoRef, Visibility


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What a description means does not depend on the database's kind."""
    return f"sqlite:///{tmp_path / 'viveiro.sqlite3'}"


class TestRevision:
    def test_without_a_revision_main_is_meant(self) -> None:
        assert Revision.parse("acai/tickets") == Revision(RepoId("acai", "tickets"), "main")

    def test_a_branch_may_hold_slashes(self) -> None:
        assert Revision.parse("acai/tickets@refs/pr/1").revision == "refs/pr/1"


RUN_YAML = """\
task: text-classification
data: acai/tickets
columns:
  text: message
params:
  method: full
  learning_rate: 2.0e-05
publish: acai/triage
budget_minutes: 5.0
"""


class TestConfigFile:
    def test_written_and_read_again_it_says_the_same(self) -> None:
        description = parse_description(read_config(RUN_YAML))
        assert description.params == {"method": "full", "learning_rate": 2e-5}
        assert parse_description(read_config(description.to_yaml())) == description
        assert description.to_yaml() == RUN_YAML

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("tasks: text-classification", "tasks: no such setting, did you mean task?"),
            ("task: x\nspeed: 9", "speed: no such setting, there are task, data"),
            ("- task", "lines like `task: text-classification`"),
            ("columns: [a, b]", "columns is made of lines like `name: value`"),
            ("params: fast", "params is made of lines like `name: value`"),
            ("a: [", "no YAML"),
            ("a: !!python/object/apply:os.system [x]", "no YAML"),
        ],
    )
    def test_what_is_no_description_is_refused(self, text: str, said: str) -> None:
        with pytest.raises(InvalidInput, match=re.escape(said)):
            read_config(text)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"data": "a/b"}, "task: Field required"),
            ({"task": "t", "data": "a/b", "budget_minutes": 0}, "budget_minutes: Input should be greater than 0"),
            ({"task": "t", "data": "a/b", "columns": "text"}, "columns: Input should be a valid dictionary"),
            ({"task": "t", "data": "a/b", "bases": "x"}, "bases: no such setting, did you mean base?"),
        ],
    )
    def test_each_problem_is_named_with_its_place(self, fields: dict[str, object], said: str) -> None:
        with pytest.raises(InvalidInput, match=re.escape(said)):
            parse_description(fields)


class TestResolving:
    """Nothing is left to guess, and what cannot succeed is refused at once."""

    def resolve(self, nursery: Nursery, **fields: object) -> RunDescription:
        wanted = {"task": "text-classification", "data": "alice/tickets", "base": str(BASE.repo_id), **fields}
        return resolve(nursery.hub, nursery.alice, RunDescription.model_validate(wanted))

    def test_revisions_become_commits_and_columns_are_named(self, nursery: Nursery) -> None:
        found = self.resolve(nursery)
        head = nursery.hub.resolve(nursery.hub.get_repo(nursery.alice, BASE), "main")
        assert found.base == f"alice/encoder@{head}"
        assert len(found.data_revision.revision) == 40
        assert found.columns == {"text": "text", "label": "label"}

    def test_it_is_published_beside_the_data_by_default(self, nursery: Nursery) -> None:
        assert self.resolve(nursery).publish == "alice/tickets-encoder"

    def test_what_is_learnt_from_private_data_is_private(self, nursery: Nursery) -> None:
        assert self.resolve(nursery).visibility is Visibility.PUBLIC
        nursery.hub.update_repo(nursery.alice, dataset_ref("alice/tickets"), visibility=Visibility.PRIVATE)
        assert self.resolve(nursery).visibility is Visibility.PRIVATE

    @pytest.mark.parametrize("ref", [dataset_ref("alice/tickets"), BASE], ids=["data", "base"])
    def test_what_is_learnt_from_what_is_gated_is_private(self, ref: RepoRef, nursery: Nursery) -> None:
        nursery.hub.update_repo(nursery.alice, ref, gated="manual")
        assert self.resolve(nursery).visibility is Visibility.PRIVATE

    @pytest.mark.parametrize("minutes", [math.inf, math.nan, 0])
    def test_a_budget_is_a_number_of_minutes(self, minutes: float) -> None:
        with pytest.raises(InvalidInput, match="budget_minutes"):
            parse_description({"task": "text-classification", "data": "a/b", "budget_minutes": minutes})

    def test_resolving_twice_changes_nothing(self, nursery: Nursery) -> None:
        once = self.resolve(nursery, params={"class_weights": "balanced", "seed": 3})
        assert resolve(nursery.hub, nursery.alice, once) == once

    @pytest.mark.parametrize(
        ("fields", "error", "said"),
        [
            ({"task": "text-clasification"}, InvalidInput, "Did you mean 'text-classification'"),
            ({"task": "feature-extraction"}, InvalidInput, "no run adapts one"),
            ({"data": "alice/gone"}, RepoNotFound, "alice/gone"),
            ({"data": "alice/tickets@gone"}, RevisionNotFound, "gone"),
            ({"base": "alice/gone"}, RepoNotFound, "alice/gone"),
            ({"columns": {"text": "txt"}}, UnknownColumn, "Did you mean 'text'"),
            ({"columns": {"txt": "text"}}, InvalidInput, "no column for 'txt'"),
            ({"params": {"class_weight": "balanced"}}, InvalidInput, "did you mean class_weights"),
            ({"params": {"method": "thorough"}}, InvalidInput, "method: Input should be 'frozen' or 'full'"),
            ({"params": {"learning_rate": 5}}, InvalidInput, "learning_rate"),
            ({"params": {"seed": 2**32}}, InvalidInput, "seed"),
            ({"params": {"method": "full", "patience": 2**64}}, InvalidInput, "patience"),
            ({"publish": "alice/Encoder"}, InvalidInput, "would replace the base"),
            ({"publish": "bob/model"}, Forbidden, "rights to write in the namespace bob"),
        ],
    )
    def test_refusals(self, fields: dict[str, object], error: type[Exception], said: str, nursery: Nursery) -> None:
        with pytest.raises(error, match=said):
            self.resolve(nursery, **fields)

    @pytest.mark.parametrize(
        ("missing", "said"),
        [
            ("config.json", r"cannot be adapted.*config\.json"),
            ("model.safetensors", "pickled ones.*never opened"),
            ("tokenizer.json", "reads no texts"),
        ],
    )
    def test_a_repo_that_is_no_encoder_cannot_be_a_base(self, missing: str, said: str, nursery: Nursery) -> None:
        repo = nursery.hub.get_repo(nursery.alice, BASE)
        nursery.commit(repo, AddFile("pytorch_model.bin", b"a pickle"), DeleteFile(missing))
        with pytest.raises(InvalidInput, match=said):
            self.resolve(nursery)

    def test_a_base_whose_config_is_too_large_to_be_one_is_refused_unread(self, nursery: Nursery) -> None:
        repo = nursery.hub.get_repo(nursery.alice, BASE)
        config = nursery.read(repo, "config.json") + b" " * LARGEST_CONFIG
        nursery.commit(repo, AddLfsFile("config.json", nursery.store(config, repo)))
        with pytest.raises(InvalidInput, match=r"cannot be adapted.*config\.json"):
            self.resolve(nursery)

    @pytest.mark.parametrize(
        ("field", "said"),
        [
            ('"is_encoder_decoder": true', "a decoder besides its encoder"),
            ('"image_size": 224', "made for images or sound"),
            ('"num_mel_bins": 80', "made for images or sound"),
        ],
    )
    def test_a_base_of_another_kind_is_refused(self, field: str, said: str, nursery: Nursery) -> None:
        repo = nursery.hub.get_repo(nursery.alice, BASE)
        nursery.commit(repo, AddFile("config.json", f'{{"model_type": "other", {field}}}'.encode()))
        with pytest.raises(UnfitBase, match=f"alice/encoder cannot be adapted to text-classification: it .*{said}"):
            self.resolve(nursery)

    def test_a_dataset_without_labels_asks_for_the_column(self, nursery: Nursery, tmp_path: Path) -> None:
        table = pa.table({"text": [f"a text of its own, number {number}" for number in range(20)]})
        pq.write_table(table, tmp_path / "train.parquet")
        nursery.publisher.publish(tmp_path, dataset_ref("alice/unlabelled"), Publication("Import", "Test: unlabelled"))
        with pytest.raises(UnusableData, match="--label-column"):
            self.resolve(nursery, data="alice/unlabelled")
