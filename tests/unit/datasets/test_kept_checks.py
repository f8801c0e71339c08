"""What a check said, for the page of the revision that was checked."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.datasets.published import uploaded
from tests.unit.datasets.tables import rows
from tests.unit.datasets.working import claimed
from tests.unit.hub.house import House
from viveiro.datasets.jobs import check_dataset, sweep_kept_findings
from viveiro.datasets.kept import checks_dir
from viveiro.datasets.service import column_statistics, dataset_ref, read_check, start_check
from viveiro.db import utc_now
from viveiro.errors import GatedRepo, RepoNotFound
from viveiro.jobs.service import enqueue
from viveiro.types import Visibility

FOREIGN = dataset_ref("alice/foreign")


@pytest.fixture
def sha(house: House, tmp_path: Path) -> str:
    """A dataset of 40 rows, ten of which repeat others."""
    labelled = [*rows(30), *rows(10)]
    table: dict[str, list[object]] = {"text": [text for text, _ in labelled], "kind": [label for _, label in labelled]}
    return uploaded(house, tmp_path, train=table).sha


def check(house: House, sha: str, **named: Any) -> dict[str, Any]:
    with house.database.write() as session:
        start_check(session, house.alice, FOREIGN, sha, **named)
    job, context = claimed(house, "dataset-check")
    return check_dataset(context, **job.arguments)


class TestReadCheck:
    def test_there_is_none_before_the_first(self, sha: str, house: House) -> None:
        assert read_check(house.hub, house.alice, FOREIGN) is None

    def test_it_is_what_the_job_answered_with_findings_that_translate(self, sha: str, house: House) -> None:
        answered = check(house, sha)
        kept = read_check(house.hub, house.alice, FOREIGN)
        assert kept is not None
        assert [finding.to_json() for finding in kept["findings"]] == answered["findings"]
        assert "{rows} rows repeat an earlier row" in kept["findings"][-1].sentence.template
        assert {name: kept[name] for name in answered if name != "findings"} == {
            name: answered[name] for name in answered if name != "findings"
        }
        assert kept["checked_at"] <= utc_now()

    def test_the_latest_counts(self, sha: str, house: House) -> None:
        check(house, sha)
        check(house, sha, text_column="kind", label_column="text")
        kept = read_check(house.hub, house.alice, FOREIGN)
        assert kept is not None
        assert kept["text_column"] == "kind"

    def test_it_is_of_one_revision(self, sha: str, house: House) -> None:
        check(house, sha)
        house.write(house.hub.get_repo(house.alice, FOREIGN), {"notes.txt": b"later"})
        assert read_check(house.hub, house.alice, FOREIGN) is None
        assert read_check(house.hub, house.alice, FOREIGN, sha) is not None

    def test_it_is_as_private_as_the_rows(self, sha: str, house: House) -> None:
        check(house, sha)
        house.hub.update_repo(house.alice, FOREIGN, gated="auto")
        with pytest.raises(GatedRepo):
            read_check(house.hub, house.bob, FOREIGN)
        house.hub.update_repo(house.alice, FOREIGN, visibility=Visibility.PRIVATE)
        with pytest.raises(RepoNotFound):
            read_check(house.hub, house.bob, FOREIGN)


class TestSweep:
    def test_what_was_found_out_long_ago_goes(self, sha: str, house: House) -> None:
        check(house, sha)
        column_statistics(house.hub, house.alice, FOREIGN)
        (old,) = checks_dir(house.settings).rglob("*.json")
        os.utime(old, (0, 0))
        with house.database.write() as session:
            enqueue(session, "findings-sweep", {})
        assert sweep_kept_findings(claimed(house, "findings-sweep")[1]) == {"swept": 1}
        assert read_check(house.hub, house.alice, FOREIGN) is None
