"""The pages of endpoints. Nothing here can start a model: the site has no supervisor."""

from pathlib import Path

import pytest

from tests.unit.ml.tiny import make_classifier
from tests.unit.web.conftest import HTMX, Site, text_of
from viveiro.serving import service
from viveiro.types import RepoRef

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | bytes]:
    """Its files. Its card offers texts to try."""
    folder: Path = make_classifier(tmp_path_factory.mktemp("classifier"), ["pump", "invoice"])
    card = f'---\npipeline_tag: text-classification\nwidget:\n- text: "{HOSTILE}"\n---\n# Classifier\n'
    return {"README.md": card, **{path.name: path.read_bytes() for path in folder.iterdir()}}


@pytest.fixture
def model(site: Site, classifier: dict[str, str | bytes]) -> RepoRef:
    return site.new_repo(files=classifier)


def deploy(site: Site, ref: RepoRef) -> None:
    """Wanted, as by `viveiro endpoints deploy`, and not loaded."""
    service.deploy(site.hub, site.viewer("alice"), ref.repo_id)


class TestList:
    def test_without_endpoints_it_leads_to_the_models(self, fresh_site: Site) -> None:
        page = fresh_site.browser("alice").get("/endpoints")
        assert "No endpoints yet" in text_of(page.text)
        assert 'href="/models"' in page.text

    def test_an_endpoint_says_what_it_serves_and_how_it_does(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        page = site.browser().get("/endpoints")
        assert f'href="/endpoints/{model.repo_id}"' in page.text
        assert f"{model.repo_id} asleep Text classification main" in text_of(page.text)

    def test_a_private_one_is_not_shown_to_others(self, site: Site, classifier: dict[str, str | bytes]) -> None:
        hidden = site.new_repo(files=classifier, private=True)
        deploy(site, hidden)
        assert str(hidden.repo_id) in site.browser("alice").get("/endpoints").text
        for name in ("bob", None):
            assert str(hidden.repo_id) not in site.browser(name).get("/endpoints").text
            assert site.browser(name).get(f"/endpoints/{hidden.repo_id}").status_code == 404


class TestEndpointPage:
    def test_of_a_model_that_is_not_deployed_it_is_missing(self, site: Site, model: RepoRef) -> None:
        answer = site.browser("alice").get(f"/endpoints/{model.repo_id}")
        assert answer.status_code == 404
        assert "No endpoint serves" in text_of(answer.text)

    def test_whoever_may_run_it_can_try_it(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        page = site.browser("bob").get(f"/endpoints/{model.repo_id}").text
        assert f'data-address="/models/{model.repo_id}"' in page
        assert "Undeploy" not in text_of(page)

    def test_a_stranger_is_asked_to_sign_in_and_comes_back(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        page = site.browser().get(f"/endpoints/{model.repo_id}").text
        assert "Running a model takes an account here" in text_of(page)
        assert f'href="/login?next=/endpoints/{model.repo_id}"' in page
        assert "data-address" not in page

    def test_examples_of_the_card_are_text(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        page = site.browser("alice").get(f"/endpoints/{model.repo_id}").text
        assert 'title="&lt;img src=x onerror=alert(1)&gt;"' in page
        assert "<img src=x" not in page

    def test_snippets_ask_this_very_endpoint(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        page = text_of(site.browser("alice").get(f"/endpoints/{model.repo_id}").text)
        assert "InferenceClient curl JavaScript" in page
        assert f"{site.url}/models/{model.repo_id}" in page

    def test_it_says_when_the_model_has_moved_on(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        browser = site.browser("alice")
        assert "newer commit" not in text_of(browser.get(f"/endpoints/{model.repo_id}").text)
        site.commit(model, {"notes.txt": "newer"})
        told = text_of(browser.get(f"/endpoints/{model.repo_id}").text)
        assert "The model has a newer commit than the one that is served. Deploy the newest" in told
        assert "Deploy the newest" not in text_of(site.browser("bob").get(f"/endpoints/{model.repo_id}").text)

    def test_in_portuguese(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        page = site.browser("alice", **{"Accept-Language": "pt-BR"}).get(f"/endpoints/{model.repo_id}")
        assert "Experimente dormindo" in text_of(page.text)


class TestDeploying:
    def test_what_hinders_it_is_told_in_place(self, site: Site, model: RepoRef) -> None:
        answer = site.browser("alice").post("/endpoints", data={"model": str(model.repo_id)}, headers=HTMX)
        assert answer.status_code == 503
        assert answer.text.startswith('<div class="notice error"')
        assert "Start it with: viveiro serve" in text_of(answer.text)
        assert site.browser("alice").get(f"/endpoints/{model.repo_id}").status_code == 404

    def test_a_repo_that_is_no_model_is_refused_with_the_reason(self, site: Site) -> None:
        empty = site.new_repo()
        answer = site.browser("alice").post("/endpoints", data={"model": str(empty.repo_id)})
        assert answer.status_code == 422
        assert "it holds no safetensors" in text_of(answer.text)

    def test_it_takes_write_access(self, site: Site, model: RepoRef) -> None:
        form = {"model": str(model.repo_id)}
        assert site.browser("bob").post("/endpoints", data=form).status_code == 403
        assert site.browser().post("/endpoints", data=form).status_code == 401

    def test_undeploying_takes_write_access_too(self, site: Site, model: RepoRef) -> None:
        deploy(site, model)
        assert site.browser("bob").post(f"/endpoints/{model.repo_id}/undeploy").status_code == 403
        assert site.browser("alice").get(f"/endpoints/{model.repo_id}").status_code == 200
