"""A repo made from another's history."""

import pytest

from tests.unit.hub.house import House
from viveiro.accounts.types import ANONYMOUS
from viveiro.errors import AlreadyExists, Forbidden, GatedRepo, NotAuthenticated, RepoNotFound
from viveiro.hub.duplicating import duplicate_repo
from viveiro.hub.fsck import Finding, check_hub
from viveiro.hub.types import AddLfsFile, Repo
from viveiro.types import RepoId, RepoKind, RepoRef, Visibility

SEEDS = RepoRef(RepoKind.MODEL, RepoId("alice", "seeds"))
WEIGHTS = b"\0weights" * 20_000


@pytest.fixture
def source(house: House) -> Repo:
    """Two branches, a plain tag and an annotated one, a large file, and one that only history still names."""
    repo = house.model("alice/seeds")
    old, new = house.store(WEIGHTS, repo), house.store(WEIGHTS + b"!", repo)
    house.commit(repo, AddLfsFile("model.safetensors", old))
    house.hub.create_tag(house.alice, repo, "v1", "main")
    house.hub.create_tag(house.alice, repo, "v2", "main", message="The second")
    house.commit(repo, AddLfsFile("model.safetensors", new))
    house.hub.create_branch(house.alice, repo, "work")
    house.write(repo, {"notes.txt": b"sown"}, revision="work")
    return house.again(repo)


def duplicate(house: House, name: str = "bob/seeds", **options: Visibility) -> Repo:
    return duplicate_repo(house.hub, house.bob, SEEDS, RepoId.parse(name), **options)


class TestACopy:
    def test_has_every_branch_tag_and_commit(self, house: House, source: Repo) -> None:
        copy = duplicate(house)
        assert house.hub.refs(copy) == house.hub.refs(source)
        assert house.history(copy, "work") == house.history(source, "work")
        assert house.git(copy, "fsck", "--strict") == ""
        assert house.git(copy, "cat-file", "-t", "v2").strip() == "tag"

    def test_has_the_large_files_of_its_history_without_another_copy(self, house: House, source: Repo) -> None:
        before = list(house.blobs.keys())
        copy = duplicate(house)
        assert list(house.blobs.keys()) == before
        assert (house.read(copy, "model.safetensors"), house.read(copy, "model.safetensors", "v1")) == (
            WEIGHTS + b"!",
            WEIGHTS,
        )
        assert copy.used_storage == source.used_storage > 0

    def test_is_not_given_what_its_history_does_not_name(self, house: House, source: Repo) -> None:
        left = house.store(b"never committed" * 10_000, source)
        assert house.hub.granted_sizes(duplicate(house), [left]) == {}

    def test_keeps_them_when_the_original_goes(self, house: House, source: Repo) -> None:
        copy = duplicate(house)
        house.hub.delete_repo(house.alice, source.ref)
        assert house.read(copy, "model.safetensors") == WEIGHTS + b"!"
        assert [each for each in check_hub(house.hub) if isinstance(each, Finding)] == []

    def test_leaves_behind_what_no_branch_or_tag_reaches(self, house: House, source: Repo) -> None:
        lost = house.hub.resolve(source, "work")
        house.hub.delete_branch(house.alice, source, "work")
        house.git(source, "update-ref", "refs/pr/1", lost)
        copy = duplicate(house)
        assert house.hub.refs(copy).pull_requests == ()
        assert lost not in house.git(copy, "cat-file", "--batch-check", "--batch-all-objects")

    def test_is_as_visible_as_the_original_unless_told_otherwise(self, house: House, source: Repo) -> None:
        assert duplicate(house).visibility is Visibility.PUBLIC
        assert duplicate(house, "bob/hidden", visibility=Visibility.PRIVATE).visibility is Visibility.PRIVATE
        house.hub.update_repo(house.alice, source.ref, visibility=Visibility.PRIVATE)
        copy = duplicate_repo(house.hub, house.alice, source.ref, RepoId("alice", "copy"))
        assert copy.visibility is Visibility.PRIVATE

    def test_of_a_gated_repo_is_gated(self, house: House, source: Repo) -> None:
        house.hub.update_repo(house.alice, source.ref, gated="manual")
        assert duplicate_repo(house.hub, house.alice, source.ref, RepoId("alice", "copy")).gated == "manual"

    def test_goes_its_own_way(self, house: House, source: Repo) -> None:
        copy = duplicate(house)
        builder = house.hub.begin_commit(house.bob, copy, "main")
        builder.add(AddLfsFile("again.safetensors", house.store(WEIGHTS, copy)))
        builder.finish("Mine")
        assert house.history(copy)[0] == "Mine"
        assert "Mine" not in house.history(source)


class TestWhatMayNotBeDuplicated:
    def test_what_one_may_not_see(self, house: House, source: Repo) -> None:
        house.hub.update_repo(house.alice, source.ref, visibility=Visibility.PRIVATE)
        with pytest.raises(RepoNotFound):
            duplicate(house)

    def test_what_one_may_not_read(self, house: House, source: Repo) -> None:
        house.hub.update_repo(house.alice, source.ref, gated="auto")
        with pytest.raises(GatedRepo):
            duplicate(house)

    def test_onto_a_name_that_is_taken(self, house: House, source: Repo) -> None:
        duplicate(house)
        with pytest.raises(AlreadyExists) as caught:
            duplicate(house)
        assert caught.value.url == "/bob/seeds"
        assert len(house.hub.folders()) == 2

    def test_into_a_strangers_namespace(self, house: House, source: Repo) -> None:
        with pytest.raises(Forbidden):
            duplicate(house, "alice/copy")

    def test_by_nobody(self, house: House, source: Repo) -> None:
        with pytest.raises(NotAuthenticated):
            duplicate_repo(house.hub, ANONYMOUS, source.ref, RepoId("bob", "seeds"))

    def test_what_is_deleted_in_the_same_moment(
        self, house: House, source: Repo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its large files may be swept from then on."""
        monkeypatch.setattr(
            "viveiro.hub.duplicating.pointers_in", lambda git: house.hub.delete_repo(house.alice, source.ref) or []
        )
        with pytest.raises(RepoNotFound):
            duplicate(house)
        assert house.hub.folders() == []
