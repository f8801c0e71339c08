"""Repos come and go, and who may not see one finds nothing there."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.unit.hub.house import House
from viveiro.accounts.types import ANONYMOUS
from viveiro.errors import AlreadyExists, Forbidden, GatedRepo, NotAuthenticated, RepoNotFound, UserNotFound
from viveiro.hub.git import MAIN
from viveiro.hub.tables import RepoRow
from viveiro.types import Action, RepoId, RepoKind, RepoRef, Visibility


def model(name: str) -> RepoRef:
    return RepoRef(RepoKind.MODEL, RepoId.parse(name))


class TestANewRepo:
    def test_holds_one_commit_with_the_attributes_file(self, house: House) -> None:
        repo = house.model()
        sha = house.hub.resolve(repo, "main")
        assert house.history(repo) == ["initial commit"]
        assert [entry.path for entry in house.hub.list_tree(repo, sha)] == [".gitattributes"]
        assert repo.head_sha == sha
        assert len(sha) == 40

    def test_is_a_repository_that_git_itself_finds_sound(self, house: House) -> None:
        repo = house.model()
        assert house.git(repo, "fsck", "--strict") == ""
        assert house.git(repo, "symbolic-ref", "HEAD").strip() == MAIN
        assert (
            house.git(repo, "log", "--format=%an <%ae> %s").strip()
            == "alice <alice@users.noreply.invalid> initial commit"
        )

    def test_sends_weights_through_lfs(self, house: House) -> None:
        repo = house.model()
        assert "*.safetensors" in house.hub.lfs_patterns(repo, house.hub.resolve(repo, "main"))

    def test_is_named_as_its_namespace_is_written(self, house: House) -> None:
        assert house.model("ALICE/Seeds").name == "alice/Seeds"

    def test_is_found_whatever_the_case_of_the_letters(self, house: House) -> None:
        repo = house.model("alice/Seeds")
        assert house.hub.get_repo(house.alice, model("Alice/SEEDS")).pk == repo.pk

    def test_of_another_kind_may_have_the_same_name(self, house: House) -> None:
        house.model("alice/seeds")
        assert house.repo(RepoKind.DATASET, "alice/seeds").ref.url_path == "datasets/alice/seeds"


class TestWhatCannotBeCreated:
    def test_a_name_that_is_taken_says_where(self, house: House) -> None:
        house.model("alice/seeds")
        with pytest.raises(AlreadyExists) as caught:
            house.model("alice/SEEDS")
        assert caught.value.url == "/alice/seeds"

    def test_a_name_taken_in_the_same_moment_leaves_no_folder(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.model("alice/seeds")
        monkeypatch.setattr("viveiro.hub.queries.find_repo", lambda session, ref: None)
        with pytest.raises(AlreadyExists):
            house.model("alice/seeds")
        assert len(house.hub.folders()) == 1

    def test_a_strangers_namespace(self, house: House) -> None:
        with pytest.raises(Forbidden):
            house.hub.create_repo(house.bob, model("alice/seeds"))

    def test_a_namespace_that_does_not_exist(self, house: House) -> None:
        with pytest.raises(UserNotFound):
            house.model("nobody/seeds")

    def test_anything_by_nobody(self, house: House) -> None:
        with pytest.raises(NotAuthenticated):
            house.hub.create_repo(ANONYMOUS, model("alice/seeds"))

    def test_an_organisations_repo_belongs_to_the_organisation(self, house: House) -> None:
        alice = house.organization("acai", house.alice)
        repo = house.hub.create_repo(alice, model("acai/seeds"))
        assert repo.owner_id != alice.user_id


class TestWhoSeesARepo:
    @pytest.mark.parametrize("action", list(Action))
    def test_a_private_repo_is_missing_to_a_stranger(self, house: House, action: Action) -> None:
        repo = house.model(private=True)
        for stranger in (house.bob, ANONYMOUS):
            with pytest.raises(RepoNotFound):
                house.hub.get_repo(stranger, repo.ref, action)

    def test_it_is_missing_in_the_same_words_as_one_that_never_was(self, house: House) -> None:
        repo = house.model(private=True)
        with pytest.raises(RepoNotFound) as hidden:
            house.hub.get_repo(house.bob, repo.ref)
        with pytest.raises(RepoNotFound) as absent:
            house.hub.get_repo(house.bob, model("alice/other"))
        assert str(hidden.value).replace("seeds", "other") == str(absent.value)

    def test_a_public_repo_may_be_read_by_all_and_written_by_its_own(self, house: House) -> None:
        repo = house.model()
        assert house.hub.get_repo(ANONYMOUS, repo.ref).pk == repo.pk
        with pytest.raises(Forbidden):
            house.hub.get_repo(house.bob, repo.ref, Action.WRITE)
        with pytest.raises(NotAuthenticated):
            house.hub.get_repo(ANONYMOUS, repo.ref, Action.WRITE)

    def test_a_gated_repo_is_seen_by_all_and_its_files_by_few(self, house: House) -> None:
        repo = house.hub.update_repo(house.alice, house.model().ref, gated="auto")
        assert house.hub.get_repo(house.bob, repo.ref).gated == "auto"
        with pytest.raises(GatedRepo):
            house.hub.require_files(house.bob, repo)
        house.hub.require_files(house.alice, repo)


class TestSettings:
    def test_a_repo_is_hidden_and_shown_again(self, house: House) -> None:
        ref = house.model().ref
        house.hub.update_repo(house.alice, ref, visibility=Visibility.PRIVATE)
        with pytest.raises(RepoNotFound):
            house.hub.get_repo(house.bob, ref)
        house.hub.update_repo(house.alice, ref, visibility=Visibility.PUBLIC)
        assert house.hub.get_repo(house.bob, ref).visibility is Visibility.PUBLIC

    def test_what_is_not_named_stays(self, house: House) -> None:
        ref = house.model().ref
        house.hub.update_repo(house.alice, ref, gated="manual")
        assert house.hub.update_repo(house.alice, ref, visibility=Visibility.PRIVATE).gated == "manual"
        assert house.hub.update_repo(house.alice, ref, gated=False).gated is None

    def test_a_stranger_changes_nothing(self, house: House) -> None:
        with pytest.raises(Forbidden):
            house.hub.update_repo(house.bob, house.model().ref, gated="auto")


class TestDeletion:
    def test_takes_the_row_and_the_folder(self, house: House) -> None:
        repo = house.model()
        house.hub.delete_repo(house.alice, repo.ref)
        assert house.hub.folders() == []
        with pytest.raises(RepoNotFound):
            house.hub.get_repo(house.alice, repo.ref)

    def test_leaves_a_folder_that_cannot_go_to_the_sweep(self, house: House) -> None:
        repo = house.model()
        folder = house.hub.repo_path(repo)
        (folder.with_suffix(".partial") / "in the way").mkdir(parents=True)
        house.hub.delete_repo(house.alice, repo.ref)
        assert house.hub.folders() == [folder]
        hours_ago = folder.stat().st_mtime - timedelta(hours=2).total_seconds()
        os.utime(folder, (hours_ago, hours_ago))
        house.hub.reconcile()
        assert house.hub.folders() == []

    def test_frees_the_name_for_an_empty_repo(self, house: House) -> None:
        repo = house.model()
        house.write(repo, {"a.txt": b"old"})
        house.hub.delete_repo(house.alice, repo.ref)
        assert house.paths(house.model()) == []

    def test_is_not_for_strangers(self, house: House) -> None:
        with pytest.raises(Forbidden):
            house.hub.delete_repo(house.bob, house.model().ref)

    def test_whoever_still_holds_the_repo_finds_it_missing(self, house: House) -> None:
        repo = house.model()
        builder = house.hub.begin_commit(house.alice, repo, "main")
        house.hub.delete_repo(house.alice, repo.ref)
        with pytest.raises(RepoNotFound):
            house.hub.resolve(repo, "main")
        with pytest.raises(RepoNotFound):
            builder.finish("too late")


class TestLikes:
    def test_liking_twice_is_liking_once(self, house: House) -> None:
        repo = house.model()
        house.hub.like(house.bob, repo)
        house.hub.like(house.bob, repo)
        house.hub.like(house.alice, repo)
        assert house.again(repo).likes == 2

    def test_unliking_what_was_not_liked_changes_nothing(self, house: House) -> None:
        repo = house.model()
        house.hub.like(house.bob, repo)
        house.hub.unlike(house.alice, repo)
        assert house.again(repo).likes == 1
        house.hub.unlike(house.bob, repo)
        assert house.again(repo).likes == 0

    def test_nobody_likes_without_signing_in(self, house: House) -> None:
        repo = house.model()
        with pytest.raises(NotAuthenticated):
            house.hub.like(ANONYMOUS, repo)


class TestDownloads:
    def test_are_written_down_when_the_hub_closes_at_the_latest(self, house: House) -> None:
        repo = house.model()
        for _ in range(3):
            house.hub.count_download(repo)
        assert house.again(repo).downloads == 0
        house.hub.close()
        house.hub.count_download(repo)
        house.hub.close()
        assert (house.again(repo).downloads, house.again(repo).downloads_all_time) == (4, 4)

    def test_of_a_repo_deleted_meanwhile_are_forgotten(self, house: House) -> None:
        gone, kept = house.model("alice/gone"), house.model("alice/kept")
        house.hub.count_download(gone)
        house.hub.count_download(kept)
        house.hub.delete_repo(house.alice, gone.ref)
        house.hub.close()
        assert house.again(kept).downloads == 1
        with house.database.read() as session:
            assert session.scalars(select(RepoRow.name)).all() == ["alice/kept"]


class TestKeys:
    def test_of_deleted_repos_are_never_given_again(self, house: House) -> None:
        """Jobs and events name repos by key, and may be late."""
        first = house.model("alice/first")
        house.hub.delete_repo(house.alice, first.ref)
        assert house.model("alice/second").pk > first.pk
