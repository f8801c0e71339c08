"""The page of a model: what its card says, and what is known about it."""

import pytest
from huggingface_hub import HfApi

from tests.unit.web.conftest import text_of

CARD = """---
license: apache-2.0
language: [pt, en]
pipeline_tag: text-classification
base_model: {base}
datasets: [{dataset}]
tags: [factory]
---
# Which press leaks

See [the usage](docs/usage.md). ![curve](img/curve.svg)
"""
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def model(site):
    base = site.new_repo(files={"README.md": "base"})
    secret = site.new_repo("dataset", private=True)
    card = CARD.format(base=base, dataset=secret.repo_id)
    return base, secret, site.new_repo(files={"README.md": card, "weights.txt": "1" * 1234})


class TestTheCard:
    def test_is_shown_with_links_and_pictures_of_the_repo(self, site, model):
        *_, ref = model
        html = site.browser().get(f"/{ref}").text
        assert '<h2 id="card-which-press-leaks">Which press leaks</h2>' in html
        assert f'href="/{ref}/blob/main/docs/usage.md"' in html
        assert f'src="/{ref}/picture/main/img/curve.svg"' in html
        assert "license: apache-2.0" not in html

    def test_of_a_stranger_runs_nothing(self, site):
        ref = site.new_repo(files={"README.md": f"---\nlicense: '{HOSTILE}'\ntags: ['{HOSTILE}']\n---\n{HOSTILE}"})
        assert "<script>alert" not in site.browser().get(f"/{ref}").text

    def test_that_is_missing_is_asked_for(self, site):
        ref = site.new_repo()
        html = site.browser("alice").get(f"/{ref}").text
        assert f'href="/{ref}/new/main/README.md"' in html
        assert f"hf upload {ref.repo_id} . ." in text_of(html)

    def test_that_is_empty_is_edited(self, site):
        ref = site.new_repo(files={"README.md": "---\nlicense: mit\n---\n"})
        assert f'href="/{ref}/edit/main/README.md"' in site.browser("alice").get(f"/{ref}").text

    def test_that_is_missing_is_not_asked_of_strangers(self, site):
        ref = site.new_repo()
        html = site.browser("bob").get(f"/{ref}").text
        assert f"/{ref}/new/" not in html
        assert "hf upload" not in html


class TestFacts:
    def test_name_size_licence_and_relatives(self, site, model):
        base, _, ref = model
        html = site.browser().get(f"/{ref}").text
        text = text_of(html)
        assert f'href="/{base}"' in html
        assert "apache-2.0" in text
        assert "pt, en" in text
        assert "kB" in text

    def test_private_relatives_are_names_only_to_strangers(self, site, model):
        _, secret, ref = model
        assert f'href="/{secret}"' in site.browser("alice").get(f"/{ref}").text
        assert f'href="/{secret}"' not in site.browser("bob").get(f"/{ref}").text

    def test_survive_a_card_of_odd_types(self, site):
        card = "---\nlicense: {a: [1]}\nlanguage: 7\nbase_model: [{}, '../..', 'a/b/c', null]\ndatasets: x\ntags: y\n---\nhi"
        ref = site.new_repo(files={"README.md": card})
        assert site.browser().get(f"/{ref}").status_code == 200


class TestWhoSeesIt:
    def test_a_private_model_is_missing_to_strangers(self, site):
        ref = site.new_repo(private=True)
        assert site.browser("alice").get(f"/{ref}").status_code == 200
        assert site.browser("bob").get(f"/{ref}").status_code == 404
        assert site.browser().get(f"/{ref}").status_code == 404

    def test_a_gated_model_shows_its_name_and_not_its_card(self, site):
        ref = site.new_repo(files={"README.md": "the recipe"})
        site.hub.update_repo(site.viewer("alice"), ref, gated="manual")
        answer = site.browser("bob").get(f"/{ref}")
        assert answer.status_code == 200
        assert "the recipe" not in answer.text
        assert "the recipe" in site.browser("alice").get(f"/{ref}").text

    def test_settings_are_offered_to_whoever_may_change_them(self, site):
        ref = site.new_repo()
        assert f'href="/{ref}/settings"' in site.browser("alice").get(f"/{ref}").text
        assert f'href="/{ref}/settings"' not in site.browser("bob").get(f"/{ref}").text

    def test_a_space_has_a_page_too(self, site):
        ref = site.new_repo("space", files={"README.md": "A small space"})
        assert "A small space" in site.browser().get(f"/{ref}").text


class TestLikes:
    def test_come_and_go_by_a_button(self, site):
        ref = site.new_repo()
        bob = site.browser("bob")
        assert f'action="/{ref}/like"' in bob.get(f"/{ref}").text
        answer = bob.post(f"/{ref}/like", data={"next": f"/{ref}/tree/main"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/{ref}/tree/main")
        assert f'action="/{ref}/unlike"' in bob.get(f"/{ref}").text
        assert f'action="/{ref}/like"' in site.browser("alice").get(f"/{ref}").text
        bob.post(f"/{ref}/unlike")
        assert HfApi(endpoint=site.url, token=False).model_info(str(ref.repo_id)).likes == 0

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"])
    def test_lead_nowhere_else(self, site, elsewhere):
        ref = site.new_repo()
        assert site.browser("bob").post(f"/{ref}/like", data={"next": elsewhere}).headers["location"] == f"/{ref}"

    def test_are_not_given_by_pages_of_other_sites(self, site):
        ref = site.new_repo()
        assert site.browser("bob", Origin="https://evil.example").post(f"/{ref}/like").status_code == 403

    def test_are_not_given_to_what_cannot_be_seen(self, site):
        ref = site.new_repo(private=True)
        assert site.browser("bob").post(f"/{ref}/like").status_code == 404

    def test_take_an_account(self, site):
        ref = site.new_repo()
        assert site.browser().post(f"/{ref}/like").status_code == 401
        assert f"/login?next=%2F{ref.repo_id.namespace}%2F{ref.repo_id.name}" in site.browser().get(f"/{ref}").text


class TestPortuguese:
    def test_is_spoken(self, site):
        ref = site.new_repo()
        text = text_of(site.browser("alice", **{"Accept-Language": "pt-BR"}).get(f"/{ref}").text)
        assert "Cartão do modelo" in text
        assert "Escrever o cartão" in text
