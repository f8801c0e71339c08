"""An import into a repo that its owner has written about."""

import pytest

from tests.unit.datasets.tables import csv_text, rows
from tests.unit.datasets.test_uploads import upload
from tests.unit.datasets.working import claimed
from tests.unit.hub.house import House
from viveiro.datasets.jobs import import_dataset
from viveiro.datasets.service import dataset_ref, start_import
from viveiro.datasets.types import ImportOptions
from viveiro.hub.cards import body_of, read_card
from viveiro.hub.types import DeleteFile, Repo
from viveiro.types import Visibility

REF = dataset_ref("alice/tickets")


def imported(house: House, count: int) -> Repo:
    """So many rows, published."""
    upload_id = upload(house, csv_text(rows(count)).encode())
    with house.database.write() as session:
        start_import(session, house.alice, REF, upload_id, ImportOptions("table.csv"), Visibility.PUBLIC)
    job, context = claimed(house, "dataset-import")
    import_dataset(context, **job.arguments)
    return house.hub.get_repo(house.alice, REF)


def card_of(house: House, repo: Repo) -> bytes:
    return house.read(repo, "README.md")


def sizes(card: bytes) -> list[int]:
    return [split["num_examples"] for split in read_card(card)["dataset_info"]["splits"]]


class TestCard:
    def test_what_the_owner_wrote_stays_and_what_describes_the_data_is_renewed(self, house: House) -> None:
        repo = imported(house, 60)
        fields = read_card(card_of(house, repo))
        words = b"---\nlicense: no\nsize_categories: [n>1T]\ntags:\n- workshop\n---\n# Tickets\n\n    ours since 2019\n"
        house.write(repo, {"README.md": words})
        for count in (100, 200):
            imported(house, count)
            card = card_of(house, repo)
            assert body_of(card) == "\n\n# Tickets\n\n    ours since 2019\n"
            assert sizes(card) == [0.7 * count, 0.1 * count, 0.2 * count]
            assert (read_card(card)["license"], read_card(card)["tags"]) == ("no", ["workshop"])
            assert read_card(card)["size_categories"] == ["n<1K"]
            assert read_card(card).keys() == fields.keys() | {"license", "tags"}
        assert house.history(repo).count("Import table.csv") == 3

    def test_a_text_that_the_import_made_is_made_anew_and_fields_stay(self, house: House) -> None:
        repo = imported(house, 60)
        made = card_of(house, repo)
        house.write(repo, {"README.md": made.replace(b"---\n", b"---\nlicense: mit\n", 1)})
        imported(house, 100)
        card = card_of(house, repo)
        assert read_card(card)["license"] == "mit"
        assert "| train | 70 |" in body_of(card)

    def test_a_card_of_fields_alone_gets_a_text(self, house: House) -> None:
        repo = imported(house, 60)
        house.write(repo, {"README.md": b'---\nlicense: "mit"\n---\n'})
        imported(house, 100)
        assert "| train | 70 |" in body_of(card_of(house, repo))

    @pytest.mark.parametrize("card", [b"---\nlicense: [\n---\n# Ours\n", "---\nlicense: mit\n---\né".encode("latin-1")])
    def test_one_that_cannot_be_read_is_left_to_its_owner(self, card: bytes, house: House) -> None:
        repo = imported(house, 60)
        house.write(repo, {"README.md": card})
        imported(house, 100)
        assert card_of(house, repo) == card

    def test_one_that_was_deleted_is_made_again(self, house: House) -> None:
        repo = imported(house, 60)
        house.commit(repo, DeleteFile("README.md"))
        imported(house, 100)
        assert sizes(card_of(house, repo)) == [70, 10, 20]
