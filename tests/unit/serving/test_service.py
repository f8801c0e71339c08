import json

import pytest

from viveiro.accounts.types import ANONYMOUS, TokenRole, TokenScope, Viewer
from viveiro.errors import Forbidden, NotAuthenticated, RepoNotFound, RevisionNotFound
from viveiro.serving import service
from viveiro.serving.types import EndpointNotFound, NotServable
from viveiro.types import RepoId

SEEDS = RepoId.parse("alice/seeds")
ENCODER = {"config.json": json.dumps({"model_type": "bert"}).encode(), "model.safetensors": b"tensors"}


def with_token(viewer: Viewer, role: TokenRole) -> Viewer:
    return Viewer(viewer.user_id, viewer.name, viewer.is_admin, viewer.roles, TokenScope(1, "app", role))


@pytest.fixture
def model(house):
    repo = house.model()
    house.write(repo, ENCODER)
    return repo


class TestDeploying:
    """An endpoint pins the commit that the revision is now."""

    def test_the_task_is_recognised_and_the_commit_pinned(self, house, model):
        endpoint = service.deploy(house.hub, house.alice, SEEDS)
        assert (endpoint.task, endpoint.owner, endpoint.path) == ("feature-extraction", "alice", "/models/alice/seeds")
        house.write(model, {"README.md": b"newer"})
        assert service.info(house.database, house.alice, SEEDS).sha == endpoint.sha != house.again(model).head_sha

    def test_deploying_again_moves_the_one_endpoint(self, house, model):
        first = service.deploy(house.hub, house.alice, SEEDS)
        house.write(model, {"README.md": b"newer"})
        second = service.deploy(house.hub, house.alice, SEEDS)
        assert first.sha != second.sha
        assert [endpoint.sha for endpoint in service.list_endpoints(house.database, house.alice)] == [second.sha]

    def test_what_is_only_chosen_changes_nothing(self, house, model):
        first = service.deploy(house.hub, house.alice, SEEDS)
        house.write(model, {"README.md": b"newer"})
        assert service.choose(house.hub, house.alice, SEEDS).sha != first.sha
        assert service.served_now(house.database, SEEDS).sha == first.sha

    def test_a_repo_that_was_deleted_since_it_was_chosen_is_missing(self, house, model):
        chosen = service.choose(house.hub, house.alice, SEEDS)
        house.hub.delete_repo(house.alice, model.ref)
        with pytest.raises(RepoNotFound):
            service.save(house.database, house.alice, chosen)

    def test_an_engine_of_its_own_takes_a_process_of_its_own(self, house, model):
        by_default = service.deploy(house.hub, house.alice, SEEDS)
        by_torch = service.deploy(house.hub, house.alice, SEEDS, engine="torch")
        assert (by_default.engine, by_torch.engine) == ("auto", "torch")
        assert by_default.key != by_torch.key

    def test_an_older_commit_can_be_chosen(self, house, model):
        sha = house.again(model).head_sha
        house.write(model, {"README.md": b"newer"})
        assert service.deploy(house.hub, house.alice, SEEDS, sha).sha == sha

    def test_an_unknown_revision_is_refused(self, house, model):
        with pytest.raises(RevisionNotFound):
            service.deploy(house.hub, house.alice, SEEDS, "gone")

    @pytest.mark.parametrize(
        ("files", "why"),
        [
            ({"README.md": b"#"}, "no safetensors"),
            (
                {"config.json": b"{}", "pytorch_model.bin": b"pickle"},
                r"pytorch_model\.bin is a pickle.*save_pretrained",
            ),
            ({"model.safetensors": b"x"}, r"no config\.json"),
            ({"model.safetensors": b"x", "config.json": b"[1]"}, "not a JSON object"),
            ({"model.safetensors": b"x", "config.json": b"{}"}, "no kind of model"),
        ],
    )
    def test_what_no_task_can_serve_is_refused_with_the_reason(self, house, files, why):
        house.write(house.model(), files)
        with pytest.raises(NotServable, match=why):
            service.deploy(house.hub, house.alice, SEEDS)

    def test_it_takes_write_access(self, house, model):
        with pytest.raises(Forbidden):
            service.deploy(house.hub, house.bob, SEEDS)
        with pytest.raises(Forbidden):
            service.deploy(house.hub, with_token(house.alice, TokenRole.READ), SEEDS)

    def test_undeploying_leaves_the_repo(self, house, model):
        service.deploy(house.hub, house.alice, SEEDS)
        service.undeploy(house.database, house.alice, SEEDS)
        assert service.list_endpoints(house.database, house.alice) == []
        with pytest.raises(EndpointNotFound, match="viveiro endpoints deploy alice/seeds"):
            service.info(house.database, house.alice, SEEDS)

    def test_undeploying_takes_write_access(self, house, model):
        service.deploy(house.hub, house.alice, SEEDS)
        with pytest.raises(Forbidden):
            service.undeploy(house.database, house.bob, SEEDS)
        with pytest.raises(NotAuthenticated):
            service.undeploy(house.database, ANONYMOUS, SEEDS)

    def test_an_endpoint_goes_with_its_repo(self, house, model):
        service.deploy(house.hub, house.alice, SEEDS)
        house.hub.delete_repo(house.alice, model.ref)
        assert service.wanted_endpoints(house.database) == []


