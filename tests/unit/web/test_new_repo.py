"""Making a repo, changing who sees it, and ending it, in the browser."""

import httpx
import pytest

from tests.unit.web.conftest import Site, text_of
from viveiro.errors import RepoNotFound
from viveiro.types import RepoId, RepoKind, RepoRef


def made(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


class TestNewRepos:
    def test_are_made_under_ones_own_name_or_ones_organisation(self, site: Site):
        alice = site.browser("alice")
        form = {"kind": "dataset", "namespace": "acai", "name": "from-the-browser", "visibility": "private"}
        assert made(alice.post("/new", data=form)) == "/datasets/acai/from-the-browser"
        repo = site.hub.get_repo(site.viewer("alice"), RepoRef(RepoKind.DATASET, RepoId("acai", "from-the-browser")))
        assert repo.visibility == "private"

    def test_offer_only_namespaces_that_one_may_write_in(self, site):
        assert "<option selected>alice</option><option >acai</option>" in site.browser("alice").get("/new").text
        assert "acai" not in site.browser("bob").get("/new").text

    def test_are_refused_in_the_namespace_of_somebody_else(self, site):
        answer = site.browser("bob").post("/new", data={"kind": "model", "namespace": "alice", "name": "mine-now"})
        assert answer.status_code == 403
        with pytest.raises(RepoNotFound):
            site.hub.get_repo(site.viewer("alice"), RepoRef(RepoKind.MODEL, RepoId("alice", "mine-now")))

    @pytest.mark.parametrize(("name", "status"), [("two words", 400), ("", 400), ("taken", 409)])
    def test_that_cannot_be_keep_what_was_typed(self, site, name, status):
        alice = site.browser("alice")
        alice.post("/new", data={"kind": "model", "namespace": "alice", "name": "taken"})
        answer = alice.post("/new", data={"kind": "model", "namespace": "alice", "name": name})
        assert answer.status_code == status
        assert f'value="{name}"' in answer.text
        assert 'role="alert"' in answer.text

    def test_take_a_person_who_is_signed_in(self, site):
        assert site.browser().get("/new").headers["location"] == "/login?next=%2Fnew"


class TestSettings:
    def test_change_who_sees_a_repo(self, site):
        ref = site.new_repo()
        answer = site.browser("alice").post(f"/{ref}/settings", data={"visibility": "private", "gate": "manual"})
        assert made(answer) == f"/{ref}/settings"
        repo = site.hub.get_repo(site.viewer("alice"), ref)
        assert (repo.visibility, repo.gated) == ("private", "manual")
        assert site.browser("bob").get(f"/{ref}").status_code == 404

    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("alice", 200), ("ada", 200)])
    def test_are_for_who_administers_the_repo(self, site, who, status):
        assert site.browser(who).get(f"/{site.new_repo()}/settings").status_code == status

    def test_of_a_private_repo_are_missing_to_others(self, site):
        assert site.browser("bob").get(f"/{site.new_repo(private=True)}/settings").status_code == 404

    def test_delete_it_when_its_whole_name_is_typed(self, site):
        ref = site.new_repo("dataset")
        alice = site.browser("alice")
        refused = alice.post(f"/{ref}/settings/delete", data={"typed": "yes"})
        assert refused.status_code == 400
        assert str(ref.repo_id) in text_of(refused.text)
        assert made(alice.post(f"/{ref}/settings/delete", data={"typed": str(ref.repo_id)})) == "/datasets"
        assert alice.get(f"/{ref}").status_code == 404

    def test_give_it_another_name_when_the_old_one_is_typed(self, site):
        ref = site.new_repo()
        alice = site.browser("alice")
        old, wanted = str(ref.repo_id), {"new_namespace": "acai", "new_name": f"{ref.repo_id.name}-2"}
        refused = alice.post(f"/{old}/settings/move", data={**wanted, "old_name": "acai"})
        assert refused.status_code == 400
        assert wanted["new_name"] in refused.text  # what was typed stays
        assert (
            made(alice.post(f"/{old}/settings/move", data={**wanted, "old_name": old}))
            == f"/acai/{wanted['new_name']}/settings"
        )
        followed = site.browser("bob").get(f"/{old}/tree/main?x=1")
        assert (followed.status_code, followed.headers["location"]) == (
            307,
            f"/acai/{wanted['new_name']}/tree/main?x=1",
        )

    def test_say_when_the_new_name_is_taken(self, site):
        ref, other = site.new_repo(), site.new_repo()
        data = {"new_namespace": "alice", "new_name": other.repo_id.name, "old_name": str(ref.repo_id)}
        refused = site.browser("alice").post(f"/{ref}/settings/move", data=data)
        assert refused.status_code == 409
        assert f"A model repository called {other.repo_id} already exists" in text_of(refused.text)

    def test_are_not_for_other_sites_to_send(self, site):
        ref = site.new_repo()
        answer = site.browser("alice", Origin="http://evil.example").post(
            f"/{ref}/settings/delete", data={"typed": str(ref.repo_id)}
        )
        assert answer.status_code == 403
        assert site.hub.get_repo(site.viewer("alice"), ref)
