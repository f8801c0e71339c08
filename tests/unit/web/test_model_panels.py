"""What a model's page shows beside its card: scores, a widget, snippets, lineage."""

import json
from typing import Any

import pytest

from tests.unit.training.conftest import Nursery
from tests.unit.web.conftest import Site, text_of
from viveiro.datasets.service import dataset_ref
from viveiro.serving import service
from viveiro.training.service import Run
from viveiro.types import RepoId, RepoRef, Visibility

CARD = """---
pipeline_tag: text-classification
widget:
- text: the pump <b>leaks</b>
model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {name: "GLUE <i>", type: glue}
    metrics: [{type: accuracy, name: Accuracy, value: 0.91234}]
---
# Model
"""


@pytest.fixture(scope="module")
def done(nursery: Nursery) -> Run:
    run = nursery.start(publish="alice/panelled")
    nursery.work(run)
    return nursery.run(run)


def page_of(site: Site, model: RepoRef | str, name: str | None = "alice") -> str:
    answer = site.browser(name).get(f"/{getattr(model, 'repo_id', model)}")
    assert answer.status_code == 200, answer.text
    return answer.text


class TestMetrics:
    def test_a_model_that_a_run_published_stands_beside_its_baselines(self, site: Site, done: Run) -> None:
        told = text_of(page_of(site, "alice/panelled"))
        assert "This model does not beat a simple baseline" in told
        assert "this model" in told
        assert "TF-IDF and a linear model" in told

    def test_of_another_model_the_card_is_quoted_as_text(self, site: Site) -> None:
        page = page_of(site, site.new_repo(files={"README.md": CARD}))
        assert "They were not measured here" in text_of(page)
        assert "Accuracy 0.912 GLUE" in text_of(page)
        assert "GLUE <i>" not in page

    @pytest.mark.parametrize("record", ["{", "[]", "null", json.dumps({"metrics": 1}), '{"primary": NaN}'])
    def test_a_record_that_nobody_can_read_breaks_no_page(self, site: Site, record: str) -> None:
        model = site.new_repo(files={"viveiro_run.json": record, "README.md": CARD})
        assert "They were not measured here" in text_of(page_of(site, model))

    def test_a_record_names_no_run_of_somebody_else(self, site: Site, done: Run) -> None:
        forged: dict[str, Any] = {**(done.result or {}), "run_id": done.id}
        model = site.new_repo(files={"viveiro_run.json": json.dumps(forged)}, owner="bob")
        for name in ("alice", "bob"):
            assert f'href="/runs/{done.id}"' not in page_of(site, model, name)


class TestWidget:
    def test_what_is_not_deployed_can_be_deployed_by_whoever_may(self, site: Site, done: Run) -> None:
        page = page_of(site, "alice/panelled")
        assert "This model is not deployed, so nothing answers yet" in text_of(page)
        assert "viveiro endpoints deploy alice/panelled" in text_of(page)
        assert 'hx-post="/endpoints"' in page

    def test_where_no_model_is_there_is_nothing_to_deploy(self, site: Site) -> None:
        page = page_of(site, site.new_repo(files={"README.md": "A plan."}))
        assert "It holds no model yet" in text_of(page)
        assert 'hx-post="/endpoints"' not in page

    def test_others_are_told_who_may(self, site: Site) -> None:
        model = site.new_repo(files={"README.md": CARD, "config.json": json.dumps({"model_type": "bert"})})
        assert "Whoever may write to it can deploy it" in text_of(page_of(site, model, "bob"))
        assert f'href="/login?next=/{model.repo_id}"' in page_of(site, model, None)
        assert 'hx-post="/endpoints"' not in page_of(site, model, "bob")

    def test_what_is_deployed_can_be_tried(self, site: Site, nursery: Nursery) -> None:
        run = nursery.start(publish="alice/served")
        nursery.work(run)
        service.deploy(site.hub, site.viewer("alice"), RepoId("alice", "served"))
        page = page_of(site, "alice/served")
        assert 'data-address="/models/alice/served"' in page
        assert 'widget.js" defer' in page


class TestSnippets:
    def test_each_client_is_a_choice_that_works_without_scripts(self, site: Site) -> None:
        page = page_of(site, site.new_repo(files={"README.md": CARD}))
        assert page.count('type="radio" name="snippet"') == page.count('for="snippet-') >= 2
        assert page.count("checked") == 1

    def test_the_example_of_the_card_is_quoted_for_its_language(self, site: Site) -> None:
        model = site.new_repo(files={"README.md": CARD})
        page = page_of(site, model)
        assert "&#39;the pump &lt;b&gt;leaks&lt;/b&gt;&#39;" in page
        assert "<b>leaks" not in page


class TestLineage:
    def test_from_the_data_to_the_model(self, site: Site, done: Run) -> None:
        told = text_of(page_of(site, "alice/panelled"))
        assert "Data alice/tickets" in told
        assert "Base alice/encoder" in told
        assert f'href="/runs/{done.id}"' in page_of(site, "alice/panelled")

    def test_runs_are_their_owners_matter(self, site: Site, done: Run) -> None:
        assert f'href="/runs/{done.id}"' not in page_of(site, "alice/panelled", "bob")

    def test_data_that_the_viewer_may_not_see_is_absent(self, site: Site, done: Run, nursery: Nursery) -> None:
        nursery.hub.update_repo(nursery.alice, dataset_ref("alice/tickets"), visibility=Visibility.PRIVATE)
        assert 'href="/datasets/alice/tickets" translate="no"' not in page_of(site, "alice/panelled", "bob")
        nursery.hub.update_repo(nursery.alice, dataset_ref("alice/tickets"), visibility=Visibility.PUBLIC)
