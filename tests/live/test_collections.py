"""Collections, by the official client's own calls."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from huggingface_hub import Collection, HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.live.conftest import MakeRepo
from tests.live.running_server import RunningServer

_numbers = count(1)


@pytest.fixture
def collection(alice: HfApi) -> Iterator[Collection]:
    made = alice.create_collection(f"Seeds & Trees {next(_numbers)}", description="What grows.")
    yield made
    alice.delete_collection(made.slug, missing_ok=True)


def names(collection: Collection) -> list[str]:
    return [item.item_id for item in collection.items]


class TestACollection:
    def test_is_made_and_read(self, alice: HfApi, collection: Collection, stranger: HfApi) -> None:
        assert collection.slug.startswith("alice/seeds-trees-")
        assert (collection.description, collection.items, collection.private) == ("What grows.", [], False)
        assert stranger.get_collection(collection.slug).title == collection.title

    def test_of_the_same_title_is_there_already(self, alice: HfApi, collection: Collection) -> None:
        with pytest.raises(HfHubHTTPError, match="409"):
            alice.create_collection(collection.title)
        again = alice.create_collection(collection.title, description="other", exists_ok=True)
        assert (again.slug, again.description) == (collection.slug, "What grows.")

    def test_keeps_its_old_address_when_it_is_renamed(self, alice: HfApi, collection: Collection) -> None:
        renamed = alice.update_collection_metadata(
            collection.slug, title=f"Ação {next(_numbers)}", description="New", theme="pink"
        )
        assert renamed.slug.startswith("alice/acao-")
        assert renamed.slug.split("-")[-1] == collection.slug.split("-")[-1]
        assert (renamed.description, renamed.theme) == ("New", "pink")
        assert alice.get_collection(collection.slug).slug == renamed.slug

    def test_is_deleted_once(self, alice: HfApi, collection: Collection) -> None:
        alice.delete_collection(collection.slug)
        with pytest.raises(HfHubHTTPError, match="404"):
            alice.delete_collection(collection.slug)
        alice.delete_collection(collection.slug, missing_ok=True)

    def test_of_an_organisation_is_its_members(self, alice: HfApi, bob: HfApi) -> None:
        made = alice.create_collection("Ours", namespace="acai")
        assert made.slug.startswith("acai/ours-")
        with pytest.raises(HfHubHTTPError, match="403"):
            bob.create_collection("Ours too", namespace="acai")
        alice.delete_collection(made.slug)

    @pytest.mark.parametrize("title", ["", "   ", "x" * 61])
    def test_has_a_title(self, alice: HfApi, title: str) -> None:
        with pytest.raises(HfHubHTTPError, match="1 to 60 characters"):
            alice.create_collection(title)

    def test_resource_groups_are_not_offered(self, alice: HfApi, collection: Collection) -> None:
        with pytest.raises(HfHubHTTPError, match="501"):
            alice.update_collection_resource_group(collection.slug, "66980ecfc1e12a49c8f0e42d")


class TestItems:
    def test_come_move_and_go(self, alice: HfApi, collection: Collection, make_repo: MakeRepo) -> None:
        model, dataset = make_repo(), make_repo("dataset")
        nested = alice.create_collection(f"Nested {next(_numbers)}")
        alice.add_collection_item(collection.slug, model, "model", note="My model")
        alice.add_collection_item(collection.slug, dataset, "dataset")
        held = alice.add_collection_item(collection.slug, nested.slug, "collection")
        assert [(it.item_id, it.item_type, it.note, it.position) for it in held.items] == [
            (model, "model", "My model", 0),
            (dataset, "dataset", None, 1),
            (nested.slug, "collection", None, 2),
        ]
        first = held.items[0]
        alice.update_collection_item(collection.slug, first.item_object_id, note="New note", position=1)
        held = alice.get_collection(collection.slug)
        assert names(held) == [dataset, model, nested.slug]
        assert held.items[1].note == "New note"
        alice.delete_collection_item(collection.slug, first.item_object_id)
        alice.delete_collection_item(collection.slug, first.item_object_id, missing_ok=True)
        held = alice.get_collection(collection.slug)
        assert [(it.item_id, it.position) for it in held.items] == [(dataset, 0), (nested.slug, 1)]
        alice.delete_collection(nested.slug)
        assert names(alice.get_collection(collection.slug)) == [dataset]

    def test_are_there_once_and_exist(self, alice: HfApi, collection: Collection, repo: str) -> None:
        alice.add_collection_item(collection.slug, repo, "model")
        with pytest.raises(HfHubHTTPError, match="409"):
            alice.add_collection_item(collection.slug, repo, "model")
        assert names(alice.add_collection_item(collection.slug, repo, "model", exists_ok=True)) == [repo]
        for missing in ((repo, "dataset"), ("alice/absent", "model"), ("alice/gone-" + "0" * 24, "collection")):
            with pytest.raises(HfHubHTTPError, match="404"):
                alice.add_collection_item(collection.slug, *missing)
        with pytest.raises(HfHubHTTPError, match="hold itself"):
            alice.add_collection_item(collection.slug, collection.slug, "collection")

    def test_follow_their_repo(self, alice: HfApi, collection: Collection, make_repo: MakeRepo) -> None:
        moves, goes = make_repo(), make_repo()
        alice.add_collection_item(collection.slug, moves, "model")
        alice.add_collection_item(collection.slug, goes, "model")
        alice.move_repo(moves, f"{moves}-moved")
        alice.delete_repo(goes)
        assert names(alice.get_collection(collection.slug)) == [f"{moves}-moved"]


class TestWhoSees:
    def test_a_private_collection_is_missing(self, alice: HfApi, bob: HfApi, stranger: HfApi) -> None:
        made = alice.create_collection("Kept to myself", private=True)
        for other in (bob, stranger):
            with pytest.raises(HfHubHTTPError, match="404"):
                other.get_collection(made.slug)
            assert made.slug not in [it.slug for it in other.list_collections(owner="alice")]
        assert made.slug in [it.slug for it in alice.list_collections(owner="alice")]
        alice.update_collection_metadata(made.slug, private=False)
        assert bob.get_collection(made.slug).slug == made.slug
        alice.delete_collection(made.slug)

    def test_a_private_repo_in_an_open_one_is_not_there(
        self, alice: HfApi, bob: HfApi, stranger: HfApi, collection: Collection, make_repo: MakeRepo
    ) -> None:
        private, public = make_repo(private=True), make_repo()
        hidden = alice.create_collection(f"Hidden {next(_numbers)}", private=True)
        alice.add_collection_item(collection.slug, private, "model", note="a secret note")
        alice.add_collection_item(collection.slug, hidden.slug, "collection")
        alice.add_collection_item(collection.slug, public, "model")
        assert len(alice.get_collection(collection.slug).items) == 3
        for other in (bob, stranger):
            assert names(other.get_collection(collection.slug)) == [public]
            assert list(other.list_collections(item=f"models/{private}")) == []
            assert [it.slug for it in other.list_collections(item=f"models/{public}")] == [collection.slug]
        answer = httpx.get(f"{stranger.endpoint}/api/collections/{collection.slug}").text
        assert private not in answer
        assert "a secret note" not in answer
        alice.delete_collection(hidden.slug)

    def test_strangers_change_nothing(self, alice: HfApi, bob: HfApi, collection: Collection, repo: str) -> None:
        held = alice.add_collection_item(collection.slug, repo, "model")
        item = held.items[0].item_object_id
        intrusions: list[Any] = [
            lambda: bob.update_collection_metadata(collection.slug, title="Mine"),
            lambda: bob.delete_collection(collection.slug),
            lambda: bob.add_collection_item(collection.slug, repo, "model"),
            lambda: bob.update_collection_item(collection.slug, item, note="x"),
            lambda: bob.delete_collection_item(collection.slug, item),
        ]
        for intrude in intrusions:
            with pytest.raises(HfHubHTTPError, match="403"):
                intrude()
        assert alice.get_collection(collection.slug).title == collection.title

    def test_an_item_of_another_collection_is_not_reached_through_ones_own(
        self, alice: HfApi, bob: HfApi, collection: Collection, repo: str
    ) -> None:
        item = alice.add_collection_item(collection.slug, repo, "model").items[0].item_object_id
        own = bob.create_collection(f"Bobs {next(_numbers)}")
        with pytest.raises(HfHubHTTPError, match="404"):
            bob.delete_collection_item(own.slug, item)
        assert names(alice.get_collection(collection.slug)) == [repo]
        bob.delete_collection(own.slug)


class TestLists:
    def test_go_on_over_pages(self, alice: HfApi, server: RunningServer) -> None:
        made = [alice.create_collection(f"Page {number}", namespace="acai").slug for number in range(5)]
        url, seen = f"{server.url}/api/collections?owner=acai&limit=2", []
        while url:
            answer = httpx.get(url)
            seen += [it["slug"] for it in answer.json()]
            assert all("position" not in it for it in answer.json())
            url = answer.links.get("next", {}).get("url", "")
        assert seen == made[::-1]
        assert [it.slug for it in alice.list_collections(owner="acai", limit=3)] == made[:1:-1]
        assert list(alice.list_collections(owner="nobody-of-this-name")) == []
        for slug in made:
            alice.delete_collection(slug)

    @pytest.mark.parametrize("query", ["cursor=x", "item=nothing/at/all", "limit=0", "cursor=MjAyNg"])
    def test_say_what_is_wrong_with_what_is_asked(self, server: RunningServer, query: str) -> None:
        assert httpx.get(f"{server.url}/api/collections?{query}").status_code in (400, 422)
