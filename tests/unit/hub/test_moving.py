"""A repo gets another name, and everything that knew the old one still finds it."""

import contextlib
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.unit.hub.crash import MOVED, SEEDS
from tests.unit.hub.house import House
from tests.unit.hub.test_concurrency import die
from viveiro.accounts.access_tokens import authenticate_token, create_token
from viveiro.accounts.service import add_member, viewer_of_user
from viveiro.accounts.types import ANONYMOUS, Grant, Role, TokenRole, Viewer
from viveiro.errors import AlreadyExists, Forbidden, NotAuthenticated, RepoMoved, RepoNotFound, UserNotFound
from viveiro.hub import queries
from viveiro.hub.fsck import check_hub
from viveiro.hub.listing import names_of
from viveiro.hub.moving import move_repo
from viveiro.hub.types import AddFile, AddLfsFile, Repo
from viveiro.jobs.tables import JobRow
from viveiro.types import Action, RepoId, RepoKind, RepoRef


def model(name: str) -> RepoRef:
    return RepoRef(RepoKind.MODEL, RepoId.parse(name))


def move(house: House, old: str, new: str, by: Viewer | None = None) -> Repo:
    return move_repo(house.hub, by or house.alice, model(old), RepoId.parse(new))


class TestAMovedRepo:
    def test_is_the_same_repo_under_another_name(self, house: House) -> None:
        repo = house.model("alice/seeds")
        moved = move(house, "alice/seeds", "alice/Saplings")
        assert (moved.pk, moved.name, moved.storage_key) == (repo.pk, "alice/Saplings", repo.storage_key)
        assert house.history(moved) == ["initial commit"]

    def test_is_led_to_from_its_old_name_whatever_the_case(self, house: House) -> None:
        house.model("alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        with pytest.raises(RepoMoved) as caught:
            house.hub.get_repo(ANONYMOUS, model("Alice/SEEDS"))
        assert caught.value.new == "alice/saplings"
        assert house.hub.get_repo(ANONYMOUS, model("Alice/SEEDS"), follow=True).name == "alice/saplings"

    def test_is_led_to_from_every_name_that_it_had(self, house: House) -> None:
        house.model("alice/a")
        move(house, "alice/a", "alice/b")
        repo = move(house, "alice/b", "alice/c")
        for name in ("alice/a", "alice/b"):
            assert house.hub.get_repo(house.bob, model(name), follow=True).pk == repo.pk
        with house.database.read() as session:
            assert names_of(session, repo.ref) == ["alice/c", "alice/a", "alice/b"]

    def test_may_take_its_old_name_back(self, house: House) -> None:
        house.model("alice/a")
        move(house, "alice/a", "alice/b")
        move(house, "alice/b", "alice/a")
        assert house.hub.get_repo(house.bob, model("alice/a")).name == "alice/a"
        assert house.hub.get_repo(house.bob, model("alice/b"), follow=True).name == "alice/a"

    def test_may_change_only_the_case_of_its_letters(self, house: House) -> None:
        house.model("alice/seeds")
        assert move(house, "alice/seeds", "alice/Seeds").name == "alice/Seeds"
        assert house.hub.get_repo(house.bob, model("alice/seeds")).name == "alice/Seeds"

    def test_that_is_private_is_missing_by_its_old_name_too(self, house: House) -> None:
        house.model("alice/secret", private=True)
        move(house, "alice/secret", "alice/hidden")
        for who in (house.bob, ANONYMOUS):
            with pytest.raises(RepoNotFound) as caught:
                house.hub.get_repo(who, model("alice/secret"), follow=True)
            assert not isinstance(caught.value, RepoMoved)

    def test_belongs_to_the_organisation_that_it_went_to(self, house: House) -> None:
        alice = house.organization("acai", house.alice)
        house.model("alice/seeds")
        moved = move(house, "alice/seeds", "ACAI/seeds", alice)
        assert moved.name == "acai/seeds"
        assert moved.owner_id != alice.user_id

    def test_keeps_its_likes(self, house: House) -> None:
        repo = house.model("alice/seeds")
        house.hub.like(house.bob, repo)
        assert move(house, "alice/seeds", "alice/saplings").likes == 1

    def test_takes_a_push_that_was_begun_before(self, house: House) -> None:
        repo = house.model("alice/seeds")
        builder = house.hub.begin_commit(house.alice, repo, "main")
        moved = move(house, "alice/seeds", "alice/saplings")
        builder.add(AddFile("notes.txt", b"sown in March"))
        builder.finish("begun before")
        assert house.history(moved) == ["begun before", "initial commit"]
        assert house.again(moved).head_sha == house.hub.resolve(moved, "main")


class TestAnOldName:
    def test_may_be_taken_by_a_new_repo(self, house: House) -> None:
        house.model("alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        new = house.model("alice/seeds")
        assert house.hub.get_repo(house.bob, model("alice/seeds")).pk == new.pk

    def test_that_was_taken_leads_nowhere_when_the_new_repo_goes(self, house: House) -> None:
        house.model("alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        house.model("alice/seeds")
        house.hub.delete_repo(house.alice, model("alice/seeds"))
        with pytest.raises(RepoNotFound):
            house.hub.get_repo(house.alice, model("alice/seeds"), follow=True)

    def test_goes_with_the_repo(self, house: House) -> None:
        house.model("alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        house.hub.delete_repo(house.alice, model("alice/saplings"))
        with pytest.raises(RepoNotFound):
            house.hub.get_repo(house.alice, model("alice/seeds"), follow=True)

    def test_deletes_and_moves_nothing(self, house: House) -> None:
        """Who means the repo that has moved says its name; who does not know that it has should not end it."""
        house.model("alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        with pytest.raises(RepoNotFound, match="alice/saplings"):
            house.hub.delete_repo(house.alice, model("alice/seeds"))
        with pytest.raises(RepoNotFound, match="alice/saplings"):
            move(house, "alice/seeds", "alice/other")

    def test_of_another_kind_stays_what_it_is(self, house: House) -> None:
        house.model("alice/seeds")
        dataset = house.repo(RepoKind.DATASET, "alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        assert house.hub.get_repo(house.bob, dataset.ref).pk == dataset.pk


class TestWhatMayNotBeMoved:
    def test_onto_a_name_that_is_taken(self, house: House) -> None:
        house.model("alice/seeds")
        house.model("alice/Saplings")
        with pytest.raises(AlreadyExists, match="A model repository called alice/Saplings already exists") as caught:
            move(house, "alice/seeds", "alice/saplings")
        assert caught.value.url == "/alice/Saplings"
        assert house.hub.get_repo(house.alice, model("alice/seeds")).name == "alice/seeds"

    def test_onto_its_own_name(self, house: House) -> None:
        house.model("alice/seeds")
        with pytest.raises(AlreadyExists):
            move(house, "alice/seeds", "alice/seeds")

    def test_onto_a_name_taken_in_the_same_moment(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        house.model("alice/seeds")
        house.model("alice/saplings")
        found = queries.find_repo
        monkeypatch.setattr(
            "viveiro.hub.queries.find_repo",
            lambda session, ref: None if str(ref.repo_id) == "alice/saplings" else found(session, ref),
        )
        with pytest.raises(AlreadyExists):
            move(house, "alice/seeds", "alice/saplings")

    def test_what_was_moved_in_the_same_moment(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        house.model("alice/seeds")
        rename: Callable[..., bool] = queries.rename_repo

        def late(session: Session, repo: Repo, ref: RepoRef, **rest: object) -> bool:
            rename(session, repo, model("alice/elsewhere"), **rest)
            return rename(session, repo, ref, **rest)

        monkeypatch.setattr("viveiro.hub.queries.rename_repo", late)
        with pytest.raises(RepoNotFound):
            move(house, "alice/seeds", "alice/saplings")
        monkeypatch.undo()
        assert house.hub.get_repo(house.alice, model("alice/seeds")).name == "alice/seeds"

    def test_by_a_stranger(self, house: House) -> None:
        house.model("alice/seeds")
        house.model("alice/secret", private=True)
        with pytest.raises(Forbidden):
            move(house, "alice/seeds", "bob/seeds", house.bob)
        with pytest.raises(RepoNotFound):
            move(house, "alice/secret", "bob/secret", house.bob)
        with pytest.raises(NotAuthenticated):
            move(house, "alice/seeds", "alice/saplings", ANONYMOUS)

    def test_into_a_strangers_namespace(self, house: House) -> None:
        house.model("alice/seeds")
        with pytest.raises(Forbidden):
            move(house, "alice/seeds", "bob/seeds")
        with pytest.raises(UserNotFound):
            move(house, "alice/seeds", "settings/seeds")

    def test_by_a_member_who_writes_and_does_not_administer(self, house: House) -> None:
        alice = house.organization("acai", house.alice)
        with house.database.write() as session:
            add_member(session, "acai", "bob", Role.WRITE, by=alice)
            assert house.bob.user_id is not None
            bob = viewer_of_user(session, house.bob.user_id)
        house.hub.create_repo(alice, model("acai/seeds"))
        with pytest.raises(Forbidden):
            move(house, "acai/seeds", "bob/seeds", bob)


class TestFineGrainedTokens:
    def viewer(self, house: House, *resources: str) -> Callable[[], Viewer]:
        grants = [Grant(resource, frozenset({Action.ADMIN})) for resource in resources]
        with house.database.write() as session:
            assert house.alice.user_id is not None
            issued = create_token(session, house.alice.user_id, "narrow", TokenRole.FINE_GRAINED, grants)

        def now() -> Viewer:
            with house.database.read() as session:
                return authenticate_token(session, issued.secret)

        return now

    def test_reach_the_repo_under_its_new_name(self, house: House) -> None:
        house.model("alice/seeds", private=True)
        viewer = self.viewer(house, "Alice/Seeds")
        move(house, "alice/seeds", "alice/saplings")
        assert house.hub.get_repo(viewer(), model("alice/saplings"), Action.WRITE).name == "alice/saplings"

    def test_do_not_reach_what_takes_the_old_name(self, house: House) -> None:
        house.model("alice/seeds")
        viewer = self.viewer(house, "alice/seeds", "alice/seeds-2")
        move(house, "alice/seeds", "alice/saplings")
        house.model("alice/seeds", private=True)
        house.model("alice/seeds-2", private=True)
        with pytest.raises(RepoNotFound):
            house.hub.get_repo(viewer(), model("alice/seeds"))
        assert house.hub.get_repo(viewer(), model("alice/seeds-2")).name == "alice/seeds-2"

    def test_keep_the_repo_of_another_kind_that_has_the_same_name(self, house: House) -> None:
        house.model("alice/seeds", private=True)
        dataset = house.repo(RepoKind.DATASET, "alice/seeds", private=True)
        viewer = self.viewer(house, "alice/seeds")
        move(house, "alice/seeds", "alice/saplings")
        assert house.hub.get_repo(viewer(), dataset.ref).pk == dataset.pk
        assert house.hub.get_repo(viewer(), model("alice/saplings")).name == "alice/saplings"

    def test_cannot_carry_a_repo_to_where_they_reach_nothing(self, house: House) -> None:
        house.model("alice/seeds")
        viewer = self.viewer(house, "alice/seeds")
        with pytest.raises(Forbidden):
            move(house, "alice/seeds", "alice/saplings", viewer())


class TestAServerKilled:
    """At whatever step: the repo has the one name or the other, whole, and whoever asks again gets what they asked for."""

    @pytest.mark.parametrize(
        ("point", "was_moved"),
        [
            ("before:viveiro.hub.queries.rename_repo", False),
            ("after:viveiro.hub.queries.rename_repo", False),
            ("after:viveiro.hub.moving.move_grants", False),
            ("after:viveiro.hub.moving.record", False),
            ("after:viveiro.hub.moving.publish", False),
            ("after:viveiro.hub.moving.move_repo", True),
        ],
    )
    def test_while_moving(self, house: House, database_url: str, point: str, was_moved: bool) -> None:
        alice = house.organization("acai", house.alice)
        repo = house.model("alice/seeds", private=True)
        house.write(repo, {"notes.txt": b"sown in March"})
        house.commit(repo, AddLfsFile("big.bin", house.store(b"\0big", repo)))
        with house.database.write() as session:
            assert alice.user_id is not None
            grants = [Grant(name, frozenset({Action.READ})) for name in ("alice/seeds",)]
            narrow = create_token(session, alice.user_id, "narrow", TokenRole.FINE_GRAINED, grants)

        die(house, database_url, point, "move")
        house.hub.reconcile()
        found = house.hub.get_repo(alice, SEEDS, follow=True)
        assert found.ref == (MOVED if was_moved else SEEDS)
        with house.database.read() as session:
            assert len(session.scalars(select(JobRow).where(JobRow.kind == "test-heard-repo")).all()) == 1 + was_moved

        with contextlib.suppress(RepoNotFound):  # which says the new name
            move_repo(house.hub, alice, SEEDS, MOVED.repo_id)
        moved = house.hub.get_repo(alice, MOVED)
        with house.database.read() as session:
            reader = authenticate_token(session, narrow.secret)
        assert house.hub.get_repo(reader, SEEDS, follow=True).pk == moved.pk == repo.pk
        assert (house.read(moved, "notes.txt"), house.read(moved, "big.bin")) == (b"sown in March", b"\0big")
        assert list(check_hub(house.hub, deep=True)) == [moved]
        assert house.git(moved, "fsck", "--strict", "--no-dangling") == ""
