"""Lists of repos: what is shown to whom, what an address chooses, and what each further choice would leave."""

import re
from html import unescape

import pytest

from tests.unit.web.conftest import HTMX, Site, text_of
from viveiro.web.lists import rows_name

CARD = (
    "---\nlanguage: {language}\nlicense: {licence}\npipeline_tag: {task}\nlibrary_name: transformers\n---\n# A model\n"
)


@pytest.fixture(scope="module")
def shelf(site: Site) -> Site:
    """Three models of Alice's, one of them private, and a dataset."""
    for name, language, licence, task, private in (
        ("ipe-small", "pt", "mit", "text-classification", False),
        ("ipe-large", "pt", "apache-2.0", "fill-mask", False),
        ("secret-ipe", "pt", "mit", "text-classification", True),
    ):
        card = CARD.format(language=language, licence=licence, task=task)
        site.new_repo(files={"README.md": card}, name=name, private=private)
    site.new_repo("dataset", name="acerola-tickets")
    return site


def names(html: str) -> list[str]:
    return re.findall(r'<a class="name"[^>]*>([^<]+)</a>', html)


def links(html: str) -> list[str]:
    return [unescape(address) for address in re.findall(r'href="([^"]+)"', html)]


class TestAList:
    def test_shows_a_stranger_what_is_public(self, shelf):
        assert sorted(names(shelf.browser().get("/models").text)) == ["alice/ipe-large", "alice/ipe-small"]

    def test_shows_its_owner_what_is_private_too(self, shelf):
        assert "alice/secret-ipe" in names(shelf.browser("alice").get("/models").text)

    def test_calls_a_task_what_its_reader_calls_it(self, shelf):
        page = shelf.browser(**{"Accept-Language": "pt-BR"}).get("/models").text
        assert re.search(r'class="chip task"[^>]*>Classificação de textos<', page)

    def test_of_datasets_holds_no_models(self, shelf):
        assert names(shelf.browser().get("/datasets").text) == ["alice/acerola-tickets"]

    def test_of_nothing_says_how_to_begin(self, shelf):
        assert "Spaces are small demo apps." in text_of(shelf.browser().get("/spaces").text)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("search=large", ["alice/ipe-large"]),
            ("pipeline_tag=text-classification", ["alice/ipe-small"]),
            ("license=apache-2.0", ["alice/ipe-large"]),
            ("language=pt&license=mit", ["alice/ipe-small"]),
            ("filter=license:mit", ["alice/ipe-small"]),
            ("author=bob", []),
        ],
    )
    def test_is_narrowed_by_its_address(self, shelf, query, expected):
        assert names(shelf.browser().get(f"/models?{query}").text) == expected

    def test_with_nothing_left_offers_the_way_back(self, shelf):
        answer = shelf.browser().get("/models?search=nowhere")
        assert "Nothing fits" in text_of(answer.text)
        assert "/models" in links(answer.text)

    def test_cannot_be_ordered_by_anything(self, shelf):
        answer = shelf.browser().get("/models?sort=colour")
        assert answer.status_code == 400
        assert "trendingScore" in text_of(answer.text)

    def test_walks_on_from_page_to_page_without_losing_its_filters(self, site, monkeypatch):
        monkeypatch.setattr("viveiro.web.lists.PER_PAGE", 1)
        browser = site.browser()
        first = browser.get("/models?search=ipe&sort=createdAt").text
        following = next(link for link in links(first) if "cursor=" in link)
        second = browser.get(following).text
        assert names(first) + names(second) == ["alice/ipe-large", "alice/ipe-small"]

    def test_gives_htmx_the_results_alone(self, shelf):
        answer = shelf.browser().get("/models?search=small", headers=HTMX)
        assert names(answer.text) == ["alice/ipe-small"]
        assert "<html" not in answer.text

    def test_shows_what_was_typed_as_text(self, shelf):
        answer = shelf.browser().get("/models", params={"search": '"><script>alert(1)</script>'})
        assert "<script>alert" not in answer.text


class TestTheCounts:
    def test_are_what_this_viewer_would_see(self, shelf):
        assert "2 repositories" in text_of(shelf.browser().get("/models/-/facets").text)
        assert "3 repositories" in text_of(shelf.browser("alice").get("/models/-/facets").text)

    def test_lead_to_the_list_that_they_count(self, shelf):
        browser = shelf.browser()
        fragment = browser.get("/models/-/facets?language=pt", headers=HTMX).text
        address = next(link for link in links(fragment) if "license=mit" in link)
        assert names(browser.get(address).text) == ["alice/ipe-small"]

    def test_a_choice_that_is_made_leads_back(self, shelf):
        fragment = shelf.browser().get("/models/-/facets?license=mit", headers=HTMX).text
        assert "/models" in links(fragment)

    def test_are_a_page_of_their_own_without_scripts(self, shelf):
        assert "<html" in shelf.browser().get("/models/-/facets").text

    @pytest.mark.parametrize(("language", "named"), [("en", "Portuguese"), ("pt-BR", "Português")])
    def test_call_languages_by_name(self, shelf, language, named):
        browser = shelf.browser(**{"Accept-Language": language})
        assert f">{named}</span>" in browser.get("/models/-/facets", headers=HTMX).text

    @pytest.mark.parametrize(
        ("tag", "told"), [("n<1K", "< 1K"), ("1K<n<10K", "1K-10K"), ("n>1T", "> 1T"), ("many", "many"), ("n", "n")]
    )
    def test_tell_how_many_rows(self, tag, told):
        assert rows_name(tag) == told
