"""Users and organisations as the official client asks about them."""

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.live.conftest import MakeRepo
from tests.live.running_server import RunningServer


def post(server: RunningServer, path: str, who: str | None) -> int:
    headers = {"Authorization": f"Bearer {server.token(who)}"} if who else {}
    return httpx.post(server.url + path, headers=headers).status_code


class TestAnOverview:
    def test_of_a_user(self, alice: HfApi, stranger: HfApi, make_repo: MakeRepo) -> None:
        make_repo()
        make_repo("dataset")
        hidden = make_repo(private=True)
        seen, own = stranger.get_user_overview("Alice"), alice.get_user_overview("alice")
        assert (seen.username, [organization.name for organization in seen.orgs]) == ("alice", ["acai"])
        assert seen.num_models is not None
        assert own.num_models is not None
        assert seen.num_models < own.num_models
        assert hidden not in [model.id for model in stranger.list_models(author="alice")]
        assert seen.num_datasets

    def test_of_an_organisation(self, stranger: HfApi) -> None:
        seen = stranger.get_organization_overview("acai")
        assert (seen.name, seen.num_users) == ("acai", 1)
        assert [user.username for user in stranger.list_organization_members("acai")] == ["alice"]

    @pytest.mark.parametrize("name", ["nobody", "acai", "%2e%2e", "a/b"])
    def test_of_somebody_who_is_not_there(self, stranger: HfApi, name: str) -> None:
        with pytest.raises(HfHubHTTPError) as caught:
            stranger.get_user_overview(name)
        assert caught.value.response.status_code == 404


class TestFollowing:
    def test_is_seen_from_both_sides(self, server: RunningServer, bob: HfApi, stranger: HfApi) -> None:
        for path in ("/api/users/alice/follow", "/api/users/alice/follow", "/api/organizations/acai/follow"):
            assert post(server, path, "bob") == 200
        assert [user.username for user in stranger.list_user_followers("alice")] == ["bob"]
        assert [user.username for user in stranger.list_user_following("bob")] == ["alice"]
        assert [user.username for user in stranger.list_organization_followers("acai")] == ["bob"]
        seen = bob.get_user_overview("alice")
        assert (seen.num_followers, seen.num_following, seen.is_following) == (1, 0, True)
        assert bob.get_user_overview("bob").num_following == 2
        assert post(server, "/api/users/alice/unfollow", "bob") == 200
        assert list(stranger.list_user_followers("alice")) == []
        assert post(server, "/api/organizations/acai/unfollow", "bob") == 200

    def test_takes_two(self, server: RunningServer) -> None:
        assert post(server, "/api/users/alice/follow", None) == 401
        assert post(server, "/api/users/alice/follow", "alice") == 400
        assert post(server, "/api/users/acai/follow", "bob") == 404
        assert post(server, "/api/organizations/nobody/follow", "bob") == 404


class TestLikes:
    def test_come_and_go(
        self, server: RunningServer, alice: HfApi, bob: HfApi, stranger: HfApi, make_repo: MakeRepo
    ) -> None:
        model, dataset, hidden = make_repo(), make_repo("dataset"), make_repo(private=True)
        before = bob.get_user_overview("bob").num_likes or 0
        for path in (f"models/{model}", f"datasets/{dataset}"):
            assert post(server, f"/api/{path}/like", "bob") == 200
        assert post(server, f"/api/models/{hidden}/like", "alice") == 200
        likes = stranger.list_liked_repos("bob")
        assert model in likes.models
        assert dataset in likes.datasets
        assert bob.get_user_overview("bob").num_likes == before + 2
        assert [user.username for user in stranger.list_repo_likers(model)] == ["bob"]
        assert hidden not in stranger.list_liked_repos("alice").models
        assert hidden in alice.list_liked_repos().models
        bob.unlike(model)
        bob.unlike(dataset, repo_type="dataset")
        bob.unlike(dataset, repo_type="dataset")  # what one does not like
        assert bob.get_user_overview("bob").num_likes == before

    def test_follow_a_repo_that_moves(self, server: RunningServer, alice: HfApi, bob: HfApi, repo: str) -> None:
        assert post(server, f"/api/models/{repo}/like", "bob") == 200
        alice.move_repo(repo, f"{repo}-moved")
        assert f"{repo}-moved" in bob.list_liked_repos().models
        bob.unlike(repo)
        assert alice.model_info(f"{repo}-moved").likes == 0