class TestWhoMayAsk:
    """Running a model costs, so it takes a credential that may infer; a private model is missing to a stranger."""

    @pytest.mark.parametrize("role", [TokenRole.INFERENCE, TokenRole.WRITE])
    def test_inference_and_write_tokens_reach_it(self, house, model, role):
        service.deploy(house.hub, house.alice, SEEDS)
        assert service.find_served(house.database, with_token(house.bob, role), SEEDS).repo == "alice/seeds"

    def test_a_read_token_is_refused_with_the_way_out(self, house, model):
        service.deploy(house.hub, house.alice, SEEDS)
        with pytest.raises(Forbidden, match="--role inference"):
            service.find_served(house.database, with_token(house.bob, TokenRole.READ), SEEDS)

    def test_nobody_must_sign_in(self, house, model):
        service.deploy(house.hub, house.alice, SEEDS)
        with pytest.raises(NotAuthenticated, match="hf_"):
            service.find_served(house.database, ANONYMOUS, SEEDS)

    def test_a_private_model_is_missing_to_strangers_deployed_or_not(self, house):
        house.write(house.model(private=True), ENCODER)
        for viewer in (ANONYMOUS, house.bob):
            with pytest.raises(RepoNotFound):
                service.find_served(house.database, viewer, SEEDS)
        service.deploy(house.hub, house.alice, SEEDS)
        for viewer in (ANONYMOUS, house.bob):
            with pytest.raises(RepoNotFound):
                service.find_served(house.database, viewer, SEEDS)
            assert service.list_endpoints(house.database, viewer) == []

    def test_the_owners_inference_token_reaches_a_private_model(self, house):
        house.write(house.model(private=True), ENCODER)
        service.deploy(house.hub, house.alice, SEEDS)
        assert service.find_served(house.database, with_token(house.alice, TokenRole.INFERENCE), SEEDS).task

    def test_a_model_that_is_not_deployed_says_how_to(self, house, model):
        with pytest.raises(EndpointNotFound, match="viveiro endpoints deploy alice/seeds"):
            service.find_served(house.database, house.bob, SEEDS)

    def test_the_case_of_letters_does_not_matter(self, house, model):
        service.deploy(house.hub, house.alice, SEEDS)
        assert service.find_served(house.database, house.alice, RepoId.parse("Alice/SEEDS")).repo == "alice/seeds"


class TestTheFolder:
    """A revision's files, as engines want them."""

    def test_it_holds_every_file_of_the_pinned_commit(self, house, model):
        endpoint = service.deploy(house.hub, house.alice, SEEDS)
        house.write(model, {"README.md": b"newer"})
        folder = service.check_out_model(house.hub, house.settings, endpoint)
        assert (folder / "model.safetensors").read_bytes() == b"tensors"
        assert not (folder / "README.md").exists()
        assert service.check_out_model(house.hub, house.settings, endpoint) == folder
